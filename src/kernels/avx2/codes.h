/* Vectors of 32 codes: AVX2 and FMA, with AVX-VNNI where it is. The operations are those that
 * int8/vector.h lists. */
#ifndef WELD_KERNELS_AVX2_CODES_H
#define WELD_KERNELS_AVX2_CODES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define C_INLINE static inline __attribute__((always_inline))
#define C_BYTES 32
#define C_STENCIL_ROWS 1

typedef __m256i codes;
typedef __m256i ints;
typedef __m256 floats;

C_INLINE codes c_load(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

C_INLINE void c_store(uint8_t *p, codes x) {
    _mm256_storeu_si256((__m256i *)p, x);
}

/* n < 8 bytes, and zeros. */
C_INLINE uint64_t c_load_below_8(const uint8_t *p, int64_t n) {
    uint32_t low, high;
    if (n >= 4) {
        memcpy(&low, p, 4);
        memcpy(&high, p + n - 4, 4);
        return (uint64_t)high << 8 * (n - 4) | low;
    }
    return n == 0 ? 0
                  : (uint64_t)p[n - 1] << 8 * (n - 1) | (uint64_t)p[n / 2] << 8 * (n / 2) | p[0];
}

C_INLINE __m128i c_load_below_16(const uint8_t *p, int64_t n) {
    uint64_t low;
    if (n < 8) {
        return _mm_cvtsi64_si128((int64_t)c_load_below_8(p, n));
    }
    memcpy(&low, p, 8);
    return _mm_set_epi64x((int64_t)c_load_below_8(p + 8, n - 8), (int64_t)low);
}

C_INLINE codes c_load_first(const uint8_t *p, int64_t n) {
    if (n < 16) {
        return _mm256_zextsi128_si256(c_load_below_16(p, n));
    }
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)),
                                   c_load_below_16(p + 16, n - 16), 1);
}

C_INLINE void c_store_below_16(uint8_t *p, __m128i x, int64_t n) {
    uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(x);
    if (n >= 8) {
        memcpy(p, &bytes, 8);
        bytes = (uint64_t)_mm_extract_epi64(x, 1);
        p += 8;
        n -= 8;
    }
    if (n >= 4) {
        memcpy(p, &bytes, 4);
        bytes >>= 32;
        p += 4;
        n -= 4;
    }
    for (int64_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(bytes >> 8 * i);
    }
}

C_INLINE void c_store_first(uint8_t *p, codes x, int64_t n) {
    if (n < 16) {
        c_store_below_16(p, _mm256_castsi256_si128(x), n);
        return;
    }
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(x));
    c_store_below_16(p + 16, _mm256_extracti128_si256(x, 1), n - 16);
}

C_INLINE codes c_load_half(const uint8_t *p) {
    return _mm256_zextsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

C_INLINE void c_store_half(uint8_t *p, codes x) {
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(x));
}

C_INLINE codes c_set(uint8_t a) {
    return _mm256_set1_epi8((char)a);
}

C_INLINE codes c_set_four(uint32_t a) {
    return _mm256_set1_epi32((int)a);
}

C_INLINE codes c_set_words(int16_t a) {
    return _mm256_set1_epi16(a);
}

C_INLINE codes c_max(codes a, codes b) {
    return _mm256_max_epu8(a, b);
}

C_INLINE codes c_low_bytes(codes a, codes b) {
    return _mm256_unpacklo_epi8(a, b);
}

C_INLINE codes c_high_bytes(codes a, codes b) {
    return _mm256_unpackhi_epi8(a, b);
}

C_INLINE codes c_low_words(codes a, codes b) {
    return _mm256_unpacklo_epi16(a, b);
}

C_INLINE codes c_high_words(codes a, codes b) {
    return _mm256_unpackhi_epi16(a, b);
}

C_INLINE codes c_add_words(codes a, codes b) {
    return _mm256_adds_epi16(a, b);
}

C_INLINE codes c_pack_ints(ints a, ints b) {
    return _mm256_packs_epi32(a, b);
}

C_INLINE codes c_pack_words(codes a, codes b) {
    return _mm256_packus_epi16(a, b);
}

