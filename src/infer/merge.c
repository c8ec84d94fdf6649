/* Merging a model for deployment: rewrite, compare with the original on the same images, write. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/memory.h"
#include "base/random.h"
#include "infer/evaluate.h"
#include "infer/model.h"
#include "passes/reparameterize.h"

enum { NOISE_IMAGES = 32, MOST_IMAGES = 1024, BATCH = 16, TIMED_RUNS = 20 };
#define TOLERANCE 1e-4 /* of the largest logit */

/* The two networks side by side. */
typedef struct comparison {
    weld_session *before, *after;
    int classes;
    int64_t top1_before, top1_after;
    weld_merge_report *report;
} comparison;

static weld_status create_sessions(const weld_model *m, const weld_graph *merged,
                                   weld_weights *merged_weights, int64_t batch, int threads,
                                   comparison *c, weld_error *err) {
    weld_session_options options = {.batch = batch, .threads = threads};
    weld_status status = weld_session_create(m->graph, m->file.weights, &options, &c->before, err);
    if (status == WELD_OK) {
        status = weld_session_create(merged, merged_weights, &options, &c->after, err);
    }
    return status;
}

static void free_sessions(comparison *c) {
    weld_session_free(c->before);
    weld_session_free(c->after);
    c->before = c->after = NULL;
}

static int best_class(const float *logits, int classes) {
    int best = 0;
    for (int i = 1; i < classes; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* Run both on the images that stand in the first session's input. labels may be NULL. */
static void compare_batch(comparison *c, int64_t count, const int32_t *labels) {
    weld_merge_report *r = c->report;
    weld_session_run(c->before, 0);
    weld_session_run(c->after, 0);
    const float *x = weld_session_output(c->before, "logits").data;
    const float *y = weld_session_output(c->after, "logits").data;
    for (int64_t i = 0; i < count; i++, x += c->classes, y += c->classes) {
        for (int j = 0; j < c->classes; j++) {
            double difference = fabs((double)x[j] - (double)y[j]);
            /* written so that a NaN counts as infinitely different */
            r->largest_logit = fmax(r->largest_logit, fabs((double)x[j]));
            r->largest_difference = difference <= r->largest_difference ? r->largest_difference
                                    : difference >= 0                   ? difference
                                                                        : INFINITY;
        }
        int a = best_class(x, c->classes), b = best_class(y, c->classes);
        r->images++;
        r->same_class += a == b;
        c->top1_before += labels && a == labels[i];
        c->top1_after += labels && b == labels[i];
    }
}

static void copy_input(comparison *c) {
    weld_tensor from = weld_session_input(c->before, "images");
    weld_tensor to = weld_session_input(c->after, "images");
    float *x = to.data;
    const float *y = from.data;
    for (int64_t i = weld_shape_count(&to.shape); i-- > 0;) {
        x[i] = y[i];
    }
}

static void fill_noise(comparison *c, uint64_t index) {
    weld_tensor t = weld_session_input(c->before, "images");
    weld_random r = weld_random_start(0, 0, index, WELD_RANDOM_TEST);
    float *x = t.data;
    for (int64_t i = 0, n = weld_shape_count(&t.shape); i < n; i++) {
        x[i] = (float)weld_random_normal(&r);
    }
    copy_input(c);
}

static weld_status compare_on_data(comparison *c, const weld_model *m, const char *path,
                                   int threads, weld_error *err) {
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
        status = weld_loader_eval_batch(loader, b, weld_session_input(c->before, "images").data,
                                        &batch, err);
        if (status == WELD_OK) {
            copy_input(c);
            compare_batch(c, batch.count, batch.labels);
        }
    }
    if (status == WELD_OK && c->report->images == 0) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: none of its images can be read", path);
    }
    weld_loader_free(loader);
    weld_dataset_free(ds);
    return status;
}

