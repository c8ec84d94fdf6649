/* An estimate of a run's time; see estimate.h. */
#include "train/estimate.h"

#include <stdio.h>
#include <string.h>

#include "base/locale.h"
#include "base/median.h"

/* Updates that are slower than others, and how many are to be measured then and for how long (of
 * several sizes more, as these differ); or fewer, where they take that long. */
enum { FIRST = 2, MEASURED = 10, MEASURED_SIZES = WELD_ESTIMATE_LATEST, FEW = 3 };
static const double LEAST_SECONDS = 5, FEW_SECONDS = 20;

/* "35 s", "8 min 20 s", "13 h 53 min", "5 days 2 h" */
static const char *duration(double seconds, char *text, size_t size) {
    static const struct {
        double least;
        double unit[2];
        const char *names[2];
    } kinds[] = {{86400, {86400, 3600}, {"days", "h"}},
                 {3600, {3600, 60}, {"h", "min"}},
                 {60, {60, 1}, {"min", "s"}}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const double whole = (double)(int64_t)(seconds / kinds[i].unit[1] + 0.5) * kinds[i].unit[1];
        if (whole >= kinds[i].least) {
            const int64_t large = (int64_t)(whole / kinds[i].unit[0]);
            const int64_t rest =
                (int64_t)((whole - (double)large * kinds[i].unit[0]) / kinds[i].unit[1] + 0.5);
            snprintf(text, size, "%lld %s %lld %s", (long long)large, kinds[i].names[0],
                     (long long)rest, kinds[i].names[1]);
            return text;
        }
    }
    weld_snprintf(text, size, "%.0f s", seconds);
    return text;
}

/* The median, as another program may have had the cpus for a while; of several sizes the mean. */
static double update_seconds(const weld_estimate *e, bool sizes, int64_t measured) {
    double sorted[WELD_ESTIMATE_LATEST];
    memcpy(sorted, e->latest, sizeof sorted);
    return sizes ? (e->last - e->begun) / (double)measured
                 : weld_median(sorted, measured < WELD_ESTIMATE_LATEST ? (size_t)measured
                                                                       : WELD_ESTIMATE_LATEST);
}

bool weld_estimate_update(weld_estimate *e, const weld_train_progress *p, int64_t left, double now,
                          char *text, size_t size) {
    e->epoch = e->updates ? e->epoch : p->epoch;
    e->over = e->over || p->epoch != e->epoch;
    e->updates++;
    const int64_t measured = e->updates - FIRST;
    if (measured > 0) {
        e->latest[(measured - 1) % WELD_ESTIMATE_LATEST] = now - e->last;
    } else {
        e->begun = now;
    }
    e->last = now;
    const double seconds = now - e->begun;
    const bool many = measured >= (p->size ? MEASURED_SIZES : MEASURED) && seconds >= LEAST_SECONDS;
    const bool slow = measured >= FEW && !p->size && seconds >= FEW_SECONDS;
    if (e->over || !(many || slow)) {
        return false;
    }
    char epoch[40], run[40];
    const double update = update_seconds(e, p->size, measured);
    e->over = true;
    snprintf(
        text, size,
        "an epoch takes about %s, the run %s more, without evaluations (by %lld updates)",
        duration(update * (double)p->steps_per_epoch, epoch, sizeof epoch),
        duration(update * (double)left, run, sizeof run),
        (long long)(p->size || measured < WELD_ESTIMATE_LATEST ? measured : WELD_ESTIMATE_LATEST));
    return true;
}
