/* Gaussian blur; see blur.h. */
#include "images/blur.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

#include "images/loops.h"

enum { PASSES = 3 };

/* Equations 7, 11 and 14 of the paper, and Pillow's fixed point; in float, as there. */
static weld_blur_box box_of(double deviation) {
    float radius = (float)deviation, variance = radius * radius / PASSES;
    float length = (float)sqrt(12.0 * (double)variance + 1.0);
    float whole = (float)floor(((double)length - 1.0) / 2.0);
    float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
    part /= 6 * (variance - (whole + 1) * (whole + 1));
    float size = whole + part;
    weld_blur_box b = {.reach = (int)size, .inner = (uint32_t)((float)(1 << 24) / (size * 2 + 1))};
    b.outer = ((1 << 24) - ((uint32_t)b.reach * 2 + 1) * b.inner) / 2;
    return b;
}

/* One pass along a line of `count` elements of `size` bytes (a row's pixels or an image's rows):
 * they are copied to scratch, with the first and the last repeated as far as the box reaches. */
static void blur_line(uint8_t *line, size_t count, size_t size, const weld_blur_box *b,
                      uint8_t *scratch) {
    size_t border = (size_t)b->reach + 1;
    uint8_t *copy = scratch + border * size;
    memcpy(copy, line, count * size);
    for (size_t i = 1; i <= border; i++) {
        memcpy(copy - i * size, line, size);
        memcpy(copy + (count - 1 + i) * size, line + (count - 1) * size, size);
    }
    weld_image_loops_best()->blur(copy, (ptrdiff_t)size, b, count * size, line);
}

weld_status weld_image_gaussian_blur(weld_image *image, double radius, weld_bytes *scratch,
                                     weld_error *err) {
    const weld_blur_box b = box_of(radius);
    size_t width = (size_t)image->width, height = (size_t)image->height, row = width * 3;
    size_t across = (width + 2 * (size_t)b.reach + 2) * 3;
    size_t down = (height + 2 * (size_t)b.reach + 2) * row;
    WELD_TRY(weld_bytes_resize(scratch, across > down ? across : down, err));
    for (size_t y = 0; y < height; y++) {
        for (int pass = 0; pass < PASSES; pass++) {
            blur_line(image->pixels + y * row, width, 3, &b, scratch->data);
        }
    }
    for (int pass = 0; pass < PASSES; pass++) {
        blur_line(image->pixels, height, row, &b, scratch->data);
    }
    return WELD_OK;
}
