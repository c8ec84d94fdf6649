/* The learning rate of every update; see schedule.h. */
#include "optimize/schedule.h"

#include <math.h>

double weld_schedule_scale(double lr, int64_t batch, int64_t lr_batch) {
    return lr_batch > 0 ? lr * (double)batch / (double)lr_batch : lr;
}

double weld_schedule_rate(const weld_schedule *s, int64_t updates) {
    double steps = (double)s->steps_per_epoch;
    double t = (double)updates, total = (double)s->epochs * steps,
           warmup = s->warmup_epochs * steps;
    if (s->per_epoch) {
        int64_t epoch = updates / s->steps_per_epoch;
        t = epoch > 0 ? (double)(epoch - 1) : 0.0;
        total = (double)s->epochs;
        warmup = s->warmup_epochs;
    }
    if (t < warmup) {
        return s->warmup_lr + (s->base_lr - s->warmup_lr) * t / warmup;
    }
    return s->min_lr +
           0.5 * (s->base_lr - s->min_lr) * (1.0 + cos(3.14159265358979323846 * t / total));
}
