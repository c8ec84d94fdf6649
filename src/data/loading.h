/* The samples of a batch, as a loader makes them: which images each is made of, reading, decoding,
 * and what went wrong. loader.c decides which samples a batch has. */
#ifndef WELD_DATA_LOADING_H
#define WELD_DATA_LOADING_H

#include "data/loader.h"
#include "data/order.h"
#include "data/read_ahead.h"
#include "data/sample.h"

/* Which samples a batch has. */
typedef struct weld_picks {
    int64_t *indices, *repeats;
    weld_sample_part *parts; /* [sample][most] */
    int *counts;             /* of them, by sample */
} weld_picks;

struct weld_loader {
    const weld_dataset *ds;
    weld_loader_options options;
    weld_batching batching;
    weld_transform transform;   /* at input_size */
    weld_transform *transforms; /* of training batches, by shape */
    int threads;
    weld_sample_worker *workers; /* one per thread */
    weld_read_ahead *read_ahead; /* NULL where it does not pay */
    uint64_t served;             /* batches: numbers them for read_ahead */
    weld_sampling *sampling;     /* NULL: each sample once an epoch */
    weld_order *order;
    weld_composition mosaic;  /* of kind detection */
    int64_t most;             /* images of a sample */
    weld_picks picks, coming; /* of the current batch, of the next one */
    int64_t *wanted;          /* images of the next one, by part */
    /* Of the current batch, one per sample: */
    int64_t *runs; /* where runs of slots with the same image begin, and the end */
    weld_array *annotations;
    weld_placement *placements; /* of evaluation */
    weld_mix *mixes;
    weld_status *statuses;
    weld_error *errors;
    int *bad; /* the part that an error is of */
};

/* Samples to be made into `images`. */
typedef struct weld_loading {
    weld_loader *loader;
    bool training;
    weld_sample_source source;
    float *images;
} weld_loading;

/* An epoch's samples, or those of evaluation, are drawn with this. transform: one of l's. */
weld_sample_source weld_loading_source(const weld_loader *l, const weld_transform *transform,
                                       uint32_t view);
size_t weld_loading_floats(const weld_sample_source *source); /* of a sample */

/* Number `slot` of a batch is this sample; which images it is made of is drawn where samples are
 * made of several. */
void weld_loading_pick(const weld_loader *l, const weld_sample_source *source, int64_t index,
                       int64_t repeat, int64_t slot, weld_picks *p);
/* The `count` samples from a position of the epoch on. */
void weld_loading_pick_in_order(const weld_loader *l, const weld_sample_source *source,
                                int64_t position, int64_t count, weld_picks *p);
/* Have the `count` samples of l->coming read, which are asked for next. */
void weld_loading_read_coming(weld_loader *l, int64_t count);

/* Make samples 0..count-1 of l->picks, by runs of the same image: these are read once. What became
 * of each is in l->statuses and l->errors. */
void weld_loading_run(weld_loading *job, int64_t count);
/* Put what stands at a position of the order into the place of a slot's bad image. */
void weld_loading_replace(const weld_loading *job, int64_t slot, int64_t position);

/* Is the failure of a slot that of its image? Then report it; otherwise the batch fails. */
bool weld_loading_is_bad_image(const weld_loader *l, int64_t slot);
weld_status weld_loading_fail(const weld_loader *l, int64_t slot, weld_error *err);

#endif
