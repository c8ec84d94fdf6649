/* Expected efficiency of several ranks; see expected.h. */
#include "distributed/expected.h"

#include <math.h>

#include "distributed/shares.h"

/* The integral of P(largest > x) above 0 less that of P(largest < x) below it. */
double weld_largest_normal(int count) {
    const double step = 0.01, far = 10;
    double sum = 0;
    for (double x = step / 2; x < far; x += step) {
        const double above = pow(0.5 * erfc(-x * sqrt(0.5)), count);
        const double below = pow(0.5 * erfc(x * sqrt(0.5)), count);
        sum += step * (1 - above - below);
    }
    return sum;
}

/* The most nodes that a rank's share comes to. */
static int most_nodes(int64_t groups, int ranks) {
    weld_groups nodes[WELD_TREE_NODES];
    int most = 1;
    for (int rank = 0; rank < ranks; rank++) {
        const int count = weld_tree_share(groups, weld_share_of(groups, ranks, rank), nodes);
        most = count > most ? count : most;
    }
    return most;
}

/* To send so many bytes of each node and get as many of means, in so many buckets. */
static double seconds_of(double bytes, int buckets, int nodes, const weld_network *n, int ranks) {
    const double others = ranks - 1, message = n->latency + others * n->overhead;
    return (nodes + 1) * bytes * others / (ranks * n->bandwidth) + 2 * buckets * message;
}

static double exposed_of(const weld_exchange_load *x, double exchange, double last) {
    double exposed = last;
    for (int i = 0; i < x->moment_count; i++) {
        const weld_to_send *m = &x->moments[i];
        exposed = fmax(exposed, m->bytes / x->bytes * exchange - m->lead);
    }
    return exposed;
}

weld_expected weld_expect_ranks(const weld_update_work *w, const weld_exchange_load *x,
                                const weld_network *n, int ranks, double apart) {
    const int nodes = most_nodes(w->groups, ranks);
    const double share = (double)weld_share_of(w->groups, ranks, 0).count * w->group;
    const double exchange = seconds_of(x->bytes, x->buckets, nodes, n, ranks);
    const double exposed = exposed_of(x, exchange, seconds_of(x->last, 1, nodes, n, ranks));
    const double update = share * (1 + apart * weld_largest_normal(ranks)) + exposed + w->after;
    return (weld_expected){.exchange = exchange,
                           .exposed = exposed,
                           .update = update,
                           .efficiency =
                               ((double)w->groups * w->group + w->after) / (ranks * update)};
}
