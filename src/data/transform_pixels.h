/* What evaluation (transform.c) and training (transform_training.c) do alike to pixels. */
#ifndef WELD_DATA_TRANSFORM_PIXELS_H
#define WELD_DATA_TRANSFORM_PIXELS_H

#include "data/transform.h"

/* What is around an image: black, or the padding of a letterbox. */
const uint8_t *weld_transform_background(const weld_transform *t);

/* Put `in`, normalised, at (left, top) of an output of the input's size (which may cut it off), the
 * background around it; then mirror all of it, left to right and top to bottom. */
void weld_transform_place(const weld_transform *t, const weld_pixels *in, int left, int top,
                          bool hflip, bool vflip, float *out);

/* weld_transform_evaluation of a view. */
weld_status weld_transform_central(const weld_transform *t, const weld_pixels *image,
                                   weld_transform_scratch *scratch, float *out, weld_error *err);

#endif
