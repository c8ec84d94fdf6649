/* From a decoded image to a network's input.
 *
 * Evaluation is the transform of weld_preprocessing; training varies it at random. All randomness
 * comes from the stream that is passed in, so that a sample is a function of (seed, epoch, index).
 * Output is [height, width, 3] in float, (v / 255 - mean) / std per channel, in float
 * arithmetic in that order.
 */
#ifndef WELD_DATA_TRANSFORM_H
#define WELD_DATA_TRANSFORM_H

#include <stdbool.h>

#include "formats/bytes.h"
#include "base/random.h"
#include "data/augmentation.h"
#include "images/decode.h"
#include "images/image.h"
#include "data/pixel_augment.h"
#include "data/placement.h"
#include "images/resize.h"
#include "weld/image.h"

/* A checked preprocessing with its table of normalised values. */
typedef struct weld_transform {
    weld_preprocessing preprocessing;
    weld_augmentation augmentation;
    weld_pixel_augment pixels;
    float normalised[3][256];
} weld_transform;

/* Check all values and make the table. augmentation NULL: kind none. WELD_ERROR_ARGUMENT names the
 * value that is out of range. */
weld_status weld_transform_init(weld_transform *t, const weld_preprocessing *preprocessing,
                                const weld_augmentation *augmentation, weld_error *err);

/* Memory that calls of one thread share. Start with all zero. */
typedef struct weld_transform_scratch {
    weld_resize_scratch resize;
    weld_image image, sample, below, turned;
    weld_bytes operation;
} weld_transform_scratch;
void weld_transform_scratch_free(weld_transform_scratch *s);

/* To the frame that weld/image.h describes, central crop; an image smaller than the crop is centred
 * on black, or on the padding of a letterbox. */
weld_status weld_transform_evaluation(const weld_transform *t, const weld_image *image,
                                      weld_transform_scratch *scratch, float *out, weld_error *err);

/* What a training sample takes of an image, and where it puts it. It is drawn before the image is
 * decoded, so that no more of it needs to be than the crop shows. */
typedef struct weld_sample_plan {
    weld_rectangle crop;
    int reduction; /* the largest that leaves the crop no smaller than the cell; see decode.h */
    weld_rectangle cell; /* the part of the sample that the image fills: all, where it is alone */
    weld_rectangle
        to; /* where the crop comes to lie; what lies outside of the cell is cut off... */
    bool hflip, vflip; /* ...and the cell is mirrored then, left to right, top to bottom */
    /* Of kind detection (mosaic.h), where `crop` has pixels to spare around what is seen: */
    weld_placement at;    /* before it is mirrored */
    weld_rectangle frame; /* what is drawn of the plane before turning, from whose corner `cell` and
                           * `to` are counted: the sample itself where nothing is turned */
    int layer;            /* see composition.h */
} weld_sample_plan;
static inline bool weld_plan_is_seen(const weld_sample_plan *plan) {
    return plan->to.width > 0 && plan->to.height > 0;
}
/* For an image that is to fill `cell` of the sample; of kinds other than detection. */
weld_sample_plan weld_transform_plan(const weld_transform *t, int width, int height,
                                     weld_rectangle cell, weld_random *random);
/* The cell of an image that is alone: all of the sample. */
weld_rectangle weld_transform_whole(const weld_transform *t);
/* All of an image as evaluation shows it in a letterbox of that place and size. */
weld_rectangle weld_letterbox(int width, int height, const weld_rectangle *cell);

/* The sample: parts[i] is the crop of plans[i], decoded; later ones cover earlier ones; `random`
 * goes on where the plans left it; `erase` is the stream of random erasing. Flipped, changed as
 * pixel_augment.h says, normalised, erased. */
weld_status weld_transform_training(const weld_transform *t, const weld_sample_plan *plans,
                                    const weld_decoded_part *parts, int count, weld_random *random,
                                    weld_random *erase, weld_transform_scratch *scratch, float *out,
                                    weld_error *err);

weld_placement weld_transform_placement(const weld_transform *t, const weld_sample_plan *plan,
                                        int width, int height);
/* The same for evaluation. */
weld_placement weld_transform_evaluation_placement(const weld_transform *t, int width, int height);

/* The random resized crop of an image: up to ten tries for a crop of random area and aspect that
 * fits, else the largest central one that meets the aspect limits. In a plan these limits are
 * relative to what evaluation shows: 1 is its proportions, whatever the input's and the image's;
 * and a letterbox is cropped with its padding, of which a crop has none unless it is larger than
 * the image. */
weld_rectangle weld_random_crop(const weld_augmentation *a, int width, int height,
                                weld_random *random);

#endif
