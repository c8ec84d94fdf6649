/* Inline functions for the products of bf16; the panels that they speak of are those of products.h.
 */
#ifndef WELD_KERNELS_AVX512BF16_PAIRS_H
#define WELD_KERNELS_AVX512BF16_PAIRS_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P_INLINE static inline __attribute__((always_inline))

enum { PANEL = 32, HALF_PANEL = 16, PAIRED_K = 32 };

P_INLINE int64_t p_least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

P_INLINE int64_t p_round_up(int64_t a, int64_t step) {
    return (a + step - 1) / step * step;
}

/* Columns that the panel has in which `left` columns are still to be put. */
P_INLINE int64_t p_panel_width(int64_t left) {
    return left > HALF_PANEL ? PANEL : HALF_PANEL;
}

/* The first `count` of up to 16 or 32 lanes. */
P_INLINE __mmask16 p_first16(int64_t count) {
    return (__mmask16)(count <= 0 ? 0 : count >= 16 ? 0xffff : (1U << count) - 1U);
}

P_INLINE __mmask32 p_first32(int64_t count) {
    return count <= 0 ? 0 : count >= 32 ? ~0U : (1U << count) - 1U;
}

/* 16 bf16 as floats; exact. */
P_INLINE __m512 p_widen(__m256i x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/* 16 floats as bf16, to nearest even; subnormal ones become zeros. */
P_INLINE __m256i p_narrow(__m512 x) {
    return (__m256i)_mm512_cvtneps_pbh(x);
}

#endif
