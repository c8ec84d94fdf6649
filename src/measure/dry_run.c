/* A dry run: everything up to the first updates, and how long all of them will take; see
 * weld/train.h. Nothing is written. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "measure/limits.h"
#include "train/say.h"
#include "train/tell_start.h"
#include "train/times.h"
#include "train/trainer_open.h"
#include "train/update.h"

enum { UPDATES = 5, EVALUATION_BATCHES = 4 };

static const double LONG_ENOUGH = 30; /* seconds, for updates and for evaluation each */

/* --- Updates --- */

/* The next update, of the next epoch where this one is over. */
static weld_status update(weld_trainer *t, weld_step_metrics *row, weld_error *err) {
    if (weld_train_stop_asked(t->data.settings)) {
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

/* --- Evaluation --- */

/* How fast an evaluation goes: when its first batch was done, and its latest. Between the trainer
 * and who called the dry run. */
typedef struct pace {
    const weld_train_callbacks *told;
    bool enough; /* of the evaluation that runs */
    double begin, first, last;
    int64_t first_images, images, batches;
} pace;

static void note(pace *p, int64_t images) {
    double now = weld_clock();
    if (p->batches++ == 0) {
        p->first_images = images;
        p->first = now;
    }
    p->images = images;
    p->last = now;
    p->enough = p->batches >= EVALUATION_BATCHES || now - p->begin >= LONG_ENOUGH;
}

static void on_evaluation(void *context, const weld_train_evaluation *e) {
    pace *p = context;
    if (p->told->evaluated) {
        p->told->evaluated(p->told->context, e);
    }
    note(p, e->images_done);
}

static void on_message(void *context, const char *text) {
    const weld_train_callbacks *c = ((pace *)context)->told;
    if (c->message) {
        c->message(c->context, text);
    }
}

static bool on_stop(void *context) {
    const pace *p = context;
    return p->enough || (p->told->stop && p->told->stop(p->told->context));
}

/* The first batch does not count where there are others. */
static double image_seconds(const pace *p) {
    bool several = p->images > p->first_images;
    return several ? (p->last - p->first) / (double)(p->images - p->first_images)
                   : (p->last - p->begin) / fmax((double)p->images, 1);
}

static weld_status measure_evaluation(weld_trainer *t, weld_train_plan *plan, weld_error *err) {
    const weld_train_settings *settings = t->data.settings;
    weld_train_settings paced = *settings;
    pace p = {.told = &settings->callbacks, .begin = weld_clock()};
    weld_evaluation e;
    weld_error ended = {.message = ""};
    int64_t every = t->data.recipe.train.eval_every, epochs = weld_schedule_epochs(&t->schedule);
    if (!t->evaluation.evaluator) {
        return WELD_OK;
    }
    paced.callbacks = (weld_train_callbacks){
        .context = &p, .evaluated = on_evaluation, .message = on_message, .stop = on_stop};
    t->data.settings = &paced;
    weld_status status = weld_evaluator_run(t->evaluation.evaluator, &e, &ended);
    t->data.settings = settings;
    if (status && status != WELD_ERROR_INTERRUPTED) {
        return weld_fail(err, status, "%s", ended.message);
    }
    plan->evaluations = every > 0 ? (epochs + every - 1) / every : 1;
    plan->evaluation_seconds = image_seconds(&p) * (double)weld_dataset_count(t->data.val) *
                               (t->evaluation.ema_evaluator ? 2 : 1);
    return WELD_OK;
}

/* --- All of it --- */

weld_status weld_train_dry_run(const weld_train_settings *settings, weld_train_plan *out,
                               weld_error *err) {
    weld_train_plan plan = {.steps = 0};
    weld_trainer t;
    if (!settings->recipe || settings->resume) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "dry run: needs a recipe, and resumes nothing");
    }
    WELD_TRY(weld_trainer_open(&t, settings, true, err));
    plan.steps = weld_schedule_epochs(&t.schedule) * t.schedule.steps_per_epoch;
    plan.memory = weld_trainer_memory(&t);
    weld_status status = weld_trainer_tell_start(&t, err);
    status = status ? status : measure_updates(&t, &plan, err);
    status = status ? status : measure_evaluation(&t, &plan, err);
    plan.seconds =
        plan.step_seconds * (double)plan.steps + plan.evaluation_seconds * (double)plan.evaluations;
    plan.peak_bytes = weld_peak_bytes();
    weld_trainer_close(&t);
    if (!status) {
        *out = plan;
    }
    return status;
}
