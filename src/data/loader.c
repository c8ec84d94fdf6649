/* Batches; see loader.h. */
#include "data/loader.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "data/mix.h"
#include "data/order.h"
#include "data/read_ahead.h"
#include "data/sample.h"

enum {
    MAX_BAD_IN_A_ROW = 1000,
    READ_AHEAD_FROM = 16 << 10 /* bytes of a raw sample; smaller ones are not worth a thread */
};

struct weld_loader {
    const weld_dataset *ds;
    weld_loader_options options;
    weld_transform transform;
    int threads;
    weld_sample_worker *workers; /* one per thread */
    weld_read_ahead *read_ahead; /* NULL where it does not pay */
    uint64_t served;             /* batches: numbers them for read_ahead */
    weld_sampling *sampling;     /* NULL: each sample once an epoch */
    weld_order *order;
    /* Of the current batch, one per sample: */
    int64_t *indices, *repeats, *coming, *coming_repeats; /* coming: of the next batch */
    int64_t *runs; /* where runs of slots with the same image begin, and the end */
    int32_t *labels;
    weld_mix *mixes;
    weld_status *statuses;
    weld_error *errors;
};

int64_t weld_loader_train_batch_size(const weld_loader *l) {
    int64_t count = weld_dataset_count(l->ds);
    return count < l->options.batch_size ? count : l->options.batch_size;
}

int64_t weld_loader_train_batches(const weld_loader *l) {
    return weld_dataset_count(l->ds) / weld_loader_train_batch_size(l);
}

int64_t weld_loader_eval_batches(const weld_loader *l) {
    int64_t size = l->options.batch_size;
    return weld_dataset_count(l->ds) / size + (weld_dataset_count(l->ds) % size != 0);
}

/* --- Creation ----------------------------------------------------------------------------------
 */

static bool is_worth_reading_ahead(const weld_dataset *ds) {
    weld_packed_layout l = weld_dataset_layout(ds);
    return l.height == 0 || (int64_t)l.height * l.width * l.channels >= READ_AHEAD_FROM;
}

static weld_status allocate(weld_loader *l, weld_error *err) {
    size_t batch = (size_t)l->options.batch_size;
    l->workers = weld_alloc((size_t)l->threads, sizeof *l->workers);
    l->runs = weld_alloc(batch + 1, sizeof *l->runs);
    l->indices = weld_alloc(batch, sizeof *l->indices);
    l->repeats = weld_alloc(batch, sizeof *l->repeats);
    l->coming = weld_alloc(batch, sizeof *l->coming);
    l->coming_repeats = weld_alloc(batch, sizeof *l->coming_repeats);
    l->labels = weld_alloc(batch, sizeof *l->labels);
    l->mixes = weld_alloc(batch, sizeof *l->mixes);
    l->statuses = weld_alloc(batch, sizeof *l->statuses);
    l->errors = weld_alloc_raw(batch, sizeof *l->errors);
    if (!l->workers || !l->runs || !l->indices || !l->repeats || !l->coming || !l->coming_repeats ||
        !l->labels || !l->mixes || !l->statuses || !l->errors) {
        return weld_fail_memory(err, "loader");
    }
    weld_status status = WELD_OK;
    if (l->options.sampling != WELD_BALANCE_NONE) {
        status = weld_sampling_create(l->ds, l->options.sampling, &l->sampling, err);
    }
    const weld_augmentation *a = &l->transform.augmentation;
    weld_order_options order = {.count = weld_dataset_count(l->ds),
                                .seed = l->options.seed,
                                .shuffle = l->options.shuffle,
                                .repeats = a->kind == WELD_AUGMENT_NONE ? 1 : a->repeats,
                                .sampling = l->sampling};
    status = status ? status : weld_order_create(&order, &l->order, err);
    if (!status && is_worth_reading_ahead(l->ds)) {
        status = weld_read_ahead_create(l->ds, l->options.batch_size, &l->read_ahead, err);
    }
    return status;
}

weld_status weld_loader_create(const weld_dataset *ds, const weld_loader_options *options,
                               weld_loader **out, weld_error *err) {
    if (options->batch_size < 1 || options->batch_size > 1 << 20) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "batch size %lld: it must be in 1..%d",
                         (long long)options->batch_size, 1 << 20);
    }
    weld_loader *l = weld_alloc(1, sizeof *l);
    if (!l) {
        return weld_fail_memory(err, "loader");
    }
    l->ds = ds;
    l->options = *options;
    l->threads = options->threads > 0 ? options->threads : weld_threads_available();
    weld_status status =
        weld_transform_init(&l->transform, &options->preprocessing, &options->augmentation, err);
    if (!status) {
        status = allocate(l, err);
    }
    if (status) {
        weld_loader_free(l);
        return status;
    }
    *out = l;
    return WELD_OK;
}

