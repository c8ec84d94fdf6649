/* Hue, saturation and value of RGB8 images, changed in place.
 *
 * A pixel is brought to whole numbers: hue 0..179 in steps of two degrees, saturation and value
 * 0..255, as OpenCV's 8-bit COLOR_RGB2HSV does it, to the bit. Then
 *   hue        becomes floor(hue + 180 gain[0] mod 180),
 *   saturation becomes floor(min(255, saturation (1 + gain[1]))), so that grey stays grey,
 *   value      becomes floor(min(255, value (1 + gain[2]))),
 * and the way back is v - v s w / (255 * 30), rounded to the nearest (halves up), where w of a
 * channel is by how many hues, from 0 to 30, the hue lies outside of the 120 degrees in which that
 * channel is full. OpenCV's own way back is within one of it.
 */
#ifndef WELD_IMAGES_HSV_H
#define WELD_IMAGES_HSV_H

#include "images/image.h"

/* gain: -1..1 each. */
void weld_image_shift_hsv(weld_image *image, const double gain[3]);

#endif
