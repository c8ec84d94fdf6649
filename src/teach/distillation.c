/* What is learned from a teacher; see distillation.h. */
#include "teach/distillation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/threads.h"
#include "formats/logit_cache.h"
#include "formats/safetensors_checksum.h"
#include "recipe/pixel_keys.h"
#include "teach/teacher.h"
#include "teach/softmax.h"

/* The logarithm of the least probability that is told apart from 0. */
#define LEAST_LOG (-80.0f)

struct weld_distillation {
    weld_distillation_kind kind;
    double temperature;
    int classes;
    int threads;
    weld_teacher *teacher; /* this or the other */
    weld_logit_cache *cache;
    const weld_dataset *ds; /* that it is of */
    weld_status *statuses;  /* by image of a batch, when they are read from the cache */
    weld_error *errors;
    char identity[32], text[512];
};

static weld_status open_teacher(weld_distillation *d, const weld_recipe *r, const weld_dataset *ds,
                                const weld_batching *batching, int threads, weld_error *err) {
    weld_teacher_options options = {.preprocessing = &r->data.preprocessing,
                                    .shapes = batching->shapes,
                                    .shape_count = batching->shape_count,
                                    .threads = threads,
                                    .precision = (weld_precision)r->train.precision};
    weld_status status =
        weld_teacher_open(r->loss.distillation.teacher, ds, &options, &d->teacher, err);
    if (status) {
        return weld_fail_context(err, status, "loss.distillation.teacher");
    }
    weld_teacher_facts f = weld_teacher_get_facts(d->teacher);
    d->classes = f.classes;
    snprintf(d->identity, sizeof d->identity, "teacher %s", f.identity);
    char facts[256];
    snprintf(d->text, sizeof d->text, "teacher: %.150s: %s", r->loss.distillation.teacher,
             weld_teacher_text(&f, facts, sizeof facts));
    return WELD_OK;
}

static weld_status check_cache(const weld_distillation *d, const weld_recipe *r,
                               const weld_dataset *ds, weld_error *err) {
    const char *path = r->loss.distillation.cache, *was;
    weld_cache_layout l = weld_logit_cache_layout(d->cache);
    char samples[17];
    if (l.classes != weld_dataset_class_count(ds) || l.images != weld_dataset_count(ds)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is of %lld images of %d classes, %s has %lld of %d: make another "
                         "(weld distill-cache)",
                         path, (long long)l.images, l.classes, weld_dataset_path(ds),
                         (long long)weld_dataset_count(ds), weld_dataset_class_count(ds));
    }
    was = weld_logit_cache_text(d->cache, WELD_CACHE_SAMPLES);
    weld_samples_identity(r, ds, samples);
    if (was && strcmp(was, samples) != 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: the names or labels of its images are not those of %s: make another "
                         "(weld distill-cache)",
                         path, weld_dataset_path(ds));
    }
    was = weld_logit_cache_text(d->cache, WELD_CACHE_AUGMENTATION);
    return was ? weld_pixel_keys_check(r, was, path, err) : WELD_OK;
}

/* Parts of the text come from a file: it must stay one line. */
static void make_printable(char *text) {
    for (; *text; text++) {
        *text = (unsigned char)*text < ' ' || *text == 127 ? '?' : *text;
    }
}

static weld_status open_cache(weld_distillation *d, const weld_recipe *r, const weld_dataset *ds,
                              int64_t batch, weld_error *err) {
    const char *path = r->loss.distillation.cache;
    char identity[17];
    weld_status status = weld_logit_cache_open(path, &d->cache, err);
    status = status ? status : check_cache(d, r, ds, err);
    status = status ? status : weld_logit_cache_identity(d->cache, identity, err);
    if (status) {
        return weld_fail_context(err, status, "loss.distillation.cache");
    }
    d->statuses = weld_alloc((size_t)batch, sizeof *d->statuses);
    d->errors = weld_alloc((size_t)batch, sizeof *d->errors);
    if (!d->statuses || !d->errors) {
        return weld_fail_memory(err, "distillation");
    }
    weld_cache_layout l = weld_logit_cache_layout(d->cache);
    const char *teacher = weld_logit_cache_text(d->cache, WELD_CACHE_TEACHER);
    d->classes = l.classes;
    snprintf(d->identity, sizeof d->identity, "cache %s", identity);
    weld_snprintf(
        d->text, sizeof d->text, "cached teacher: %.120s: %.60s, %lld view%s, %d of %d classes%s%s",
        path, teacher ? teacher : "unknown", (long long)l.views, l.views == 1 ? "" : "s", l.top,
        l.classes,
        weld_logit_cache_text(d->cache, WELD_CACHE_AUGMENTATION)
            ? ""
            : "; it does not say how its images were augmented",
        weld_logit_cache_is_checked(d->cache) ? "" : "; checksums: " WELD_CHECKSUM_MISSING);
    make_printable(d->text);
    return WELD_OK;
}

