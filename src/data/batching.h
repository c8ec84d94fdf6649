/* How the images of an epoch are parted into batches, which may be of several sizes.
 *
 * One size: batch after batch has the next batch_size images. Several (the multi-scale sampler of
 * Mehta and Rastegari, "MobileViT", 2022, section 3.2): each update draws one of them, all alike,
 * and its batches have so many images that the pixels stay about as many:
 *     max(1, floor(batch_size * input_size^2 / size^2)).
 * All batches of an update have the drawn size, so that the mean of their gradients is that of
 * their images. An epoch goes through its images once, in its order; it ends where fewer are left
 * than the update that was drawn takes, and leaves these out. So its number of updates is known
 * only by drawing. A data set that is smaller than a batch is a batch.
 *
 * What an update draws is a function of (seed, epoch, number of the update in the epoch) alone.
 */
#ifndef WELD_DATA_BATCHING_H
#define WELD_DATA_BATCHING_H

#include <stdint.h>

#include "weld/status.h"

enum { WELD_SIZES_MAX = 16, WELD_BATCH_MAX = 1 << 20 };

typedef struct weld_batching_options {
    int64_t count;      /* images of an epoch, at least 1 */
    int64_t batch_size; /* images of a batch at input_size */
    int height, width;  /* the input size */
    const int *sizes;   /* of square images, rising; not needed later */
    int size_count;     /* 0: input_size alone */
    int64_t accumulate; /* batches of an update */
    uint64_t seed;
} weld_batching_options;

/* What batches there are. */
typedef struct weld_batch_shape {
    int height, width; /* of the images */
    int64_t count;     /* images */
} weld_batch_shape;

/* To be read from outside: shapes. Copied freely. */
typedef struct weld_batching {
    weld_batch_shape shapes[WELD_SIZES_MAX]; /* in the order of the sizes */
    int shape_count;
    int64_t count, accumulate;
    uint64_t seed;
    /* What has been drawn: of `epoch`, up to `update`, which begins at `begin`. */
    uint32_t epoch, counted_epoch;
    int64_t update, begin;
    int64_t updates; /* of counted_epoch; -1: not counted */
} weld_batching;

/* WELD_ERROR_ARGUMENT: a batch of no images, or of more than WELD_BATCH_MAX. */
weld_status weld_batching_init(weld_batching *b, const weld_batching_options *options,
                               weld_error *err);

/* Images of the largest batch. */
int64_t weld_batching_most(const weld_batching *b);

/* Updates of an epoch; 0 where the first that is drawn takes more images than there are. Goes
 * through the draws of the epoch where it was another. */
int64_t weld_batching_updates(weld_batching *b, uint32_t epoch);

/* Where a batch of an epoch stands. */
typedef struct weld_batch_place {
    int shape;     /* of b->shapes */
    int64_t begin; /* in the epoch's order */
} weld_batch_place;

/* batch: from 0, below updates * accumulate. Goes through the draws from the latest place that was
 * asked for, or from the epoch's beginning where that lies before or elsewhere. */
weld_batch_place weld_batching_find(weld_batching *b, uint32_t epoch, int64_t batch);

#endif
