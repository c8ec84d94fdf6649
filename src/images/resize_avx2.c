/* The passes of resizing with vectors of 32 bytes; see loops.h.
 *
 * A weight w is two of 16 bits, w = high * 4096 + low, so that one instruction multiplies two taps
 * by theirs and adds the products up: sums of both parts fit 32 bits or wrap, and their own sum
 * does not.
 */
#include "images/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

enum { LOW_BITS = 12, MAX_GROUPS = 16 };

/* Weights k and k + 1 as the halves of 32 bits. */
static int32_t pair(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)(uint16_t)a | (uint32_t)b << 16);
}
static int32_t high_pair(const int32_t *w) {
    return pair(w[0] >> LOW_BITS, w[1] >> LOW_BITS);
}
static int32_t low_pair(const int32_t *w) {
    const int32_t mask = (1 << LOW_BITS) - 1;
    return pair(w[0] & mask, w[1] & mask);
}

/* Sums of both parts to values, not yet clamped. */
AVX2 static inline __m256i finish(__m256i high, __m256i low) {
    const __m256i half = _mm256_set1_epi32(1 << (WELD_RESIZE_BITS - 1));
    const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
    return _mm256_srai_epi32(_mm256_add_epi32(sum, half), WELD_RESIZE_BITS);
}

/* Four taps of a pixel: the products of the first two in one half, of the others in the other. */
typedef struct group {
    __m256i high, low;
} group;

AVX2 static int make_groups(const int32_t *weights, int count, group *groups) {
    int n = 0;
    for (int k = 0; k < count; k += 4, n++) {
        const int32_t *w = weights + k;
        groups[n].high =
            _mm256_set_m128i(_mm_set1_epi32(high_pair(w + 2)), _mm_set1_epi32(high_pair(w)));
        groups[n].low =
            _mm256_set_m128i(_mm_set1_epi32(low_pair(w + 2)), _mm_set1_epi32(low_pair(w)));
    }
    return n;
}

/* The sums over the groups' taps of a pixel whose first tap is `in`. */
AVX2 static inline __attribute__((always_inline)) void
sum_groups(const uint8_t *in, const group *groups, int n, __m256i *high, __m256i *low) {
    /* Bytes of pixels 0 and 1 to pairs of 16 bits, red, green and blue, and of 2 and 3. */
    const __m256i spread =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7,
                         -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    for (int g = 0; g < n; g++, in += 12) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
        const __m256i taps = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), spread);
        *high = _mm256_add_epi32(*high, _mm256_madd_epi16(taps, groups[g].high));
        *low = _mm256_add_epi32(*low, _mm256_madd_epi16(taps, groups[g].low));
    }
}

/* Add up the halves, and to bytes. */
AVX2 static inline uint32_t to_pixel(__m256i high, __m256i low) {
    const __m128i half = _mm_set1_epi32(1 << (WELD_RESIZE_BITS - 1));
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    v = _mm_srai_epi32(_mm_add_epi32(v, half), WELD_RESIZE_BITS);
    v = _mm_packs_epi32(v, v);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
}

AVX2 static inline __attribute__((always_inline)) void column(const uint8_t *in, size_t stride,
                                                              int rows, const group *groups, int n,
                                                              uint8_t *out, size_t out_stride) {
    for (int y = 0; y < rows; y++, in += stride, out += out_stride) {
        __m256i high = _mm256_setzero_si256(), low = high;
        sum_groups(in, groups, n, &high, &low);
        const uint32_t pixel = to_pixel(high, low);
        memcpy(out, &pixel, 4); /* the fourth byte is the next pixel's, or padding */
    }
}

/* So many taps that their groups come in parts. */
AVX2 static void wide_column(const uint8_t *in, size_t stride, int rows, const int32_t *weights,
                             int count, uint8_t *out, size_t out_stride) {
    for (int y = 0; y < rows; y++, in += stride, out += out_stride) {
        __m256i high = _mm256_setzero_si256(), low = high;
        for (int k = 0; k < count; k += 4 * MAX_GROUPS) {
            group groups[MAX_GROUPS];
            int left = count - k < 4 * MAX_GROUPS ? count - k : 4 * MAX_GROUPS;
            int n = make_groups(weights + k, left, groups);
            sum_groups(in + (size_t)k * 3, groups, n, &high, &low);
        }
        const uint32_t pixel = to_pixel(high, low);
        memcpy(out, &pixel, 4);
    }
}

