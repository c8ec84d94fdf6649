/* Opening a training run: recipe, data, folder, network, state; see trainer_open.h. */
#include "train/trainer_open.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "distributed/shares.h"
#include "formats/file.h"
#include "recipe/duration.h"
#include "train/auto_precision.h"
#include "train/batch.h"
#include "train/checkpoint.h"
#include "train/evaluation.h"
#include "train/events.h"
#include "train/load_init.h"
#include "train/open_steps.h"
#include "train/pace.h"
#include "train/quantization.h"
#include "train/resume.h"
#include "train/say.h"
#include "train/start_ranks.h"

/* What train.time is measured with: so much of it, up to so many seconds. */
static const double MEASURED_PART = 0.01, MEASURED_MOST = 20;

/* A run, all of it but what it writes, and that to be measured and thrown away. */
typedef enum open_as { OPEN_TO_RUN, OPEN_DRY, OPEN_ON_TRIAL } open_as;

/* --- Precision --- */

/* A run that is resumed goes on as it began: the checkpoint's recipe has what was chosen. To be
 * released with weld_free. */
static weld_status recipe_of_start(const weld_trainer *t, weld_recipe **out, weld_error *err) {
    const char *text = t->data.start_file.recipe;
    *out = NULL;
    if (!text) {
        return weld_fail(err, WELD_ERROR_FORMAT, "last.h5 has no recipe: it cannot be resumed");
    }
    *out = weld_alloc(1, sizeof **out);
    return *out ? weld_recipe_parse("last.h5", text, strlen(text), NULL, 0, *out, err)
                : weld_fail_memory(err, "recipe");
}

static weld_status precision_of_start(weld_trainer *t, weld_error *err) {
    weld_recipe *old;
    weld_status status = recipe_of_start(t, &old, err);
    bool was_bf16 = !status && old->train.precision == WELD_PRECISION_BF16;
    t->data.recipe.train.precision = was_bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32;
    weld_free(old);
    return status;
}

/* Put what `auto` comes to in its place, so that recipe.yaml and checkpoints have it. */
static weld_status choose_precision(weld_trainer *t, weld_error *err) {
    weld_recipe *r = &t->data.recipe;
    if (r->train.precision != WELD_RECIPE_PRECISION_AUTO) {
        return WELD_OK;
    }
    if (t->data.resumes) {
        return precision_of_start(t, err);
    }
    const weld_loss_options loss = weld_run_data_loss(&t->data);
    weld_train_step_options options = weld_trainer_step_options(&t->data);
    options.batch = r->train.batch_size;
    options.loss = &loss;
    weld_precision_trial trial;
    WELD_TRY(weld_precision_try(&r->model, &options, &trial, err));
    weld_precision chosen = weld_precision_choose(&trial);
    r->train.precision = (int)chosen;
    char loss_off[WELD_NUMBER_SIZE], gradients_off[WELD_NUMBER_SIZE];
    weld_train_say(t->data.settings,
                   "train.precision auto: %s: a step in bf16 takes %.0f %% of the time of "
                   "one in fp32, its loss is off by %s, its gradients by %s",
                   chosen == WELD_PRECISION_BF16 ? "bf16" : "fp32",
                   100 * trial.seconds[1] / trial.seconds[0],
                   weld_percent_text(fabs(trial.loss[1] / trial.loss[0] - 1), loss_off),
                   weld_percent_text(trial.gradients_apart, gradients_off));
    return WELD_OK;
}

/* --- The time that a run may take --- */

static weld_status open(weld_trainer *t, const weld_train_settings *settings, open_as as,
                        weld_error *err);

/* What a run that is begun and thrown away says of the time of others. */
typedef struct pace {
    double epoch; /* seconds, with its share of evaluations... */
    double end;   /* ...and of the only one, where that is at the end */
} pace;

