/* How images become what networks take. */
#ifndef WELD_IMAGE_H
#define WELD_IMAGE_H

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

#endif
