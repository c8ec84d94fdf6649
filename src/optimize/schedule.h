/* The learning rate of every update: linear warm-up, then half a cosine. */
#ifndef WELD_OPTIMIZE_SCHEDULE_H
#define WELD_OPTIMIZE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct weld_schedule {
    double base_lr;       /* already scaled to the batch */
    double warmup_lr;     /* rate of the first update */
    double min_lr;        /* what the cosine falls to */
    double warmup_epochs; /* may be a fraction */
    int64_t epochs, steps_per_epoch;
    bool per_epoch; /* hold the rate through an epoch, as the reference implementation does */
} weld_schedule;

/* The linear scaling rule (Goyal et al. 2017): lr for batches of `lr_batch`, scaled to `batch`.
 * lr_batch 0 leaves lr as it is. */
double weld_schedule_scale(double lr, int64_t batch, int64_t lr_batch);

/* The rate of the update that follows `updates` earlier ones. With t = updates, and T and W the
 * updates of the whole run and of the warm-up:
 *     t < W: warmup_lr + (base - warmup_lr) t / W
 *     else:  min_lr + (base - min_lr) (1 + cos(pi t / T)) / 2
 * (SGDR, Loshchilov and Hutter 2017, one period; the phase counts from the start of the warm-up).
 * per_epoch: the same formula counted in epochs, one behind: epochs 0 and 1 both have t = 0. */
double weld_schedule_rate(const weld_schedule *s, int64_t updates);

#endif
