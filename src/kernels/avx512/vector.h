/* Vectors of 16 floats: AVX-512 F, BW, DQ, VL and FMA. The operations are those that simd/vector.h
 * lists; + - * between vectors are the compiler's own. */
#ifndef WELD_KERNELS_AVX512_VECTOR_H
#define WELD_KERNELS_AVX512_VECTOR_H

#include <immintrin.h>
#include <stdint.h>

#define V_LANES 16
/* Rows of a register tile that is 1, 2, 3 vectors wide: of 32 registers it takes rows x width, one
 * row of B and one element of A. */
#define V_TILE_ROWS_1 14
#define V_TILE_ROWS_2 12
#define V_TILE_ROWS_3 8

typedef __m512 vfloat;
typedef __mmask16 vmask;
typedef struct vdouble { /* the lanes of a vfloat, in double */
    __m512d low, high;
} vdouble;

#define V_INLINE static inline __attribute__((always_inline))

V_INLINE vmask v_mask_first(int64_t n) {
    return (vmask)((1U << n) - 1U);
}

V_INLINE vfloat v_set(float a) {
    return _mm512_set1_ps(a);
}

V_INLINE vfloat v_load_all(const float *p) {
    return _mm512_loadu_ps(p);
}

V_INLINE vfloat v_load_masked(const float *p, vmask m) {
    return _mm512_maskz_loadu_ps(m, p);
}

/* Rows and columns of 16 x 16 floats exchanged: by pairs and fours within quarters of registers,
 * then quarters between them. */
V_INLINE void v_transpose(vfloat r[V_LANES]) {
    vfloat s[V_LANES];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {
        s[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16;
         i++) { /* r[4 g + c], quarter q: column 4 q + c of rows 4 g to 4 g + 3 */
        const __m512d a = _mm512_castps_pd(s[i / 4 * 4 + i % 4 / 2]);
        const __m512d b = _mm512_castps_pd(s[i / 4 * 4 + i % 4 / 2 + 2]);
        r[i] = _mm512_castpd_ps(i % 2 ? _mm512_unpackhi_pd(a, b) : _mm512_unpacklo_pd(a, b));
    }
#pragma GCC unroll 16
    for (int c = 0; c < 4; c++) {
        const vfloat even = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88);
        const vfloat odd = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd);
        const vfloat even2 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
        const vfloat odd2 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
        s[c] = _mm512_shuffle_f32x4(even, even2, 0x88);
        s[4 + c] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
        s[8 + c] = _mm512_shuffle_f32x4(even, even2, 0xdd);
        s[12 + c] = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        r[i] = s[i];
    }
}

V_INLINE void v_store_all(float *p, vfloat a) {
    _mm512_storeu_ps(p, a);
}

V_INLINE void v_store_masked(float *p, vmask m, vfloat a) {
    _mm512_mask_storeu_ps(p, m, a);
}

/* a, in a register: else the compiler loads it anew for each product. */
V_INLINE vfloat v_hold(vfloat a) {
    __asm__("" : "+v"(a));
    return a;
}

V_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
    return _mm512_fmadd_ps(a, b, c);
}

V_INLINE vfloat v_fnma(vfloat a, vfloat b, vfloat c) {
    return _mm512_fnmadd_ps(a, b, c);
}

V_INLINE vfloat v_min(vfloat a, vfloat b) {
    return _mm512_min_ps(a, b);
}

V_INLINE vfloat v_max(vfloat a, vfloat b) {
    return _mm512_max_ps(a, b);
}

V_INLINE vfloat v_abs(vfloat a) {
    return _mm512_abs_ps(a);
}

V_INLINE vfloat v_sqrt(vfloat a) {
    return _mm512_sqrt_ps(a);
}

V_INLINE vfloat v_divide(vfloat a, vfloat b) {
    return _mm512_div_ps(a, b);
}

/* 14 bits and one step of Newton: the divider would take longer than all the rest of a GELU. */
V_INLINE vfloat v_reciprocal(vfloat a) {
    const vfloat guess = _mm512_rcp14_ps(a);
    return v_fma(guess, v_fnma(a, guess, v_set(1)), guess);
}

V_INLINE vfloat v_reciprocal_short(vfloat a) {
    return _mm512_rcp14_ps(a);
}