weld_status weld_distillation_open(const weld_recipe *r, const weld_dataset *ds,
                                   const weld_batching *batching, int threads,
                                   weld_distillation **out, weld_error *err) {
    *out = NULL;
    weld_distillation *d = weld_alloc(1, sizeof *d);
    if (!d) {
        return weld_fail_memory(err, "distillation");
    }
    d->kind = (weld_distillation_kind)r->loss.distillation.kind;
    d->temperature = r->loss.distillation.temperature;
    d->threads = threads;
    d->ds = ds;
    weld_status status = r->loss.distillation.cache[0]
                             ? open_cache(d, r, ds, weld_batching_most(batching), err)
                             : open_teacher(d, r, ds, batching, threads, err);
    if (status) {
        weld_distillation_free(d);
        return status;
    }
    *out = d;
    return WELD_OK;
}

void weld_distillation_free(weld_distillation *d) {
    if (d) {
        weld_teacher_free(d->teacher);
        weld_logit_cache_free(d->cache);
        weld_free(d->statuses);
        weld_free(d->errors);
        weld_free(d);
    }
}

int64_t weld_distillation_views(const weld_distillation *d) {
    return d->cache ? weld_logit_cache_layout(d->cache).views : 0;
}

const char *weld_distillation_identity(const weld_distillation *d) {
    return d->identity;
}

const char *weld_distillation_text(const weld_distillation *d) {
    return d->text;
}

/* The most probable class alone; of equal ones the first. */
static void make_one_hot(float *row, int classes) {
    int best = 0;
    for (int i = 1; i < classes; i++) {
        best = row[i] > row[best] ? i : best;
    }
    memset(row, 0, (size_t)classes * sizeof *row);
    row[best] = 1;
}

static void make_targets(const weld_distillation *d, int64_t count, float *rows) {
    for (int64_t i = 0; i < count; i++) {
        float *row = rows + i * d->classes;
        if (d->kind == WELD_DISTILL_HARD) {
            make_one_hot(row, d->classes);
            continue;
        }
        for (int k = 0; k < d->classes; k++) {
            row[k] = (float)(row[k] / d->temperature);
        }
    }
}

/* --- From the cache --- */

typedef struct read_job {
    weld_distillation *d;
    const weld_batch *batch;
    float *rows;
} read_job;

static void read_row(void *arg, int64_t i, int thread) {
    const read_job *job = arg;
    weld_distillation *d = job->d;
    const weld_batch *batch = job->batch;
    int64_t views = weld_logit_cache_layout(d->cache).views;
    int64_t view =
        (batch->view + batch->repeats[i]) % views; /* as weld_loader_options.views says */
    (void)thread;
    d->statuses[i] = weld_logit_cache_read(d->cache, view, batch->indices[i], d->temperature,
                                           job->rows + i * d->classes, &d->errors[i]);
}

static weld_status read_rows(weld_distillation *d, const weld_batch *batch, float *rows,
                             weld_error *err) {
    read_job job = {d, batch, rows};
    weld_parallel(d->threads, batch->count, read_row, &job);
    for (int64_t i = 0; i < batch->count; i++) {
        if (d->statuses[i] == WELD_ERROR_NOT_FOUND) {
            return weld_fail(err, WELD_ERROR_NOT_FOUND,
                             "%s: %s: could not be read when the distillation cache was made, "
                             "which says nothing of it: make the cache again (weld distill-cache)",
                             weld_dataset_title(d->ds),
                             weld_dataset_name(d->ds, batch->indices[i]));
        }
        if (d->statuses[i]) {
            return weld_fail(err, d->statuses[i], "%s", d->errors[i].message);
        }
    }
    return WELD_OK;
}

static bool is_mixed(const weld_batch *batch) {
    bool mixed = false;
    for (int64_t i = 0; i < batch->count; i++) {
        mixed = mixed || batch->mixes[i].lambda < 1;
    }
    return mixed;
}

/* Logits become the probabilities that they stand for. */
static void apply_softmax(float *row, int classes) {
    float largest;
    const double sum = weld_softmax_sum(row, classes, &largest);
    for (int k = 0; k < classes; k++) {
        row[k] = (float)(exp((double)row[k] - largest) / sum);
    }
}

static void apply_log(float *row, int classes) {
    for (int k = 0; k < classes; k++) {
        row[k] = row[k] > 0 ? fmaxf(logf(row[k]), LEAST_LOG) : LEAST_LOG;
    }
}

/* Probabilities are mixed: those of `hard` are some already, the others are made of logits and into
 * logits again. */
static void mix_targets(const weld_distillation *d, const weld_batch *batch, float *rows) {
    bool soft = d->kind == WELD_DISTILL_SOFT;
    for (int64_t i = 0; soft && i < batch->count; i++) {
        apply_softmax(rows + i * d->classes, d->classes);
    }
    weld_mix_rows(batch->mixes, batch->count, d->classes, rows);
    for (int64_t i = 0; soft && i < batch->count; i++) {
        apply_log(rows + i * d->classes, d->classes);
    }
}

weld_status weld_distillation_fill(weld_distillation *d, const weld_batch *batch,
                                   const float *images, float *teacher, weld_error *err) {
    if (d->teacher) {
        weld_teacher_run(d->teacher, batch->height, batch->width, images, batch->count, teacher);
        make_targets(d, batch->count, teacher);
        return WELD_OK;
    }
    WELD_TRY(read_rows(d, batch, teacher, err));
    make_targets(d, batch->count, teacher);
    if (is_mixed(batch)) {
        mix_targets(d, batch, teacher);
    }
    return WELD_OK;
}
