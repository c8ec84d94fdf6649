/* Opening a training run: recipe, data, folder, network, state; see trainer.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "graph/graph.h"
#include "passes/precision.h"
#include "train/auto_precision.h"
#include "train/events.h"
#include "train/trainer.h"

void weld_trainer_say(const weld_trainer *t, const char *format, ...) {
    const weld_train_callbacks *c = &t->settings->callbacks;
    if (c->message) {
        char text[WELD_ERROR_MESSAGE_SIZE];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        c->message(c->context, text);
    }
}

/* --- Precision --- */

static weld_train_graph_options graph_options(const weld_recipe *r, int64_t batch) {
    return (weld_train_graph_options){
        .batch = batch,
        .input_size = r->data.preprocessing.input_size,
        /* Class weights come after it, so they have it too. */
        .label_smoothing = r->loss.class_weights ? 0 : r->loss.label_smoothing,
        .distillation = (weld_distillation_kind)r->loss.distillation.kind,
        .alpha = r->loss.distillation.alpha,
        .temperature = r->loss.distillation.temperature,
        .bn_eval = r->train.bn_eval,
        .frozen = weld_recipe_frozen_parts(r),
        .dtype = WELD_F32,
        .fuse = {.off = !r->train.fuse},
        .precision = (weld_precision)r->train.precision};
}

/* A run that is resumed goes on as it began: the checkpoint's recipe has what was chosen. */
static weld_status precision_of_start(weld_trainer *t, weld_error *err) {
    const char *text = t->start.recipe;
    weld_recipe *old = weld_alloc(1, sizeof *old);
    if (!old) {
        return weld_fail_memory(err, "recipe");
    }
    weld_status status =
        text ? weld_recipe_parse("last.h5", text, strlen(text), NULL, 0, old, err)
             : weld_fail(err, WELD_ERROR_FORMAT, "last.h5 has no recipe: give train.precision");
    bool was_bf16 = !status && old->train.precision == WELD_PRECISION_BF16;
    t->recipe.train.precision = was_bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32;
    weld_free(old);
    return status;
}

/* Put what `auto` comes to in its place, so that recipe.yaml and checkpoints have it. */
static weld_status choose_precision(weld_trainer *t, weld_error *err) {
    weld_recipe *r = &t->recipe;
    if (r->train.precision != WELD_RECIPE_PRECISION_AUTO) {
        return WELD_OK;
    }
    if (t->resumes) {
        return precision_of_start(t, err);
    }
    weld_train_graph_options options = graph_options(r, r->train.batch_size);
    weld_precision_trial trial;
    weld_status status = weld_precision_try(&r->model, &options, t->settings->threads, &trial, err);
    if (!status) {
        weld_precision chosen = weld_precision_choose(&trial);
        r->train.precision = (int)chosen;
        weld_trainer_say(t,
                         "train.precision auto: %s: a step in bf16 takes %.0f %% of the time of "
                         "one in fp32, its loss is off by %.2g %%, its gradients by %.2g %%",
                         chosen == WELD_PRECISION_BF16 ? "bf16" : "fp32",
                         100 * trial.seconds[1] / trial.seconds[0],
                         100 * fabs(trial.loss[1] / trial.loss[0] - 1),
                         100 * trial.gradients_apart);
    }
    return status;
}

/* --- The network --- */

/* Evaluations of a run in bf16 are in bf16 too: they take a third of a step's time an image. */
static weld_status build_eval_graph(weld_trainer *t, int64_t batch, weld_error *err) {
    const weld_recipe *r = &t->recipe;
    int64_t size = r->data.preprocessing.input_size;
    weld_graph *built;
    weld_status status =
        weld_model_build(&r->model, false, batch, size, size, WELD_F32, &built, err);
    if (status || r->train.precision == WELD_PRECISION_FP32) {
        t->eval_graph = status ? NULL : built;
        return status;
    }
    status = weld_precision_bf16(built, &t->eval_graph, err);
    weld_graph_free(built);
    return status;
}

static weld_status build_graphs(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->recipe;
    int64_t batch = weld_loader_train_batch_size(t->loader);
    weld_train_graph_options options = graph_options(r, batch);
    weld_rate_options rates = {.frozen = options.frozen,
                               .head_scale = r->optimizer.head_lr_scale,
                               .layer_decay = r->optimizer.layer_decay};
    weld_status status = weld_train_graph_build(&r->model, &options, &t->step_graph, err);
    status = status ? status
                    : weld_parameter_rates_create(&r->model, t->step_graph.graph, &rates, &t->rates,
                                                  err);
    return status ? status : build_eval_graph(t, batch, err);
}

