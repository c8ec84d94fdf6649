/* C[m, n] = A[k, m]^T B[k, n] with k much larger than m and n: weight gradients.
 *
 * The k rows are taken in blocks. Of a block of B, one panel of up to 3 vectors of columns at a
 * time is copied to contiguous memory, where it stays in the first-level cache while the columns of
 * A pass over it; A's block stays in the second-level cache over the panels. Each block's sums are
 * added to C, in the order of the blocks. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

enum { K_BLOCK = 160 };

DEFINE_TILES(tiles_1, 1, 1, lda)
DEFINE_TILES(tiles_2, 2, 1, lda)
DEFINE_TILES(tiles_3, 3, 1, lda)

/* panel[k, vectors] = B's columns, zeros past the last one. */
static void copy_panel(int64_t k, int64_t vectors, vmask last, const float *b, int64_t ldb,
                       float *panel) {
    for (int64_t p = 0; p < k; p++, b += ldb) {
        for (int64_t v = 0; v < vectors - 1; v++, panel += V_LANES) {
            v_store_all(panel, v_load_all(b + v * V_LANES));
        }
        v_store_all(panel, v_load_masked(b + (vectors - 1) * V_LANES, last));
        panel += V_LANES;
    }
}

/* All of A's columns times one panel, in tiles of nearly equal height. */
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
        a += rows;
        c += rows * t->ldc;
    }
}

void SIMD(gemm_at_b)(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda, const void *b_,
                     int64_t ldb, bool accumulate, void *c_, int64_t ldc) {
    const float *a = a_, *b = b_;
    float *c = c_;
    _Alignas(64) float panel[K_BLOCK * TILE_VECTORS * V_LANES];
    const int64_t blocks = greatest(1, (k + K_BLOCK - 1) / K_BLOCK);
    for (int64_t i = 0, begin = 0; i < blocks; i++) {
        const int64_t end = k * (i + 1) / blocks;
        tile_product t = {
            .k = end - begin, .b = panel, .accumulate = accumulate || i > 0, .ldc = ldc};
        const int64_t after = i + 1 < blocks ? k * (i + 2) / blocks : end;
        tile_ahead ahead = {0};
        fetch_rows(&ahead, AHEAD_A, a, lda, m, end, after);
        fetch_rows(&ahead, AHEAD_B, b, ldb, n, end, after);
        for (int64_t column = 0; column < n;) {
            const int64_t vectors = panel_vectors(vectors_for(n - column));
            t.last = v_mask_first(least(V_LANES, n - column - (vectors - 1) * V_LANES));
            copy_panel(t.k, vectors, t.last, b + begin * ldb + column, ldb, panel);
            multiply_panel(&t, &ahead, vectors, m, a + begin * lda, lda, c + column);
            column += vectors * V_LANES;
        }
        begin = end;
    }
}
