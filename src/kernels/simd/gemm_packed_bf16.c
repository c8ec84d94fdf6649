/* C[m, n] = A[m, k] B[k, n] with A and C in bf16, by the tiles for floats (tile.h): for processors
 * that multiply no bf16.
 *
 * B is packed as floats, rounded to bf16 (pack.c).
 * A's rows of a tile are made floats, a stretch of k at a time, and the tile's sums stay floats
 * until the last stretch, so that each element of C is rounded once. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

enum { K_BLOCK = 384 };

DEFINE_TILES(tiles_1, 1, lda, 1)
DEFINE_TILES(tiles_2, 2, lda, 1)
DEFINE_TILES(tiles_3, 3, lda, 1)

/* to[rows, k] = from[rows, k] */
static void widen_rows(int64_t rows, int64_t k, const tvalue *from, int64_t ld, float *to) {
    for (int64_t r = 0; r < rows; r++, from += ld, to += k) {
        int64_t p = 0;
        for (; p + V_LANES <= k; p += V_LANES) {
            v_store_all(to + p, t_load(from + p, v_all()));
        }
        if (p < k) {
            v_store(to + p, v_first(k - p), t_load(from + p, v_first(k - p)));
        }
    }
}

/* What all tiles of one panel have in common; `packed` is that panel. */
typedef struct panel_product {
    int64_t k, vectors, columns;
    const float *packed, *bias; /* bias may be NULL */
    bool accumulate;
} panel_product;

/* sum[rows, vectors] = A packed */
static void tile_sums(const panel_product *p, int64_t rows, const tvalue *a, int64_t lda,
                      float *sum) {
    float widened[TILE_ROWS * K_BLOCK];
    tile_product t = {
        .ldc = p->vectors * V_LANES, .last = v_mask_first(V_LANES), .ahead = (const char *)widened};
    for (int64_t begin = 0; begin == 0 || begin < p->k; begin += K_BLOCK) {
        t.k = least(K_BLOCK, p->k - begin);
        t.b = p->packed + begin * t.ldc;
        t.accumulate = begin > 0;
        widen_rows(rows, t.k, a + begin, lda, widened);
        if (p->vectors == 1) {
            tiles_1(rows, &t, widened, t.k, sum);
        } else if (p->vectors == 2) {
            tiles_2(rows, &t, widened, t.k, sum);
        } else {
            tiles_3(rows, &t, widened, t.k, sum);
        }
    }
}

/* C as bf16, or else as floats: one of the two. */
typedef struct result {
    tvalue *rounded;
    float *whole;
    int64_t ldc;
} result;

static void multiply_tile(const panel_product *p, int64_t rows, const tvalue *a, int64_t lda,
                          const result *to, int64_t at) {
    float sum[TILE_ROWS * TILE_VECTORS * V_LANES];
    tile_sums(p, rows, a, lda, sum);
    for (int64_t r = 0; r < rows; r++, at += to->ldc) {
        for (int64_t j = 0; j < p->columns; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, p->columns);
            vfloat total = v_load_all(sum + r * p->vectors * V_LANES + j);
            if (p->bias) {
                total = total + v_load(p->bias + j, lanes);
            }
            if (to->whole) {
                v_store(to->whole + at + j, lanes, total);
                continue;
            }
            tvalue *c = to->rounded + at + j;
            if (p->accumulate) {
                total = total + t_load(c, lanes);
            }
            t_store(c, lanes, total);
        }
    }
}

static void multiply(int64_t m, int64_t n, int64_t k, const tvalue *a, int64_t lda,
                     const float *packed, const float *bias, bool accumulate, const result *to) {
    for (int64_t column = 0; column < n;) {
        const int64_t vectors = panel_vectors(vectors_for(n - column));
        const panel_product p = {.k = k,
                                 .vectors = vectors,
                                 .columns = least(vectors * V_LANES, n - column),
                                 .packed = packed,
                                 .bias = bias ? bias + column : NULL,
                                 .accumulate = accumulate};
        for (int64_t row = 0; row < m; row += tile_rows(vectors)) {
            const int64_t rows = least(tile_rows(vectors), m - row);
            multiply_tile(&p, rows, a + row * lda, lda, to, row * to->ldc + column);
        }
        packed += k * vectors * V_LANES;
        column += vectors * V_LANES;
    }
}

void SIMD(gemm_packed)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                       const void *packed, const void *bias, bool accumulate, void *c,
                       int64_t ldc) {
    multiply(m, n, k, a, lda, packed, bias, accumulate, &(result){.rounded = c, .ldc = ldc});
}

void SIMD(gemm_unrounded)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                          const void *packed, const void *bias, void *c, int64_t ldc) {
    multiply(m, n, k, a, lda, packed, bias, false, &(result){.whole = c, .ldc = ldc});
}
