/* C[m, n] = A[m, k] B[k, n] for a B packed once and used for many rows: convolutions and linear
 * layers.
 *
 * B is packed into panels (pack.c). A is read in place. A block of rows of A and C stays in
 * the second-level cache while all panels pass over it, and a panel's stretch of K_BLOCK rows in
 * the first-level cache while all tiles of the block pass over it. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

enum {
    K_BLOCK = 384,
    ROW_BLOCK_FLOATS = 16 * 1024, /* of A and C together */
    ROW_BLOCK_STEP = 24,          /* a whole number of tiles of most heights */
    LEAST_ROW_BLOCK = 72
};

DEFINE_TILES(tiles_1, 1, lda, 1)
DEFINE_TILES(tiles_2, 2, lda, 1)
DEFINE_TILES(tiles_3, 3, lda, 1)

/* One block of rows times one panel, in tiles of nearly equal height. */
static void multiply_panel(tile_product *t, tile_ahead *ahead, int64_t vectors, int64_t m,
                           const float *a, int64_t lda, float *c) {
    int64_t tiles = (m + tile_rows(vectors) - 1) / tile_rows(vectors);
    for (; tiles > 0; tiles--) {
        const int64_t rows = (m + tiles - 1) / tiles;
        fetch_with(t, ahead);
        if (vectors == 1) {
            tiles_1(rows, t, a, lda, c);
        } else if (vectors == 2) {
            tiles_2(rows, t, a, lda, c);
        } else {
            tiles_3(rows, t, a, lda, c);
        }
        m -= rows;
        a += rows * lda;
        c += rows * t->ldc;
    }
}

/* One block of rows times one stretch [begin, begin + t->k) of the k rows of every panel. The first
 * block finds B out of cache. */
static void multiply_stretch(tile_product t, tile_ahead *ahead, bool first, int64_t m, int64_t n,
                             int64_t k, int64_t begin, const float *a, int64_t lda,
                             const float *packed, float *c) {
    const float *bias = t.bias;
    for (int64_t column = 0; column < n;) {
        const int64_t vectors = panel_vectors(vectors_for(n - column));
        t.b = packed + begin * vectors * V_LANES;
        t.bias = bias ? bias + column : NULL;
        t.last = v_mask_first(least(V_LANES, n - column - (vectors - 1) * V_LANES));
        packed += k * vectors * V_LANES;
        if (first && column + vectors * V_LANES < n) {
            const int64_t next = panel_vectors(vectors_for(n - column) - vectors) * V_LANES;
            fetch_rows(ahead, AHEAD_B, packed, next, next, begin, begin + t.k);
        }
        multiply_panel(&t, ahead, vectors, m, a + begin, lda, c + column);
        column += vectors * V_LANES;
    }
}

void SIMD(gemm_packed)(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda,
                       const void *packed, const void *bias, bool accumulate, void *c_,
                       int64_t ldc) {
    const float *a = a_;
    float *c = c_;
    const int64_t stretches = greatest(1, (k + K_BLOCK - 1) / K_BLOCK);
    const int64_t wanted = ROW_BLOCK_FLOATS / (k / stretches + n);
    const int64_t block = greatest(LEAST_ROW_BLOCK, wanted / ROW_BLOCK_STEP * ROW_BLOCK_STEP);
    for (int64_t row = 0; row < m; row += block) {
        const int64_t rows = least(block, m - row);
        const int64_t after = least(row + 2 * block, m);
        tile_ahead ahead = {0};
        fetch_rows(&ahead, AHEAD_A, a, lda, k, row + rows, after);
        fetch_rows(&ahead, AHEAD_C, c, ldc, n, row + rows, after);
        for (int64_t i = 0, begin = 0; i < stretches; i++) {
            const int64_t end = k * (i + 1) / stretches;
            const tile_product t = {.k = end - begin,
                                    .bias = i == 0 ? bias : NULL,
                                    .accumulate = accumulate || i > 0,
                                    .ldc = ldc};
            multiply_stretch(t, &ahead, row == 0, rows, n, k, begin, a + row * lda, lda, packed,
                             c + row * ldc);
            begin = end;
        }
    }
}

void SIMD(gemm_unrounded)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                          const void *packed, const void *bias, void *c, int64_t ldc) {
    SIMD(gemm_packed)(m, n, k, a, lda, packed, bias, false, c, ldc);
}
