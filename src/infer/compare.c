/* Two networks on the same images; see compare.h. */
#include "infer/compare.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/random.h"
#include "infer/evaluate.h"
#include "infer/model.h"

enum { NOISE_IMAGES = 32, MOST_IMAGES = 1024, BATCH = 16, TIMED_RUNS = 20 };
#define TOLERANCE 1e-4 /* of the largest logit */

/* The sessions, and what they have said so far. */
typedef struct pair {
    weld_session *before, *after;
    int classes;
    int64_t top1_before, top1_after;
    weld_comparison sum;
} pair;

static void free_sessions(pair *p) {
    weld_session_free(p->before);
    weld_session_free(p->after);
    p->before = p->after = NULL;
}

static weld_status create_sessions(const weld_model *before, const weld_model *after, int64_t batch,
                                   int threads, pair *p, weld_error *err) {
    weld_status status = weld_logits_session(before->graph, before->file.weights, batch, threads,
                                             true, &p->before, err);
    if (status == WELD_OK) {
        status = weld_logits_session(after->graph, after->file.weights, batch, threads, true,
                                     &p->after, err);
    }
    if (status != WELD_OK) {
        free_sessions(p);
        return status;
    }
    weld_shape x = weld_session_input(p->before, "images").shape,
               y = weld_session_input(p->after, "images").shape,
               u = weld_session_output(p->before, "logits").shape,
               v = weld_session_output(p->after, "logits").shape;
    if (!weld_shape_equal(&x, &y) || !weld_shape_equal(&u, &v)) {
        free_sessions(p);
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "networks of other inputs or classes cannot be compared");
    }
    p->classes = (int)u.dim[1];
    return WELD_OK;
}

static int best_class(const float *logits, int classes) {
    int best = 0;
    for (int i = 1; i < classes; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* Run both on the images that stand in the first session's input. labels may be NULL. */
static void compare_batch(pair *p, int64_t count, const int32_t *labels) {
    weld_comparison *sum = &p->sum;
    weld_tensor images = weld_session_input(p->before, "images");
    memcpy(weld_session_input(p->after, "images").data, images.data,
           (size_t)weld_shape_count(&images.shape) * sizeof(float));
    weld_session_run(p->before, 0);
    weld_session_run(p->after, 0);
    const float *x = weld_session_output(p->before, "logits").data;
    const float *y = weld_session_output(p->after, "logits").data;
    for (int64_t i = 0; i < count; i++, x += p->classes, y += p->classes) {
        for (int j = 0; j < p->classes; j++) {
            double difference = fabs((double)x[j] - (double)y[j]);
            /* written so that a NaN counts as infinitely different */
            sum->largest_logit = fmax(sum->largest_logit, fabs((double)x[j]));
            sum->largest_difference = difference <= sum->largest_difference
                                          ? sum->largest_difference
                                      : difference >= 0 ? difference
                                                        : INFINITY;
        }
        int a = best_class(x, p->classes), b = best_class(y, p->classes);
        sum->images++;
        sum->same_class += a == b;
        p->top1_before += labels && a == labels[i];
        p->top1_after += labels && b == labels[i];
    }
}

static void fill_noise(const pair *p, uint64_t index) {
    weld_tensor t = weld_session_input(p->before, "images");
    weld_random r = weld_random_start(0, 0, index, WELD_RANDOM_TEST);
    float *x = t.data;
    for (int64_t i = 0, n = weld_shape_count(&t.shape); i < n; i++) {
        x[i] = (float)weld_random_normal(&r);
    }
}

static weld_status compare_on_data(pair *p, const weld_model *m, const char *path, int threads,
                                   weld_error *err) {
    weld_dataset *ds;
    weld_status status = weld_dataset_open(path, &ds, err);
    if (status != WELD_OK) {
        return status;
    }
    weld_loader *loader = NULL;
    weld_loader_options options = {.preprocessing = m->file.preprocessing,
                                   .augmentation = weld_augmentation_defaults(),
                                   .batch_size = BATCH,
                                   .threads = threads};
    options.augmentation.kind = WELD_AUGMENT_NONE;
    status = weld_model_check_classes(m, ds, err);
    if (status == WELD_OK) {
        status = weld_loader_create(ds, &options, &loader, err);
    }
    int64_t batches = status == WELD_OK ? weld_loader_eval_batches(loader) : 0;
    for (int64_t b = 0; b < batches && b * BATCH < MOST_IMAGES && status == WELD_OK; b++) {
        weld_batch batch;
        status = weld_loader_eval_batch(loader, b, weld_session_input(p->before, "images").data,
                                        &batch, err);
        if (status == WELD_OK) {
            compare_batch(p, batch.count, batch.labels);
        }
    }
    if (status == WELD_OK && p->sum.images == 0) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: none of its images can be read", path);
    }
    weld_loader_free(loader);
    weld_dataset_free(ds);
    return status;
}

weld_status weld_model_compare(const weld_model *before, const weld_model *after, const char *data,
                               int threads, weld_comparison *out, weld_error *err) {
    pair p = {0};
    weld_status status = create_sessions(before, after, BATCH, threads, &p, err);
    if (status == WELD_OK && data) {
        status = compare_on_data(&p, before, data, threads, err);
    }
    for (int done = 0; status == WELD_OK && !data && done < NOISE_IMAGES; done += BATCH) {
        fill_noise(&p, (uint64_t)done);
        compare_batch(&p, BATCH, NULL);
    }
    free_sessions(&p);
    if (status != WELD_OK) {
        return status;
    }
    p.sum.labelled = data != NULL;
    p.sum.top1_before = 100.0 * (double)p.top1_before / (double)p.sum.images;
    p.sum.top1_after = 100.0 * (double)p.top1_after / (double)p.sum.images;
    *out = p.sum;
    return WELD_OK;
}

weld_status weld_comparison_check(const weld_comparison *c, const char *what, weld_error *err) {
    if (!isfinite(c->largest_difference)) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "the network's logits are not finite: its weights are damaged: nothing "
                         "was written");
    }
    if (!(c->largest_difference <= TOLERANCE * c->largest_logit)) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "%s changes logits by up to %.3g where the largest is %.3g, more than "
                         "%.0e of it: nothing was written",
                         what, c->largest_difference, c->largest_logit, TOLERANCE);
    }
    return WELD_OK;
}

weld_status weld_model_time_both(const weld_model *before, const weld_model *after, int threads,
                                 double *milliseconds_before, double *milliseconds_after,
                                 weld_error *err) {
    double times_before[TIMED_RUNS], times_after[TIMED_RUNS];
    pair p = {0};
    weld_status status = create_sessions(before, after, 1, threads, &p, err);
    if (status != WELD_OK) {
        return status;
    }
    fill_noise(&p, 0);
    compare_batch(&p, 1, NULL); /* both have run once, on the same image */
    for (int i = 0; i < TIMED_RUNS; i++) {
        double t0 = weld_clock();
        weld_session_run(p.before, 0);
        double t1 = weld_clock();
        weld_session_run(p.after, 0);
        times_before[i] = t1 - t0;
        times_after[i] = weld_clock() - t1;
    }
    *milliseconds_before = 1e3 * weld_median(times_before, TIMED_RUNS);
    *milliseconds_after = 1e3 * weld_median(times_after, TIMED_RUNS);
    free_sessions(&p);
    return WELD_OK;
}