/* What the rank that has most to do has of an update. */
static double largest_share(const weld_trainer *t) {
    const int64_t groups = t->data.recipe.train.accumulate;
    return (double)weld_share_of(groups, weld_group_size(t->ranks.group), 0).count / (double)groups;
}

static weld_status measure_pace(const weld_trainer *t, double budget, pace *out, weld_error *err) {
    const int64_t every = t->data.recipe.train.eval_every;
    weld_train_settings settings = *t->data.settings;
    weld_train_plan plan = {.steps = 0};
    weld_trainer *trial = weld_alloc(1, sizeof *trial);
    if (!trial) {
        return weld_fail_memory(err, "train.time");
    }
    trial->record.folder.lock = -1;
    settings.resume = false;
    settings.group = NULL;
    settings.callbacks = (weld_train_callbacks){.context = settings.callbacks.context,
                                                .stop = settings.callbacks.stop};
    weld_status status = open(trial, &settings, OPEN_ON_TRIAL, err);
    status = status ? status
                    : weld_trainer_measure(trial, fmin(MEASURED_PART * budget, MEASURED_MOST),
                                           &plan, err);
    plan.step_seconds *= largest_share(t);
    plan.evaluation_seconds /= weld_group_size(t->ranks.group);
    *out = (pace){.end = every ? 0 : plan.evaluation_seconds};
    if (!status) {
        out->epoch = plan.step_seconds * trial->schedule.steps_per_epoch +
                     (every ? plan.evaluation_seconds / (double)every : 0);
    }
    weld_trainer_close(trial);
    weld_free(trial);
    return status;
}

static void say_fitted(const weld_trainer *t, double epoch, bool fits, int64_t was) {
    const weld_recipe *r = &t->data.recipe;
    weld_train_say(t->data.settings,
                   "train.time %s: an epoch takes %.3g s with its evaluation%s: %lld epochs, with "
                   "the schedule fitted to them (the recipe says %lld)",
                   r->train.time, epoch, fits ? "" : ", which is more than that",
                   (long long)weld_recipe_epochs(r), (long long)was);
}

/* What was fitted when the run began. */
static weld_status keep_fitted(weld_trainer *t, const weld_recipe *old, weld_error *err) {
    weld_recipe *r = &t->data.recipe;
    if (strcmp(old->train.time, r->train.time) != 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "train.time: the run began with %s, but now it is %s: resume with what it "
                         "began with, or train into another --out",
                         *old->train.time ? old->train.time : "null", r->train.time);
    }
    const int64_t asked = r->train.epochs;
    weld_recipe_fit_as(r, old);
    r->train.epochs = t->data.settings->extend ? asked : r->train.epochs;
    return WELD_OK;
}

/* Put what train.time comes to in the place of epochs, so that recipe.yaml and checkpoints have it.
 */
static weld_status fit_to_time(weld_trainer *t, weld_error *err) {
    weld_recipe *r = &t->data.recipe, *old;
    const int64_t was = weld_recipe_epochs(r);
    double budget;
    pace measured;
    if (!r->train.time[0] || !weld_duration_read(r->train.time, &budget)) {
        return WELD_OK;
    }
    if (t->data.resumes) {
        weld_status status = recipe_of_start(t, &old, err);
        status = status ? status : keep_fitted(t, old, err);
        weld_free(old);
        return status;
    }
    WELD_TRY(measure_pace(t, budget, &measured, err));
    const double fit = floor((budget - measured.end) / fmax(measured.epoch, 1e-9));
    weld_recipe_fit(r, (int64_t)fmin(fmax(fit, 1), WELD_MAX_EPOCHS));
    say_fitted(t, measured.epoch, fit >= 1, was);
    return WELD_OK;
}

/* --- The schedule --- */

