/* The training loop; see weld/train.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/file.h"
#include "graph/plan.h"
#include "train/best.h"
#include "train/checkpoint.h"
#include "train/evaluation.h"
#include "train/events.h"
#include "train/replicas.h"
#include "train/say.h"
#include "train/tell_ranks.h"
#include "train/tell_start.h"
#include "train/trainer_open.h"
#include "train/update.h"

weld_train_settings weld_train_defaults(void) {
    return (weld_train_settings){.recipe = NULL};
}

/* Of this epoch's updates. */
static double update_seconds(const weld_trainer *t) {
    const weld_train_times *times = &t->clock.times;
    return t->clock.data_seconds + times->teacher + times->forward + times->backward +
           times->optimizer;
}

static void tell_step(weld_trainer *t, const weld_step_metrics *row, int64_t in_epoch) {
    const weld_train_callbacks *c = &t->data.settings->callbacks;
    const weld_schedule *s = &t->schedule;
    int64_t left = t->updates - t->state.step;
    char text[200];
    weld_train_progress progress = {
        .epoch = t->state.epoch,
        .epochs = weld_schedule_epochs(s),
        .position = t->state.position,
        .steps_per_epoch = in_epoch,
        .step = t->state.step,
        .size = row->size,
        .loss = row->loss,
        .lr = row->lr,
        .images_per_second = row->images_per_second,
        .data_share = t->clock.times.wait / fmax(update_seconds(t), 1e-9),
        .seconds_left = t->clock.run_seconds / (double)t->clock.run_steps * (double)left};
    if (c->stepped) {
        c->stepped(c->context, &progress);
    }
    if (weld_estimate_update(&t->clock.estimate, &progress, left, weld_clock(), text,
                             sizeof text)) {
        weld_train_say(t->data.settings, "%s", text);
    }
}

/* --- What is written --- */

static weld_status write_step(weld_trainer *t, const weld_step_metrics *row, weld_error *err) {
    if (!weld_ranks_writes(t)) {
        return WELD_OK;
    }
    weld_status status = weld_metrics_step(t->record.metrics, row, err);
    status = status ? status : weld_events_step(t, row, err);
    return weld_ranks_wrote(t, status, err);
}

static weld_status write_last(weld_trainer *t, weld_error *err) {
    weld_group_doing(t->ranks.group, "a checkpoint");
    WELD_TRY(weld_replicas_check(t, err));
    return weld_ranks_writes(t) ? weld_ranks_wrote(t, weld_trainer_save_last(t, err), err)
                                : WELD_OK;
}

/* After an epoch, whose row is written. last.h5 comes last: a run that is killed before the rest
 * is done does it when it goes on, which it does not from a last.h5 of its end. An old checkpoint
 * that cannot be removed ends the run, but not without it, unless it is the end. */
static weld_status write_checkpoints(weld_trainer *t, bool best, weld_error *err) {
    WELD_TRY(best ? weld_trainer_save_best(t, err) : WELD_OK);
    WELD_TRY(weld_trainer_save_epoch(t, err));
    weld_error second;
    const weld_status pruned =
        weld_run_folder_prune(&t->record.folder, t->state.epoch, t->data.recipe.train.keep, err);
    if (pruned && weld_trainer_is_over(t)) {
        return pruned; /* a run that goes on from its end removes nothing */
    }
    const weld_status saved = weld_trainer_save_last(t, pruned ? &second : err);
    return pruned ? pruned : saved;
}

/* --- Updates --- */

/* After an update that nothing was left out of: it may have met what ends the run. */
static weld_status end_after_update(weld_trainer *t, weld_error *err) {
    weld_error second;
    const weld_status status = weld_trainer_ends(t, err);
    if (status) {
        (void)write_last(t, &second);
    }
    return status;
}

/* The updates of the epoch that are left; *stopped: the caller wants to end, and last.h5 is
 * written. */
static weld_status run_steps(weld_trainer *t, bool *stopped, weld_error *err) {
    const int64_t every = t->data.recipe.train.checkpoint_every;
    const int64_t updates = weld_loader_train_updates(t->data.loader, (uint32_t)t->state.epoch);
    while (t->state.position < updates) {
        weld_step_metrics row;
        WELD_TRY(weld_trainer_update(t, &row, err));
        WELD_TRY(write_step(t, &row, err));
        tell_step(t, &row, updates);
        WELD_TRY(end_after_update(t, err));
        *stopped = weld_ranks_stop(t);
        bool due = every > 0 && t->state.step % every == 0 && t->state.position < updates;
        if (*stopped || due) {
            WELD_TRY(write_last(t, err));
        }
        if (*stopped) {
            return WELD_OK;
        }
    }
    return WELD_OK;
}

static bool evaluation_due(const weld_trainer *t) {
    int64_t every = t->data.recipe.train.eval_every, done = t->state.epoch + 1;
    return t->evaluation.evaluator &&
           (done == weld_schedule_epochs(&t->schedule) || (every > 0 && done % every == 0));
}

