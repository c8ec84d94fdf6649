/* One update of the weights: a batch, its loss and gradients, the optimizer; see trainer.h. */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "train/trainer.h"

void weld_trainer_add_seconds(weld_trainer *t, double seconds) {
    t->state.epoch_seconds += seconds;
    t->state.elapsed_seconds += seconds;
    t->run_seconds += seconds;
}

weld_status weld_trainer_update(weld_trainer *t, weld_step_metrics *row, weld_error *err) {
    weld_batch batch;
    float *images = weld_session_input(t->session, "images").data;
    float *target = weld_session_input(t->session, "target").data;
    double begin = weld_clock();
    weld_status status = weld_loader_train_batch(t->loader, (uint32_t)t->state.epoch,
                                                 t->state.position, images, target, &batch, err);
    if (status) {
        return status;
    }
    double loaded = weld_clock();
    weld_session_run(t->session, (uint64_t)t->state.step + 1);
    double loss = *(const float *)weld_session_output(t->session, "loss").data;
    if (!isfinite(loss)) {
        return weld_trainer_fail_not_finite(t, err);
    }
    double lr = weld_schedule_rate(&t->schedule, t->state.step);
    weld_optimizer_step(t->optimizer, t->gradients, lr);
    double seconds = weld_clock() - begin;

    t->state.step++;
    t->state.position++;
    t->state.epoch_samples += batch.count;
    t->state.epoch_loss += loss * (double)batch.count;
    t->epoch_data_seconds += loaded - begin;
    t->run_steps++;
    weld_trainer_add_seconds(t, seconds);
    *row = (weld_step_metrics){.epoch = t->state.epoch,
                               .step = t->state.step,
                               .loss = loss,
                               .lr = lr,
                               .images_per_second = (double)batch.count / fmax(seconds, 1e-9),
                               .data_seconds = loaded - begin};
    return WELD_OK;
}
