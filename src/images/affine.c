/* Affine transforms; see affine.h. */
#include "images/affine.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/locale.h"
#include "images/loops.h"

enum { BORDER = 2 /* pixels around the image that the cubic reaches for */ };

/* A copy of the image whose outermost pixels are repeated around it. */
static void copy_with_border(const weld_image *image, size_t stride, uint8_t *out) {
    size_t row = (size_t)image->width * 3;
    for (int y = -BORDER; y < image->height + BORDER; y++, out += stride) {
        int from_y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
        const uint8_t *from = image->pixels + (size_t)from_y * row;
        for (int i = 0; i < BORDER; i++) {
            memcpy(out + 3 * i, from, 3);
            memcpy(out + 3 * BORDER + row + 3 * i, from + row - 3, 3);
        }
        memcpy(out + 3 * BORDER, from, row);
    }
}

weld_status weld_image_affine(weld_image *image, const double m[6], weld_interpolation filter,
                              const uint8_t fill[3], weld_bytes *scratch, weld_error *err) {
    size_t stride = ((size_t)image->width + 2 * BORDER) * 3;
    size_t bytes = stride * ((size_t)image->height + 2 * BORDER);
    WELD_TRY(weld_bytes_resize(scratch, bytes + 1, err));
    scratch->data[bytes] = 0; /* the last pixel's fourth byte */
    copy_with_border(image, stride, scratch->data);
    weld_sampling s = {.origin = scratch->data + BORDER * stride + 3 * BORDER,
                       .stride = (ptrdiff_t)stride,
                       .width = image->width,
                       .height = image->height,
                       .m = m,
                       .fill = fill,
                       .cubic = filter == WELD_BICUBIC};
    weld_image_loops_best()->sample(&s, image->pixels);
    return WELD_OK;
}

/* To the nearest number of 15 decimals, so that the sine of 180 degrees is 0. */
static double round_decimals(double value) {
    char text[32];
    weld_snprintf(text, sizeof text, "%.15f", value);
    return weld_strtod(text, NULL);
}

weld_status weld_image_rotate(weld_image *image, double degrees, weld_interpolation filter,
                              const uint8_t fill[3], weld_bytes *scratch, weld_error *err) {
    degrees = fmod(degrees, 360);
    degrees += degrees < 0 ? 360 : 0;
    double angle = -(degrees * (3.14159265358979323846 / 180));
    double x = image->width / 2.0, y = image->height / 2.0;
    double m[6] = {round_decimals(cos(angle)),  round_decimals(sin(angle)), 0,
                   round_decimals(-sin(angle)), round_decimals(cos(angle)), 0};
    m[2] = m[0] * -x + m[1] * -y + x;
    m[5] = m[3] * -x + m[4] * -y + y;
    return weld_image_affine(image, m, filter, fill, scratch, err);
}
