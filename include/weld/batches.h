/* Batches of a data set's images, as training and evaluation see them.
 *
 *     weld_batches_options options = weld_batches_defaults();
 *     options.preprocessing = weld_preprocessing_of(64);
 *     weld_batches_open("photos/train", &options, &batches, &err);
 *     for (int64_t i = 0; i < weld_batches_per_epoch(batches); i++) {
 *         weld_batches_train(batches, epoch, i, images, target, &err);
 *         ...
 *     }
 *     weld_batches_free(batches);
 *
 * A batch is a function of the data set, the options, the epoch and its number: neither the number
 * of threads nor what was asked for before has any influence, so that training may go on anywhere.
 */
#ifndef WELD_BATCHES_H
#define WELD_BATCHES_H

#include "weld/image.h"
#include "weld/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weld_batches weld_batches;

typedef struct weld_batches_options {
    int64_t batch_size;               /* 32 */
    weld_preprocessing preprocessing; /* weld_preprocessing_of(224) */
    /* How training varies its images: keys of a recipe's section `augment` with their values,
     * "mixup=0.2" (recipes/README.md). None: as a recipe that says nothing of it, which is a lot
     * ("kind=none": as in evaluation). */
    const char *const *augment;
    size_t augment_count;
    bool shuffle;    /* true */
    uint64_t seed;   /* of the order, of augmentation and mixing */
    int threads;     /* 0: all that the process may use */
    int64_t max_bad; /* 100: training images that may be bad before it is an error, at most half of
                      * them; others take their place */
    /* Called with a line for each bad image; may be NULL. */
    void (*message)(void *context, const char *text);
    void *context;
    void *reserved[8]; /* NULL */
} weld_batches_options;

WELD_API weld_batches_options weld_batches_defaults(void);

/* Of a folder of class folders, a .tar file of one, a .csv of paths and classes, or what `weld
 * pack` makes of these. Classes are in the order of their names. options NULL: the defaults.
 * Errors: the path is missing or no data set, a class without images; WELD_ERROR_ARGUMENT: an
 * option out of its range. */
WELD_API weld_status weld_batches_open(const char *path, const weld_batches_options *options,
                                       weld_batches **out, weld_error *err);
WELD_API void weld_batches_free(weld_batches *b); /* accepts NULL */

WELD_API int64_t weld_batches_images(const weld_batches *b); /* in the data set */
WELD_API int weld_batches_class_count(const weld_batches *b);
/* Names by index; they live as long as b. */
WELD_API const char *const *weld_batches_class_names(const weld_batches *b);

/* Samples in every training batch: batch_size, or all images where they are fewer. What is left
 * over at the end of an epoch is dropped, others in each. */
WELD_API int64_t weld_batches_size(const weld_batches *b);
WELD_API int64_t weld_batches_per_epoch(const weld_batches *b);
/* Batch `number` of `epoch`, both from 0: images [size, height, width, 3], normalised, and
 * target [size, classes], the share of each class in each image, mixed as it is. Both are of f32
 * and the caller's (weld_step_input); target.data NULL: not wanted. WELD_ERROR_SHAPE: another shape
 * or type, as of a network for another number of classes; WELD_ERROR_FORMAT: more bad images than
 * max_bad. */
WELD_API weld_status weld_batches_train(weld_batches *b, uint32_t epoch, int64_t number,
                                        weld_tensor images, weld_tensor target, weld_error *err);

/* Batches of all images once, in order, as evaluation sees them: images has room for batch_size,
 * labels (which may be NULL) too; *count says how many there are, which at the end and where images
 * are bad are fewer, or none. */
WELD_API int64_t weld_batches_evaluations(const weld_batches *b);
WELD_API weld_status weld_batches_evaluate(weld_batches *b, int64_t number, weld_tensor images,
                                           int *labels, int64_t *count, weld_error *err);

#ifdef __cplusplus
}
#endif
#endif
