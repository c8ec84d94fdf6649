/* Vectors of 64 codes: AVX-512 F, BW, DQ and VL, with VNNI and VBMI where they are. The operations
 * are those that int8/vector.h lists. */
#ifndef WELD_KERNELS_AVX512_CODES_H
#define WELD_KERNELS_AVX512_CODES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define C_INLINE static inline __attribute__((always_inline))
#define C_BYTES 64
#define C_STENCIL_ROWS 3

typedef __m512i codes;
typedef __m512i ints;
typedef __m512 floats;

C_INLINE __mmask64 c_first(int64_t n) {
    return n >= C_BYTES ? ~0ULL : (1ULL << n) - 1;
}

C_INLINE codes c_load(const uint8_t *p) {
    return _mm512_loadu_si512(p);
}

C_INLINE void c_store(uint8_t *p, codes x) {
    _mm512_storeu_si512(p, x);
}

C_INLINE codes c_load_first(const uint8_t *p, int64_t n) {
    return _mm512_maskz_loadu_epi8(c_first(n), p);
}

C_INLINE void c_store_first(uint8_t *p, codes x, int64_t n) {
    _mm512_mask_storeu_epi8(p, c_first(n), x);
}

C_INLINE codes c_load_half(const uint8_t *p) {
    return _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)p));
}

C_INLINE void c_store_half(uint8_t *p, codes x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_castsi512_si256(x));
}

C_INLINE codes c_set(uint8_t a) {
    return _mm512_set1_epi8((char)a);
}

C_INLINE codes c_set_four(uint32_t a) {
    return _mm512_set1_epi32((int)a);
}

C_INLINE codes c_set_words(int16_t a) {
    return _mm512_set1_epi16(a);
}

C_INLINE codes c_max(codes a, codes b) {
    return _mm512_max_epu8(a, b);
}

C_INLINE codes c_low_bytes(codes a, codes b) {
    return _mm512_unpacklo_epi8(a, b);
}

C_INLINE codes c_high_bytes(codes a, codes b) {
    return _mm512_unpackhi_epi8(a, b);
}

C_INLINE codes c_low_words(codes a, codes b) {
    return _mm512_unpacklo_epi16(a, b);
}

C_INLINE codes c_high_words(codes a, codes b) {
    return _mm512_unpackhi_epi16(a, b);
}

C_INLINE codes c_add_words(codes a, codes b) {
    return _mm512_adds_epi16(a, b);
}

C_INLINE codes c_pack_ints(ints a, ints b) {
    return _mm512_packs_epi32(a, b);
}

C_INLINE codes c_pack_words(codes a, codes b) {
    return _mm512_packus_epi16(a, b);
}

C_INLINE codes c_permute(codes x, codes index) {
    return _mm512_permutexvar_epi32(index, x);
}

C_INLINE codes c_join(codes low, codes high) {
    return _mm512_inserti64x4(low, _mm512_castsi512_si256(high), 1);
}

C_INLINE codes c_high_half(codes x) {
    return _mm512_castsi256_si512(_mm512_extracti64x4_epi64(x, 1));
}

C_INLINE ints i_load(const int32_t *p) {
    return _mm512_loadu_si512(p);
}

C_INLINE void i_store(int32_t *p, ints x) {
    _mm512_storeu_si512(p, x);
}

C_INLINE ints i_set(int32_t a) {
    return _mm512_set1_epi32(a);
}

C_INLINE ints i_add(ints a, ints b) {
    return _mm512_add_epi32(a, b);
}

C_INLINE floats i_to_float(ints x) {
    return _mm512_cvtepi32_ps(x);
}

C_INLINE floats f_load(const float *p) {
    return _mm512_loadu_ps(p);
}

C_INLINE void f_store(float *p, floats x) {
    _mm512_storeu_ps(p, x);
}

C_INLINE floats f_set(float a) {
    return _mm512_set1_ps(a);
}

C_INLINE floats f_mul(floats a, floats b) {
    return _mm512_mul_ps(a, b);
}

C_INLINE floats f_add(floats a, floats b) {
    return _mm512_add_ps(a, b);
}

C_INLINE floats f_div(floats a, floats b) {
    return _mm512_div_ps(a, b);
}

C_INLINE floats f_fma(floats a, floats b, floats c) {
    return _mm512_fmadd_ps(a, b, c);
}

/* b where a is not a number. */
C_INLINE floats f_max(floats a, floats b) {
    return _mm512_max_ps(a, b);
}

C_INLINE floats f_min(floats a, floats b) {
    return _mm512_min_ps(a, b);
}

C_INLINE ints f_round(floats x) {
    return _mm512_cvtps_epi32(x);
}

#define C_SHUFFLES

C_INLINE codes c_load_16(const uint8_t *p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}

C_INLINE codes c_shuffle(codes table, codes index) {
    return _mm512_shuffle_epi8(table, index);
}

#ifdef __AVX512VBMI__
#define C_SMALL_TABLE

typedef struct c_table {
    codes part[4];
} c_table;

C_INLINE void c_load_table(c_table *t, const uint8_t *p) {
    for (int i = 0; i < 4; i++) {
        t->part[i] = c_load(p + 64 * i);
    }
}

C_INLINE codes c_lookup(const c_table *t, codes x) {
    const codes low = _mm512_permutex2var_epi8(t->part[0], x, t->part[1]);
    const codes high = _mm512_permutex2var_epi8(t->part[2], x, t->part[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}
#else
#define C_SHUFFLED_TABLE

C_INLINE codes c_xor(codes a, codes b) {
    return _mm512_xor_si512(a, b);
}

C_INLINE codes c_subtract(codes a, codes b) {
    return _mm512_subs_epi8(a, b);
}
#endif

#ifdef __AVX512VNNI__
#define C_WEIGHTS 64
#define C_ROWS_4 6
#define C_ROWS_3 8
#define C_ROWS_2 12
#define C_ROWS_1 12

typedef codes factors;
typedef ints weights;

C_INLINE factors c_factors(codes x) {
    return x;
}

C_INLINE void c_hide(factors *f) {
    __asm__ volatile("" : "+v"(*f));
}

C_INLINE weights c_weights(const uint8_t *p) {
    return _mm512_loadu_si512(p);
}

/* As an intrinsic gcc 12 moves the sums through memory. */
C_INLINE ints c_dot(ints sum, factors a, weights b) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
#else
#define C_WEIGHTS 128
#define C_ROWS_4 4
#define C_ROWS_3 5
#define C_ROWS_2 6
#define C_ROWS_1 8

typedef struct factors {
    codes even, odd;
} factors;
typedef factors weights;

C_INLINE factors c_factors(codes x) {
    return (factors){_mm512_and_si512(x, _mm512_set1_epi16(0xff)), _mm512_srli_epi16(x, 8)};
}

#define C_WIDENS

C_INLINE void c_hide(factors *f) {
    __asm__ volatile("" : "+v"(f->even), "+v"(f->odd));
}

C_INLINE weights c_weights(const uint8_t *p) {
    return (weights){_mm512_loadu_si512(p), _mm512_loadu_si512(p + 64)};
}

C_INLINE ints c_dot(ints sum, factors a, weights b) {
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(a.even, b.even));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a.odd, b.odd));
}
#endif

#endif
