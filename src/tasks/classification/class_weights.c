/* Weights of classes; see class_weights.h. */
#include "tasks/classification/class_weights.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "tasks/classification/classification.h"

struct weld_class_weights {
    int classes;
    int64_t *counts;
    double *weights;
    double smoothing;
    float *targets;
};

weld_status weld_class_weights_of(weld_balance weights_balance, weld_balance sampling,
                                  const int64_t *counts, int classes, double *weights,
                                  weld_error *err) {
    double *shares = weld_alloc((size_t)classes, sizeof *shares), mean = 0;
    if (!shares) {
        return weld_fail_memory(err, "class weights");
    }
    weld_group_shares(sampling, counts, classes, shares);
    for (int c = 0; c < classes; c++) {
        double f = shares[c];
        weights[c] = f <= 0                                 ? 0
                     : weights_balance == WELD_BALANCE_NONE ? 1
                     : weights_balance == WELD_BALANCE_FULL ? 1 / f
                                                            : 1 / sqrt(f);
        mean += f * weights[c];
    }
    for (int c = 0; c < classes; c++) {
        weights[c] /= mean;
    }
    weld_free(shares);
    return WELD_OK;
}

weld_status weld_class_weights_create(const weld_dataset *ds, weld_balance weights_balance,
                                      weld_balance sampling, double label_smoothing, int64_t rows,
                                      weld_class_weights **out, weld_error *err) {
    int classes = weld_dataset_class_count(ds);
    *out = NULL;
    weld_class_weights *w = weld_alloc(1, sizeof *w);
    if (!w) {
        return weld_fail_memory(err, "class weights");
    }
    *w = (weld_class_weights){.classes = classes, .smoothing = label_smoothing};
    weld_status status = weld_count_groups(ds, &weld_class_annotation, &w->counts, err);
    w->weights = weld_alloc((size_t)classes, sizeof *w->weights);
    w->targets = weld_alloc((size_t)rows, (size_t)classes * sizeof *w->targets);
    if (!status && (!w->weights || !w->targets)) {
        status = weld_fail_memory(err, "class weights");
    }
    status = status ? status
                    : weld_class_weights_of(weights_balance, sampling, w->counts, classes,
                                            w->weights, err);
    if (status) {
        weld_class_weights_free(w);
        return status;
    }
    *out = w;
    return WELD_OK;
}

void weld_class_weights_free(weld_class_weights *w) {
    if (w) {
        weld_free(w->counts);
        weld_free(w->weights);
        weld_free(w->targets);
        weld_free(w);
    }
}

float *weld_class_weights_targets(const weld_class_weights *w) {
    return w->targets;
}

void weld_class_weights_apply(const weld_class_weights *w, int64_t count, float *out) {
    const double kept = 1 - w->smoothing, spread = w->smoothing / w->classes;
    const float *from = w->targets;
    for (int64_t row = 0; row < count; row++) {
        for (int c = 0; c < w->classes; c++) {
            *out++ = (float)(w->weights[c] * (kept * (double)*from++ + spread));
        }
    }
}

/* The least and the most of `values`, of the classes that have images. */
static void range_text(const weld_dataset *ds, const int64_t *counts, const double *values,
                       char *text, size_t size) {
    int least = -1, most = -1;
    for (int c = 0; c < weld_dataset_class_count(ds); c++) {
        if (counts[c] > 0) {
            least = least < 0 || values[c] < values[least] ? c : least;
            most = most < 0 || values[c] > values[most] ? c : most;
        }
    }
    weld_snprintf(text, size, "from %.3g (%.80s, %lld images) to %.3g (%.80s, %lld)", values[least],
                  weld_dataset_class_name(ds, least), (long long)counts[least], values[most],
                  weld_dataset_class_name(ds, most), (long long)counts[most]);
}

void weld_class_weights_text(const weld_class_weights *w, const weld_dataset *ds, char *text,
                             size_t size) {
    range_text(ds, w->counts, w->weights, text, size);
}

weld_status weld_sampling_text(const weld_dataset *ds, weld_balance sampling, char *text,
                               size_t size, weld_error *err) {
    int classes = weld_dataset_class_count(ds);
    int64_t *counts = NULL;
    double *times = weld_alloc((size_t)classes, sizeof *times);
    weld_status status = times ? weld_count_groups(ds, &weld_class_annotation, &counts, err)
                               : weld_fail_memory(err, "sampling");
    if (!status) {
        weld_group_shares(sampling, counts, classes, times);
        for (int c = 0; c < classes; c++) {
            double images = (double)(counts[c] > 0 ? counts[c] : 1);
            times[c] *= (double)weld_dataset_count(ds) / images;
        }
        range_text(ds, counts, times, text, size);
    }
    weld_free(counts);
    weld_free(times);
    return status;
}
