/* The products of kernels.h by AVX512-BF16: gemm_packed, and gemm_at_b for weight gradients. */
#include "kernels/avx512bf16/pairs.h"
#include "kernels/avx512bf16/products.h"
#include "kernels/avx512bf16/tile.h"

enum {
    ROW_BLOCK = 96, /* of A; its rows stay in the second-level cache over the panels */
    K_BLOCK = 224,  /* of gemm_at_b */
    M_BLOCK = 96,
    N_BLOCK = 512
};

DEFINE_PAIR_TILES(wide_bf16, 2, true)
DEFINE_PAIR_TILES(narrow_bf16, 1, true)
DEFINE_PAIR_TILES(wide_f32, 2, false)
DEFINE_PAIR_TILES(narrow_f32, 1, false)

/* Rows of A times one panel, in tiles of nearly equal height; C's rows are c_bytes apart. */
P_INLINE void multiply_panel(bool wide, bool bf16, int64_t m, const pair_product *p, const char *a,
                             const uint32_t *panel, char *c, int64_t c_bytes) {
    for (int64_t tiles = (m + MOST_ROWS - 1) / MOST_ROWS; tiles > 0; tiles--) {
        const int64_t rows = (m + tiles - 1) / tiles;
        if (bf16) {
            (wide ? wide_bf16 : narrow_bf16)(rows, p, a, panel, c);
        } else {
            (wide ? wide_f32 : narrow_f32)(rows, p, a, panel, c);
        }
        m -= rows;
        a += rows * p->row_bytes;
        c += rows * c_bytes;
    }
}

/* C[m, n] = A packed + bias (+ C), in bf16 or f32. */
P_INLINE void multiply_packed(bool bf16, int64_t m, int64_t n, int64_t k, const void *a,
                              int64_t lda, const void *packed, const void *bias, bool accumulate,
                              void *c, int64_t ldc) {
    const int64_t element = sizeof(uint16_t), pairs = p_round_up(k, PAIRED_K) / 2;
    const int64_t c_element = bf16 ? element : (int64_t)sizeof(float);
    pair_product p = {.pairs = k / 2,
                      .odd = k % 2 != 0,
                      .row_bytes = lda * element,
                      .pair_bytes = 2 * element,
                      .accumulate = accumulate,
                      .ldc = ldc};
    for (int64_t row = 0; row < m; row += ROW_BLOCK) {
        const char *from = (const char *)a + row * p.row_bytes;
        const uint32_t *panel = packed;
        for (int64_t column = 0; column < n;) {
            const int64_t width = p_panel_width(n - column);
            char *to = (char *)c + (row * ldc + column) * c_element;
            p.bias = bias ? (const float *)bias + column : NULL;
            p.columns = n - column;
            multiply_panel(width == PANEL, bf16, p_least(ROW_BLOCK, m - row), &p, from, panel, to,
                           ldc * c_element);
            panel += pairs * width;
            column += width;
        }
    }
}

void weld_bf16_avx512bf16_gemm_packed(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                                      const void *packed, const void *bias, bool accumulate,
                                      void *c, int64_t ldc) {
    multiply_packed(true, m, n, k, a, lda, packed, bias, accumulate, c, ldc);
}

void weld_bf16_avx512bf16_gemm_unrounded(int64_t m, int64_t n, int64_t k, const void *a,
                                         int64_t lda, const void *packed, const void *bias, void *c,
                                         int64_t ldc) {
    multiply_packed(false, m, n, k, a, lda, packed, bias, false, c, ldc);
}

/* C (+)= A^T B of a block of each: both are paired along k; A's pairs are then broadcast. */
static void multiply_block(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t lda,
                           const uint32_t *panel, bool accumulate, float *c, int64_t ldc) {
    _Alignas(64) uint32_t columns[K_BLOCK / 2 * M_BLOCK];
    const int64_t pairs = p_round_up(k, PAIRED_K) / 2, element = sizeof(float);
    weld_bf16_avx512bf16_interleave(k, m, a, lda, columns);
    for (int64_t column = 0; column < n;) {
        const int64_t width = p_panel_width(n - column);
        const uint32_t *from = columns;
        for (int64_t row = 0; row < m;) { /* panels of A too */
            const int64_t a_width = p_panel_width(m - row);
            const pair_product p = {.pairs = (k + 1) / 2,
                                    .row_bytes = sizeof *from,
                                    .pair_bytes = a_width * (int64_t)sizeof *from,
                                    .columns = n - column,
                                    .accumulate = accumulate,
                                    .ldc = ldc};
            multiply_panel(width == PANEL, false, p_least(a_width, m - row), &p, (const char *)from,
                           panel, (char *)(c + row * ldc + column), ldc * element);
            from += pairs * a_width;
            row += a_width;
        }
        panel += pairs * width;
        column += width;
    }
}

void weld_bf16_avx512bf16_gemm_at_b(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda,
                                    const void *b_, int64_t ldb, bool accumulate, void *c_,
                                    int64_t ldc) {
    const uint16_t *a = a_, *b = b_;
    float *c = c_;
    _Alignas(64) uint32_t packed[K_BLOCK / 2 * N_BLOCK];
    const int64_t blocks = k > 0 ? (k + K_BLOCK - 1) / K_BLOCK : 1;
    for (int64_t i = 0, begin = 0; i < blocks; i++) {
        const int64_t end = p_least(k, p_round_up(k * (i + 1) / blocks, PAIRED_K));
        for (int64_t column = 0; column < n; column += N_BLOCK) {
            const int64_t columns = p_least(N_BLOCK, n - column);
            weld_bf16_avx512bf16_interleave(end - begin, columns, b + begin * ldb + column, ldb,
                                            packed);
            for (int64_t row = 0; row < m; row += M_BLOCK) {
                multiply_block(p_least(M_BLOCK, m - row), columns, end - begin,
                               a + begin * lda + row, lda, packed, accumulate || i > 0,
                               c + row * ldc + column, ldc);
            }
        }
        begin = end;
    }
}
