/* The loops over pixels: in plain C, which is their definition, and again for the instruction sets
 * of kernels/isa.h that have them. All give the same bits: those of resizing and blurring are whole
 * numbers, and those of sampling do the same operations in the same order. */
#ifndef WELD_IMAGES_LOOPS_H
#define WELD_IMAGES_LOOPS_H

#include <stddef.h>
#include <stdint.h>

#include "images/resize.h"

/* --- Resizing, in two passes: resize.c --- */

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

/* `rows` rows of pixels, `stride` bytes apart, to rows of `width` pixels, out_stride (a multiple of
 * WELD_RESIZE_ALIGN beyond 3 * width) apart. What is past the pixels is undefined. */
typedef void weld_resize_across(const uint8_t *in, size_t stride, int rows,
                                const weld_resize_axis *a, int width, uint8_t *out,
                                size_t out_stride);
/* One output row of `bytes` bytes: output `i` of the axis. `in` is the row spans[i].first, the next
 * `stride` bytes on, all with WELD_RESIZE_ALIGN readable bytes past their end. */
typedef void weld_resize_down(const uint8_t *in, size_t stride, const weld_resize_axis *a, int i,
                              int bytes, uint8_t *out);

/* --- Affine transforms: affine_rows.c --- */

typedef struct weld_sampling {
    const uint8_t
        *origin; /* pixel (0, 0) of a copy with a border, and a byte to spare at its end */
    ptrdiff_t stride;
    int width, height;
    const double *m;
    const uint8_t *fill;
    bool cubic;
} weld_sampling;

/* All rows of the output, [height, width, 3]. */
typedef void weld_sample_rows(const weld_sampling *s, uint8_t *out);

/* --- Blurring: blur_bytes.c --- */

/* Out of 2^24: the weight of each of the 2 reach + 1 inner pixels and of the two beyond them. */
typedef struct weld_blur_box {
    int reach;
    uint32_t inner, outer;
} weld_blur_box;

/* out[i] is the box's mean of in[i + k * step], |k| <= reach + 1. */
typedef void weld_blur_bytes(const uint8_t *in, ptrdiff_t step, const weld_blur_box *b, size_t n,
                             uint8_t *out);

/* --- The tables --- */

typedef struct weld_image_loops {
    const char *isa;
    weld_resize_across *across;
    weld_resize_down *down;
    weld_sample_rows *sample;
    weld_blur_bytes *blur;
} weld_image_loops;

/* Those that this processor runs and WELD_ISA allows, slowest first; NULL past the end. */
const weld_image_loops *weld_image_loops_at(int i);
/* The last of them, as it is at the first call. */
const weld_image_loops *weld_image_loops_best(void);

/* weld_resize_pixels by given loops. */
weld_status weld_resize_by(const weld_image_loops *loops, const weld_pixels *in,
                           const weld_resize_request *request, weld_resize_scratch *scratch,
                           uint8_t *out, weld_error *err);

weld_resize_across weld_resize_across_ref, weld_resize_across_avx2, weld_resize_across_neon;
weld_resize_down weld_resize_down_ref, weld_resize_down_avx2, weld_resize_down_neon;
weld_sample_rows weld_sample_rows_ref, weld_sample_rows_avx2, weld_sample_rows_neon;
weld_blur_bytes weld_blur_bytes_ref, weld_blur_bytes_avx2;

#endif