C_INLINE codes c_permute(codes x, codes index) {
    return _mm256_permutevar8x32_epi32(x, index);
}

C_INLINE codes c_join(codes low, codes high) {
    return _mm256_inserti128_si256(low, _mm256_castsi256_si128(high), 1);
}

C_INLINE codes c_high_half(codes x) {
    return _mm256_castsi128_si256(_mm256_extracti128_si256(x, 1));
}

C_INLINE ints i_load(const int32_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

C_INLINE void i_store(int32_t *p, ints x) {
    _mm256_storeu_si256((__m256i *)p, x);
}

C_INLINE ints i_set(int32_t a) {
    return _mm256_set1_epi32(a);
}

C_INLINE ints i_add(ints a, ints b) {
    return _mm256_add_epi32(a, b);
}

C_INLINE floats i_to_float(ints x) {
    return _mm256_cvtepi32_ps(x);
}

C_INLINE floats f_load(const float *p) {
    return _mm256_loadu_ps(p);
}

C_INLINE void f_store(float *p, floats x) {
    _mm256_storeu_ps(p, x);
}

C_INLINE floats f_set(float a) {
    return _mm256_set1_ps(a);
}

C_INLINE floats f_mul(floats a, floats b) {
    return _mm256_mul_ps(a, b);
}

C_INLINE floats f_add(floats a, floats b) {
    return _mm256_add_ps(a, b);
}

C_INLINE floats f_div(floats a, floats b) {
    return _mm256_div_ps(a, b);
}

C_INLINE floats f_fma(floats a, floats b, floats c) {
    return _mm256_fmadd_ps(a, b, c);
}

/* b where a is not a number. */
C_INLINE floats f_max(floats a, floats b) {
    return _mm256_max_ps(a, b);
}

C_INLINE floats f_min(floats a, floats b) {
    return _mm256_min_ps(a, b);
}

C_INLINE ints f_round(floats x) {
    return _mm256_cvtps_epi32(x);
}

#define C_SHUFFLES

C_INLINE codes c_load_16(const uint8_t *p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

C_INLINE codes c_shuffle(codes table, codes index) {
    return _mm256_shuffle_epi8(table, index);
}

#define C_SHUFFLED_TABLE

C_INLINE codes c_xor(codes a, codes b) {
    return _mm256_xor_si256(a, b);
}

C_INLINE codes c_subtract(codes a, codes b) {
    return _mm256_subs_epi8(a, b);
}

#ifdef __AVXVNNI__
#define C_WEIGHTS 32
#define C_ROWS_4 3
#define C_ROWS_3 4
#define C_ROWS_2 6
#define C_ROWS_1 10

typedef codes factors;
typedef ints weights;

C_INLINE factors c_factors(codes x) {
    return x;
}

C_INLINE void c_hide(factors *f) {
    __asm__ volatile("" : "+x"(*f));
}

C_INLINE weights c_weights(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

/* As an intrinsic gcc 12 moves the sums through memory. */
C_INLINE ints c_dot(ints sum, factors a, weights b) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}
#else
#define C_WEIGHTS 64
#define C_ROWS_4 2
#define C_ROWS_3 2
#define C_ROWS_2 4
#define C_ROWS_1 6

typedef struct factors {
    codes even, odd;
} factors;
typedef factors weights;

C_INLINE factors c_factors(codes x) {
    return (factors){_mm256_and_si256(x, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(x, 8)};
}

#define C_WIDENS

C_INLINE void c_hide(factors *f) {
    __asm__ volatile("" : "+x"(f->even), "+x"(f->odd));
}

C_INLINE weights c_weights(const uint8_t *p) {
    return (weights){_mm256_loadu_si256((const __m256i *)p),
                     _mm256_loadu_si256((const __m256i *)(p + 32))};
}

/* Each product of two is below 2^16 and a sum of two of them exact: vpmaddubsw would saturate. */
C_INLINE ints c_dot(ints sum, factors a, weights b) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a.even, b.even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a.odd, b.odd));
}
#endif

#endif
