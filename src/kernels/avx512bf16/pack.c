/* Packing the right-hand matrix of a product into panels of pairs; see products.h. */
#include <string.h>

#include "kernels/avx512bf16/pairs.h"
#include "kernels/avx512bf16/products.h"

size_t weld_bf16_avx512bf16_packed_size(int64_t k, int64_t n) {
    return (size_t)p_round_up(k, PAIRED_K) * (size_t)p_round_up(n, HALF_PANEL);
}

/* 16 pairs of two rows of floats. */
P_INLINE __m512i pair_floats(__m512 even, __m512 odd) {
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i order =
        _mm512_or_si512(low, _mm512_slli_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(16)), 16));
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/* Where the pairs of rows 2p, 2p + 1 and the 16 columns from `column` on lie; only the last panel
 * may be narrow. */
P_INLINE uint32_t *pairs_at(uint32_t *packed, int64_t pairs, int64_t n, int64_t p, int64_t column) {
    const int64_t panel = column / PANEL * PANEL;
    return packed + pairs * panel + p * p_panel_width(n - panel) + column % PANEL;
}

/* Two rows at a time with all their columns: weights come from memory, which is fast where it is
 * read on and on. */
static void pack_rows(int64_t k, int64_t n, const float *b, int64_t row_stride, uint32_t *packed) {
    const int64_t pairs = p_round_up(k, PAIRED_K) / 2;
    const __m512 zero = _mm512_setzero_ps();
    for (int64_t p = 0; p < pairs; p++, b += 2 * row_stride) {
        for (int64_t column = 0; column < n; column += 16) {
            const __mmask16 mask = p_first16(n - column);
            const float *from = b + column;
            const __m512 even = 2 * p < k ? _mm512_maskz_loadu_ps(mask, from) : zero;
            const __m512 odd =
                2 * p + 1 < k ? _mm512_maskz_loadu_ps(mask, from + row_stride) : zero;
            _mm512_storeu_si512(pairs_at(packed, pairs, n, p, column), pair_floats(even, odd));
        }
    }
}

/* Rows and columns of 16 x 16 pairs exchanged: out[p * width + j] = in[j][p]. The loads put four
 * rows' quarters into one register, which leaves two steps of shuffles. */
P_INLINE void transpose_pairs(const uint32_t in[16][16], uint32_t *out, int64_t width) {
    for (int q = 0; q < 4; q++) { /* pairs 4q to 4q + 3 of all columns */
        __m512i r[4];
        for (int i = 0; i < 4; i++) { /* lane l: column 4l + i */
            r[i] = _mm512_castsi128_si512(_mm_load_si128((const __m128i *)&in[i][4 * q]));
            for (int l = 1; l < 4; l++) {
                r[i] = _mm512_mask_broadcast_i32x4(
                    r[i], (__mmask16)(0xf << 4 * l),
                    _mm_load_si128((const __m128i *)&in[4 * l + i][4 * q]));
            }
        }
        const __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpacklo_epi32(r[2], r[3]);
        const __m512i c = _mm512_unpackhi_epi32(r[0], r[1]), d = _mm512_unpackhi_epi32(r[2], r[3]);
        _mm512_storeu_si512(out + (4 * q + 0) * width, _mm512_unpacklo_epi64(a, b));
        _mm512_storeu_si512(out + (4 * q + 1) * width, _mm512_unpackhi_epi64(a, b));
        _mm512_storeu_si512(out + (4 * q + 2) * width, _mm512_unpacklo_epi64(c, d));
        _mm512_storeu_si512(out + (4 * q + 3) * width, _mm512_unpackhi_epi64(c, d));
    }
}

