/* A dry run: everything up to the first updates, and how long all of them will take; see
 * weld/train.h. Nothing is written. */
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/start.h"
#include "train/times.h"

enum { UPDATES = 5, EVALUATION_BATCHES = 4 };

static const double LONG_ENOUGH = 30; /* seconds, for updates and for evaluation each */

static bool stop_asked(const weld_trainer *t) {
    const weld_train_callbacks *c = &t->settings->callbacks;
    return c->stop && c->stop(c->context);
}

/* The next update, of the next epoch where this one is over. */
static weld_status update(weld_trainer *t, weld_step_metrics *row, weld_error *err) {
    if (stop_asked(t)) {
        return weld_fail(err, WELD_ERROR_INTERRUPTED, "dry run: interrupted");
    }
    if (t->state.position == t->schedule.steps_per_epoch) {
        t->state.position = 0;
        t->state.epoch++;
    }
    return weld_trainer_update(t, row, err);
}

/* The first update makes what later ones find ready: it does not count. */
static weld_status measure_updates(weld_trainer *t, weld_train_plan *plan, weld_error *err) {
    weld_step_metrics row;
    weld_status status = update(t, &row, err);
    double begin = weld_clock();
    while (!status && plan->measured < UPDATES &&
           (plan->measured == 0 || weld_clock() - begin < LONG_ENOUGH)) {
        status = update(t, &row, err);
        if (!status) {
            weld_times_add(&plan->times, &row.times);
            plan->measured++;
            plan->step_seconds = (weld_clock() - begin) / (double)plan->measured;
        }
    }
    return status;
}

bool weld_pace_note(weld_pace *p, int64_t images) {
    double now = weld_clock();
    if (p->batches++ == 0) {
        p->first_images = images;
        p->first = now;
    }
    p->images = images;
    p->last = now;
    return p->batches < EVALUATION_BATCHES && now - p->begin < LONG_ENOUGH;
}

/* The first batch does not count where there are others. */
static double image_seconds(const weld_pace *p) {
    bool several = p->images > p->first_images;
    return several ? (p->last - p->first) / (double)(p->images - p->first_images)
                   : (p->last - p->begin) / fmax((double)p->images, 1);
}

static weld_status measure_evaluation(weld_trainer *t, weld_train_plan *plan, weld_error *err) {
    weld_pace pace = {.begin = weld_clock()};
    weld_evaluation e;
    weld_error ended = {.message = ""};
    int64_t every = t->recipe.train.eval_every, epochs = t->schedule.epochs;
    if (!t->evaluator) {
        return WELD_OK;
    }
    t->pace = &pace;
    weld_status status = weld_evaluator_run(t->evaluator, &e, &ended);
    t->pace = NULL;
    if (status && status != WELD_ERROR_INTERRUPTED) {
        return weld_fail(err, status, "%s", ended.message);
    }
    plan->evaluations = every > 0 ? (epochs + every - 1) / every : 1;
    plan->evaluation_seconds =
        image_seconds(&pace) * (double)weld_dataset_count(t->val) * (t->ema_evaluator ? 2 : 1);
    return WELD_OK;
}

static size_t peak_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

weld_status weld_train_dry_run(const weld_train_settings *settings, weld_train_plan *out,
                               weld_error *err) {
    weld_train_plan plan = {.steps = 0};
    weld_trainer t;
    if (!settings->recipe || settings->resume) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "dry run: needs a recipe, and resumes nothing");
    }
    weld_status status = weld_trainer_open(&t, settings, true, err);
    if (status) {
        return status;
    }
    plan.steps = t.schedule.epochs * t.schedule.steps_per_epoch;
    plan.memory = weld_trainer_memory(&t);
    status = weld_trainer_tell_start(&t, err);
    status = status ? status : measure_updates(&t, &plan, err);
    status = status ? status : measure_evaluation(&t, &plan, err);
    plan.seconds =
        plan.step_seconds * (double)plan.steps + plan.evaluation_seconds * (double)plan.evaluations;
    plan.peak_bytes = peak_bytes();
    weld_trainer_close(&t);
    if (!status) {
        *out = plan;
    }
    return status;
}
