/* How images become what networks take. */
#ifndef WELD_IMAGE_H
#define WELD_IMAGE_H

#include "weld/status.h"

typedef enum weld_interpolation { WELD_BICUBIC, WELD_BILINEAR } weld_interpolation;

/* How an image becomes a network's input: shorter side to floor(input_size / crop_fraction) with
 * the antialiased filter, central crop to input_size, (v / 255 - mean) / std per channel (R, G, B).
 */
typedef struct weld_preprocessing {
    int input_size;
    double crop_fraction;
    weld_interpolation interpolation;
    float mean[3], std[3];
} weld_preprocessing;

#ifdef __cplusplus
extern "C" {
#endif

/* The usual: crop fraction 0.875, bicubic, ImageNet's mean and standard deviation. */
WELD_API weld_preprocessing weld_preprocessing_of(int input_size);

#ifdef __cplusplus
}
#endif

#endif
