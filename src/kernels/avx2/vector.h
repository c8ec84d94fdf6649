/* Vectors of 8 floats: AVX2 and FMA. The operations are those that simd/vector.h lists; + - *
 * between vectors are the compiler's own. */
#ifndef WELD_KERNELS_AVX2_VECTOR_H
#define WELD_KERNELS_AVX2_VECTOR_H

#include <immintrin.h>
#include <stdint.h>

#define V_LANES 8
/* Rows of a register tile that is 1, 2, 3 vectors wide: of 16 registers it takes rows x width, one
 * row of B and one element of A. */
#define V_TILE_ROWS_1 10
#define V_TILE_ROWS_2 6
#define V_TILE_ROWS_3 4

typedef __m256 vfloat;
typedef __m256i vmask;   /* all ones in the lanes chosen */
typedef struct vdouble { /* the lanes of a vfloat, in double */
    __m256d low, high;
} vdouble;

#define V_INLINE static inline __attribute__((always_inline))

V_INLINE vmask v_mask_first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

V_INLINE vfloat v_set(float a) {
    return _mm256_set1_ps(a);
}

V_INLINE vfloat v_load_all(const float *p) {
    return _mm256_loadu_ps(p);
}

V_INLINE vfloat v_load_masked(const float *p, vmask m) {
    return _mm256_maskload_ps(p, m);
}

/* Rows and columns of 8 x 8 floats exchanged: by pairs and fours within halves of registers, then
 * halves between them. */
V_INLINE void v_transpose(vfloat r[V_LANES]) {
    vfloat s[V_LANES];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) { /* r[4 g + c], half h: column 4 h + c of rows 4 g to 4 g + 3 */
        const vfloat a = s[i / 4 * 4 + i % 4 / 2], b = s[i / 4 * 4 + i % 4 / 2 + 2];
        r[i] = i % 2 ? _mm256_shuffle_ps(a, b, 0xee) : _mm256_shuffle_ps(a, b, 0x44);
    }
#pragma GCC unroll 8
    for (int c = 0; c < 4; c++) {
        const vfloat a = r[c], b = r[4 + c];
        r[c] = _mm256_permute2f128_ps(a, b, 0x20);
        r[4 + c] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

V_INLINE void v_store_all(float *p, vfloat a) {
    _mm256_storeu_ps(p, a);
}

V_INLINE void v_store_masked(float *p, vmask m, vfloat a) {
    _mm256_maskstore_ps(p, m, a);
}

/* a, in a register: else the compiler loads it anew for each product. */
V_INLINE vfloat v_hold(vfloat a) {
    __asm__("" : "+x"(a));
    return a;
}

V_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
    return _mm256_fmadd_ps(a, b, c);
}

V_INLINE vfloat v_fnma(vfloat a, vfloat b, vfloat c) {
    return _mm256_fnmadd_ps(a, b, c);
}

V_INLINE vfloat v_min(vfloat a, vfloat b) {
    return _mm256_min_ps(a, b);
}

V_INLINE vfloat v_max(vfloat a, vfloat b) {
    return _mm256_max_ps(a, b);
}