static weld_status compare(const weld_model *m, const weld_graph *merged,
                           weld_weights *merged_weights, const char *verify, int threads,
                           comparison *c, weld_error *err) {
    weld_status status = create_sessions(m, merged, merged_weights, BATCH, threads, c, err);
    if (status == WELD_OK && verify) {
        status = compare_on_data(c, m, verify, threads, err);
    }
    for (int done = 0; status == WELD_OK && !verify && done < NOISE_IMAGES; done += BATCH) {
        fill_noise(c, (uint64_t)done);
        compare_batch(c, BATCH, NULL);
    }
    free_sessions(c);
    if (status != WELD_OK) {
        return status;
    }
    weld_merge_report *r = c->report;
    r->labelled = verify != NULL;
    r->top1_before = 100.0 * (double)c->top1_before / (double)r->images;
    r->top1_after = 100.0 * (double)c->top1_after / (double)r->images;
    if (!(r->largest_difference <= TOLERANCE * r->largest_logit)) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "merging changes logits by up to %.3g where the largest is %.3g, more "
                         "than %.0e of it: nothing was written",
                         r->largest_difference, r->largest_logit, TOLERANCE);
    }
    return WELD_OK;
}

/* Medians of single images, alternating so that both see the same machine. */
static weld_status time_both(const weld_model *m, const weld_graph *merged,
                             weld_weights *merged_weights, int threads, comparison *c,
                             weld_error *err) {
    double before[TIMED_RUNS], after[TIMED_RUNS];
    weld_status status = create_sessions(m, merged, merged_weights, 1, threads, c, err);
    if (status == WELD_OK) {
        fill_noise(c, 0);
        weld_session_run(c->before, 0);
        weld_session_run(c->after, 0);
        for (int i = 0; i < TIMED_RUNS; i++) {
            double t0 = weld_clock();
            weld_session_run(c->before, 0);
            double t1 = weld_clock();
            weld_session_run(c->after, 0);
            before[i] = t1 - t0;
            after[i] = weld_clock() - t1;
        }
        c->report->milliseconds_before = 1e3 * weld_median(before, TIMED_RUNS);
        c->report->milliseconds_after = 1e3 * weld_median(after, TIMED_RUNS);
    }
    free_sessions(c);
    return status;
}

/* The record that travels in the deploy file. */
static char *report_text(const weld_merge_report *r, const char *verify) {
    json_t *json = json_pack(
        "{s:s, s:I, s:f, s:f, s:I, s:f, s:f}", "images_from", verify ? verify : "normal noise",
        "images", (json_int_t)r->images, "largest_logit", r->largest_logit, "largest_difference",
        r->largest_difference, "same_class", (json_int_t)r->same_class, "milliseconds_before",
        r->milliseconds_before, "milliseconds_after", r->milliseconds_after);
    if (json && r->labelled) {
        json_object_set_new(json, "top1_before", json_real(r->top1_before));
        json_object_set_new(json, "top1_after", json_real(r->top1_after));
    }
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    return text;
}

weld_status weld_model_merge(const weld_model *m, const char *verify, int threads, const char *path,
                             weld_merge_report *report, weld_error *err) {
    weld_graph *graph = NULL;
    weld_weights *weights = NULL;
    char *verification = NULL;
    comparison c = {.report = report, .classes = m->file.config.num_classes};
    *report = (weld_merge_report){.before = weld_graph_counts(m->graph)};
    weld_status status = weld_reparameterize(m->graph, m->file.weights, &graph, &weights, err);
    if (status == WELD_OK) {
        report->after = weld_graph_counts(graph);
        status = compare(m, graph, weights, verify, threads, &c, err);
    }
    if (status == WELD_OK) {
        status = time_both(m, graph, weights, threads, &c, err);
    }
    if (status == WELD_OK) {
        verification = report_text(report, verify);
        status = verification ? WELD_OK : weld_fail_memory(err, path);
    }
    if (status == WELD_OK) {
        weld_model_file merged = m->file; /* all that it points to stays the model's */
        merged.kind = WELD_MODEL_DEPLOY;
        merged.graph = graph;
        merged.weights = weights;
        merged.verification = verification;
        merged.moment1 = merged.moment2 = NULL;
        status = weld_model_file_write(path, &merged, err);
    }
    free(verification);
    weld_graph_free(graph);
    weld_weights_free(weights);
    return status;
}
