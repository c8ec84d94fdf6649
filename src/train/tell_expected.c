/* Expected efficiency, told; see tell_expected.h. */
#include "train/tell_expected.h"

#include <math.h>

#include "distributed/expected.h"
#include "train/say.h"

/* What is not measured: how far ranks' times are apart, on hosts of their own and on shared ones,
 * and the seconds of each further message at the same time. */
static const double QUIET = 0.01, SHARED = 0.05, OVERHEAD = 5e-6;

/* More are not told of. */
enum { MOST_RANKS = 1024 };

static weld_update_work work_of(const weld_trainer *t) {
    const int64_t groups = t->data.recipe.train.accumulate;
    const double updates = fmax((double)t->clock.run_steps, 1);
    double seconds = 0;
    for (int i = 0; i < weld_group_size(t->ranks.group); i++) {
        seconds += t->ranks.times[i].seconds;
    }
    return (weld_update_work){.groups = groups,
                              .group = seconds / updates / (double)groups,
                              .after = t->clock.times.optimizer / updates};
}

static void tell(const weld_trainer *t, const weld_update_work *work, const weld_network *network,
                 int ranks) {
    const weld_exchange_load load = weld_sums_load(t->sums);
    const weld_expected quiet = weld_expect_ranks(work, &load, network, ranks, QUIET);
    const weld_expected shared = weld_expect_ranks(work, &load, network, ranks, SHARED);
    weld_train_say(t->data.settings,
                   "%d ranks%s: %.0f %% (%.0f %%) of %d times one's speed; an exchange takes %.3g "
                   "ms, %.0f %% of it behind the backward pass",
                   ranks, ranks == weld_group_size(t->ranks.group) ? ", as here" : "",
                   100 * quiet.efficiency, 100 * shared.efficiency, ranks, 1e3 * quiet.exchange,
                   100 * (1 - quiet.exposed / quiet.exchange));
}

void weld_trainer_tell_expected(const weld_trainer *t, const weld_group_speed *speed) {
    const weld_update_work work = work_of(t);
    const weld_network network = {speed->latency, OVERHEAD, speed->bandwidth};
    const int here = weld_group_size(t->ranks.group);
    weld_train_say(t->data.settings,
                   "expected, where each batch takes %.3g s as here and ranks are %.0f %% apart in "
                   "their time (%.0f %%, on hosts that do other work too):",
                   work.group, 100 * QUIET, 100 * SHARED);
    for (int ranks = 2; ranks <= work.groups && ranks <= MOST_RANKS; ranks *= 2) {
        tell(t, &work, &network, ranks);
        if (ranks < here && here < 2 * ranks) {
            tell(t, &work, &network, here);
        }
    }
    weld_train_say(
        t->data.settings,
        "by arithmetic on these messages and times: ranks that share cores, network cards "
        "or file systems, as more would on one host, are slower");
}