V_INLINE vfloat v_abs(vfloat a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

V_INLINE vfloat v_sqrt(vfloat a) {
    return _mm256_sqrt_ps(a);
}

V_INLINE vfloat v_divide(vfloat a, vfloat b) {
    return _mm256_div_ps(a, b);
}

V_INLINE vfloat v_reciprocal(vfloat a) {
    return _mm256_div_ps(_mm256_set1_ps(1), a);
}

/* The processor's own guess has but 12 bits. */
V_INLINE vfloat v_reciprocal_short(vfloat a) {
    return v_reciprocal(a);
}

V_INLINE vfloat v_round(vfloat a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

V_INLINE vfloat v_power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* In two steps, since 2^n itself may lie outside the normal floats where the product does not. */
V_INLINE vfloat v_scale_by_power(vfloat a, vfloat n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return a * v_power_of_two(half) * v_power_of_two(_mm256_sub_epi32(whole, half));
}

V_INLINE vmask v_greater(vfloat a, vfloat b) {
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

V_INLINE vmask v_equal(vfloat a, vfloat b) {
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}

V_INLINE vfloat v_select(vmask m, vfloat a, vfloat b) {
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(m));
}

V_INLINE unsigned v_bits_not_finite(vfloat a) {
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    const __m256i bits = _mm256_and_si256(_mm256_castps_si256(a), exponent);
    const __m256 full = _mm256_castsi256_ps(_mm256_cmpeq_epi32(bits, exponent));
    return (unsigned)_mm256_movemask_ps(full);
}

V_INLINE float v_sum(vfloat a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

V_INLINE float v_maximum(vfloat a) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#ifdef WELD_SIMD_BF16
V_INLINE vfloat b_widen(__m128i halves) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

V_INLINE vfloat b_load_all(const bfloat *p) {
    return b_widen(_mm_loadu_si128((const __m128i *)p));
}

/* There are no masks for 16 bits: by way of a whole vector in memory. */
V_INLINE vfloat b_load_first(const bfloat *p, int64_t n) {
    bfloat whole[V_LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        whole[i] = p[i];
    }
    return b_load_all(whole);
}

/* Half of the last place that stays, less one where it is even: the carry rounds. It would turn
 * some NaN into other numbers, so those are made quiet instead. */
V_INLINE __m256i b_round_in_place(vfloat a) {
    const __m256i bits = _mm256_castps_si256(a);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i carried =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(carried, quiet, nan);
}

V_INLINE void b_store_all(bfloat *p, vfloat a) {
    const __m256i upper = _mm256_srli_epi32(b_round_in_place(a), 16);
    const __m128i halves =
        _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
    _mm_storeu_si128((__m128i *)p, halves);
}

/* 16 of them, those of even and of odd place apart: so a load takes two instructions, where in
 * order it takes four. */
V_INLINE void b_load_pair(const bfloat *p, vfloat *even, vfloat *odd) {
    __m256i line = _mm256_loadu_si256((const __m256i *)p);
    __asm__("" : "+x"(line)); /* else gcc loads it twice, by way of the stack */
    *even = _mm256_castsi256_ps(_mm256_slli_epi32(line, 16));
    *odd = _mm256_castsi256_ps(_mm256_and_si256(line, _mm256_set1_epi32(~0xffff)));
}

V_INLINE void b_store_pair(bfloat *p, vfloat even, vfloat odd) {
    const __m256i lower = _mm256_srli_epi32(b_round_in_place(even), 16);
    _mm256_storeu_si256((__m256i *)p, _mm256_blend_epi16(lower, b_round_in_place(odd), 0xaa));
}

/* The same of floats in registers: two vectors in order to even and odd places, and back. */
V_INLINE void b_part(vfloat first, vfloat second, vfloat *even, vfloat *odd) {
    const __m256d a = _mm256_castps_pd(_mm256_shuffle_ps(first, second, 0x88));
    const __m256d b = _mm256_castps_pd(_mm256_shuffle_ps(first, second, 0xdd));
    *even = _mm256_castpd_ps(_mm256_permute4x64_pd(a, 0xd8));
    *odd = _mm256_castpd_ps(_mm256_permute4x64_pd(b, 0xd8));
}

V_INLINE void b_join(vfloat even, vfloat odd, vfloat *first, vfloat *second) {
    const vfloat low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    *first = _mm256_permute2f128_ps(low, high, 0x20);
    *second = _mm256_permute2f128_ps(low, high, 0x31);
}

V_INLINE void b_store_first(bfloat *p, int64_t n, vfloat a) {
    bfloat whole[V_LANES];
    b_store_all(whole, a);
    for (int64_t i = 0; i < n; i++) {
        p[i] = whole[i];
    }
}
#endif

V_INLINE vdouble w_widen(vfloat a) {
    return (vdouble){_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                     _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}

V_INLINE vdouble w_set(double a) {
    return (vdouble){_mm256_set1_pd(a), _mm256_set1_pd(a)};
}

V_INLINE vdouble w_load_all(const double *p) {
    return (vdouble){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
}

V_INLINE vdouble w_load_masked(const double *p, vmask m) {
    const __m256i low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(m));
    const __m256i high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(m, 1));
    return (vdouble){_mm256_maskload_pd(p, low), _mm256_maskload_pd(p + 4, high)};
}

V_INLINE void w_store_all(double *p, vdouble a) {
    _mm256_storeu_pd(p, a.low);
    _mm256_storeu_pd(p + 4, a.high);
}

V_INLINE void w_store_masked(double *p, vmask m, vdouble a) {
    _mm256_maskstore_pd(p, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(m)), a.low);
    _mm256_maskstore_pd(p + 4, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(m, 1)), a.high);
}

#endif
