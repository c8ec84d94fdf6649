/* The steps of a run, as its recipe says; see open_steps.h. */
#include "train/open_steps.h"

#include "base/error.h"
#include "train/batch.h"
#include "train/quantization.h"

weld_train_step_options weld_trainer_step_options(const weld_run_data *d) {
    const weld_recipe *r = &d->recipe;
    return (weld_train_step_options){.height = r->data.preprocessing.height,
                                     .width = r->data.preprocessing.width,
                                     .build_loss = d->task->build_loss,
                                     .drop_path = r->chance.drop_path,
                                     .dropout = r->chance.dropout,
                                     .bn_eval = r->train.bn_eval,
                                     .rates = {.frozen = weld_recipe_frozen_parts(r),
                                               .head_scale = r->optimizer.head_lr_scale,
                                               .layer_decay = r->optimizer.layer_decay},
                                     .dtype = WELD_F32,
                                     .fuse = {.off = !r->train.fuse},
                                     .recompute = (weld_segments)r->train.recompute,
                                     .precision = (weld_precision)r->train.precision,
                                     .quantize = weld_trainer_bits(r),
                                     .threads = d->settings->threads};
}

static weld_optimizer_options optimizer_options(const weld_trainer *t) {
    const weld_recipe *r = &t->data.recipe;
    return (weld_optimizer_options){.method = (weld_method)r->optimizer.name,
                                    .beta1 = r->optimizer.betas[0],
                                    .beta2 = r->optimizer.betas[1],
                                    .eps = r->optimizer.eps,
                                    .alpha = r->optimizer.alpha,
                                    .momentum = r->optimizer.momentum,
                                    .nesterov = r->optimizer.nesterov,
                                    .weight_decay = r->optimizer.weight_decay,
                                    .decay_on = (weld_decay_on)r->optimizer.decay_on,
                                    .clip = r->optimizer.clip,
                                    .clip_mode = (weld_clip_mode)r->optimizer.clip_mode,
                                    .ema = t->ema,
                                    .ema_decay = r->train.ema_decay,
                                    .ema_warmup = r->train.ema_warmup == WELD_RECIPE_WARMUP_ON};
}

weld_status weld_trainer_open_steps(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->data.recipe;
    const weld_loss_options loss = weld_run_data_loss(&t->data);
    weld_optimizer_options optimizer = optimizer_options(t);
    weld_train_step_options options = weld_trainer_step_options(&t->data);
    options.loss = &loss;
    options.seed = (uint64_t)r->train.seed;
    options.optimizer = &optimizer;
    options.update_isa = t->ranks.mixed ? "ref" : NULL;
    int count;
    const weld_batch_shape *shapes = weld_loader_train_shapes(t->data.loader, &count);
    const weld_status status = weld_train_steps_create(&r->model, &options, shapes, count,
                                                       weld_trainer_run_weights(t), t->steps, err);
    if (status) {
        return r->data.size_count ? weld_fail_context(err, status, "data.sizes") : status;
    }
    weld_trainer_take_step(t, 0);
    return weld_sums_create(t->ranks.group, r->train.accumulate, t->steps, count,
                            t->data.settings->threads, &t->sums, err);
}
