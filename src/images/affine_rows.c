/* The loops of affine.c, once for each instruction set: the same operations in the same order, none
 * of them fused, so that the results are the same. */
#include <string.h>

#include "images/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Vectors are passed between functions that become one. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* The channels of a pixel and one lane to spare are computed side by side. */
typedef int32_t ints4 __attribute__((vector_size(16)));
typedef double reals4 __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

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
#include "images/affine_rows.inc.h"

#undef TARGET
#undef NAME
#undef LOAD
#undef PACK
#if defined(__x86_64__)
#undef REALS
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
#include "images/affine_rows.inc.h"
#elif defined(__aarch64__)
#define TARGET
#define NAME(x) x##_neon
#define LOAD load_neon
#define PACK pack_neon
INLINE ints4 load_neon(const uint8_t *p) {
    uint32_t bytes; /* the fourth is the next pixel's */
    memcpy(&bytes, p, sizeof bytes);
    const uint16x8_t halves = vmovl_u8(vcreate_u8(bytes));
    return (ints4)vmovl_u16(vget_low_u16(halves));
}
INLINE uint32_t pack_neon(const reals4 *v) {
    const float64x2_t low = {(*v)[0], (*v)[1]}, high = {(*v)[2], (*v)[3]};
    const int32x2_t first = vqmovn_s64(vcvtq_s64_f64(low));
    const int32x2_t second = vqmovn_s64(vcvtq_s64_f64(high));
    const uint16x4_t value = vqmovun_s32(vcombine_s32(first, second));
    return vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(value, value))), 0);
}
#include "images/affine_rows.inc.h"
#endif
