/* Affine transforms; see affine.h. */
#include "images/affine.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Vectors are passed between functions that become one. */
#pragma GCC diagnostic ignored "-Wpsabi"

enum { BORDER = 2 /* pixels around the image that the cubic reaches for */ };

/* The channels of a pixel and one lane to spare are computed side by side. */
typedef int32_t ints4 __attribute__((vector_size(16)));
typedef double reals4 __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

/* --- One set of functions for each instruction set: the same operations in the same order, none of
 * them fused, so that the results are the same. --- */

#define TARGET
#define NAME(x) x##_ref
#define LOAD load_ref
#define REALS(v) __builtin_convertvector(v, reals4)
#define PACK pack_ref
INLINE ints4 load_ref(const uint8_t *p) {
    return (ints4){p[0], p[1], p[2]};
}
INLINE uint32_t pack_ref(const reals4 *v) {
    uint32_t packed = 0;
    for (int c = 0; c < 3; c++) {
        double value = (*v)[c] < 0 ? 0 : (*v)[c] > 255 ? 255 : (*v)[c];
        packed |= (uint32_t)value << 8 * c;
    }
    return packed;
}
#include "images/affine_rows.h"

#if defined(__x86_64__)
#undef TARGET
#undef NAME
#undef LOAD
#undef REALS
#undef PACK
#define TARGET __attribute__((target("avx2")))
#define NAME(x) x##_avx2
#define LOAD load_avx2
#define REALS(v) ((reals4)_mm256_cvtepi32_pd((__m128i)(v)))
#define PACK pack_avx2
INLINE TARGET ints4 load_avx2(const uint8_t *p) {
    return (ints4)_mm_cvtepu8_epi32(_mm_loadu_si32(p)); /* the fourth is the next pixel's */
}
INLINE TARGET uint32_t pack_avx2(const reals4 *v) {
    __m128i value = _mm256_cvttpd_epi32((__m256d)*v);
    value = _mm_packus_epi32(value, value);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(value, value));
}
#include "images/affine_rows.h"
#endif

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
    snprintf(text, sizeof text, "%.15f", value);
    return strtod(text, NULL);
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
