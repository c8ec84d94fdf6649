/* The training loop; see weld/train.h and trainer.h. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "train/events.h"
#include "train/start.h"

weld_train_settings weld_train_defaults(void) {
    return (weld_train_settings){.recipe = NULL};
}

static bool stop_asked(const weld_trainer *t) {
    const weld_train_callbacks *c = &t->settings->callbacks;
    return c->stop && c->stop(c->context);
}

/* Of this epoch's updates. */
static double update_seconds(const weld_trainer *t) {
    const weld_train_times *times = &t->epoch_times;
    return t->epoch_data_seconds + times->teacher + times->forward + times->backward +
           times->optimizer;
}

static void tell_step(const weld_trainer *t, const weld_step_metrics *row) {
    const weld_train_callbacks *c = &t->settings->callbacks;
    const weld_schedule *s = &t->schedule;
    int64_t left = s->epochs * s->steps_per_epoch - t->state.step;
    weld_train_progress progress = {
        .epoch = t->state.epoch,
        .epochs = s->epochs,
        .position = t->state.position,
        .steps_per_epoch = s->steps_per_epoch,
        .step = t->state.step,
        .loss = row->loss,
        .lr = row->lr,
        .images_per_second = row->images_per_second,
        .data_share = t->epoch_times.wait / fmax(update_seconds(t), 1e-9),
        .seconds_left = t->run_seconds / (double)t->run_steps * (double)left};
    if (c->stepped) {
        c->stepped(c->context, &progress);
    }
}

/* The updates of the epoch that are left; *stopped: the caller wants to end, and last.h5 is
 * written. */
static weld_status run_steps(weld_trainer *t, bool *stopped, weld_error *err) {
    int64_t every = t->recipe.train.checkpoint_every;
    while (t->state.position < t->schedule.steps_per_epoch) {
        weld_step_metrics row;
        weld_status status = weld_trainer_update(t, &row, err);
        status = status ? status : weld_metrics_step(t->metrics, &row, err);
        status = status ? status : weld_events_step(t, &row, err);
        if (status) {
            return status;
        }
        tell_step(t, &row);
        *stopped = stop_asked(t);
        bool due = every > 0 && t->state.step % every == 0 &&
                   t->state.position < t->schedule.steps_per_epoch;
        if (*stopped || due) {
            status = weld_trainer_save_last(t, err);
        }
        if (status || *stopped) {
            return status;
        }
    }
    return WELD_OK;
}

static bool evaluation_due(const weld_trainer *t) {
    int64_t every = t->recipe.train.eval_every, done = t->state.epoch + 1;
    return t->evaluator && (done == t->schedule.epochs || (every > 0 && done % every == 0));
}

static weld_status evaluate_weights(const weld_trainer *t, weld_evaluator *evaluator,
                                    weld_evaluation *out, weld_error *err) {
    weld_status status = weld_evaluator_run(evaluator, out, err);
    return status != WELD_ERROR_NUMERIC
               ? status
               : weld_fail_context(err, status, "update %lld, evaluation after epoch %lld",
                                   (long long)t->state.step, (long long)t->state.epoch);
}

/* The weights, and beside them their moving average where there is one. */
static weld_status evaluate(weld_trainer *t, bool *stopped, weld_error *err) {
    double begin = weld_clock();
    weld_evaluation e, average = {0};
    weld_status status = evaluate_weights(t, t->evaluator, &e, err);
    if (!status && t->ema_evaluator) {
        status = evaluate_weights(t, t->ema_evaluator, &average, err);
    }
    if (status == WELD_ERROR_INTERRUPTED) { /* to be done again when the run is resumed */
        *stopped = true;
        return weld_trainer_save_last(t, err);
    }
    if (!status) {
        t->last_evaluation = e;
        t->last_ema_evaluation = average;
        t->epoch_evaluation_seconds = weld_clock() - begin;
        weld_trainer_add_seconds(t, t->epoch_evaluation_seconds);
    }
    return status;
}

