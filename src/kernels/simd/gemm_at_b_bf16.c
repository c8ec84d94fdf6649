/* C[m, n] = A[k, m]^T B[k, n] with A and B in bf16 and C in float, k much larger than m and n, by
 * the tiles for floats (tile.h): for processors that multiply no bf16.
 *
 * The k rows are taken in blocks. Of a block, the columns of a panel of B and those of a tile of A
 * are made floats in contiguous memory. Each block's sums are added to C, in the order of the
 * blocks. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

enum { K_BLOCK = 160, A_COLUMNS = (TILE_ROWS + V_LANES - 1) / V_LANES * V_LANES };

DEFINE_TILES(tiles_1, 1, 1, A_COLUMNS)
DEFINE_TILES(tiles_2, 2, 1, A_COLUMNS)
DEFINE_TILES(tiles_3, 3, 1, A_COLUMNS)

/* to[k, width] = the first `columns` of from[k, ld], and zeros up to whole vectors. */
static void widen_columns(int64_t k, int64_t columns, const tvalue *from, int64_t ld, float *to,
                          int64_t width) {
    for (int64_t p = 0; p < k; p++, from += ld, to += width) {
        for (int64_t j = 0; j < columns; j += V_LANES) {
            v_store_all(to + j, t_load(from + j, v_lanes_at(j, columns)));
        }
    }
}

static void multiply_tile(const tile_product *t, int64_t vectors, int64_t rows, const tvalue *a,
                          int64_t lda, float *c) {
    float widened[K_BLOCK * A_COLUMNS];
    widen_columns(t->k, rows, a, lda, widened, A_COLUMNS);
    if (vectors == 1) {
        tiles_1(rows, t, widened, A_COLUMNS, c);
    } else if (vectors == 2) {
        tiles_2(rows, t, widened, A_COLUMNS, c);
    } else {
        tiles_3(rows, t, widened, A_COLUMNS, c);
    }
}

void SIMD(gemm_at_b)(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda, const void *b_,
                     int64_t ldb, bool accumulate, void *c_, int64_t ldc) {
    const tvalue *a = a_, *b = b_;
    float *c = c_;
    float panel[K_BLOCK * TILE_VECTORS * V_LANES];
    for (int64_t begin = 0; begin == 0 || begin < k; begin += K_BLOCK) {
        tile_product t = {.k = least(K_BLOCK, k - begin),
                          .b = panel,
                          .accumulate = accumulate || begin > 0,
                          .ldc = ldc,
                          .ahead = (const char *)panel};
        for (int64_t column = 0; column < n;) {
            const int64_t vectors = panel_vectors(vectors_for(n - column));
            const int64_t columns = least(vectors * V_LANES, n - column);
            t.last = v_mask_first(columns - (vectors - 1) * V_LANES);
            widen_columns(t.k, columns, b + begin * ldb + column, ldb, panel, vectors * V_LANES);
            for (int64_t i = 0; i < m; i += tile_rows(vectors)) {
                const int64_t rows = least(tile_rows(vectors), m - i);
                multiply_tile(&t, vectors, rows, a + begin * lda + i, lda, c + i * ldc + column);
            }
            column += vectors * V_LANES;
        }
    }
}
