/* Batches of one size or several; see batching.h. */
#include "data/batching.h"

#include "base/error.h"
#include "base/random.h"

/* The images that have about as many pixels as batch_size of input_size. */
static int64_t images_at(const weld_batching_options *o, int size) {
    const int64_t pixels = o->batch_size * o->height * o->width;
    const int64_t images = pixels / ((int64_t)size * size);
    return images < 1 ? 1 : images;
}

weld_status weld_batching_init(weld_batching *b, const weld_batching_options *o, weld_error *err) {
    const int count = o->size_count ? o->size_count : 1;
    if (o->batch_size < 1 || o->batch_size > WELD_BATCH_MAX) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "batch size %lld: it must be in 1..%d",
                         (long long)o->batch_size, WELD_BATCH_MAX);
    }
    *b = (weld_batching){.shape_count = count,
                         .count = o->count,
                         .accumulate = o->accumulate,
                         .seed = o->seed,
                         .updates = -1};
    if (!o->size_count) {
        b->shapes[0] = (weld_batch_shape){o->height, o->width,
                                          o->batch_size < o->count ? o->batch_size : o->count};
        return WELD_OK;
    }
    for (int i = 0; i < count; i++) {
        const int64_t images = images_at(o, o->sizes[i]);
        if (images > WELD_BATCH_MAX) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "size %d: its batches would be of %lld images: at most %d can be",
                             o->sizes[i], (long long)images, WELD_BATCH_MAX);
        }
        b->shapes[i] =
            (weld_batch_shape){o->sizes[i], o->sizes[i], images < o->count ? images : o->count};
    }
    return WELD_OK;
}

int64_t weld_batching_most(const weld_batching *b) {
    int64_t most = 0;
    for (int i = 0; i < b->shape_count; i++) {
        most = b->shapes[i].count > most ? b->shapes[i].count : most;
    }
    return most;
}

static int draw(const weld_batching *b, uint32_t epoch, int64_t update) {
    if (b->shape_count == 1) {
        return 0;
    }
    weld_random random = weld_random_start(b->seed, epoch, (uint64_t)update, WELD_RANDOM_SIZE);
    return (int)weld_random_below(&random, (uint64_t)b->shape_count);
}

/* Images of an update. */
static int64_t taken(const weld_batching *b, int shape) {
    return b->shapes[shape].count * b->accumulate;
}

static int64_t count_updates(const weld_batching *b, uint32_t epoch) {
    int64_t updates = 0, left = b->count;
    if (b->shape_count == 1) {
        return left / taken(b, 0);
    }
    for (int64_t next; (next = taken(b, draw(b, epoch, updates))) <= left; left -= next) {
        updates++;
    }
    return updates;
}

int64_t weld_batching_updates(weld_batching *b, uint32_t epoch) {
    if (b->updates < 0 || b->counted_epoch != epoch) {
        b->updates = count_updates(b, epoch);
        b->counted_epoch = epoch;
    }
    return b->updates;
}

weld_batch_place weld_batching_find(weld_batching *b, uint32_t epoch, int64_t batch) {
    const int64_t update = batch / b->accumulate;
    if (b->epoch != epoch || b->update > update) {
        b->epoch = epoch;
        b->update = b->begin = 0;
    }
    for (; b->update < update; b->update++) {
        b->begin += taken(b, draw(b, epoch, b->update));
    }
    const int shape = draw(b, epoch, update);
    return (weld_batch_place){shape, b->begin + batch % b->accumulate * b->shapes[shape].count};
}