static void tell_evaluation(const weld_trainer *t, const weld_epoch_metrics *row, bool best) {
    const weld_train_callbacks *c = &t->settings->callbacks;
    weld_train_evaluation e = {.epoch = row->epoch,
                               .images_done = row->evaluated ? t->last_evaluation.images : 0,
                               .images = row->evaluated ? t->last_evaluation.images : 0,
                               .done = true,
                               .top1 = row->top1,
                               .top5 = row->top5,
                               .ema_top1 = row->averaged ? row->ema_top1 : NAN,
                               .loss = row->val_loss,
                               .train_loss = row->train_loss,
                               .best = best,
                               .seconds = row->seconds,
                               .times = row->times,
                               .evaluation_seconds = row->evaluation_seconds};
    if (c->evaluated) {
        c->evaluated(c->context, &e);
    }
}

/* The epoch's row, best.h5 if it is that, and the step into the next epoch. A run that is killed
 * between any two lines repeats them all from last.h5. */
static weld_status finish_epoch(weld_trainer *t, bool evaluated, weld_error *err) {
    weld_trainer_state *s = &t->state;
    const weld_evaluation *e = &t->last_evaluation;
    bool best = evaluated && (s->best_epoch < 0 || e->top1 > s->best_score);
    weld_epoch_metrics row = {.epoch = s->epoch,
                              .step = s->step,
                              .train_loss = s->epoch_loss /
                                            (double)(s->epoch_samples > 0 ? s->epoch_samples : 1),
                              .evaluated = evaluated,
                              .val_loss = evaluated ? e->loss : 0,
                              .top1 = evaluated ? e->top1 : 0,
                              .top5 = evaluated ? e->top5 : 0,
                              .averaged = evaluated && t->ema_evaluator,
                              .ema_top1 = t->last_ema_evaluation.top1,
                              .seconds = s->epoch_seconds,
                              .data_seconds = t->epoch_data_seconds,
                              .times = t->epoch_times,
                              .evaluation_seconds = t->epoch_evaluation_seconds};
    weld_status status = weld_metrics_epoch(t->metrics, &row, err);
    status = status ? status : weld_events_epoch(t, &row, err);
    if (status) {
        return status;
    }
    if (best) {
        s->best_epoch = s->epoch;
        s->best_score = e->top1;
    }
    s->epoch++;
    s->position = 0;
    s->epoch_samples = 0;
    s->epoch_loss = 0;
    s->epoch_seconds = 0;
    t->epoch_data_seconds = t->epoch_evaluation_seconds = 0;
    t->epoch_times = (weld_train_times){0};
    status = best ? weld_trainer_save_best(t, err) : WELD_OK;
    status = status ? status : weld_trainer_save_epoch(t, err);
    status = status ? status : weld_trainer_save_last(t, err);
    status =
        status ? status : weld_run_folder_prune(&t->folder, s->epoch, t->recipe.train.keep, err);
    tell_evaluation(t, &row, best);
    return status;
}

static weld_status run_epochs(weld_trainer *t, bool *stopped, weld_error *err) {
    *stopped = false;
    while (t->state.epoch < t->schedule.epochs) {
        weld_status status = run_steps(t, stopped, err);
        bool due = evaluation_due(t);
        if (!status && !*stopped && due) {
            status = evaluate(t, stopped, err);
        }
        if (status || *stopped) {
            return status;
        }
        status = finish_epoch(t, due, err);
        if (status) {
            return status;
        }
        *stopped = t->state.epoch < t->schedule.epochs && stop_asked(t);
        if (*stopped) {
            return WELD_OK;
        }
    }
    return WELD_OK;
}

weld_status weld_train_run(const weld_train_settings *settings, weld_train_result *result,
                           weld_error *err) {
    weld_train_settings checked = *settings;
    weld_train_result done = {.interrupted = false};
    weld_trainer t;
    if (!settings->recipe) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "training: needs a recipe");
    }
    weld_status status = weld_trainer_open(&t, &checked, false, err);
    if (status) {
        return status;
    }
    status = weld_trainer_tell_start(&t, err);
    status = status ? status : run_epochs(&t, &done.interrupted, err);
    snprintf(done.out, sizeof done.out, "%s", t.folder.path);
    done.epochs = t.state.epoch;
    done.step = t.state.step;
    done.evaluated = t.state.best_epoch >= 0;
    done.best_top1 = t.state.best_score;
    done.top1 = t.last_evaluation.images > 0 ? t.last_evaluation.top1 : NAN;
    done.bad_images = weld_bad_images_count(t.bad_images);
    done.seconds = t.state.elapsed_seconds;
    weld_trainer_close(&t);
    if (result) {
        *result = done;
    }
    return status;
}
