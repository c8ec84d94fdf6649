/* The two passes of resize.c: in plain C, which is their definition, and for wider vectors. Whole
 * numbers throughout, so all give the same. */
#ifndef WELD_IMAGES_RESIZE_FILTER_H
#define WELD_IMAGES_RESIZE_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "images/resize.h"

enum {
    WELD_RESIZE_BITS = 22, /* after the point of a weight; 8 bits of value, 2 for sums beyond one */
    WELD_RESIZE_PADDING = 16, /* bytes that may be read past a row's last needed pixel */
    WELD_RESIZE_ALIGN = 32    /* rows between the passes: their distance is a multiple of it */
};

/* Along one side, output i is the sum over k < spans[i].count of weights[i * taps + k] times input
 * spans[i].first + k, plus a half, over 2^WELD_RESIZE_BITS, clamped to 0..255. taps is a multiple
 * of 4, and weights from count on are 0. */
typedef struct weld_resize_span {
    int first, count;
} weld_resize_span;
typedef struct weld_resize_axis {
    int taps;
    const int32_t *weights; /* below 2^25 in size: what normalises them is never small */
    const weld_resize_span *spans;
} weld_resize_axis;

typedef struct weld_resize_filter {
    const char *name;
    /* `rows` rows of pixels, `stride` bytes apart, to rows of `width` pixels, out_stride (a
     * multiple of WELD_RESIZE_ALIGN beyond 3 * width) apart. What is past the pixels is undefined.
     */
    void (*across)(const uint8_t *in, size_t stride, int rows, const weld_resize_axis *a, int width,
                   uint8_t *out, size_t out_stride);
    /* One output row of `bytes` bytes: output `i` of the axis. `in` is the row spans[i].first, the
     * next `stride` bytes on, all with WELD_RESIZE_ALIGN readable bytes past their end. */
    void (*down)(const uint8_t *in, size_t stride, const weld_resize_axis *a, int i, int bytes,
                 uint8_t *out);
} weld_resize_filter;

/* Those that this processor runs, the plain one first, the fastest last; NULL past the end. */
const weld_resize_filter *weld_resize_filter_at(int i);

/* weld_resize by a given filter. */
weld_status weld_resize_by(const weld_resize_filter *f, const weld_pixels *in,
                           const weld_resize_request *request, weld_resize_scratch *scratch,
                           uint8_t *out, weld_error *err);

const weld_resize_filter *weld_resize_filter_avx2(void); /* x86-64 only */

#endif
