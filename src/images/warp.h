/* Turning and shearing RGB8 images, and seeing them in perspective. */
#ifndef WELD_IMAGES_WARP_H
#define WELD_IMAGES_WARP_H

#include "images/image.h"

/* Fill all of `out`, whose size is set: its pixel with the centre (x, y) is taken from the point
 *     ((m[0] x + m[1] y + m[2]) / w, (m[3] x + m[4] y + m[5]) / w),  w = m[6] x + m[7] y + m[8]
 * of `in` (from none where w is not above 0), both counted from the upper left corners of the
 * images, so that pixel 0 has its centre at 1/2. It is interpolated between the four pixels around,
 * each of which is `fill` outside of the image, and rounded. Nothing is averaged: m should not
 * reduce. */
void weld_image_warp(const weld_image *in, const double m[9], const uint8_t fill[3],
                     weld_image *out);

#endif
