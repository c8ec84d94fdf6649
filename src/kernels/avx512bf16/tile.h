/* The inner product of AVX512-BF16: a tile of up to 12 rows and 1 or 2 vectors of columns, its sums
 * in registers. Each instruction takes a pair of A, broadcast, and 16 pairs of B.
 *
 * Subnormal factors and sums count as zero; infinities and NaN come through. */
#ifndef WELD_KERNELS_AVX512BF16_TILE_H
#define WELD_KERNELS_AVX512BF16_TILE_H

#include <string.h>

#include "kernels/avx512bf16/pairs.h"

enum { MOST_ROWS = 12 };

typedef struct pair_product {
    int64_t pairs;                 /* whole pairs of k */
    bool odd;                      /* k has one element more */
    int64_t row_bytes, pair_bytes; /* steps in A */
    const float *bias;             /* of the panel's columns, or NULL */
    int64_t columns;               /* of C in the panel */
    bool accumulate;
    int64_t ldc;
} pair_product;

P_INLINE __m512bh p_broadcast(const char *a) {
    int32_t pair;
    memcpy(&pair, a, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

P_INLINE __m512bh p_broadcast_last(const char *a) {
    uint16_t element;
    memcpy(&element, a, sizeof element);
    return (__m512bh)_mm512_set1_epi32(element);
}

P_INLINE void p_store_bf16(__m512 x, bool accumulate, __mmask16 mask, uint16_t *c) {
    if (accumulate) {
        x = _mm512_add_ps(x, p_widen(_mm256_maskz_loadu_epi16(mask, c)));
    }
    _mm256_mask_storeu_epi16(c, mask, p_narrow(x));
}

P_INLINE void p_store_f32(__m512 x, bool accumulate, __mmask16 mask, float *c) {
    if (accumulate) {
        x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, c));
    }
    _mm512_mask_storeu_ps(c, mask, x);
}

/* C[rows, columns] from `rows` rows of A and a panel of `vectors` vectors; C is bf16 or f32. */
P_INLINE void p_tile(int rows, int vectors, bool bf16, const pair_product *p, const char *a,
                     const uint32_t *panel, void *c) {
    __m512 sum[MOST_ROWS][2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const __m512 bias =
            p->bias ? _mm512_maskz_loadu_ps(p_first16(p->columns - 16 * v), p->bias + 16 * v)
                    : _mm512_setzero_ps();
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            sum[i][v] = bias;
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) { /* it is read, or written, when the sums are done */
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            const int64_t at = i * p->ldc + 16 * v;
            __builtin_prefetch((const char *)c + at * (bf16 ? 2 : 4), 1);
        }
    }
    for (int64_t k = 0; k < p->pairs; k++, panel += 16 * vectors, a += p->pair_bytes) {
        const __m512bh b0 = (__m512bh)_mm512_loadu_si512(panel);
        const __m512bh b1 = (__m512bh)_mm512_loadu_si512(panel + (vectors > 1 ? 16 : 0));
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const __m512bh one = p_broadcast(a + i * p->row_bytes);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], one, b0);
            if (vectors > 1) {
                sum[i][1] = _mm512_dpbf16_ps(sum[i][1], one, b1);
            }
        }
    }
    if (p->odd) {
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const __m512bh one = p_broadcast_last(a + i * p->row_bytes);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                const __m512bh b = (__m512bh)_mm512_loadu_si512(panel + 16 * v);
                sum[i][v] = _mm512_dpbf16_ps(sum[i][v], one, b);
            }
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const __mmask16 mask = p_first16(p->columns - 16 * v);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const int64_t at = i * p->ldc + 16 * v;
            if (bf16) {
                p_store_bf16(sum[i][v], p->accumulate, mask, (uint16_t *)c + at);
            } else {
                p_store_f32(sum[i][v], p->accumulate, mask, (float *)c + at);
            }
        }
    }
}

/* static void name(rows, ...): the tile of 1 to 12 rows. */
#define DEFINE_TILE_ROWS(rows, vectors, bf16)                                                      \
    case rows:                                                                                     \
        p_tile(rows, vectors, bf16, p, a, panel, c);                                               \
        break;
#define DEFINE_PAIR_TILES(name, vectors, bf16)                                                     \
    static void name(int64_t rows, const pair_product *p, const char *a, const uint32_t *panel,    \
                     void *c) {                                                                    \
        switch (rows) {                                                                            \
            DEFINE_TILE_ROWS(1, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(2, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(3, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(4, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(5, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(6, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(7, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(8, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(9, vectors, bf16)                                                     \
            DEFINE_TILE_ROWS(10, vectors, bf16)                                                    \
            DEFINE_TILE_ROWS(11, vectors, bf16)                                                    \
            DEFINE_TILE_ROWS(12, vectors, bf16)                                                    \
        }                                                                                          \
    }

#endif