/* 32 elements of one column as bf16; those that are not there are zero. */
P_INLINE __m512i load_floats(const float *from, int64_t left) {
    const __m512 low = _mm512_maskz_loadu_ps(p_first16(left), from);
    const __m512 high =
        left > 16 ? _mm512_maskz_loadu_ps(p_first16(left - 16), from + 16) : _mm512_setzero_ps();
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Columns that are contiguous, 16 at a time: weights [n, k], or keys [n, k] of bf16. */
P_INLINE void pack_columns(bool activations, int64_t k, int64_t n, const void *b,
                           int64_t column_stride, uint32_t *packed) {
    _Alignas(64) uint32_t block[16][16];
    const int64_t pairs = p_round_up(k, PAIRED_K) / 2;
    for (int64_t column = 0; column < n; column += 16) {
        const int64_t width = p_panel_width(n - column / PANEL * PANEL);
        for (int64_t i = 0; i < k; i += 32) {
            for (int64_t j = 0; j < 16; j++) {
                const int64_t at = (column + j) * column_stride + i;
                __m512i elements = _mm512_setzero_si512();
                if (column + j < n) {
                    elements = activations ? _mm512_maskz_loadu_epi16(p_first32(k - i),
                                                                      (const uint16_t *)b + at)
                                           : load_floats((const float *)b + at, k - i);
                }
                _mm512_store_si512(block[j], elements);
            }
            transpose_pairs((const uint32_t(*)[16])block, pairs_at(packed, pairs, n, i / 2, column),
                            width);
        }
    }
}

void weld_bf16_avx512bf16_pack(int64_t k, int64_t n, const void *b, int64_t row_stride,
                               int64_t column_stride, void *packed) {
    if (column_stride == 1) {
        pack_rows(k, n, b, row_stride, packed);
    } else {
        pack_columns(false, k, n, b, column_stride, packed);
    }
}

void weld_bf16_avx512bf16_pack_activations(int64_t k, int64_t n, const void *b, int64_t row_stride,
                                           int64_t column_stride, void *packed) {
    if (column_stride == 1) {
        weld_bf16_avx512bf16_interleave(k, n, b, row_stride, packed);
    } else {
        pack_columns(true, k, n, b, column_stride, packed);
    }
}

/* Two rows of a panel's 32 columns as pairs, in order. */
P_INLINE void interleave_rows(__m512i even, __m512i odd, uint32_t *low, uint32_t *high) {
    /* The instructions pair within lanes of 8 columns: low has columns 0-3, 8-11, ... */
    const __m512i a = _mm512_unpacklo_epi16(even, odd), b = _mm512_unpackhi_epi16(even, odd);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    _mm512_storeu_si512(low, _mm512_permutex2var_epi64(a, first, b));
    if (high) {
        _mm512_storeu_si512(high, _mm512_permutex2var_epi64(a, second, b));
    }
}

P_INLINE void interleave_panel(int64_t k, const uint16_t *b, int64_t ldb, __mmask32 mask,
                               uint32_t *panel, int64_t width) {
    int64_t i = 0;
    for (; i + 2 <= k; i += 2, b += 2 * ldb, panel += width) {
        interleave_rows(_mm512_maskz_loadu_epi16(mask, b), _mm512_maskz_loadu_epi16(mask, b + ldb),
                        panel, width == PANEL ? panel + 16 : NULL);
    }
    if (i < k) {
        interleave_rows(_mm512_maskz_loadu_epi16(mask, b), _mm512_setzero_si512(), panel,
                        width == PANEL ? panel + 16 : NULL);
        i += 2;
        panel += width;
    }
    for (; i < p_round_up(k, PAIRED_K); i += 2, panel += width) {
        memset(panel, 0, (size_t)width * sizeof *panel);
    }
}

void weld_bf16_avx512bf16_interleave(int64_t k, int64_t n, const uint16_t *b, int64_t ldb,
                                     uint32_t *packed) {
    for (int64_t column = 0; column < n;) {
        const int64_t width = p_panel_width(n - column);
        const __mmask32 mask = p_first32(n - column);
        if (width == PANEL) {
            interleave_panel(k, b + column, ldb, mask, packed, PANEL);
        } else {
            interleave_panel(k, b + column, ldb, mask, packed, HALF_PANEL);
        }
        packed += p_round_up(k, PAIRED_K) / 2 * width;
        column += width;
    }
}