static void make_schedule(weld_trainer *t) {
    const weld_recipe *r = &t->data.recipe;
    t->updates = weld_run_data_updates(&t->data, weld_recipe_epochs(r));
    t->schedule = (weld_schedule){
        .name = (weld_schedule_name)r->schedule.name,
        .base_lr = weld_schedule_scale(r->optimizer.lr, weld_run_data_update_images(&t->data),
                                       r->optimizer.lr_batch),
        .warmup_lr = r->schedule.warmup_lr,
        .min_lr = r->schedule.min_lr,
        .warmup_epochs = r->schedule.warmup_epochs,
        .decay_rate = r->schedule.decay_rate,
        .decay_epochs = r->schedule.decay_epochs,
        .patience_epochs = r->schedule.patience_epochs,
        .epochs = r->train.epochs,
        .cooldown_epochs = r->schedule.cooldown_epochs,
        .steps_per_epoch = (double)t->updates / (double)weld_recipe_epochs(r),
        .per = (weld_schedule_per)r->schedule.per};
}

/* --- The moving average --- */

static weld_status average_of_start(weld_trainer *t, weld_error *err) {
    weld_recipe *old;
    weld_status status = recipe_of_start(t, &old, err);
    t->data.recipe.train.ema_warmup = status ? WELD_RECIPE_WARMUP_AUTO : old->train.ema_warmup;
    weld_free(old);
    return status;
}

/* Put what train.ema_warmup auto comes to in its place, as with the precision. */
static weld_status choose_average(weld_trainer *t, weld_error *err) {
    weld_recipe *r = &t->data.recipe;
    if (r->train.ema_warmup != WELD_RECIPE_WARMUP_AUTO) {
        return WELD_OK;
    }
    if (t->data.resumes) {
        return average_of_start(t, err);
    }
    const double decay = r->train.ema_decay, left = decay > 0 ? pow(decay, (double)t->updates) : 0;
    const bool is_short = left > WELD_SPOILS_AVERAGE;
    r->train.ema_warmup = is_short ? WELD_RECIPE_WARMUP_ON : WELD_RECIPE_WARMUP_OFF;
    if (is_short) {
        char share[WELD_NUMBER_SIZE];
        weld_train_say(t->data.settings,
                       "train.ema_warmup auto: true: with train.ema_decay %g alone %s of the "
                       "average would be what it started from after the run's %lld %s",
                       decay, weld_percent_text(left, share), (long long)t->updates,
                       weld_plural(t->updates, "update", "updates"));
    }
    return WELD_OK;
}

/* --- Going on to more epochs --- */

/* What becomes of the rate where a run goes on to more epochs than it was begun for. */
static void say_extension(const weld_trainer *t) {
    const weld_trainer_state *s = &t->state;
    weld_schedule before = t->schedule;
    before.epochs = t->extended_from;
    if (t->extended_from && s->step > 0) {
        weld_train_say(t->data.settings,
                       "%s: extended from %lld to %lld epochs: the optimizer's state goes on, the "
                       "rate is %.3g "
                       "where it ended with %.3g, and falls as in a run of %lld",
                       t->record.folder.path, (long long)t->extended_from,
                       (long long)t->schedule.epochs,
                       weld_schedule_rate(&t->schedule, s->epoch, s->step, s->plateau_reductions),
                       weld_schedule_rate(&before, s->epoch, s->step - 1, s->plateau_reductions),
                       (long long)t->schedule.epochs);
    }
}

/* --- Weights and state: from last.h5, from --init, or new --- */

static weld_status start_state(weld_trainer *t, weld_error *err) {
    if (t->data.resumes) {
        return weld_trainer_load_last(t, err);
    }
    t->state = (weld_trainer_state){.seed = (uint64_t)t->data.recipe.train.seed,
                                    .train_images = weld_dataset_count(t->data.train),
                                    .best_epoch = -1};
    WELD_TRY(weld_graph_init_weights(t->evaluation.graph, t->state.seed, &t->weights, err));
    if (t->data.settings->init) {
        WELD_TRY(weld_trainer_load_init(t, err));
    }
    return t->data.recipe.train.ema_decay > 0 /* it starts as the weights do */
               ? weld_weights_clone(t->weights, &t->ema, err)
               : WELD_OK;
}

