/* Two networks on the same images; see compare.h. */
#include "infer/compare.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/memory.h"
#include "base/random.h"
#include "infer/evaluate.h"

enum { NOISE_IMAGES = 32, MOST_IMAGES = 1024, BATCH = 16, TIMED_RUNS = 20 };
#define TOLERANCE 1e-4 /* of the largest output */

/* One of the two. */
typedef struct side {
    weld_session *session;
    weld_tensor outputs[WELD_OUTPUTS_MAX];
    void *tally; /* NULL: images have no labels */
} side;

/* Both, and what they have said so far. */
typedef struct pair {
    const weld_task *task;
    const weld_model_data *data;
    side before, after;
    weld_comparison sum;
    weld_comparison
        outputs[WELD_OUTPUTS_MAX]; /* of each by itself: their numbers may be of kinds */
} pair;

static void free_side(const weld_task *task, side *s) {
    weld_session_free(s->session);
    task->tally_free(s->tally);
    *s = (side){0};
}

static void free_pair(pair *p) {
    free_side(p->task, &p->before);
    free_side(p->task, &p->after);
}

static weld_status open_side(const weld_task *task, const weld_model *m, int64_t batch, int threads,
                             side *s, weld_error *err) {
    WELD_TRY(weld_output_session(weld_model_graph(m), m->file.weights, batch, threads, true,
                                 &s->session, err));
    return weld_task_outputs(task, s->session, s->outputs, err);
}

static weld_status open_pair(const weld_model *before, const weld_model *after, int64_t batch,
                             int threads, pair *p, weld_error *err) {
    *p = (pair){.task = weld_model_task(before)};
    p->sum.output_word = p->task->output_word;
    p->sum.answer_word = p->task->answer_word;
    WELD_TRY(open_side(p->task, before, batch, threads, &p->before, err));
    WELD_TRY(open_side(p->task, after, batch, threads, &p->after, err));
    const weld_shape x = weld_session_input(p->before.session, "images").shape,
                     y = weld_session_input(p->after.session, "images").shape;
    bool same = weld_shape_equal(&x, &y);
    for (int i = 0; p->task->outputs[i]; i++) {
        same = same && weld_shape_equal(&p->before.outputs[i].shape, &p->after.outputs[i].shape);
    }
    return same ? WELD_OK
                : weld_fail(err, WELD_ERROR_SHAPE,
                            "networks of other inputs or classes cannot be compared");
}

void weld_comparison_add(weld_comparison *sum, const float *before, const float *after,
                         int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs((double)before[i] - (double)after[i]);
        /* written so that a NaN counts as infinitely different */
        sum->largest_output = fmax(sum->largest_output, fabs((double)before[i]));
        sum->largest_difference = difference <= sum->largest_difference ? sum->largest_difference
                                  : difference >= 0                     ? difference
                                                                        : INFINITY;
    }
}

/* Of the rows of `count` images. */
static void compare_output(weld_comparison *sum, const weld_tensor *a, const weld_tensor *b,
                           int64_t count) {
    const int64_t row = weld_shape_count(&a->shape) / a->shape.dim[0];
    weld_comparison_add(sum, a->data, b->data, count * row);
}

/* What differs by most of its largest number stands for all. */
static void take_worst(pair *p) {
    double most = -1;
    for (int i = 0; p->task->outputs[i]; i++) {
        const weld_comparison *c = &p->outputs[i];
        const double share =
            c->largest_difference > 0 ? c->largest_difference / c->largest_output : 0;
        if (share > most) {
            most = share;
            p->sum.largest_difference = c->largest_difference;
            p->sum.largest_output = c->largest_output;
        }
    }
}

static weld_status score(const weld_task *task, const side *s, const weld_batch *batch,
                         weld_error *err) {
    weld_array record = {.element = 1};
    weld_status status = WELD_OK;
    for (int64_t i = 0; i < batch->count && !status; i++) {
        record.count = 0;
        status = task->measure(s->tally, s->outputs, i, batch, &record, err);
        status = status ? status
                        : task->count(s->tally, batch->indices[i], record.data, record.count, err);
    }
    weld_array_free(&record);
    return status;
}

/* Run both on the images that stand in the first session's input. batch: what they are; NULL: not
 * known. */
static weld_status compare_batch(pair *p, int64_t count, const weld_batch *batch, weld_error *err) {
    weld_comparison *sum = &p->sum;
    weld_tensor images = weld_session_input(p->before.session, "images");
    memcpy(weld_session_input(p->after.session, "images").data, images.data,
           (size_t)weld_shape_count(&images.shape) * sizeof(float));
    weld_session_run(p->before.session, 0);
    weld_session_run(p->after.session, 0);
    for (int i = 0; p->task->outputs[i]; i++) {
        compare_output(&p->outputs[i], &p->before.outputs[i], &p->after.outputs[i], count);
    }
    take_worst(p);
    for (int64_t i = 0; i < count; i++) {
        sum->same_answer += p->task->same_answer(p->before.outputs, p->after.outputs, i);
    }
    sum->images += count;
    if (!batch || !isfinite(sum->largest_difference)) { /* nothing has to be counted any more */
        return WELD_OK;
    }
    WELD_TRY(score(p->task, &p->before, batch, err));
    return score(p->task, &p->after, batch, err);
}