/* *stopped: the caller wants to end, and last.h5 is written. */
static weld_status evaluate(weld_trainer *t, bool *stopped, weld_error *err) {
    double begin = weld_clock();
    weld_status status = weld_trainer_evaluate(t, err);
    if (status == WELD_ERROR_INTERRUPTED) { /* to be done again when the run is resumed */
        *stopped = true;
        return write_last(t, err);
    }
    if (status == WELD_ERROR_FORMAT) { /* on all ranks too many images are bad: likewise */
        weld_error second;
        (void)write_last(t, &second);
        return status;
    }
    if (!status) {
        t->clock.evaluation_seconds = weld_clock() - begin;
        weld_trainer_add_seconds(t, t->clock.evaluation_seconds);
    }
    return status;
}

static void tell_evaluation(const weld_trainer *t, const weld_epoch_metrics *row, bool best) {
    const weld_train_callbacks *c = &t->data.settings->callbacks;
    const weld_task *task = t->data.task;
    weld_score scores[WELD_SCORES_MAX];
    weld_loss_part parts[WELD_LOSS_PARTS_MAX];
    int part_count = 0;
    char note[200] = "";
    for (; task->loss_parts[part_count]; part_count++) {
        parts[part_count] = (weld_loss_part){task->loss_parts[part_count], row->parts[part_count]};
    }
    for (int i = 0; i < task->run_scores; i++) {
        scores[i] = weld_task_score(task, i, row->evaluation.scores[i]);
    }
    if (task->tell_counts) {
        task->tell_counts(row->counts, note, sizeof note);
    }
    weld_train_evaluation e = {.epoch = row->epoch,
                               .images_done = row->evaluated ? row->evaluation.images : 0,
                               .images = row->evaluated ? row->evaluation.images : 0,
                               .done = true,
                               .scores = scores,
                               .score_count = row->evaluated ? task->run_scores : 0,
                               .average = row->averaged ? row->average.scores[0] : NAN,
                               .loss = row->evaluation.loss,
                               .train_loss = row->train_loss,
                               .loss_parts = parts,
                               .loss_part_count = part_count,
                               .note = note,
                               .best = best,
                               .seconds = row->seconds,
                               .times = row->times,
                               .evaluation_seconds = row->evaluation_seconds,
                               .threads_used =
                                   weld_threads_between(t->clock.use, weld_threads_used()),
                               .threads = weld_session_plan(t->step->session)->threads};
    if (c->evaluated) {
        c->evaluated(c->context, &e);
    }
}

static weld_epoch_metrics row_of(const weld_trainer *t, bool evaluated) {
    const weld_trainer_state *s = &t->state;
    const double samples = (double)(s->epoch_samples > 0 ? s->epoch_samples : 1);
    weld_epoch_metrics row = {.epoch = s->epoch,
                              .step = s->step,
                              .train_loss = s->epoch_loss / samples,
                              .bad_images = weld_bad_images_count(t->data.bad_images),
                              .task = t->data.task,
                              .evaluated = evaluated,
                              .evaluation =
                                  evaluated ? t->evaluation.last : (weld_evaluation){.images = 0},
                              .averaged = evaluated && t->evaluation.ema_evaluator,
                              .average = t->evaluation.last_ema,
                              .seconds = s->epoch_seconds,
                              .data_seconds = t->clock.data_seconds,
                              .times = t->clock.times,
                              .evaluation_seconds = t->clock.evaluation_seconds};
    for (int i = 0; i < WELD_LOSS_PARTS_MAX; i++) {
        row.parts[i] = s->epoch_loss_parts[i] / samples;
    }
    memcpy(row.counts, s->epoch_counts, sizeof row.counts);
    return row;
}

static void begin_next_epoch(weld_trainer *t) {
    weld_trainer_state *s = &t->state;
    s->epoch++;
    s->position = 0;
    s->epoch_samples = 0;
    s->epoch_loss = 0;
    memset(s->epoch_loss_parts, 0, sizeof s->epoch_loss_parts);
    memset(s->epoch_counts, 0, sizeof s->epoch_counts);
    s->epoch_seconds = 0;
    t->clock.data_seconds = t->clock.evaluation_seconds = 0;
    t->clock.times = (weld_train_times){0};
}

/* What a schedule that waits for scores makes of this epoch's. Scores of fewer images
 * (weld_trainer_judge) are passed over, those of more begin anew. */