void weld_loader_free(weld_loader *l) {
    if (!l) {
        return;
    }
    weld_read_ahead_free(l->read_ahead);
    for (int i = 0; l->workers && i < l->threads; i++) {
        weld_sample_worker_free(&l->workers[i]);
    }
    weld_free(l->workers);
    weld_order_free(l->order);
    weld_sampling_free(l->sampling);
    weld_free(l->runs);
    weld_free(l->indices);
    weld_free(l->repeats);
    weld_free(l->coming);
    weld_free(l->coming_repeats);
    weld_free(l->labels);
    weld_free(l->mixes);
    weld_free(l->statuses);
    weld_free(l->errors);
    weld_free(l);
}

/* --- One sample --------------------------------------------------------------------------------
 */

typedef struct load_job {
    weld_loader *loader;
    bool training;
    weld_sample_source source;
    float *images;
} load_job;

static weld_sample_source source_of(const weld_loader *l, uint32_t view) {
    return (weld_sample_source){.ds = l->ds,
                                .transform = &l->transform,
                                .seed = l->options.seed,
                                .view = view,
                                .views = l->options.views};
}

static size_t image_floats(const weld_loader *l) {
    size_t size = (size_t)l->options.preprocessing.input_size;
    return size * size * 3;
}

static weld_status read_image(const load_job *job, int64_t slot, int64_t count, bool is_ahead,
                              weld_sample_worker *w, weld_error *err) {
    const weld_loader *l = job->loader;
    int64_t index = l->indices[slot];
    weld_status status = WELD_OK;
    w->since = weld_clock();
    if (!is_ahead || !weld_read_ahead_take(l->read_ahead, l->served, slot, index, &w->bytes)) {
        status = weld_dataset_read(l->ds, index, &w->bytes, err);
    }
    weld_sample_begin(&job->source, w, count);
    weld_sample_end_stage(w, WELD_STAGE_WAIT);
    return status;
}

/* The sample of a slot whose bytes w holds. */
static weld_status make_sample(const load_job *job, int64_t slot, weld_sample_worker *w,
                               weld_error *err) {
    const weld_loader *l = job->loader;
    int64_t index = l->indices[slot];
    float *out = job->images + (size_t)slot * image_floats(l);
    return job->training ? weld_sample_training(&job->source, index, l->repeats[slot], w, out, err)
                         : weld_sample_evaluation(&job->source, index, w, out, err);
}

static void load_run(void *arg, int64_t run, int thread) {
    const load_job *job = arg;
    weld_loader *l = job->loader;
    weld_sample_worker *w = &l->workers[thread];
    const int64_t first = l->runs[run], end = l->runs[run + 1];
    weld_error *why = &l->errors[first];
    weld_status read = read_image(job, first, end - first, l->read_ahead != NULL, w, why);
    for (int64_t slot = first; slot < end; slot++) {
        if (read && slot > first) {
            l->errors[slot] = *why;
        }
        l->statuses[slot] = read ? read : make_sample(job, slot, w, &l->errors[slot]);
        l->labels[slot] = weld_dataset_label(l->ds, l->indices[slot]);
    }
}

/* Load slots 0..count-1, by runs of the same image: these are read once. */
static void load_slots(load_job *job, int64_t count) {
    weld_loader *l = job->loader;
    int64_t runs = 0;
    for (int64_t slot = 0; slot < count; slot++) {
        if (slot == 0 || l->indices[slot] != l->indices[slot - 1]) {
            l->runs[runs++] = slot;
        }
    }
    l->runs[runs] = count;
    weld_parallel(l->threads, runs, load_run, job);
}

static void begin_batch(weld_loader *l) {
    for (int i = 0; i < l->threads; i++) {
        memset(l->workers[i].seconds, 0, sizeof l->workers[i].seconds);
    }
}

