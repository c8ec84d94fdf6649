/* How long the updates and evaluations of a run take; see pace.h. */
#include "train/pace.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "train/say.h"
#include "train/times.h"
#include "train/update.h"

enum { UPDATES = 5, EVALUATION_BATCHES = 4 };

static const double LONG_ENOUGH = 30; /* seconds, for updates and for evaluation each */

/* --- Updates --- */

/* The run's updates on images of one size, and those of them that were measured. */
typedef struct of_size {
    int64_t in_run, measured;
    double seconds;
} of_size;

static int shape_of(const weld_trainer *t, int64_t epoch, int64_t position) {
    return weld_loader_train_shape(t->data.loader, (uint32_t)epoch,
                                   position * t->data.recipe.train.accumulate);
}

/* sizes: by the loader's shapes. */
static void count_updates(const weld_trainer *t, of_size sizes[WELD_SIZES_MAX]) {
    int shapes;
    weld_loader_train_shapes(t->data.loader, &shapes);
    if (shapes == 1) { /* however many epochs */
        sizes[0].in_run = t->updates;
        return;
    }
    for (int64_t epoch = 0; epoch < weld_schedule_epochs(&t->schedule); epoch++) {
        const int64_t updates = weld_loader_train_updates(t->data.loader, (uint32_t)epoch);
        for (int64_t i = 0; i < updates; i++) {
            sizes[shape_of(t, epoch, i)].in_run++;
        }
    }
}

/* Go on to the next update that has the shape, which the run must have; behind its last one stands
 * the first. */
static void seek(weld_trainer *t, int shape) {
    weld_trainer_state *s = &t->state;
    for (;; s->position++) {
        while (s->position >= weld_loader_train_updates(t->data.loader, (uint32_t)s->epoch)) {
            s->position = 0;
            s->epoch = (s->epoch + 1) % weld_schedule_epochs(&t->schedule);
        }
        if (shape_of(t, s->epoch, s->position) == shape) {
            return;
        }
    }
}

static weld_status update(weld_trainer *t, int shape, weld_step_metrics *row, weld_error *err) {
    if (weld_ranks_stop(t)) {
        return weld_fail(err, WELD_ERROR_INTERRUPTED, "interrupted before the first update");
    }
    seek(t, shape);
    WELD_TRY(weld_trainer_update(t, row, err));
    return weld_trainer_ends(t, err);
}

/* One of each size. */
static weld_status measure_round(weld_trainer *t, of_size sizes[WELD_SIZES_MAX],
                                 weld_train_plan *plan, weld_error *err) {
    for (int shape = 0; shape < WELD_SIZES_MAX; shape++) {
        of_size *size = &sizes[shape];
        if (size->in_run) {
            weld_step_metrics row;
            const double begin = weld_clock();
            WELD_TRY(update(t, shape, &row, err));
            const double seconds = weld_clock() - begin;
            weld_times_add(&plan->times, &row.times);
            plan->measured_seconds += seconds;
            plan->measured++;
            size->seconds += seconds;
            size->measured++;
        }
    }
    return WELD_OK;
}

/* Is another round to be measured? By the clock of rank 0. */
static weld_status want_more(weld_trainer *t, const weld_train_plan *plan, int rounds,
                             double seconds, bool *more, weld_error *err) {
    *more = rounds == 0 || plan->measured_seconds < seconds ||
            (rounds < UPDATES && plan->measured_seconds < LONG_ENOUGH);
    return weld_group_broadcast(t->ranks.group, more, sizeof *more, err);
}

/* The first update makes what later ones find ready: it does not count. */
static void forget_first(weld_trainer *t) {
    const int ranks = t->ranks.times ? weld_group_size(t->ranks.group) : 0;
    t->clock.times = (weld_train_times){0};
    t->clock.run_seconds = 0;
    t->clock.run_steps = 0;
    weld_sums_forget(t->sums);
    for (int i = 0; i < ranks; i++) {
        t->ranks.times[i].seconds = 0;
    }
}

static weld_status measure_updates(weld_trainer *t, double seconds, weld_train_plan *plan,
                                   weld_error *err) {
    of_size sizes[WELD_SIZES_MAX] = {{0}};
    weld_step_metrics row;
    count_updates(t, sizes);
    WELD_TRY(update(t, shape_of(t, 0, 0), &row, err));
    forget_first(t);
    bool more;
    WELD_TRY(want_more(t, plan, 0, seconds, &more, err));
    for (int rounds = 1; more; rounds++) {
        WELD_TRY(measure_round(t, sizes, plan, err));
        WELD_TRY(want_more(t, plan, rounds, seconds, &more, err));
    }
    for (int i = 0; i < WELD_SIZES_MAX; i++) {
        if (sizes[i].in_run) {
            plan->step_seconds += sizes[i].seconds / (double)sizes[i].measured *
                                  ((double)sizes[i].in_run / (double)t->updates);
        }
    }
    return WELD_OK;
}

/* --- Evaluation --- */

/* How fast an evaluation goes: when its first batch was done, and its latest. Between the trainer
 * and who wants to know. */
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

/* Of all ranks together: rank 0 counts the images up to its own batch, the first of a round in
 * which each rank does one. The first round does not count where there are others. */
static double image_seconds(const pace *p, int ranks, int64_t total) {
    if (p->images > p->first_images) {
        return (p->last - p->first) / (double)(p->images - p->first_images);
    }
    const double round = (double)p->first_images * ranks;
    return (p->last - p->begin) / fmax(fmin(round, (double)total), 1);
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
    const int64_t total = weld_dataset_count(t->data.val);
    plan->evaluation_seconds = image_seconds(&p, weld_group_size(t->ranks.group), total) *
                               (double)total * (t->evaluation.ema_evaluator ? 2 : 1);
    return WELD_OK;
}

weld_status weld_trainer_measure(weld_trainer *t, double seconds, weld_train_plan *plan,
                                 weld_error *err) {
    WELD_TRY(measure_updates(t, seconds, plan, err));
    return measure_evaluation(t, plan, err);
}
