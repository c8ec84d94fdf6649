/* Batches; see loader.h. */
#include "data/loader.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "data/loading.h"
#include "data/mosaic.h"

enum {
    MAX_BAD_IN_A_ROW = 1000,
    READ_AHEAD_FROM = 16 << 10 /* bytes of a raw sample; smaller ones are not worth a thread */
};

int64_t weld_loader_train_batch_size(const weld_loader *l) {
    int64_t count = weld_dataset_count(l->ds);
    return count < l->options.batch_size ? count : l->options.batch_size;
}

const weld_batch_shape *weld_loader_train_shapes(const weld_loader *l, int *count) {
    *count = l->batching.shape_count;
    return l->batching.shapes;
}

int64_t weld_loader_train_most(const weld_loader *l) {
    return weld_batching_most(&l->batching);
}

int weld_loader_sample_parts(const weld_loader *l) {
    return (int)l->most;
}

size_t weld_loader_train_floats(const weld_loader *l) {
    size_t most = 0;
    for (int i = 0; i < l->batching.shape_count; i++) {
        const weld_batch_shape *s = &l->batching.shapes[i];
        const size_t floats = (size_t)s->count * (size_t)s->height * (size_t)s->width * 3;
        most = floats > most ? floats : most;
    }
    return most;
}

int64_t weld_loader_train_updates(weld_loader *l, uint32_t epoch) {
    return weld_batching_updates(&l->batching, epoch);
}

int64_t weld_loader_train_batches(weld_loader *l, uint32_t epoch) {
    return weld_loader_train_updates(l, epoch) * l->batching.accumulate;
}

int weld_loader_train_shape(weld_loader *l, uint32_t epoch, int64_t batch) {
    return weld_batching_find(&l->batching, epoch, batch).shape;
}

int64_t weld_loader_eval_batches(const weld_loader *l) {
    int64_t size = l->options.batch_size;
    return weld_dataset_count(l->ds) / size + (weld_dataset_count(l->ds) % size != 0);
}

/* --- Creation --------------------------------------------------------------------------------- */

static bool is_worth_reading_ahead(const weld_dataset *ds) {
    weld_packed_layout l = weld_dataset_layout(ds);
    return l.height == 0 || (int64_t)l.height * l.width * l.channels >= READ_AHEAD_FROM;
}

static bool allocate_picks(weld_picks *p, size_t batch, size_t most) {
    p->indices = weld_alloc(batch, sizeof *p->indices);
    p->repeats = weld_alloc(batch, sizeof *p->repeats);
    p->parts = weld_alloc(batch * most, sizeof *p->parts);
    p->counts = weld_alloc(batch, sizeof *p->counts);
    return p->indices && p->repeats && p->parts && p->counts;
}

static void free_picks(weld_picks *p) {
    weld_free(p->indices);
    weld_free(p->repeats);
    weld_free(p->parts);
    weld_free(p->counts);
}

/* Samples of the largest batch, of training or of evaluation. */
static int64_t capacity(const weld_loader *l) {
    const int64_t most = weld_batching_most(&l->batching);
    return most > l->options.batch_size ? most : l->options.batch_size;
}

static weld_status allocate(weld_loader *l, weld_error *err) {
    const size_t batch = (size_t)capacity(l), most = (size_t)l->most;
    l->workers = weld_alloc((size_t)l->threads, sizeof *l->workers);
    l->runs = weld_alloc(batch + 1, sizeof *l->runs);
    l->wanted = weld_alloc(batch * most, sizeof *l->wanted);
    l->annotations = weld_alloc(batch, sizeof *l->annotations);
    l->placements = weld_alloc(batch, sizeof *l->placements);
    l->mixes = weld_alloc(batch, sizeof *l->mixes);
    l->statuses = weld_alloc(batch, sizeof *l->statuses);
    l->errors = weld_alloc_raw(batch, sizeof *l->errors);
    l->bad = weld_alloc(batch, sizeof *l->bad);
    if (!allocate_picks(&l->picks, batch, most) || !allocate_picks(&l->coming, batch, most) ||
        !l->workers || !l->runs || !l->wanted || !l->annotations || !l->placements || !l->mixes ||
        !l->statuses || !l->errors || !l->bad) {
        return weld_fail_memory(err, "loader");
    }
    for (size_t i = 0; i < batch && l->options.annotation; i++) {
        l->annotations[i].element = l->options.annotation->element;
    }
    return WELD_OK;
}

