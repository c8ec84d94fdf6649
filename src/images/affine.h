/* Moving the pixels of RGB8 images, in place: Pillow's Image.transform(AFFINE) and Image.rotate to
 * the bit.
 *
 * The pixel at (x, y) of the result is taken from (u, v) of the image, in coordinates that count
 * pixels from the left upper corner, so that pixel (x, y) has its centre at (x + 1/2, y + 1/2):
 *   u = m[0] (x + 1/2) + m[1] (y + 1/2) + m[2],   v = m[3] (x + 1/2) + m[4] (y + 1/2) + m[5].
 * It is interpolated between two pixels each way (bilinear) or four (bicubic, Keys' cubic with
 * a = -1), in double, and cut off, not rounded; the border goes on outside for that. Where (u, v)
 * lies outside the image, it is the fill colour.
 */
#ifndef WELD_IMAGES_AFFINE_H
#define WELD_IMAGES_AFFINE_H

#include "formats/bytes.h"
#include "images/image.h"
#include "weld/image.h"

/* scratch: memory that calls of one thread share. */
weld_status weld_image_affine(weld_image *image, const double m[6], weld_interpolation filter,
                              const uint8_t fill[3], weld_bytes *scratch, weld_error *err);

/* Anticlockwise about the centre. */
weld_status weld_image_rotate(weld_image *image, double degrees, weld_interpolation filter,
                              const uint8_t fill[3], weld_bytes *scratch, weld_error *err);

#endif
