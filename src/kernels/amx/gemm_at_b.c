/* C[m, n] += A[k, m]^T B[k, n], A and B bf16, C floats: weight gradients.
 *
 * A block of B's rows and columns is packed into pairs; then strips of 32 columns of A are
 * transposed, which makes them rows of a left-hand matrix, and multiplied with all of the packed
 * block. Sums start from C and stay in tile registers over the whole block of k; only tiles at C's
 * edges go through a buffer. */
#include <string.h>

#include "kernels/amx/amx.h"
#include "kernels/amx/tiles.h"
#include "kernels/avx512bf16/products.h"

enum {
    K_BLOCK = 256,
    N_BLOCK = 512, /* a packed block of B stays in the second-level cache */
    STRIP = 2 * TILE_ROWS
};

/* Rows and columns exchanged: 32 rows of 8 columns of A to 8 rows of 32. Loads put the rows i,
 * 8 + i, 16 + i, 24 + i into one register's quarters, in which three steps of shuffles transpose
 * 8 x 8 elements. */
P_INLINE void transpose_8(const uint16_t *a, int64_t lda, uint16_t *out, int64_t stride) {
    __m512i r[8], s[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(a + i * lda)));
#pragma GCC unroll 8
        for (int q = 1; q < 4; q++) {
            r[i] = _mm512_mask_broadcast_i32x4(
                r[i], (__mmask16)(0xf << 4 * q),
                _mm_loadu_si128((const __m128i *)(a + (8 * q + i) * lda)));
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2) { /* pairs of rows; columns 0-3, 4-7 */
        s[i] = _mm512_unpacklo_epi16(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_epi16(r[i], r[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) { /* fours of rows; columns 0 1, 2 3, 4 5, 6 7 */
        r[i] = _mm512_unpacklo_epi32(s[i], s[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi32(s[i], s[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi32(s[i + 1], s[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi32(s[i + 1], s[i + 3]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_si512(out + 2 * i * stride, _mm512_unpacklo_epi64(r[i], r[i + 4]));
        _mm512_storeu_si512(out + (2 * i + 1) * stride, _mm512_unpackhi_epi64(r[i], r[i + 4]));
    }
}

/* strip[columns][K_BLOCK] = A[k][columns] transposed, columns at most 32; zeros past k up to a
 * whole 32. Columns up to the next 8 are written too. */
static void transpose_strip(int64_t k, int64_t columns, const uint16_t *a, int64_t lda,
                            uint16_t *strip) {
    _Alignas(64) uint16_t edge[32 * STRIP];
    const __mmask32 mask = p_first32(columns);
    for (int64_t i = 0; i < k; i += 32, a += 32 * lda) {
        const uint16_t *from = a;
        int64_t stride = lda;
        if (k - i < 32 || columns % 8 != 0) {
            from = edge;
            stride = STRIP;
            for (int64_t row = 0; row < 32; row++) {
                const __m512i x = i + row < k ? _mm512_maskz_loadu_epi16(mask, a + row * lda)
                                              : _mm512_setzero_si512();
                _mm512_store_si512(edge + row * STRIP, x);
            }
        }
        for (int64_t column = 0; column < columns; column += 8) {
            transpose_8(from + column, stride, strip + column * K_BLOCK + i, K_BLOCK);
        }
    }
}

/* The sums of a block start from, and go back to, C or, at its edges, a buffer. */
#define SUMS(instruction, rows, columns, c, bytes)                                                 \
    do {                                                                                           \
        float *second = (c) + (bytes) / 4 * TILE_ROWS;                                             \
        instruction(0, c, bytes);                                                                  \
        if ((columns) > 16) {                                                                      \
            instruction(1, (c) + 16, bytes);                                                       \
            if ((rows) > 16) {                                                                     \
                instruction(2, second, bytes);                                                     \
                instruction(3, second + 16, bytes);                                                \
            }                                                                                      \
        } else if ((rows) > 16) {                                                                  \
            instruction(1, second, bytes);                                                         \
        }                                                                                          \
    } while (0)

/* Add the buffer's [rows][columns] to C, or write them there. */
static void move_sums(int64_t rows, int64_t columns, const float *sum, bool accumulate, float *c,
                      int64_t ldc) {
    for (int64_t i = 0; i < rows; i++, sum += PANEL, c += ldc) {
        for (int64_t j = 0; j < columns; j += 16) {
            const __mmask16 mask = p_first16(columns - j);
            __m512 x = _mm512_load_ps(sum + j);
            if (accumulate) {
                x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, c + j));
            }
            _mm512_mask_storeu_ps(c + j, mask, x);
        }
    }
}

/* One strip times one panel: C[rows, columns], each at most 32. */
static void multiply_block(const tile_product *p, int64_t rows, int64_t columns,
                           const uint16_t *strip, const uint32_t *panel, bool accumulate, float *c,
                           int64_t ldc) {
    _Alignas(64) float buffer[STRIP * PANEL];
    const int64_t bytes = ldc * (int64_t)sizeof *c;
    const bool direct = rows % TILE_ROWS == 0 && columns % 16 == 0;
    const row_tile r[2] = {{(const char *)strip, NULL},
                           {(const char *)(strip + TILE_ROWS * K_BLOCK), NULL}};
    if (direct && accumulate) {
        SUMS(_tile_loadd, rows, columns, c, bytes);
    } else {
        zero_sums();
    }
    if (columns > 16 && rows > 16) {
        multiply_wide(true, p, r, panel);
    } else if (columns > 16) {
        multiply_wide(false, p, r, panel);
    } else if (rows > 16) {
        multiply_narrow(2, p, r, panel);
    } else {
        multiply_narrow(1, p, r, panel);
    }
    if (direct) {
        SUMS(_tile_stored, rows, columns, c, bytes);
    } else {
        SUMS(_tile_stored, rows, columns, buffer, PANEL * (int64_t)sizeof *c);
        move_sums(rows, columns, buffer, accumulate, c, ldc);
    }
}

/* One block of k rows: C (+)= A^T B for at most N_BLOCK columns of B. */
static void multiply_rows(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t lda,
                          const uint16_t *b, int64_t ldb, bool accumulate, float *c, int64_t ldc) {
    _Alignas(64) uint32_t packed[K_BLOCK / 2 * N_BLOCK];
    _Alignas(64) uint16_t strip[STRIP * K_BLOCK];
    tile_product p = {.steps = (k + PAIRED_K - 1) / PAIRED_K,
                      .a_bytes = K_BLOCK * (int64_t)sizeof *strip};
    weld_bf16_avx512bf16_interleave(k, n, b, ldb, packed);
    for (int64_t row = 0; row < m; row += STRIP) {
        const int64_t rows = p_least(STRIP, m - row);
        transpose_strip(k, rows, a + row, lda, strip);
        const uint32_t *panel = packed;
        for (int64_t column = 0; column < n;) {
            const int64_t width = p_panel_width(n - column);
            p.b_bytes = width * (int64_t)sizeof *panel;
            multiply_block(&p, rows, p_least(width, n - column), strip, panel, accumulate,
                           c + row * ldc + column, ldc);
            panel += p.steps * TILE_ROWS * width;
            column += width;
        }
    }
}

static void clear(int64_t m, int64_t n, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++) {
        memset(c + i * ldc, 0, (size_t)n * sizeof *c);
    }
}

void weld_bf16_amx_gemm_at_b(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda,
                             const void *b_, int64_t ldb, bool accumulate, void *c_, int64_t ldc) {
    const uint16_t *a = a_, *b = b_;
    float *c = c_;
    if (k <= 0 && !accumulate) {
        clear(m, n, c, ldc);
    }
    /* Blocks of nearly equal height, whole tiles but for the last. */
    const int64_t blocks = (k + K_BLOCK - 1) / K_BLOCK;
    tiles_start(TILE_ROWS, 0);
    for (int64_t i = 0, begin = 0; i < blocks; i++) {
        const int64_t end = p_least(k, p_round_up(k * (i + 1) / blocks, PAIRED_K));
        for (int64_t column = 0; column < n; column += N_BLOCK) {
            multiply_rows(m, p_least(N_BLOCK, n - column), end - begin, a + begin * lda, lda,
                          b + begin * ldb + column, ldb, accumulate || i > 0, c + column, ldc);
        }
        begin = end;
    }
    _tile_release();
}