static weld_status open_order(weld_loader *l, weld_error *err) {
    if (l->options.sampling != WELD_BALANCE_NONE) {
        WELD_TRY(weld_sampling_create(l->ds, l->options.annotation, l->options.sampling,
                                      &l->sampling, err));
    }
    const weld_augmentation *a = &l->transform.augmentation;
    weld_order_options order = {.count = weld_dataset_count(l->ds),
                                .seed = l->options.seed,
                                .shuffle = l->options.shuffle,
                                .repeats = a->kind == WELD_AUGMENT_NONE ? 1 : a->repeats,
                                .sampling = l->sampling};
    return weld_order_create(&order, &l->order, err);
}

static weld_status open_batching(weld_loader *l, weld_error *err) {
    const weld_loader_options *o = &l->options;
    const weld_batching_options batching = {.count = weld_dataset_count(l->ds),
                                            .batch_size = o->batch_size,
                                            .height = o->preprocessing.height,
                                            .width = o->preprocessing.width,
                                            .sizes = o->sizes,
                                            .size_count = o->size_count,
                                            .accumulate = o->accumulate ? o->accumulate : 1,
                                            .seed = o->seed};
    WELD_TRY(weld_batching_init(&l->batching, &batching, err));
    l->transforms = weld_alloc((size_t)l->batching.shape_count, sizeof *l->transforms);
    return l->transforms ? WELD_OK : weld_fail_memory(err, "loader");
}

/* What images become, at input_size and at each size of training. */
static weld_status open_transforms(weld_loader *l, weld_error *err) {
    const weld_loader_options *o = &l->options;
    weld_preprocessing preprocessing = o->preprocessing;
    WELD_TRY(weld_transform_init(&l->transform, &preprocessing, &o->augmentation, err));
    for (int i = 0; i < l->batching.shape_count; i++) {
        preprocessing.height = l->batching.shapes[i].height;
        preprocessing.width = l->batching.shapes[i].width;
        WELD_TRY(weld_transform_init(&l->transforms[i], &preprocessing, &o->augmentation, err));
    }
    return WELD_OK;
}

/* Pixels that were packed are not to be taken for others than they are. */
static weld_status check_scale16(const weld_loader *l, weld_error *err) {
    const int packed = weld_dataset_layout(l->ds).scale16, own = l->options.preprocessing.scale16;
    return !packed || packed == (own ? own : WELD_SCALE16_MIN)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: was packed with --scale16 %d, but images are to be read with %d "
                           "(data.scale16 of a recipe, scale16 of a model): take the same",
                           weld_dataset_path(l->ds), packed, own ? own : WELD_SCALE16_MIN);
}

static weld_status choose_composition(weld_loader *l, weld_error *err) {
    const weld_loader_options *o = &l->options;
    const weld_augmentation *a = &l->transform.augmentation;
    if (a->kind == WELD_AUGMENT_NONE) {
        l->options.composition = NULL;
    }
    if (a->kind == WELD_AUGMENT_DETECTION) {
        if (o->annotation && !o->annotation->place) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "augmentation of kind detection makes samples of several images, and "
                             "what is said of these has no place in them: take another kind");
        }
        l->mosaic = weld_mosaic_composition(a);
        l->options.composition = &l->mosaic;
    }
    return WELD_OK;
}

static weld_status open_parts(weld_loader *l, weld_error *err) {
    WELD_TRY(check_scale16(l, err));
    WELD_TRY(open_batching(l, err));
    WELD_TRY(open_transforms(l, err));
    WELD_TRY(choose_composition(l, err));
    l->most = l->options.composition ? l->options.composition->most : 1;
    WELD_TRY(allocate(l, err));
    WELD_TRY(open_order(l, err));
    return is_worth_reading_ahead(l->ds)
               ? weld_read_ahead_create(l->ds, capacity(l) * l->most, &l->read_ahead, err)
               : WELD_OK;
}

weld_status weld_loader_create(const weld_dataset *ds, const weld_loader_options *options,
                               weld_loader **out, weld_error *err) {
    weld_loader *l = weld_alloc(1, sizeof *l);
    if (!l) {
        return weld_fail_memory(err, "loader");
    }
    l->ds = ds;
    l->options = *options;
    l->threads = weld_threads_count(options->threads);
    weld_status status = open_parts(l, err);
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
    for (int64_t i = 0; l->annotations && i < capacity(l); i++) {
        weld_array_free(&l->annotations[i]);
    }
    weld_free(l->transforms);
    free_picks(&l->picks);
    free_picks(&l->coming);
    weld_free(l->annotations);
    weld_free(l->placements);
    weld_free(l->runs);
    weld_free(l->wanted);
    weld_free(l->mixes);
    weld_free(l->statuses);
    weld_free(l->errors);
    weld_free(l->bad);
    weld_free(l);
}

/* --- Time ------------------------------------------------------------------------------------- */

