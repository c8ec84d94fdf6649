/* From a decoded image to a network's input.
 *
 * Evaluation is the transform of weld_preprocessing; training varies it at random. All randomness
 * comes from the stream that is passed in, so that a sample is a function of (seed, epoch, index).
 * Output is [input_size, input_size, 3] in float, (v / 255 - mean) / std per channel, in float
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
#include "images/resize.h"
#include "weld/model.h"

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
    weld_image image, sample;
    weld_bytes operation;
} weld_transform_scratch;
void weld_transform_scratch_free(weld_transform_scratch *s);

/* Shorter side to floor(input_size / crop_fraction), central crop; an image smaller than the crop
 * is centred on black (torchvision's Resize and CenterCrop, to the pixel). */
weld_status weld_transform_evaluation(const weld_transform *t, const weld_image *image,
                                      weld_transform_scratch *scratch, float *out, weld_error *err);

/* What a training sample takes of its image. It is drawn before the image is decoded, so that no
 * more of it needs to be than the crop shows. */
typedef struct weld_sample_plan {
    weld_rectangle crop;
    int reduction; /* the largest that leaves the crop no smaller than the input; see decode.h */
    int left, top; /* kind small: where the image comes to lie in the input */
    bool flip;
} weld_sample_plan;
weld_sample_plan weld_transform_plan(const weld_transform *t, int width, int height,
                                     weld_random *random);

/* The sample: `part` is the plan's crop, decoded; `random` goes on where the plan left it; `erase`
 * is the stream of random erasing. Flipped, changed as pixel_augment.h says, normalised, erased. */
weld_status weld_transform_training(const weld_transform *t, const weld_sample_plan *plan,
                                    const weld_decoded_part *part, weld_random *random,
                                    weld_random *erase, weld_transform_scratch *scratch, float *out,
                                    weld_error *err);

/* The random resized crop of an image: up to ten tries for a crop of random area and aspect that
 * fits, else the largest central one that meets the aspect limits. */
weld_rectangle weld_random_crop(const weld_augmentation *a, int width, int height,
                                weld_random *random);

#endif