static bool go_on(void *arg, int64_t done, int64_t total) {
    const weld_trainer *t = arg;
    const weld_train_callbacks *c = &t->settings->callbacks;
    if (c->evaluated) {
        weld_train_evaluation e = {.epoch = t->state.epoch, .images_done = done, .images = total};
        c->evaluated(c->context, &e);
    }
    bool enough = t->pace && !weld_pace_note(t->pace, done);
    return !enough && (!c->stop || !c->stop(c->context));
}

/* NULL where there are no weights or nothing to evaluate them on. */
static weld_status open_evaluator(weld_trainer *t, weld_weights *weights, weld_evaluator **out,
                                  weld_error *err) {
    weld_evaluator_options options = {.batch_size = weld_loader_train_batch_size(t->loader),
                                      .threads = t->settings->threads,
                                      .bad_image = weld_trainer_say_bad_image,
                                      .progress = go_on,
                                      .arg = t};
    if (!weights || !t->val) {
        return WELD_OK;
    }
    return weld_evaluator_create(t->eval_graph, weights, &t->recipe.data.preprocessing, t->val,
                                 &options, out, err);
}

static weld_status open_sessions(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->recipe;
    int threads = t->settings->threads;
    weld_session_options run = {
        .threads = threads, .seed = (uint64_t)r->train.seed, .node_by_node = !r->train.fuse};
    weld_optimizer_options optimizer = {.method = (weld_method)r->optimizer.name,
                                        .beta1 = r->optimizer.betas[0],
                                        .beta2 = r->optimizer.betas[1],
                                        .eps = r->optimizer.eps,
                                        .momentum = r->optimizer.momentum,
                                        .nesterov = r->optimizer.nesterov,
                                        .weight_decay = r->optimizer.weight_decay,
                                        .clip = r->optimizer.clip,
                                        .clip_mode = (weld_clip_mode)r->optimizer.clip_mode,
                                        .ema = t->ema,
                                        .ema_decay = r->train.ema_decay,
                                        .rates = t->rates,
                                        .threads = threads};
    weld_status status = weld_kernels_select(WELD_F32, NULL, &t->kernels, err);
    optimizer.kernels = t->kernels;
    status = status ? status
                    : weld_session_create(t->step_graph.graph, t->weights, &run, &t->session, err);
    status = status ? status
                    : weld_optimizer_create(t->step_graph.graph, t->weights, &optimizer,
                                            &t->optimizer, err);
    status = status ? status : open_evaluator(t, t->weights, &t->evaluator, err);
    status = status ? status : open_evaluator(t, t->ema, &t->ema_evaluator, err);
    if (!status) {
        weld_session_mark(t->session, weld_graph_output(t->step_graph.graph, "loss"));
        t->gradients = weld_alloc(t->step_graph.parameter_count, sizeof *t->gradients);
        status = t->gradients
                     ? weld_train_graph_gradients(&t->step_graph, t->session, t->gradients, err)
                     : weld_fail_memory(err, "training");
    }
    if (!status && r->train.accumulate > 1) {
        status = weld_gradient_mean_create(t->gradients, t->step_graph.parameter_count, t->kernels,
                                           threads, &t->gradient_mean, err);
    }
    return status;
}

int64_t weld_trainer_effective_batch(const weld_trainer *t) {
    return weld_loader_train_batch_size(t->loader) * t->recipe.train.accumulate;
}

static weld_status make_schedule(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->recipe;
    t->schedule = (weld_schedule){
        .base_lr = weld_schedule_scale(r->optimizer.lr, weld_trainer_effective_batch(t),
                                       r->optimizer.lr_batch),
        .warmup_lr = r->schedule.warmup_lr,
        .min_lr = r->schedule.min_lr,
        .warmup_epochs = r->schedule.warmup_epochs,
        .epochs = r->train.epochs,
        .steps_per_epoch = weld_loader_train_batches(t->loader) / r->train.accumulate,
        .per_epoch = r->schedule.per == 1};
    return t->schedule.steps_per_epoch > 0
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "train.accumulate %lld: an epoch of %s has only %lld batches of %lld "
                           "images: lower it",
                           (long long)r->train.accumulate, r->data.train,
                           (long long)weld_loader_train_batches(t->loader),
                           (long long)weld_loader_train_batch_size(t->loader));
}