AVX2 void weld_resize_across_avx2(const uint8_t *in, size_t stride, int rows,
                                  const weld_resize_axis *a, int width, uint8_t *out,
                                  size_t out_stride) {
    for (int x = 0; x < width; x++, out += 3) {
        const uint8_t *from = in + (size_t)a->spans[x].first * 3;
        const int32_t *weights = a->weights + (size_t)x * (size_t)a->taps;
        const int count = a->spans[x].count;
        if (count > 4 * MAX_GROUPS) {
            wide_column(from, stride, rows, weights, count, out, out_stride);
            continue;
        }
        group groups[MAX_GROUPS];
        const int n = make_groups(weights, count, groups);
        switch (n) { /* known to the compiler, small numbers stay in registers */
        case 1:
            column(from, stride, rows, groups, 1, out, out_stride);
            break;
        case 2:
            column(from, stride, rows, groups, 2, out, out_stride);
            break;
        case 3:
            column(from, stride, rows, groups, 3, out, out_stride);
            break;
        default:
            column(from, stride, rows, groups, n, out, out_stride);
        }
    }
}

/* The sums of 32 bytes, eight a vector, in the order that unpacking bytes to 16 and 32 bits gives.
 */
typedef struct sums {
    __m256i high[4], low[4];
} sums;

AVX2 static inline __attribute__((always_inline)) void add_taps(sums *s, __m256i a, __m256i b,
                                                                __m256i high, __m256i low) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i first = _mm256_unpacklo_epi8(a, b), second = _mm256_unpackhi_epi8(a, b);
    const __m256i taps[4] = {_mm256_unpacklo_epi8(first, zero), _mm256_unpackhi_epi8(first, zero),
                             _mm256_unpacklo_epi8(second, zero),
                             _mm256_unpackhi_epi8(second, zero)};
    for (int i = 0; i < 4; i++) {
        s->high[i] = _mm256_add_epi32(s->high[i], _mm256_madd_epi16(taps[i], high));
        s->low[i] = _mm256_add_epi32(s->low[i], _mm256_madd_epi16(taps[i], low));
    }
}

AVX2 static inline __attribute__((always_inline)) __m256i to_bytes(const sums *s) {
    __m256i v[4];
    for (int i = 0; i < 4; i++) {
        v[i] = finish(s->high[i], s->low[i]);
    }
    return _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
}

AVX2 static inline __m256i load(const uint8_t *in) {
    return _mm256_loadu_si256((const __m256i *)(const void *)in);
}

AVX2 void weld_resize_down_avx2(const uint8_t *in, size_t stride, const weld_resize_axis *a, int i,
                                int bytes, uint8_t *out) {
    const int32_t *weights = a->weights + (size_t)i * (size_t)a->taps;
    const int count = a->spans[i].count;
    for (int x = 0; x < bytes; x += 32) {
        const uint8_t *from = in + x;
        sums s = {0};
        for (int k = 0; k < count; k += 2, from += 2 * stride) {
            const __m256i first = load(from);
            /* The weight of a tap that is not there is 0. */
            const __m256i second = k + 1 < count ? load(from + stride) : first;
            add_taps(&s, first, second, _mm256_set1_epi32(high_pair(weights + k)),
                     _mm256_set1_epi32(low_pair(weights + k)));
        }
        const __m256i done = to_bytes(&s);
        if (bytes - x >= 32) {
            _mm256_storeu_si256((__m256i *)(void *)(out + x), done);
        } else {
            uint8_t last[32];
            _mm256_storeu_si256((__m256i *)(void *)last, done);
            memcpy(out + x, last, (size_t)(bytes - x));
        }
    }
}
#endif
