/* Batches of a data set, decoded, transformed and mixed, with what is said of each sample.
 *
 * A batch is a function of (data set, options, epoch, number of the batch): neither the number of
 * threads nor what was loaded before has any influence, so a run can be taken up anywhere.
 *
 * The order of a training epoch (order.h) is a shuffle drawn from (seed, epoch), or the data set's
 * own. Batches part it from its beginning on, in images of one size or of several (batching.h);
 * what is left over at the end is dropped, unless the data set is smaller than one batch: then that
 * is the epoch's only batch. A bad image (unreadable, damaged, no image) is reported and its place
 * taken by the next good sample that follows the batch in the epoch's order; so is that of a bad
 * image of a sample that is made of several (composition.h). Evaluation goes through the data set
 * in order, every image once; the last batch may be short; bad images are reported and left out.
 */
#ifndef WELD_DATA_LOADER_H
#define WELD_DATA_LOADER_H

#include "data/annotation.h"
#include "data/batching.h"
#include "data/composition.h"
#include "data/mix.h"
#include "data/sampling.h"
#include "data/transform.h"

/* Called by the thread that asked for the batch, in order; reason is one line naming the file. */
typedef void weld_bad_image_function(void *arg, int64_t index, const char *reason);

typedef struct weld_loader_options {
    weld_preprocessing preprocessing;
    weld_augmentation augmentation; /* for evaluation only its kind's value NONE makes sense */
    int64_t batch_size;
    const int *sizes;   /* of training images, as of weld_batching_options; not needed later */
    int size_count;     /* 0: input_size alone */
    int64_t accumulate; /* batches of an update; 0 means 1 */
    uint64_t seed;
    bool shuffle;
    int64_t views; /* crop, flips, operations and erasing of epoch e are those of epoch e % views,
                    * and of a sample's repeat r those of its first in epoch (e + r) % views, so
                    * that what depends on them alone can be kept; order and mixing go on; 0: off */
    weld_balance sampling;               /* of training; other than none it needs `shuffle` */
    const weld_annotation *annotation;   /* what is read beside images; NULL: nothing */
    const weld_composition *composition; /* of training samples; NULL: each is of one image. Not of
                                          * kind none, nor of kind detection, which has its own */
    int64_t epochs; /* of the run: the last augment.close_mosaic of them have no mosaics, in which
                     * no view is taken into account; 0: all have */
    int step;       /* evaluation batches are asked for so far apart, and read ahead; 0: 1 */
    int threads;    /* 0: all that the process may use */
    weld_bad_image_function *bad_image; /* may be NULL */
    void *bad_image_arg;
} weld_loader_options;

typedef struct weld_loader weld_loader;

/* ds must outlive the loader. */
weld_status weld_loader_create(const weld_dataset *ds, const weld_loader_options *options,
                               weld_loader **out, weld_error *err);
void weld_loader_free(weld_loader *l); /* accepts NULL */

/* What a batch holds; the arrays belong to the loader and are valid until its next batch. */
typedef struct weld_batch {
    int64_t count;
    int height, width;      /* of the images */
    const int64_t *indices; /* of the samples in the data set: of the image whose turn it was */
    /* Training: which of its repeats each sample is, and the epoch that augmented them (views).
     * With its index they say all of a sample before mixing. */
    const int64_t *repeats;
    uint32_t view;
    const weld_array *annotations; /* of each sample, before mixing: elements as in the options */
    /* Evaluation: where what each image shows lies in its sample. */
    const weld_placement *placements;
    int64_t bad; /* images that were replaced or left out */
    /* Training: how each was mixed; weld_mix_rows does the same to whatever belongs to them. */
    const weld_mix *mixes;
    /* Where the time of making the batch went, as parts of it (they add up to its length): waiting
     * for bytes, making pixels of them, everything that is done to pixels. */
    double wait_seconds, decode_seconds, augment_seconds;
} weld_batch;

/* Samples in a training batch at input_size: batch_size, or the data set's count if that is
 * smaller. */
int64_t weld_loader_train_batch_size(const weld_loader *l);
/* What training batches there are: one shape for each size. */
const weld_batch_shape *weld_loader_train_shapes(const weld_loader *l, int *count);
int64_t weld_loader_train_most(const weld_loader *l); /* samples in the largest */
int weld_loader_sample_parts(const weld_loader *l);   /* images that a sample has at most */
/* Floats of the largest batch's images. */
size_t weld_loader_train_floats(const weld_loader *l);
/* Whole updates in an epoch, and batches of them. */
int64_t weld_loader_train_updates(weld_loader *l, uint32_t epoch);
int64_t weld_loader_train_batches(weld_loader *l, uint32_t epoch);
/* Which of the shapes a batch of an epoch has. */
int weld_loader_train_shape(weld_loader *l, uint32_t epoch, int64_t batch);
int64_t weld_loader_eval_batches(const weld_loader *l);

/* A training batch by its number in an epoch. */
typedef struct weld_batch_number {
    uint32_t epoch;
    int64_t batch;
} weld_batch_number;

/* next: the batch that is to be asked for after this one, so that it is read meanwhile: it changes
 * nothing but time. NULL: that which follows; where there is none of that number none is read.
 * images: room for those of the batch's shape, [count, height, width, 3]. Errors: memory; too many
 * bad images one after the other. */
weld_status weld_loader_train_batch(weld_loader *l, uint32_t epoch, int64_t batch,
                                    const weld_batch_number *next, float *images, weld_batch *out,
                                    weld_error *err);
/* The same before mixing, which is by libm: pixels that cpus of several kinds have in common. */
weld_status weld_loader_unmixed_batch(weld_loader *l, uint32_t epoch, int64_t batch,
                                      const weld_batch_number *next, float *images, weld_batch *out,
                                      weld_error *err);

/* The samples of evaluation batch `batch`, as training augments them in the epoch `view` (their
 * first repeat), before mixing; bad images are reported and left out, so that *out may hold fewer,
 * or none. images has room for batch_size. */
weld_status weld_loader_view_batch(weld_loader *l, uint32_t view, int64_t batch, float *images,
                                   weld_batch *out, weld_error *err);

/* images has room for batch_size; *out says how many there are, which may be none. */
weld_status weld_loader_eval_batch(weld_loader *l, int64_t batch, float *images, weld_batch *out,
                                   weld_error *err);

#endif
