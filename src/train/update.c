/* One update of the weights: its batches, their loss and gradients, the optimizer; see update.h.
 */
#include "train/update.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "train/batch.h"
#include "train/quantization.h"
#include "train/replicas.h"
#include "train/say.h"
#include "train/times.h"
#include "train/verdict.h"

void weld_trainer_add_seconds(weld_trainer *t, double seconds) {
    t->state.epoch_seconds += seconds;
    t->state.elapsed_seconds += seconds;
    t->clock.run_seconds += seconds;
}

/* Where the time of this rank's groups went. */
typedef struct spent {
    double data_seconds;
    weld_train_times times;
} spent;

static void add_batch_times(const weld_batch *batch, double begin, double known, spent *s) {
    const weld_train_times times = {.wait = batch->wait_seconds,
                                    .decode = batch->decode_seconds,
                                    .augment = batch->augment_seconds,
                                    .forward = known - begin,
                                    .backward = weld_clock() - known};
    weld_times_add(&s->times, &times);
}

static void take_parts(const weld_trainer *t, double *parts) {
    for (int i = 0; t->data.task->loss_parts[i]; i++) {
        char name[64];
        snprintf(name, sizeof name, "loss_%s", t->data.task->loss_parts[i]);
        parts[i] = weld_train_step_output(t->step, name);
    }
}

static void take_counts(const weld_trainer *t, double *counts) {
    for (int i = 0; t->data.task->counts[i]; i++) {
        counts[i] = weld_train_step_output(t->step, t->data.task->counts[i]);
    }
}

/* The number of the step of the latest batch. */
static int shape_of(const weld_trainer *t) {
    int shape = 0;
    while (t->steps[shape] != t->step) {
        shape++;
    }
    return shape;
}

/* One batch: its data, its loss, its gradients. */
static weld_status run_batch(weld_trainer *t, int64_t number, weld_update_record *said,
                             weld_group_result *out, spent *s) {
    weld_batch batch;
    double begin = weld_clock();
    WELD_TRY(weld_trainer_load_batch(t, number, &batch, &said->err));
    out->loaded = true;
    double loaded = weld_clock();
    WELD_TRY(weld_trainer_ask_teacher(t, &batch, &said->err));
    double taught = weld_clock();
    s->data_seconds += loaded - begin;
    s->times.teacher += t->data.distillation ? taught - loaded : 0;
    out->loss = weld_sums_run(t->sums, shape_of(t), number, weld_trainer_run_number(t, number));
    out->samples = batch.count;
    out->size = t->data.recipe.data.size_count ? batch.height : 0;
    if (!isfinite(out->loss)) {
        weld_trainer_explain_not_finite(t, number, &said->why, &said->story);
        out->diagnosed = true;
        return WELD_ERROR_NUMERIC;
    }
    add_batch_times(&batch, taught, t->step->loss_known, s);
    take_parts(t, out->parts);
    take_counts(t, out->counts);
    return WELD_OK;
}

/* The groups of this rank, up to the first that fails. */
static void run_share(weld_trainer *t, weld_update_record *said, spent *s) {
    const weld_groups share = t->share;
    const double begin = weld_clock();
    bool failed = said->err.status;
    t->data.met = &said->bad;
    for (int64_t i = share.first; i < share.first + share.count && !failed; i++) {
        weld_group_result group = {.loaded = false};
        const size_t bad = said->bad.count;
        group.status = run_batch(t, i, said, &group, s);
        group.bad = (int64_t)(said->bad.count - bad);
        if (!weld_array_append(&said->groups, &group, 1)) {
            group.status = weld_fail_memory(&said->err, "record of an update");
        }
        failed = group.status;
    }
    t->data.met = NULL;
    said->seconds = weld_clock() - begin;
}

/* All ranks' groups: the verdict on them, and the mean of their gradients. */
static weld_status run_groups(weld_trainer *t, weld_verdict *out, const weld_tensor **means,
                              spent *s, weld_error *err) {
    weld_update_record said = weld_update_record_begin();
    said.err = t->ranks.failure;
    said.state = weld_replicas_hash_part(t);
    weld_sums_begin(t->sums, t->state.step + 1);
    run_share(t, &said, s);
    said.waited = weld_group_waited(t->ranks.group) - t->ranks.waited;
    said.stop = t->ranks.group && weld_train_stop_asked(t->data.settings);
    const weld_status status = weld_verdict_settle(t, &said, out, err);
    weld_update_record_free(&said);
    /* The last gradients are exchanged meanwhile; all ranks see to the end of it, whatever was
     * settled. */
    const weld_status summed = weld_sums_finish(t->sums, means, status ? NULL : err);
    return status ? status : summed;
}

/* Into the run's state and clock, and the row. */
static void take_verdict(weld_trainer *t, const weld_verdict *v, const spent *s, double seconds,
                         weld_step_metrics *row) {
    t->state.step++;
    t->state.position++;
    t->state.epoch_samples += v->samples;
    t->state.epoch_loss += v->loss;
    t->clock.data_seconds += s->data_seconds;
    weld_times_add(&t->clock.times, &s->times);
    t->clock.run_steps++;
    weld_trainer_add_seconds(t, seconds);
    *row = (weld_step_metrics){.epoch = t->state.epoch,
                               .step = t->state.step,
                               .size = v->size,
                               .loss = v->loss / (double)v->samples,
                               .lr = v->rates.lr,
                               .task = t->data.task,
                               .images_per_second = (double)v->samples / fmax(seconds, 1e-9),
                               .data_seconds = s->data_seconds,
                               .times = s->times};
    for (int i = 0; i < WELD_LOSS_PARTS_MAX; i++) {
        t->state.epoch_loss_parts[i] += v->parts[i];
        row->parts[i] = v->parts[i] / (double)v->samples;
    }
    for (int i = 0; i < WELD_COUNTS_MAX; i++) {
        t->state.epoch_counts[i] += v->counts[i];
        row->counts[i] = v->counts[i];
    }
}

weld_status weld_trainer_update(weld_trainer *t, weld_step_metrics *row, weld_error *err) {
    weld_verdict verdict;
    const weld_tensor *means;
    spent s = {.data_seconds = 0};
    double begin = weld_clock();
    char doing[64];
    snprintf(doing, sizeof doing, "update %lld", (long long)t->state.step + 1);
    weld_group_doing(t->ranks.group, doing);
    WELD_TRY(weld_trainer_find_ranges(t, err));
    WELD_TRY(run_groups(t, &verdict, &means, &s, err));
    double computed = weld_clock();
    weld_train_step_update_by(t->step, means, &verdict.rates);
    double end = weld_clock();
    s.times.optimizer = end - computed;
    take_verdict(t, &verdict, &s, end - begin, row);
    t->ranks.stop = verdict.stop;
    t->ranks.end = verdict.end;
    return WELD_OK;
}

weld_status weld_trainer_ends(const weld_trainer *t, weld_error *err) {
    const weld_error *end = &t->ranks.end;
    return end->status ? weld_fail(err, end->status, "%s", end->message) : WELD_OK;
}
