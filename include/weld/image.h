/* How images become what networks take. */
#ifndef WELD_IMAGE_H
#define WELD_IMAGE_H

#include "weld/status.h"

/* What a preprocessing may say, wherever it does: pixels of a network's input in each direction
 * (from 1 on), crop fractions, means (of either sign) and standard deviations. */
#define WELD_MAX_INPUT_SIZE 4096
#define WELD_MIN_CROP_FRACTION 0.1
#define WELD_MAX_CROP_FRACTION 2
#define WELD_MAX_MEAN 1e3
#define WELD_MIN_STD 1e-6
#define WELD_MAX_STD 1e3

/* Images of more pixels than a preprocessing takes are not decoded: where it says nothing, of more
 * than Pillow takes without a warning. It may say up to twice as many, from where on Pillow takes a
 * file for an attack. Decoding takes up to 9 bytes a pixel (progressive JPEG; CMYK: 11). */
#define WELD_USUAL_MAX_PIXELS 89478485
#define WELD_MAX_PIXELS 178956970

typedef enum weld_interpolation { WELD_BICUBIC, WELD_BILINEAR } weld_interpolation;

/* How an image is brought to a frame of floor(height / crop_fraction) x floor(width /
 * crop_fraction), of which a network's input is the centre. As torchvision and timm (0.9 and later,
 * which calls the modes center, squash and border) do it, to the pixel. */
typedef enum weld_fit {
    WELD_FIT_CROP,     /* it keeps its proportions and covers the frame: what stands over is lost */
    WELD_FIT_SQUASH,   /* it becomes the frame, whatever its proportions */
    WELD_FIT_LETTERBOX /* it keeps its proportions and fits into the frame; around it is padding
                        */
} weld_fit;

/* Whether an image is turned as its metadata says (EXIF, tag 0x0112): cameras store photos as their
 * sensor lay, and write there how they are to be seen. Images whose boxes are known are seen as the
 * boxes were drawn, whatever this says. */
typedef enum weld_orientation {
    WELD_ORIENTATION_IGNORE, /* as stored, as torchvision and timm see them */
    WELD_ORIENTATION_EXIF
} weld_orientation;

/* How an image becomes a network's input: resized with the antialiased filter, central crop, (v /
 * 255 - mean) / std per channel (R, G, B). */
typedef struct weld_preprocessing {
    int height, width;
    weld_fit resize;
    double crop_fraction;
    weld_interpolation interpolation;
    float mean[3], std[3];
    unsigned char padding[3]; /* of WELD_FIT_LETTERBOX: a colour */
    int scale16;              /* 16-bit grey (of PNG) from this value on is white; 0 means 255 */
    weld_orientation orientation;
    int max_pixels; /* of an image; 0 means WELD_USUAL_MAX_PIXELS */
} weld_preprocessing;

/* What scale16 may be. A value v of 16-bit grey becomes min(255, floor(255 v / scale16 + 1/2)):
 * with 255 values stay as they are, and all above is white, as Pillow's convert("RGB") has it; with
 * 65535 all of the range is kept. Other images have 8 bits already, or keep the upper 8 of 16. */
#define WELD_SCALE16_MIN 255
#define WELD_SCALE16_MAX 65535

#ifdef __cplusplus
extern "C" {
#endif

/* The usual, for square images: crop fraction 0.875, bicubic, ImageNet's mean (which is the padding
 * too) and standard deviation. */
WELD_API weld_preprocessing weld_preprocessing_of(int input_size);
/* Set the padding to the mean, as timm does: p->mean times 255, rounded. */
WELD_API void weld_preprocessing_pad_with_mean(weld_preprocessing *p);

#ifdef __cplusplus
}
#endif

#endif