static void watch_plateau(weld_trainer *t, int64_t more) {
    weld_trainer_state *s = &t->state;
    const weld_evaluation *e = &t->evaluation.last;
    const double score = e->scores[0];
    weld_plateau p = {s->plateau_best, more > 0 ? 0 : s->plateau_since, s->plateau_reductions};
    if (more < 0 || e->images != weld_trainer_best_evaluation(t)->images) {
        return;
    }
    if (t->schedule.name == WELD_SCHEDULE_PLATEAU &&
        weld_schedule_plateau(&t->schedule, &p, s->epoch + 1, score,
                              t->data.task->smaller_is_better)) {
        weld_train_say(t->data.settings,
                       "epoch %lld: no better score for %lld epochs: the rate is %.3g",
                       (long long)s->epoch + 1, (long long)(s->epoch + 1 - s->plateau_since),
                       weld_schedule_rate(&t->schedule, s->epoch + 1, s->step, p.reductions));
    }
    s->plateau_best = p.best;
    s->plateau_since = p.since;
    s->plateau_reductions = p.reductions;
}

static weld_status write_epoch(weld_trainer *t, const weld_epoch_metrics *row, weld_error *err) {
    if (!weld_ranks_writes(t)) {
        return WELD_OK;
    }
    weld_status status = weld_metrics_epoch(t->record.metrics, row, err);
    return weld_ranks_wrote(t, status ? status : weld_events_epoch(t, row, err), err);
}

/* The epoch's row, best.h5 if it is that, and the step into the next epoch. A run that is killed
 * between any two lines repeats them all from last.h5, which is there before other checkpoints
 * are. */
static weld_status finish_epoch(weld_trainer *t, bool evaluated, weld_error *err) {
    weld_epoch_metrics row = row_of(t, evaluated);
    weld_trainer_rate_ranks(t, &row);
    if (t->state.epoch == 0) {
        WELD_TRY(write_last(t, err));
    }
    WELD_TRY(write_epoch(t, &row, err));
    int64_t more = 0;
    const bool best = evaluated && weld_trainer_judge(t, &more);
    if (evaluated) {
        watch_plateau(t, more);
    }
    begin_next_epoch(t);
    weld_group_doing(t->ranks.group, "a checkpoint");
    WELD_TRY(weld_replicas_check(t, err));
    const weld_status status =
        weld_ranks_writes(t) ? weld_ranks_wrote(t, write_checkpoints(t, best, err), err) : WELD_OK;
    tell_evaluation(t, &row, best);
    weld_trainer_tell_waiting(t, &row);
    t->clock.use = weld_threads_used();
    return status;
}

static weld_status run_epochs(weld_trainer *t, bool *stopped, weld_error *err) {
    t->clock.use = weld_threads_used();
    *stopped = false;
    while (!weld_trainer_is_over(t)) {
        WELD_TRY(run_steps(t, stopped, err));
        bool due = evaluation_due(t);
        if (due && !*stopped) {
            WELD_TRY(evaluate(t, stopped, err));
        }
        if (*stopped) {
            return WELD_OK;
        }
        WELD_TRY(finish_epoch(t, due, err));
        bool asked;
        WELD_TRY(weld_ranks_settle_stop(t, WELD_OK, &asked, err));
        *stopped = !weld_trainer_is_over(t) && asked;
        if (*stopped) {
            return WELD_OK;
        }
    }
    weld_trainer_tell_best(t);
    return WELD_OK;
}

static void tell_result(const weld_trainer *t, weld_train_result *out) {
    snprintf(out->out, sizeof out->out, "%s", t->record.folder.path);
    out->epochs = t->state.epoch;
    out->step = t->state.step;
    out->evaluated = t->state.best_epoch >= 0;
    out->best = weld_task_score(t->data.task, 0, t->state.best_score);
    out->last = weld_task_score(t->data.task, 0,
                                t->evaluation.last.images > 0 ? t->evaluation.last.scores[0] : NAN);
    out->bad_images = weld_bad_images_count(t->data.bad_images);
    out->seconds = t->state.elapsed_seconds;
}

/* What a full disk or a device ends can go on: no checkpoint is lost by it. */
static void tell_way_on(const weld_trainer *t, weld_error *err) {
    const char *last = t->record.folder.last;
    bool is_there = false;
    if (!t->ranks.group && last && !weld_file_is_there(last, &is_there, NULL) && is_there) {
        weld_append(err->message, sizeof err->message,
                    ": once that is mended --resume goes on from %s", last);
    }
}

weld_status weld_train_run(const weld_train_settings *settings, weld_train_result *result,
                           weld_error *err) {
    weld_train_result done = {.interrupted = false};
    weld_error own;
    weld_trainer t;
    err = err ? err : &own;
    if (!settings->recipe) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "training: needs a recipe");
    }
    WELD_TRY(weld_trainer_open(&t, settings, false, err));
    weld_status status = weld_ranks_settle(&t, weld_trainer_tell_start(&t, err), err);
    if (!status) {
        weld_trainer_tell_ranks(&t);
    }
    status = status ? status : run_epochs(&t, &done.interrupted, err);
    status = status ? status : weld_ranks_settle(&t, WELD_OK, err);
    if (status == WELD_ERROR_IO) {
        tell_way_on(&t, err);
    }
    tell_result(&t, &done);
    weld_trainer_close(&t);
    if (result) {
        *result = done;
    }
    return status;
}