/* As rank 0 has them; the values come later. */
static weld_status follow_state(weld_trainer *t, weld_error *err) {
    const uint64_t seed = (uint64_t)t->data.recipe.train.seed;
    WELD_TRY(weld_graph_init_weights(t->evaluation.graph, seed, &t->weights, err));
    return t->data.recipe.train.ema_decay > 0 ? weld_weights_clone(t->weights, &t->ema, err)
                                              : WELD_OK;
}

static weld_status open_runs(weld_trainer *t, weld_error *err) {
    WELD_TRY(weld_trainer_open_quantization(t, err));
    WELD_TRY(weld_trainer_open_steps(t, err));
    WELD_TRY(weld_trainer_open_evaluators(t, err));
    if (t->data.resumes) {
        WELD_TRY(weld_trainer_load_moments(t, err));
    }
    weld_model_file_free(&t->data.start_file);
    return WELD_OK;
}

/* --- What the run writes --- */

static weld_status open_folder(weld_trainer *t, weld_error *err) {
    const weld_train_settings *s = t->data.settings;
    weld_run_folder *folder = &t->record.folder;
    WELD_TRY(weld_run_folder_open(s->out, s->recipe, s->resume, folder, err));
    if (folder->holds_metrics && !folder->holds_checkpoint) {
        weld_train_say(s, "%s: the run ended before its first checkpoint: it begins anew",
                       folder->path);
    }
    return folder->holds_checkpoint == t->data.resumes
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: another training run has just used this folder: start again",
                           folder->path);
}

/* Is the log of another run than last.h5, or has it been changed since? */
static void check_log(const weld_trainer *t) {
    const int64_t tail = t->state.metrics_tail ? weld_metrics_tail(t->record.metrics) : 0;
    if (tail && tail != t->state.metrics_tail) {
        weld_train_say(t->data.settings,
                       "%s: its rows are not those that stood there when last.h5 was written: one "
                       "of the two is of another run, or was changed",
                       t->record.folder.metrics);
    }
}

/* But for checkpoints. recipe.yaml stays as the run began, unless it is extended: then last.h5 says
 * so too from now on, so that it is resumed like any other. */
static weld_status open_files(weld_trainer *t, weld_error *err) {
    weld_run_record *r = &t->record;
    bool cut_short;
    if (!r->folder.holds_checkpoint || !r->folder.holds_recipe || t->extended_from) {
        WELD_TRY(weld_file_write(r->folder.recipe, t->recipe_text, strlen(t->recipe_text), err));
    }
    WELD_TRY(
        weld_metrics_open(r->folder.metrics, t->state.metrics_bytes, &r->metrics, &cut_short, err));
    if (cut_short) {
        weld_train_say(t->data.settings,
                       "%s: ends before update %lld, after which last.h5 was written, or is of "
                       "another run: the rest of the log until there is lost",
                       r->folder.metrics, (long long)t->state.step);
    } else {
        check_log(t);
    }
    WELD_TRY(weld_events_open(t, err));
    return t->extended_from ? weld_trainer_save_last(t, err) : WELD_OK;
}

/* --- All of it --- */

static weld_status open_batches(weld_trainer *t, weld_error *err) {
    WELD_TRY(weld_run_data_open_teacher(&t->data, err));
    WELD_TRY(weld_run_data_open_loader(&t->data, err));
    make_schedule(t);
    return WELD_OK;
}

