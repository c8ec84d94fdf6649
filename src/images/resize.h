/* Antialiased resampling of RGB8 images, bit for bit as Pillow's Image.resize does it.
 *
 * Convolution kind: where the image is reduced, the filter's support is widened by the reduction,
 * so that every source pixel counts. Two passes, horizontal first, the result of each rounded to 8
 * bits; weights in fixed point of 22 bits. Bicubic is Keys' cubic with a = -0.5 ("Cubic convolution
 * interpolation for digital image processing", 1981), bilinear the triangle.
 */
#ifndef WELD_IMAGES_RESIZE_H
#define WELD_IMAGES_RESIZE_H

#include "formats/bytes.h"
#include "images/image.h"
#include "weld/image.h"

/* What to compute: the image scaled to full_width x full_height, and of that only the part `width`
 * x `height` at (x, y). box (left, top, right, bottom, in source pixels, may be fractional) is the
 * part of the source that is scaled; NULL: all. Pixels around a box do count, within the filter's
 * support; to shut them out, crop first. A box may reach beyond the source by half a pixel of the
 * result, whose centre then still lies within. */
typedef struct weld_resize_request {
    weld_interpolation filter;
    int64_t full_width, full_height;
    int64_t x, y;
    int width, height;
    const float *box;
} weld_resize_request;

/* Memory that calls of one thread share. Start with all zero. */
typedef struct weld_resize_scratch {
    weld_bytes weights[2], spans[2], between, row;
} weld_resize_scratch;
void weld_resize_scratch_free(weld_resize_scratch *s);

/* out: [height, width, 3]. Errors: WELD_ERROR_ARGUMENT, WELD_ERROR_MEMORY. */
weld_status weld_resize_pixels(const weld_pixels *in, const weld_resize_request *request,
                               weld_resize_scratch *scratch, uint8_t *out, weld_error *err);

#endif