static void fill_noise(const pair *p, uint64_t index) {
    weld_tensor t = weld_session_input(p->before.session, "images");
    weld_random r = weld_random_start(0, 0, index, WELD_RANDOM_TEST);
    float *x = t.data;
    for (int64_t i = 0, n = weld_shape_count(&t.shape); i < n; i++) {
        x[i] = (float)weld_random_normal(&r);
    }
}

static weld_status open_tally(const weld_task *task, const weld_dataset *ds, side *s,
                              weld_error *err) {
    WELD_TRY(task->tally_create(ds, s->outputs, &s->tally, err));
    return task->tally_clear(s->tally, err);
}

static weld_score take_score(const weld_task *task, const side *s) {
    weld_evaluation e = {.images = 0};
    task->finish(s->tally, &e);
    return weld_task_score(task, 0, e.scores[0]);
}

static void skip_image(void *arg, int64_t index, const char *reason) {
    pair *p = arg;
    p->sum.skipped++;
    if (p->data->bad_image) {
        p->data->bad_image(NULL, index, reason);
    }
}

static weld_status compare_images(pair *p, const weld_model *m, int threads, weld_loader **loader,
                                  weld_error *err) {
    const weld_dataset *ds = p->data->ds;
    weld_loader_options options = {.preprocessing = m->file.preprocessing,
                                   .augmentation = weld_augmentation_defaults(),
                                   .batch_size = BATCH,
                                   .annotation = p->task->annotation,
                                   .threads = threads,
                                   .bad_image = skip_image,
                                   .bad_image_arg = p};
    options.augmentation.kind = WELD_AUGMENT_NONE;
    WELD_TRY(open_tally(p->task, ds, &p->before, err));
    WELD_TRY(open_tally(p->task, ds, &p->after, err));
    WELD_TRY(weld_loader_create(ds, &options, loader, err));
    float *images = weld_session_input(p->before.session, "images").data;
    for (int64_t b = 0; b < weld_loader_eval_batches(*loader) && b * BATCH < MOST_IMAGES; b++) {
        weld_batch batch;
        WELD_TRY(weld_loader_eval_batch(*loader, b, images, &batch, err));
        WELD_TRY(compare_batch(p, batch.count, &batch, err));
    }
    if (p->sum.images == 0) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: none of its images can be read",
                         weld_dataset_path(ds));
    }
    p->sum.labelled = true;
    p->sum.before = take_score(p->task, &p->before);
    p->sum.after = take_score(p->task, &p->after);
    return WELD_OK;
}

weld_status weld_model_compare(const weld_model *before, const weld_model *after,
                               const weld_model_data *data, int threads, weld_comparison *out,
                               weld_error *err) {
    pair p;
    weld_loader *loader = NULL;
    weld_status status = open_pair(before, after, BATCH, threads, &p, err);
    p.data = data;
    p.sum.left_out = data->adopted.left_out;
    if (!status && data->ds) {
        status = compare_images(&p, before, threads, &loader, err);
    }
    for (int done = 0; !status && !data->ds && done < NOISE_IMAGES; done += BATCH) {
        fill_noise(&p, (uint64_t)done);
        status = compare_batch(&p, BATCH, NULL, err);
    }
    weld_loader_free(loader);
    free_pair(&p);
    if (!status) {
        *out = p.sum;
    }
    return status;
}

weld_status weld_comparison_check(const weld_comparison *c, const char *what, weld_error *err) {
    if (!isfinite(c->largest_difference)) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "the network's %ss are not finite: its weights are damaged: nothing was "
                         "written",
                         c->output_word);
    }
    if (!(c->largest_difference <= TOLERANCE * c->largest_output)) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "%s changes %ss by up to %.3g where the largest is %.3g, more than %.0e "
                         "of it: nothing was written",
                         what, c->output_word, c->largest_difference, c->largest_output, TOLERANCE);
    }
    return WELD_OK;
}

weld_status weld_model_time_both(const weld_model *before, const weld_model *after, int threads,
                                 double *milliseconds_before, double *milliseconds_after,
                                 weld_error *err) {
    double times_before[TIMED_RUNS], times_after[TIMED_RUNS];
    pair p;
    weld_status status = open_pair(before, after, 1, threads, &p, err);
    if (!status) {
        fill_noise(&p, 0);
        status = compare_batch(&p, 1, NULL, err); /* both have run once, on the same image */
    }
    for (int i = 0; i < TIMED_RUNS && !status; i++) {
        double t0 = weld_clock();
        weld_session_run(p.before.session, 0);
        double t1 = weld_clock();
        weld_session_run(p.after.session, 0);
        times_before[i] = t1 - t0;
        times_after[i] = weld_clock() - t1;
    }
    free_pair(&p);
    if (!status) {
        *milliseconds_before = 1e3 * weld_median(times_before, TIMED_RUNS);
        *milliseconds_after = 1e3 * weld_median(times_after, TIMED_RUNS);
    }
    return status;
}