/* Share `seconds`, in which the threads made the samples, out as they spent them. */
static void share_seconds(const weld_loader *l, double seconds, weld_batch *out) {
    double sums[WELD_STAGES] = {0}, total = 0;
    for (int i = 0; i < l->threads; i++) {
        for (int k = 0; k < WELD_STAGES; k++) {
            sums[k] += l->workers[i].seconds[k];
            total += l->workers[i].seconds[k];
        }
    }
    double share = total > 0 ? seconds / total : 0;
    out->wait_seconds = sums[WELD_STAGE_WAIT] * share;
    out->decode_seconds = sums[WELD_STAGE_DECODE] * share;
    out->augment_seconds = sums[WELD_STAGE_AUGMENT] * share;
}

/* Is the failure of a slot that of its image? Then report it; otherwise the batch fails. */
static bool is_bad_image(const weld_loader *l, int64_t slot) {
    if (!weld_is_bad_image(l->statuses[slot])) {
        return false;
    }
    if (l->options.bad_image) {
        l->options.bad_image(l->options.bad_image_arg, l->indices[slot], l->errors[slot].message);
    }
    return true;
}

static weld_status fail_slot(const weld_loader *l, int64_t slot, weld_error *err) {
    return weld_fail(err, l->statuses[slot], "%s", l->errors[slot].message);
}

/* --- Training ----------------------------------------------------------------------------------
 */

/* The `count` samples from a position of the epoch on. */
static void take_in_order(const weld_loader *l, int64_t position, int64_t count, int64_t *indices,
                          int64_t *repeats) {
    for (int64_t i = 0; i < count; i++) {
        indices[i] = weld_order_sample(l->order, position + i, &repeats[i]);
    }
}

/* Have the batch read that begins at a position of the order's epoch, and is asked for next. */
static void request_next(weld_loader *l, int64_t position, int64_t count) {
    if (l->read_ahead) {
        take_in_order(l, position, count, l->coming, l->coming_repeats);
        for (int64_t i = count - 1; i > 0; i--) { /* the first of a run reads for all */
            l->coming[i] = l->coming[i] == l->coming[i - 1] ? -1 : l->coming[i];
        }
        weld_read_ahead_request(l->read_ahead, l->served + 1, l->coming, count);
    }
}

/* Put the samples that follow the batch into the places of its bad ones, one by one and in order.
 */
static weld_status replace_bad(const load_job *job, int64_t begin, weld_batch *out,
                               weld_error *err) {
    weld_loader *l = job->loader;
    /* So many positions of the order hold every sample. */
    int64_t count = weld_dataset_count(l->ds) * l->transform.augmentation.repeats;
    int64_t next = begin + out->count, limit = count < MAX_BAD_IN_A_ROW ? count : MAX_BAD_IN_A_ROW;
    for (int64_t slot = 0; slot < out->count; slot++) {
        for (int64_t tries = 0; l->statuses[slot]; tries++, next++) {
            if (!is_bad_image(l, slot)) {
                return fail_slot(l, slot, err);
            }
            if (tries == limit) {
                return weld_fail(
                    err, WELD_ERROR_FORMAT,
                    "%s: %lld bad images in a row: look at it with weld check-data; the last: %s",
                    weld_dataset_path(l->ds), (long long)tries + 1, l->errors[slot].message);
            }
            out->bad++;
            take_in_order(l, next, 1, &l->indices[slot], &l->repeats[slot]);
            weld_sample_worker *w = &l->workers[0];
            weld_error *why = &l->errors[slot];
            weld_status read = read_image(job, slot, 1, false, w, why);
            l->statuses[slot] = read ? read : make_sample(job, slot, w, why);
            l->labels[slot] = weld_dataset_label(l->ds, l->indices[slot]);
        }
    }
    return WELD_OK;
}

static void make_targets(const weld_loader *l, const weld_batch *batch, float *targets) {
    size_t classes = (size_t)weld_dataset_class_count(l->ds);
    memset(targets, 0, (size_t)batch->count * classes * sizeof *targets);
    for (int64_t i = 0; i < batch->count; i++) {
        targets[(size_t)i * classes + (size_t)batch->labels[i]] = 1.0f;
    }
}

