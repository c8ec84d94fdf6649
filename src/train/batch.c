/* The batches of a run; see batch.h. */
#include "train/batch.h"

#include "base/error.h"

uint64_t weld_trainer_run_number(const weld_trainer *t, int64_t batch) {
    return (uint64_t)(t->state.step * t->data.recipe.train.accumulate + batch + 1);
}

void weld_trainer_take_step(weld_trainer *t, int shape) {
    const weld_task *task = t->data.task;
    t->step = t->steps[shape];
    for (int i = 0; task->inputs[i]; i++) {
        t->inputs[i] = weld_train_step_input(t->step, task->inputs[i]).data;
    }
    t->teacher = weld_train_step_input(t->step, "teacher");
}

/* What this process loads after a batch of the update: the next of its share, or the first of that
 * in the next update, or epoch. */
static weld_batch_number batch_after(weld_trainer *t, int64_t number) {
    const weld_groups share = t->share;
    const int64_t of_update = t->data.recipe.train.accumulate, position = t->state.position;
    const uint32_t epoch = (uint32_t)t->state.epoch;
    if (number + 1 < share.first + share.count) {
        return (weld_batch_number){epoch, position * of_update + number + 1};
    }
    return position + 1 < weld_loader_train_updates(t->data.loader, epoch)
               ? (weld_batch_number){epoch, (position + 1) * of_update + share.first}
               : (weld_batch_number){epoch + 1, share.first};
}

/* By this function of the loader: its images. */
static weld_status load_images(weld_trainer *t, int64_t number,
                               weld_status (*load)(weld_loader *l, uint32_t epoch, int64_t batch,
                                                   const weld_batch_number *next, float *images,
                                                   weld_batch *out, weld_error *err),
                               weld_batch *out, weld_error *err) {
    const weld_run_data *d = &t->data;
    const int64_t in_epoch = t->state.position * d->recipe.train.accumulate + number;
    const uint32_t epoch = (uint32_t)t->state.epoch;
    const weld_batch_number next = batch_after(t, number);
    weld_trainer_take_step(t, weld_loader_train_shape(d->loader, epoch, in_epoch));
    WELD_TRY(load(d->loader, epoch, in_epoch, &next, t->step->images.data, out, err));
    return d->met_lost ? weld_fail_memory(err, "bad images") : WELD_OK;
}

weld_status weld_trainer_load_batch(weld_trainer *t, int64_t number, weld_batch *out,
                                    weld_error *err) {
    WELD_TRY(load_images(t, number, weld_loader_train_batch, out, err));
    t->data.task->targets_fill(t->data.targets, out, t->inputs);
    return WELD_OK;
}

weld_status weld_trainer_load_unmixed(weld_trainer *t, int64_t number, weld_batch *out,
                                      weld_error *err) {
    return load_images(t, number, weld_loader_unmixed_batch, out, err);
}

weld_status weld_trainer_ask_teacher(weld_trainer *t, const weld_batch *batch, weld_error *err) {
    return t->data.distillation ? weld_distillation_fill(t->data.distillation, batch,
                                                         t->step->images.data, t->teacher.data, err)
                                : WELD_OK;
}