static void begin_batch(weld_loader *l) {
    for (int i = 0; i < l->threads; i++) {
        memset(l->workers[i].seconds, 0, sizeof l->workers[i].seconds);
    }
}

/* Share `seconds`, in which the threads made the samples, out as they spent them. */
static void share_seconds(const weld_loader *l, double seconds, weld_batch *out) {
    double sums[WELD_TIMES] = {0}, total = 0;
    for (int i = 0; i < l->threads; i++) {
        for (int k = 0; k < WELD_TIMES; k++) {
            sums[k] += l->workers[i].seconds[k];
            total += l->workers[i].seconds[k];
        }
    }
    double share = total > 0 ? seconds / total : 0;
    out->wait_seconds = sums[WELD_TIME_WAITING] * share;
    out->decode_seconds = sums[WELD_TIME_DECODING] * share;
    out->augment_seconds = sums[WELD_TIME_AUGMENTING] * share;
}

/* --- Training --------------------------------------------------------------------------------- */

static uint32_t view_of(const weld_loader *l, uint32_t epoch) {
    return l->options.views ? (uint32_t)(epoch % l->options.views) : epoch;
}

static bool closes_mosaic(const weld_loader *l, uint32_t epoch) {
    const weld_augmentation *a = &l->transform.augmentation;
    return a->kind == WELD_AUGMENT_DETECTION && l->options.epochs > 0 &&
           epoch >= l->options.epochs - a->close_mosaic;
}

/* Where a training batch stands, and how its samples are made. */
static weld_batch_place find_batch(weld_loader *l, uint32_t epoch, int64_t batch,
                                   weld_sample_source *source) {
    const weld_batch_place place = weld_batching_find(&l->batching, epoch, batch);
    *source = weld_loading_source(l, &l->transforms[place.shape], view_of(l, epoch));
    source->alone = closes_mosaic(l, epoch);
    return place;
}

/* Have a batch read, and leave the order in its epoch. */
static void request_next(weld_loader *l, weld_batch_number next) {
    weld_order_set_epoch(l->order, next.epoch);
    if (l->read_ahead && next.batch < weld_loader_train_batches(l, next.epoch)) {
        weld_sample_source source;
        const weld_batch_place place = find_batch(l, next.epoch, next.batch, &source);
        const int64_t count = l->batching.shapes[place.shape].count;
        weld_loading_pick_in_order(l, &source, place.begin, count, &l->coming);
        weld_loading_read_coming(l, count);
    }
}

/* Put the samples that follow the batch into the places of its bad ones, one by one and in order.
 */
static weld_status replace_bad(const weld_loading *job, int64_t begin, weld_batch *out,
                               weld_error *err) {
    weld_loader *l = job->loader;
    /* So many positions of the order hold every sample. */
    int64_t count = weld_dataset_count(l->ds) * l->transform.augmentation.repeats;
    int64_t next = begin + out->count, limit = count < MAX_BAD_IN_A_ROW ? count : MAX_BAD_IN_A_ROW;
    for (int64_t slot = 0; slot < out->count; slot++) {
        for (int64_t tries = 0; l->statuses[slot]; tries++, next++) {
            if (!weld_loading_is_bad_image(l, slot)) {
                return weld_loading_fail(l, slot, err);
            }
            if (tries == limit) {
                return weld_fail(
                    err, WELD_ERROR_FORMAT,
                    "%s: %lld bad images in a row: look at it with weld check-data; the last: %s",
                    weld_dataset_path(l->ds), (long long)tries + 1, l->errors[slot].message);
            }
            out->bad++;
            weld_loading_replace(job, slot, next);
        }
    }
    return WELD_OK;
}

/* What the loader has beside pixels of the batch's samples. */
static weld_batch batch_of(const weld_loader *l, int64_t count, const weld_sample_source *source) {
    return (weld_batch){.count = count,
                        .height = source->transform->preprocessing.height,
                        .width = source->transform->preprocessing.width,
                        .indices = l->picks.indices,
                        .repeats = l->picks.repeats,
                        .view = source->view,
                        .annotations = l->annotations,
                        .placements = l->placements};
}