/* What one process does, or rank 0 for all: everything that is decided, up to the weights. */
static weld_status decide(weld_trainer *t, const weld_train_settings *settings, open_as as,
                          weld_error *err) {
    WELD_TRY(weld_run_data_read(&t->data, settings, err));
    WELD_TRY(weld_trainer_check_quantization(t, err));
    WELD_TRY(weld_start_share(t, err));
    WELD_TRY(weld_run_data_open_sets(&t->data, false, err));
    if (as == OPEN_TO_RUN) {
        WELD_TRY(open_folder(t, err));
    }
    WELD_TRY(choose_precision(t, err));
    if (as != OPEN_ON_TRIAL) {
        WELD_TRY(fit_to_time(t, err));
    }
    WELD_TRY(open_batches(t, err));
    WELD_TRY(choose_average(t, err));
    WELD_TRY(weld_recipe_text(&t->data.recipe, &t->recipe_text, err));
    WELD_TRY(weld_trainer_build_evaluation(t, err));
    return start_state(t, err);
}

/* What other ranks do, by the recipe that came of it. */
static weld_status follow(weld_trainer *t, const weld_train_settings *settings, weld_error *err) {
    WELD_TRY(weld_run_data_take(&t->data, settings, t->recipe_text, err));
    WELD_TRY(weld_start_share(t, err));
    WELD_TRY(weld_run_data_open_sets(&t->data, false, err));
    WELD_TRY(open_batches(t, err));
    WELD_TRY(weld_trainer_build_evaluation(t, err));
    return follow_state(t, err);
}

/* All ranks come through each line with the same status. */
static weld_status open(weld_trainer *t, const weld_train_settings *settings, open_as as,
                        weld_error *err) {
    const bool leads = weld_group_rank(settings->group) == 0;
    const bool is_first = weld_group_index_here(settings->group) == 0; /* it writes indices */
    t->data.settings = settings;
    weld_group_doing(settings->group, "the start");
    WELD_TRY(weld_start_compare_call(t, as == OPEN_DRY, err));
    WELD_TRY(weld_ranks_settle(t, leads ? decide(t, settings, as, err) : WELD_OK, err));
    WELD_TRY(weld_start_tell_recipe(t, err));
    WELD_TRY(weld_ranks_settle(t, is_first && !leads ? follow(t, settings, err) : WELD_OK, err));
    WELD_TRY(weld_ranks_settle(t, is_first ? WELD_OK : follow(t, settings, err), err));
    WELD_TRY(weld_start_compare_data(t, err));
    WELD_TRY(weld_start_compare_kernels(t, err));
    WELD_TRY(weld_start_send_weights(t, err));
    WELD_TRY(weld_ranks_settle(t, open_runs(t, err), err));
    WELD_TRY(weld_start_send_moments(t, err));
    WELD_TRY(weld_trainer_send_codes(t, err));
    WELD_TRY(weld_start_compare_batch(t, err));
    say_extension(t);
    return weld_ranks_settle(t, leads && as == OPEN_TO_RUN ? open_files(t, err) : WELD_OK, err);
}

weld_status weld_trainer_open(weld_trainer *t, const weld_train_settings *settings, bool dry,
                              weld_error *err) {
    *t = (weld_trainer){.record.folder.lock = -1, .settings = *settings};
    weld_ranks_begin(&t->ranks, &t->settings);
    weld_status status = weld_ranks_take_threads(&t->ranks, &t->settings, err);
    status = status ? status : open(t, &t->settings, dry ? OPEN_DRY : OPEN_TO_RUN, err);
    weld_ranks_opened(&t->ranks);
    if (status) {
        weld_trainer_close(t);
    }
    return status;
}

void weld_trainer_close(weld_trainer *t) {
    weld_tensorboard_free(t->record.events);
    weld_metrics_close(t->record.metrics);
    weld_trainer_close_evaluation(t);
    weld_sums_free(t->sums);
    for (int i = WELD_SIZES_MAX - 1; i >= 0; i--) {
        weld_train_step_free(t->steps[i]);
    }
    weld_trainer_close_quantization(t);
    weld_weights_free(t->weights);
    weld_weights_free(t->ema);
    weld_run_folder_close(&t->record.folder);
    weld_run_data_close(&t->data);
    weld_free(t->recipe_text);
    weld_free(t->init);
    weld_ranks_free(&t->ranks);
    *t = (weld_trainer){.record.folder.lock = -1};
}
