/* What is done at random to the pixels of a training sample once it has its size: RandAugment,
 * colour jitter, three-augment, or hue, saturation and value, on RGB8. */
#ifndef WELD_DATA_PIXEL_AUGMENT_H
#define WELD_DATA_PIXEL_AUGMENT_H

#include "formats/bytes.h"
#include "data/augmentation.h"
#include "data/rand_augment.h"

typedef enum weld_pixel_method {
    WELD_PIXELS_AS_THEY_ARE,
    WELD_PIXELS_RAND_AUGMENT,
    WELD_PIXELS_COLOR_JITTER,
    WELD_PIXELS_THREE_AUGMENT,
    WELD_PIXELS_HSV
} weld_pixel_method;

typedef struct weld_pixel_augment {
    weld_pixel_method method;
    weld_rand_augment rand_augment;
    double strength; /* of the colour jitter */
    double gains[3]; /* of hue, saturation and value */
    uint8_t fill[3]; /* the mean colour */
} weld_pixel_augment;

/* Which of them the settings ask for: three-augment before RandAugment before colour jitter; none
 * where the kind is none; hue, saturation and value where it is detection. mean: of the
 * preprocessing, 1 is white. Errors: those of weld_rand_augment_parse. */
weld_status weld_pixel_augment_init(const weld_augmentation *a, const float mean[3],
                                    weld_pixel_augment *out, weld_error *err);

/* Draw what to do with one image, in order; returns how many (none of HSV, which is no operation).
 * operations: room for WELD_RAND_AUGMENT_KINDS.
 *
 * Colour jitter of strength s (torchvision's ColorJitter(s, s, s)): brightness, contrast and colour
 * in random order, each blended by a factor uniform in max(0, 1 - s)..1 + s. Three-augment
 * (Touvron, Cord, Jegou: "DeiT III: revenge of the ViT", 2022): one of grey, solarize from 128 up
 * and Gaussian blur of radius uniform in 0.1..2, then jitter of strength 0.3. */
int weld_pixel_augment_draw(const weld_pixel_augment *p, weld_random *random,
                            weld_operation *operations);

/* Draw and do it, in place. scratch: memory that calls of one thread share. */
weld_status weld_pixel_augment_run(const weld_pixel_augment *p, weld_random *random,
                                   weld_image *image, weld_bytes *scratch, weld_error *err);

#endif