weld_status weld_loader_unmixed_batch(weld_loader *l, uint32_t epoch, int64_t batch,
                                      const weld_batch_number *next, float *images, weld_batch *out,
                                      weld_error *err) {
    const int64_t batches = weld_loader_train_batches(l, epoch);
    if (batch < 0 || batch >= batches) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "batch %lld of %lld", (long long)batch,
                         (long long)batches);
    }
    const weld_batch_number follows = {batch + 1 < batches ? epoch : epoch + 1,
                                       batch + 1 < batches ? batch + 1 : 0};
    const weld_batch_number coming = next ? *next : follows;
    const double began = weld_clock();
    weld_loading job = {.loader = l, .training = true, .images = images};
    const weld_batch_place place = find_batch(l, epoch, batch, &job.source);
    const weld_batch_shape shape = l->batching.shapes[place.shape];
    *out = batch_of(l, shape.count, &job.source);
    weld_order_set_epoch(l->order, epoch);
    weld_loading_pick_in_order(l, &job.source, place.begin, shape.count, &l->picks);
    begin_batch(l);
    if (coming.epoch == epoch) {
        request_next(l, coming);
    }
    weld_loading_run(&job, shape.count);
    WELD_TRY(replace_bad(&job, place.begin, out, err));
    if (coming.epoch != epoch) {
        request_next(l, coming);
    }
    l->served++;
    share_seconds(l, weld_clock() - began, out);
    return WELD_OK;
}

weld_status weld_loader_train_batch(weld_loader *l, uint32_t epoch, int64_t batch,
                                    const weld_batch_number *next, float *images, weld_batch *out,
                                    weld_error *err) {
    WELD_TRY(weld_loader_unmixed_batch(l, epoch, batch, next, images, out, err));
    const double made = weld_clock();
    weld_mix_draw(&l->transform.augmentation, l->options.seed, epoch, batch, out->count,
                  out->height, out->width, l->mixes);
    weld_mix_images(l->mixes, out->count, out->height, out->width, images, l->threads);
    out->mixes = l->mixes;
    out->augment_seconds += weld_clock() - made;
    return WELD_OK;
}

/* --- Evaluation ------------------------------------------------------------------------------- */

/* Samples batch * batch_size and following; returns how many, 0 past the end. */
static int64_t pick_by_index(const weld_loader *l, const weld_sample_source *source, int64_t batch,
                             bool training, weld_picks *p) {
    int64_t begin = batch * l->options.batch_size, count = weld_dataset_count(l->ds) - begin;
    count = count > l->options.batch_size ? l->options.batch_size : count;
    for (int64_t i = 0; i < count; i++) {
        weld_loading_pick(l, source, begin + i, 0, i, p);
        p->counts[i] = training ? p->counts[i] : 1;
    }
    return count < 0 ? 0 : count;
}

/* Close the gaps that bad images left. */
static weld_status leave_out_bad(const weld_loading *job, int64_t count, weld_batch *out,
                                 weld_error *err) {
    weld_loader *l = job->loader;
    float *images = job->images;
    size_t floats = weld_loading_floats(&job->source);
    for (int64_t slot = 0; slot < count; slot++) {
        int64_t to = out->count;
        if (l->statuses[slot]) {
            if (!weld_loading_is_bad_image(l, slot)) {
                return weld_loading_fail(l, slot, err);
            }
            out->bad++;
            continue;
        }
        if (to != slot) {
            const weld_array annotation = l->annotations[to];
            memcpy(images + (size_t)to * floats, images + (size_t)slot * floats,
                   floats * sizeof *images);
            l->picks.indices[to] = l->picks.indices[slot];
            l->placements[to] = l->placements[slot];
            l->annotations[to] = l->annotations[slot];
            l->annotations[slot] = annotation;
        }
        out->count++;
    }
    return WELD_OK;
}

/* The next samples of the data set in its own order. */
static weld_status load_in_order(weld_loading *job, int64_t batch, weld_batch *out,
                                 weld_error *err) {
    weld_loader *l = job->loader;
    if (batch < 0 || batch >= weld_loader_eval_batches(l)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "batch %lld of %lld", (long long)batch,
                         (long long)weld_loader_eval_batches(l));
    }
    *out = batch_of(l, 0, &job->source);
    const double began = weld_clock();
    int64_t count = pick_by_index(l, &job->source, batch, job->training, &l->picks);
    begin_batch(l);
    if (l->read_ahead) {
        const int64_t coming = batch + (l->options.step ? l->options.step : 1);
        weld_loading_read_coming(l,
                                 pick_by_index(l, &job->source, coming, job->training, &l->coming));
    }
    weld_loading_run(job, count);
    l->served++;
    weld_status status = leave_out_bad(job, count, out, err);
    share_seconds(l, weld_clock() - began, out);
    return status;
}

weld_status weld_loader_eval_batch(weld_loader *l, int64_t batch, float *images, weld_batch *out,
                                   weld_error *err) {
    weld_loading job = {l, false, weld_loading_source(l, &l->transform, 0), images};
    return load_in_order(&job, batch, out, err);
}

weld_status weld_loader_view_batch(weld_loader *l, uint32_t view, int64_t batch, float *images,
                                   weld_batch *out, weld_error *err) {
    weld_loading job = {l, true, weld_loading_source(l, &l->transform, view), images};
    return load_in_order(&job, batch, out, err);
}