weld_status weld_loader_train_batch(weld_loader *l, uint32_t epoch, int64_t batch, float *images,
                                    float *targets, weld_batch *out, weld_error *err) {
    int64_t size = weld_loader_train_batch_size(l);
    if (batch < 0 || batch >= weld_loader_train_batches(l)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "batch %lld of %lld", (long long)batch,
                         (long long)weld_loader_train_batches(l));
    }
    int64_t views = l->options.views;
    const double began = weld_clock();
    const uint32_t view = views ? (uint32_t)(epoch % views) : epoch;
    load_job job = {l, true, source_of(l, view), images};
    *out = (weld_batch){.count = size,
                        .indices = l->indices,
                        .repeats = l->repeats,
                        .view = view,
                        .labels = l->labels,
                        .mixes = l->mixes};
    weld_order_set_epoch(l->order, epoch);
    take_in_order(l, batch * size, size, l->indices, l->repeats);
    begin_batch(l);
    if (batch + 1 < weld_loader_train_batches(l)) {
        request_next(l, (batch + 1) * size, size);
    }
    load_slots(&job, size);
    weld_status status = replace_bad(&job, batch * size, out, err);
    if (status) {
        return status;
    }
    if (batch + 1 == weld_loader_train_batches(l)) {
        weld_order_set_epoch(l->order, epoch + 1);
        request_next(l, 0, size);
    }
    l->served++;
    const double made = weld_clock();
    share_seconds(l, made - began, out);
    make_targets(l, out, targets);
    int image_size = l->options.preprocessing.input_size;
    weld_mix_draw(&l->transform.augmentation, l->options.seed, epoch, batch, size, image_size,
                  l->mixes);
    weld_mix_images(l->mixes, size, image_size, images, l->threads);
    weld_mix_rows(l->mixes, size, weld_dataset_class_count(l->ds), targets);
    out->augment_seconds += weld_clock() - made;
    return WELD_OK;
}

/* --- Evaluation --------------------------------------------------------------------------------
 */

/* Samples batch * batch_size and following; returns how many, 0 past the end. */
static int64_t eval_indices(const weld_loader *l, int64_t batch, int64_t *indices) {
    int64_t begin = batch * l->options.batch_size, count = weld_dataset_count(l->ds) - begin;
    count = count > l->options.batch_size ? l->options.batch_size : count;
    for (int64_t i = 0; i < count; i++) {
        indices[i] = begin + i;
    }
    return count < 0 ? 0 : count;
}

/* Close the gaps that bad images left. */
static weld_status leave_out_bad(weld_loader *l, int64_t count, float *images, weld_batch *out,
                                 weld_error *err) {
    size_t floats = image_floats(l);
    for (int64_t slot = 0; slot < count; slot++) {
        int64_t to = out->count;
        if (l->statuses[slot]) {
            if (!is_bad_image(l, slot)) {
                return fail_slot(l, slot, err);
            }
            out->bad++;
            continue;
        }
        if (to != slot) {
            memcpy(images + (size_t)to * floats, images + (size_t)slot * floats,
                   floats * sizeof *images);
            l->indices[to] = l->indices[slot];
            l->labels[to] = l->labels[slot];
        }
        out->count++;
    }
    return WELD_OK;
}

/* The next samples of the data set in its own order. */
static weld_status load_in_order(load_job *job, int64_t batch, weld_batch *out, weld_error *err) {
    weld_loader *l = job->loader;
    if (batch < 0 || batch >= weld_loader_eval_batches(l)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "batch %lld of %lld", (long long)batch,
                         (long long)weld_loader_eval_batches(l));
    }
    *out = (weld_batch){.indices = l->indices, .labels = l->labels, .view = job->source.view};
    const double began = weld_clock();
    int64_t count = eval_indices(l, batch, l->indices);
    begin_batch(l);
    if (l->read_ahead) {
        weld_read_ahead_request(l->read_ahead, l->served + 1, l->coming,
                                eval_indices(l, batch + 1, l->coming));
    }
    load_slots(job, count);
    l->served++;
    weld_status status = leave_out_bad(l, count, job->images, out, err);
    share_seconds(l, weld_clock() - began, out);
    return status;
}

weld_status weld_loader_eval_batch(weld_loader *l, int64_t batch, float *images, weld_batch *out,
                                   weld_error *err) {
    load_job job = {l, false, source_of(l, 0), images};
    return load_in_order(&job, batch, out, err);
}

weld_status weld_loader_view_batch(weld_loader *l, uint32_t view, int64_t batch, float *images,
                                   weld_batch *out, weld_error *err) {
    load_job job = {l, true, source_of(l, view), images};
    memset(l->repeats, 0, (size_t)l->options.batch_size * sizeof *l->repeats);
    return load_in_order(&job, batch, out, err);
}