/* --- Weights and state: from last.h5, from --init, or new --- */

static weld_status start_state(weld_trainer *t, weld_error *err) {
    if (t->resumes) {
        return weld_trainer_load_last(t, err);
    }
    t->state = (weld_trainer_state){.seed = (uint64_t)t->recipe.train.seed,
                                    .train_images = weld_dataset_count(t->train),
                                    .best_epoch = -1};
    weld_status status = weld_graph_init_weights(t->eval_graph, t->state.seed, &t->weights, err);
    if (!status && t->settings->init) {
        status = weld_trainer_load_init(t, err);
    }
    if (!status && t->recipe.train.ema_decay > 0) { /* it starts as the weights do */
        status = weld_weights_clone(t->weights, &t->ema, err);
    }
    return status;
}

static weld_status open_network(weld_trainer *t, weld_error *err) {
    weld_status status = build_graphs(t, err);
    status = status ? status : start_state(t, err);
    status = status ? status : open_sessions(t, err);
    if (!status && t->resumes) {
        status = weld_trainer_load_moments(t, err);
    }
    weld_model_file_free(&t->start);
    return status;
}

static weld_status open_folder(weld_trainer *t, weld_error *err) {
    const weld_train_settings *s = t->settings;
    weld_status status = weld_run_folder_open(s->out, s->recipe, s->resume, &t->folder, err);
    if (!status && t->folder.holds_checkpoint != t->resumes) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: another training run has just used this folder: start again",
                           t->folder.path);
    }
    return status;
}

/* recipe.yaml stays as the run began. */
static weld_status write_recipe(weld_trainer *t, weld_error *err) {
    return t->folder.holds_checkpoint
               ? WELD_OK
               : weld_file_write(t->folder.recipe, t->recipe_text, strlen(t->recipe_text), err);
}

/* What the run writes, but for checkpoints. */
static weld_status open_files(weld_trainer *t, weld_error *err) {
    weld_status status = write_recipe(t, err);
    status = status
                 ? status
                 : weld_metrics_open(t->folder.metrics, t->state.metrics_bytes, &t->metrics, err);
    return status ? status : weld_events_open(t, err);
}

weld_status weld_trainer_open(weld_trainer *t, const weld_train_settings *settings, bool dry,
                              weld_error *err) {
    *t = (weld_trainer){.settings = settings, .folder = {.lock = -1}};
    weld_status status = weld_trainer_read_recipe(t, err);
    status = status ? status : weld_trainer_open_data(t, err);
    status = status || dry ? status : open_folder(t, err);
    status = status ? status : choose_precision(t, err);
    status = status ? status : weld_recipe_text(&t->recipe, &t->recipe_text, err);
    status = status ? status : weld_trainer_open_distillation(t, err);
    status = status ? status : weld_trainer_open_loader(t, err);
    status = status ? status : make_schedule(t, err);
    status = status ? status : open_network(t, err);
    status = status || dry ? status : open_files(t, err);
    if (status) {
        weld_trainer_close(t);
    }
    return status;
}

void weld_trainer_close(weld_trainer *t) {
    weld_tensorboard_free(t->events);
    weld_metrics_close(t->metrics);
    weld_optimizer_free(t->optimizer);
    weld_evaluator_free(t->evaluator);
    weld_evaluator_free(t->ema_evaluator);
    weld_graph_free(t->eval_graph);
    weld_gradient_mean_free(t->gradient_mean);
    weld_free(t->gradients);
    weld_free(t->rates);
    weld_session_free(t->session);
    weld_train_graph_free(&t->step_graph);
    weld_weights_free(t->weights);
    weld_weights_free(t->ema);
    weld_class_weights_free(t->class_weights);
    weld_loader_free(t->loader);
    weld_bad_images_free(t->bad_images);
    weld_distillation_free(t->distillation);
    weld_free(t->class_names);
    weld_dataset_free(t->val);
    weld_dataset_free(t->train);
    weld_run_folder_close(&t->folder);
    weld_model_file_free(&t->start);
    weld_free(t->recipe_text);
    weld_free(t->init);
    *t = (weld_trainer){.folder = {.lock = -1}};
}