V_INLINE vfloat v_round(vfloat a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

V_INLINE vfloat v_scale_by_power(vfloat a, vfloat n) {
    return _mm512_scalef_ps(a, n);
}

V_INLINE vmask v_greater(vfloat a, vfloat b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

V_INLINE vmask v_equal(vfloat a, vfloat b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

V_INLINE vfloat v_select(vmask m, vfloat a, vfloat b) {
    return _mm512_mask_blend_ps(m, b, a);
}

V_INLINE unsigned v_bits_not_finite(vfloat a) {
    return _mm512_fpclass_ps_mask(a, 0x99); /* quiet and signalling NaN, both infinities */
}

/* Tables of 32 floats can be looked up: table[n mod 32] where `index` is an integer n + 1.5 2^23.
 */
#define V_TABLE
V_INLINE vfloat v_lookup(const float *table, vfloat index) {
    return _mm512_permutex2var_ps(_mm512_loadu_ps(table), _mm512_castps_si512(index),
                                  _mm512_loadu_ps(table + 16));
}

V_INLINE float v_sum(vfloat a) {
    return _mm512_reduce_add_ps(a);
}

V_INLINE float v_maximum(vfloat a) {
    return _mm512_reduce_max_ps(a);
}

#ifdef WELD_SIMD_BF16
V_INLINE vfloat b_widen(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

V_INLINE vfloat b_load_all(const bfloat *p) {
    return b_widen(_mm256_loadu_si256((const __m256i *)p));
}

V_INLINE vfloat b_load_first(const bfloat *p, int64_t n) {
    return b_widen(_mm256_maskz_loadu_epi16(v_mask_first(n), p));
}

#ifdef __AVX512BF16__
V_INLINE __m256i b_round(vfloat a) {
    return (__m256i)_mm512_cvtneps_pbh(a);
}
#else
/* Half of the last place that stays, less one where it is even: the carry rounds. It would turn
 * some NaN into other numbers, so those are made quiet instead. */
V_INLINE __m512i b_round_in_place(vfloat a) {
    const __m512i bits = _mm512_castps_si512(a);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i carried =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(carried, nan, bits, _mm512_set1_epi32(0x400000));
}

V_INLINE __m256i b_round(vfloat a) {
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(b_round_in_place(a), 16));
}
#endif

V_INLINE void b_store_all(bfloat *p, vfloat a) {
    _mm256_storeu_si256((__m256i *)p, b_round(a));
}

/* 32 of them, those of even and of odd place apart: so a load takes two instructions, where in
 * order it takes four. */
V_INLINE void b_load_pair(const bfloat *p, vfloat *even, vfloat *odd) {
    __m512i line = _mm512_loadu_si512(p);
    __asm__("" : "+v"(line)); /* else gcc loads it twice, by way of the stack */
    *even = _mm512_castsi512_ps(_mm512_slli_epi32(line, 16));
    *odd = _mm512_castsi512_ps(_mm512_and_si512(line, _mm512_set1_epi32(~0xffff)));
}

V_INLINE void b_store_pair(bfloat *p, vfloat even, vfloat odd) {
#ifdef __AVX512BF16__
    const __m512i place =
        _mm512_cvtepu8_epi32(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const __m512i after = _mm512_add_epi32(place, _mm512_set1_epi32(16));
    const __m512i in_turn = _mm512_or_si512(place, _mm512_slli_epi32(after, 16));
    const __m512i apart = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    _mm512_storeu_si512(p, _mm512_permutexvar_epi16(in_turn, apart));
#else
    const __m512i lower = _mm512_srli_epi32(b_round_in_place(even), 16);
    _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xaaaaaaaa, lower, b_round_in_place(odd)));
#endif
}

/* The same of floats in registers: two vectors in order to even and odd places, and back. */
V_INLINE void b_part(vfloat first, vfloat second, vfloat *even, vfloat *odd) {
    const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(first, at, second);
    *odd = _mm512_permutex2var_ps(first, _mm512_add_epi32(at, _mm512_set1_epi32(1)), second);
}

V_INLINE void b_join(vfloat even, vfloat odd, vfloat *first, vfloat *second) {
    const __m512i at = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *first = _mm512_permutex2var_ps(even, at, odd);
    *second = _mm512_permutex2var_ps(even, _mm512_add_epi32(at, _mm512_set1_epi32(8)), odd);
}

V_INLINE void b_store_first(bfloat *p, int64_t n, vfloat a) {
    _mm256_mask_storeu_epi16(p, v_mask_first(n), b_round(a));
}
#endif

V_INLINE vdouble w_widen(vfloat a) {
    return (vdouble){_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                     _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))};
}

V_INLINE vdouble w_set(double a) {
    return (vdouble){_mm512_set1_pd(a), _mm512_set1_pd(a)};
}

V_INLINE vdouble w_load_all(const double *p) {
    return (vdouble){_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)};
}

V_INLINE vdouble w_load_masked(const double *p, vmask m) {
    return (vdouble){_mm512_maskz_loadu_pd((__mmask8)m, p),
                     _mm512_maskz_loadu_pd((__mmask8)(m >> 8), p + 8)};
}

V_INLINE void w_store_all(double *p, vdouble a) {
    _mm512_storeu_pd(p, a.low);
    _mm512_storeu_pd(p + 8, a.high);
}

V_INLINE void w_store_masked(double *p, vmask m, vdouble a) {
    _mm512_mask_storeu_pd(p, (__mmask8)m, a.low);
    _mm512_mask_storeu_pd(p + 8, (__mmask8)(m >> 8), a.high);
}

#endif
