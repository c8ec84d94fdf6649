/* What several ranks are expected to come to, by arithmetic on what was measured with some of them.
 *
 * T: a rank's groups of an update.
 *
 * u: what all do after them, the same (the optimizer).
 *
 * C: an exchange. Each rank sends (n + 1) S (k - 1) / k bytes, where a share comes to n nodes of
 * the tree, mostly one; every bucket takes two latencies and two messages from each other.
 *
 * e: what of C is left when the last backward pass ends: what must still be sent at any moment,
 * less the time there is for it, and at least the last bucket's exchange.
 *
 * s: how far ranks' T are apart, as a part of T; all wait for the largest of k.
 *
 * An update takes T (1 + s g(k)) + e + u, with g(k) the mean of the largest of k draws of a
 * normal distribution. Not counted: many senders at one network card, reads of data by all at once.
 */
#ifndef WELD_DISTRIBUTED_EXPECTED_H
#define WELD_DISTRIBUTED_EXPECTED_H

#include <stdint.h>

typedef struct weld_network {
    double latency;   /* seconds of a small message */
    double overhead;  /* seconds more of each further one at the same time */
    double bandwidth; /* bytes a second that a rank sends, while it gets as many */
} weld_network;

/* So many bytes of gradients are not yet on their way when the last group's backward pass has so
 * many seconds to go. */
typedef struct weld_to_send {
    double bytes, lead;
} weld_to_send;

typedef struct weld_exchange_load {
    double bytes, last; /* of all gradients; of those in the last bucket */
    int buckets;
    const weld_to_send *moments;
    int moment_count;
} weld_exchange_load;

typedef struct weld_update_work {
    int64_t groups; /* of an update */
    double group;   /* seconds of one, with its data */
    double after;   /* u */
} weld_update_work;

typedef struct weld_expected {
    double exchange, exposed; /* seconds: C, e */
    double update;            /* seconds, all of it */
    double efficiency;        /* 1: as many times the work of one rank as there are ranks */
} weld_expected;

weld_expected weld_expect_ranks(const weld_update_work *w, const weld_exchange_load *x,
                                const weld_network *n, int ranks, double apart);

/* g(k) */
double weld_largest_normal(int count);

#endif
