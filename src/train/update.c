/* One update of the weights: its batches, their loss and gradients, the optimizer; see update.h.
 */
#include "train/update.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "train/batch.h"
#include "train/not_finite.h"
#include "train/times.h"

void weld_trainer_add_seconds(weld_trainer *t, double seconds) {
    t->state.epoch_seconds += seconds;
    t->state.elapsed_seconds += seconds;
    t->clock.run_seconds += seconds;
}

/* What the batches of an update come to. */
typedef struct sums {
    int64_t samples;
    int size;    /* of their images, where there are several; else 0 */
    double loss; /* of all samples */
    double parts[WELD_LOSS_PARTS_MAX], counts[WELD_COUNTS_MAX];
    double data_seconds;
    weld_train_times times;
} sums;

static void add_batch_times(const weld_batch *batch, double begin, double known, sums *s) {
    const weld_train_times times = {.wait = batch->wait_seconds,
                                    .decode = batch->decode_seconds,
                                    .augment = batch->augment_seconds,
                                    .forward = known - begin,
                                    .backward = weld_clock() - known};
    weld_times_add(&s->times, &times);
}

/* Those of the latest batch's loss, `count` times. */
static void add_parts(const weld_trainer *t, double count, double *parts) {
    for (int i = 0; t->data.task->loss_parts[i]; i++) {
        char name[64];
        snprintf(name, sizeof name, "loss_%s", t->data.task->loss_parts[i]);
        parts[i] += count * weld_train_step_output(t->step, name);
    }
}

/* What the latest batch had of it. */
static void add_counts(const weld_trainer *t, double *counts) {
    for (int i = 0; t->data.task->counts[i]; i++) {
        counts[i] += weld_train_step_output(t->step, t->data.task->counts[i]);
    }
}

/* One batch: its data, its loss, its gradients. */
static weld_status run_batch(weld_trainer *t, int64_t number, sums *s, weld_error *err) {
    weld_batch batch;
    double begin = weld_clock();
    WELD_TRY(weld_trainer_load_batch(t, number, &batch, err));
    double loaded = weld_clock();
    WELD_TRY(weld_trainer_ask_teacher(t, &batch, err));
    double taught = weld_clock();
    s->data_seconds += loaded - begin;
    s->times.teacher += t->data.distillation ? taught - loaded : 0;
    double loss = weld_train_step_run(t->step, weld_trainer_run_number(t, number));
    if (!isfinite(loss)) {
        return weld_trainer_fail_not_finite(t, number, err);
    }
    weld_train_step_move_statistics(t->step);
    add_batch_times(&batch, taught, t->step->loss_known, s);
    s->samples += batch.count;
    s->size = t->data.recipe.data.size_count ? batch.height : 0;
    s->loss += loss * (double)batch.count;
    add_parts(t, (double)batch.count, s->parts);
    add_counts(t, s->counts);
    return WELD_OK;
}

weld_status weld_trainer_update(weld_trainer *t, weld_step_metrics *row, weld_error *err) {
    sums s = {.samples = 0};
    double begin = weld_clock();
    for (int64_t i = t->share.first; i < t->share.first + t->share.count; i++) {
        WELD_TRY(run_batch(t, i, &s, err));
    }
    double computed = weld_clock(),
           lr = weld_schedule_rate(&t->schedule, t->state.epoch, t->state.step,
                                   t->state.plateau_reductions);
    weld_train_step_update(t->step, lr);
    double end = weld_clock(), seconds = end - begin;
    s.times.optimizer = end - computed;

    t->state.step++;
    t->state.position++;
    t->state.epoch_samples += s.samples;
    t->state.epoch_loss += s.loss;
    t->clock.data_seconds += s.data_seconds;
    weld_times_add(&t->clock.times, &s.times);
    t->clock.run_steps++;
    weld_trainer_add_seconds(t, seconds);
    for (int i = 0; i < WELD_LOSS_PARTS_MAX; i++) {
        t->state.epoch_loss_parts[i] += s.parts[i];
        s.parts[i] /= (double)s.samples;
    }
    for (int i = 0; i < WELD_COUNTS_MAX; i++) {
        t->state.epoch_counts[i] += s.counts[i];
    }
    *row = (weld_step_metrics){.epoch = t->state.epoch,
                               .step = t->state.step,
                               .size = s.size,
                               .loss = s.loss / (double)s.samples,
                               .lr = lr,
                               .task = t->data.task,
                               .images_per_second = (double)s.samples / fmax(seconds, 1e-9),
                               .data_seconds = s.data_seconds,
                               .times = s.times};
    memcpy(row->parts, s.parts, sizeof row->parts);
    memcpy(row->counts, s.counts, sizeof row->counts);
    return WELD_OK;
}
