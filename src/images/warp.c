/* Turning and shearing; see warp.h. */
#include "images/warp.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const uint8_t *pixel_at(const weld_image *in, int x, int y, const uint8_t *fill) {
    const bool inside = x >= 0 && x < in->width && y >= 0 && y < in->height;
    return inside ? in->pixels + ((size_t)y * (size_t)in->width + (size_t)x) * 3 : fill;
}

/* At (u, v) - 1/2. */
static void sample(const weld_image *in, double u, double v, const uint8_t *fill, uint8_t *out) {
    if (!(u > -1 && u < in->width && v > -1 && v < in->height)) {
        memcpy(out, fill, 3);
        return;
    }
    const int x = (int)floor(u), y = (int)floor(v);
    const double right = u - x, down = v - y;
    const uint8_t *a = pixel_at(in, x, y, fill), *b = pixel_at(in, x + 1, y, fill);
    const uint8_t *c = pixel_at(in, x, y + 1, fill), *d = pixel_at(in, x + 1, y + 1, fill);
    for (int k = 0; k < 3; k++) {
        const double above = a[k] + right * (b[k] - a[k]), below = c[k] + right * (d[k] - c[k]);
        out[k] = (uint8_t)(above + down * (below - above) + 0.5);
    }
}

void weld_image_warp(const weld_image *in, const double m[9], const uint8_t fill[3],
                     weld_image *out) {
    uint8_t *to = out->pixels;
    for (int row = 0; row < out->height; row++) {
        const double y = row + 0.5;
        for (int column = 0; column < out->width; column++, to += 3) {
            const double x = column + 0.5, w = m[6] * x + m[7] * y + m[8];
            if (w > 0) { /* 1 where there is no perspective */
                sample(in, (m[0] * x + m[1] * y + m[2]) / w - 0.5,
                       (m[3] * x + m[4] * y + m[5]) / w - 0.5, fill, to);
            } else {
                memcpy(to, fill, 3);
            }
        }
    }
}
