/* How long an epoch and the run will take, told once, as soon as the first updates show it. */
#ifndef WELD_TRAIN_ESTIMATE_H
#define WELD_TRAIN_ESTIMATE_H

#include "weld/train.h"

enum { WELD_ESTIMATE_LATEST = 30 };

/* Start with all zero. */
typedef struct weld_estimate {
    int64_t updates; /* that were seen, of the epoch of the first */
    int64_t epoch;
    double begun, last; /* when the first ones, which are slower, were over, and the last one */
    double latest[WELD_ESTIMATE_LATEST]; /* seconds of the updates since, going round */
    bool over;                           /* it was told, or the epoch ended before and told more */
} weld_estimate;

/* After an update that ended at `now` (seconds of any clock), with `left` more in the run: true,
 * once, where `text` now says how long it takes. Evaluations are not in it. */
bool weld_estimate_update(weld_estimate *e, const weld_train_progress *p, int64_t left, double now,
                          char *text, size_t size);

#endif
