/* One thing that augmentation does to the pixels of an image, with its argument. */
#ifndef WELD_IMAGES_OPERATION_H
#define WELD_IMAGES_OPERATION_H

#include "formats/bytes.h"
#include "images/image.h"
#include "weld/image.h"

typedef enum weld_operation_kind {
    WELD_OPERATION_AUTO_CONTRAST,
    WELD_OPERATION_EQUALIZE,
    WELD_OPERATION_INVERT,
    WELD_OPERATION_ROTATE,       /* degrees */
    WELD_OPERATION_POSTERIZE,    /* bits kept */
    WELD_OPERATION_SOLARIZE,     /* threshold */
    WELD_OPERATION_SOLARIZE_ADD, /* amount */
    WELD_OPERATION_COLOR,        /* blend factor, as the next three */
    WELD_OPERATION_CONTRAST,
    WELD_OPERATION_BRIGHTNESS,
    WELD_OPERATION_SHARPNESS,
    WELD_OPERATION_SHEAR_X, /* x moved by so much of y */
    WELD_OPERATION_SHEAR_Y,
    WELD_OPERATION_TRANSLATE_X, /* part of the width */
    WELD_OPERATION_TRANSLATE_Y, /* part of the height */
    WELD_OPERATION_GREY,
    WELD_OPERATION_GAUSSIAN_BLUR /* radius, pixels */
} weld_operation_kind;

typedef struct weld_operation {
    weld_operation_kind kind;
    double argument;           /* as the kind says; elsewhere 0 */
    weld_interpolation filter; /* of those that move pixels */
} weld_operation;

/* Do it in place; color.h, affine.h and blur.h say how. fill: the colour of what comes into view.
 * scratch: memory that calls of one thread share. */
weld_status weld_operation_apply(const weld_operation *o, const uint8_t fill[3], weld_image *image,
                                 weld_bytes *scratch, weld_error *err);

#endif
