/* One update of the weights: its batches, their loss and gradients, the optimizer; see trainer.h.
 */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "train/times.h"
#include "train/trainer.h"

void weld_trainer_add_seconds(weld_trainer *t, double seconds) {
    t->state.epoch_seconds += seconds;
    t->state.elapsed_seconds += seconds;
    t->run_seconds += seconds;
}

int64_t weld_trainer_loader_batch(const weld_trainer *t, int64_t batch) {
    return t->state.position * t->recipe.train.accumulate + batch;
}

uint64_t weld_trainer_run_number(const weld_trainer *t, int64_t batch) {
    return (uint64_t)(t->state.step * t->recipe.train.accumulate + batch + 1);
}

/* What the batches of an update come to. */
typedef struct sums {
    int64_t samples;
    double loss; /* of all samples */
    double data_seconds;
    weld_train_times times;
} sums;

float *weld_trainer_targets(const weld_trainer *t) {
    return t->class_weights ? weld_class_weights_targets(t->class_weights)
                            : weld_session_input(t->session, "target").data;
}

weld_status weld_trainer_load_batch(weld_trainer *t, int64_t number, weld_batch *out,
                                    weld_error *err) {
    float *images = weld_session_input(t->session, "images").data;
    weld_status status = weld_loader_train_batch(t->loader, (uint32_t)t->state.epoch,
                                                 weld_trainer_loader_batch(t, number), images,
                                                 weld_trainer_targets(t), out, err);
    if (!status && t->class_weights) {
        weld_class_weights_apply(t->class_weights, weld_session_input(t->session, "target").data);
    }
    return status ? status : weld_bad_images_check(t->bad_images, weld_dataset_path(t->train), err);
}

weld_status weld_trainer_ask_teacher(weld_trainer *t, const weld_batch *batch, weld_error *err) {
    if (!t->distillation) {
        return WELD_OK;
    }
    const float *images = weld_session_input(t->session, "images").data;
    return weld_distillation_fill(t->distillation, batch, images,
                                  weld_session_input(t->session, "teacher").data, err);
}

static void add_batch_times(const weld_batch *batch, double begin, double known, sums *s) {
    const weld_train_times times = {.wait = batch->wait_seconds,
                                    .decode = batch->decode_seconds,
                                    .augment = batch->augment_seconds,
                                    .forward = known - begin,
                                    .backward = weld_clock() - known};
    weld_times_add(&s->times, &times);
}

/* One batch: its data, its loss, its gradients. */
static weld_status run_batch(weld_trainer *t, int64_t number, sums *s, weld_error *err) {
    weld_batch batch;
    double begin = weld_clock();
    weld_status status = weld_trainer_load_batch(t, number, &batch, err);
    double loaded = weld_clock();
    status = status ? status : weld_trainer_ask_teacher(t, &batch, err);
    if (status) {
        return status;
    }
    double taught = weld_clock();
    s->data_seconds += loaded - begin;
    s->times.teacher += t->distillation ? taught - loaded : 0;
    weld_session_run(t->session, weld_trainer_run_number(t, number));
    double loss = *(const float *)weld_session_output(t->session, "loss").data;
    if (!isfinite(loss)) {
        return weld_trainer_fail_not_finite(t, number, err);
    }
    if (t->gradient_mean) {
        weld_gradient_mean_add(t->gradient_mean);
    }
    add_batch_times(&batch, taught, weld_session_marked(t->session), s);
    s->samples += batch.count;
    s->loss += loss * (double)batch.count;
    return WELD_OK;
}

weld_status weld_trainer_update(weld_trainer *t, weld_step_metrics *row, weld_error *err) {
    sums s = {.samples = 0};
    double begin = weld_clock();
    for (int64_t i = 0; i < t->recipe.train.accumulate; i++) {
        weld_status status = run_batch(t, i, &s, err);
        if (status) {
            return status;
        }
    }
    double computed = weld_clock(), lr = weld_schedule_rate(&t->schedule, t->state.step);
    t->last_gradients = t->gradient_mean ? weld_gradient_mean_take(t->gradient_mean) : t->gradients;
    weld_optimizer_step(t->optimizer, t->last_gradients, lr);
    double end = weld_clock(), seconds = end - begin;
    s.times.optimizer = end - computed;

    t->state.step++;
    t->state.position++;
    t->state.epoch_samples += s.samples;
    t->state.epoch_loss += s.loss;
    t->epoch_data_seconds += s.data_seconds;
    weld_times_add(&t->epoch_times, &s.times);
    t->run_steps++;
    weld_trainer_add_seconds(t, seconds);
    *row = (weld_step_metrics){.epoch = t->state.epoch,
                               .step = t->state.step,
                               .loss = s.loss / (double)s.samples,
                               .lr = lr,
                               .images_per_second = (double)s.samples / fmax(seconds, 1e-9),
                               .data_seconds = s.data_seconds,
                               .times = s.times};
    return WELD_OK;
}
