/* Convolutions straight from the image: the tiles of tile.h, whose rows of A go from tap to tap.
 *
 * B is packed as for gemm_packed (pack.c). A panel passes over all results before the next does, so
 * that it stays in the first-level cache or near it. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

typedef struct panel {
    const float *b, *bias; /* bias: NULL where there is none */
    vmask last;            /* columns that exist in the last vector */
} panel;

/* y[rows][vectors] of results side by side, x pointing to the first one's first tap. */
V_INLINE void sweep_tile(const int rows, const int vectors, const weld_sweep *s, const panel *p,
                         const float *x, float *y) {
    vfloat sum[TILE_ROWS][TILE_VECTORS];
    const vlanes last = {.all = false, .mask = p->last};
    V_UNROLL
    for (int v = 0; v < vectors; v++) {
        const vfloat start =
            p->bias ? v_load(p->bias + v * V_LANES, v < vectors - 1 ? v_all() : last) : v_zero();
        V_UNROLL
        for (int r = 0; r < rows; r++) {
            sum[r][v] = start;
        }
    }
    const float *b = p->b;
    const int64_t apart = s->x_column, k = s->k;
    for (int64_t ky = 0; ky < s->taps_h; ky++) {
        for (int64_t kx = 0; kx < s->taps_w; kx++) {
            const float *a = x + ky * s->tap_row + kx * s->tap_column;
            for (int64_t i = 0; i < k; i++, a++, b += vectors * V_LANES) {
                vfloat row[TILE_VECTORS];
                V_UNROLL
                for (int v = 0; v < vectors; v++) {
                    row[v] = v_load_all(b + v * V_LANES);
                }
                V_UNROLL
                for (int r = 0; r < rows; r++) {
                    const vfloat factor = v_set(a[r * apart]);
                    V_UNROLL
                    for (int v = 0; v < vectors; v++) {
                        sum[r][v] = v_fma(factor, row[v], sum[r][v]);
                    }
                }
            }
        }
    }
    V_UNROLL
    for (int r = 0; r < rows; r++, y += s->y_column) {
        V_UNROLL
        for (int v = 0; v < vectors; v++) {
            v_store(y + v * V_LANES, v < vectors - 1 ? v_all() : last, sum[r][v]);
        }
    }
}

/* One case of a switch over the height; those too high for the registers fall away. */
#define SWEEP_CASE(rows, vectors)                                                                  \
    case rows:                                                                                     \
        if (rows <= tile_rows(vectors)) {                                                          \
            sweep_tile(rows, vectors, s, p, x, y);                                                 \
        }                                                                                          \
        break;

#define DEFINE_SWEEP(name, vectors)                                                                \
    static void name(int64_t rows, const weld_sweep *s, const panel *p, const float *x,            \
                     float *y) {                                                                   \
        switch (rows) {                                                                            \
            SWEEP_CASE(1, vectors)                                                                 \
            SWEEP_CASE(2, vectors)                                                                 \
            SWEEP_CASE(3, vectors)                                                                 \
            SWEEP_CASE(4, vectors)                                                                 \
            SWEEP_CASE(5, vectors)                                                                 \
            SWEEP_CASE(6, vectors)                                                                 \
            SWEEP_CASE(7, vectors)                                                                 \
            SWEEP_CASE(8, vectors)                                                                 \
            SWEEP_CASE(9, vectors)                                                                 \
            SWEEP_CASE(10, vectors)                                                                \
            SWEEP_CASE(11, vectors)                                                                \
            SWEEP_CASE(12, vectors)                                                                \
            SWEEP_CASE(13, vectors)                                                                \
            SWEEP_CASE(14, vectors)                                                                \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    }

DEFINE_SWEEP(sweep_1, 1)
DEFINE_SWEEP(sweep_2, 2)
DEFINE_SWEEP(sweep_3, 3)

/* One row of results, in tiles of nearly equal height. */
static void sweep_row(int64_t vectors, const weld_sweep *s, const panel *p, const float *x,
                      float *y) {
    int64_t left = s->columns, tiles = (left + tile_rows(vectors) - 1) / tile_rows(vectors);
    for (; tiles > 0; tiles--) {
        const int64_t rows = (left + tiles - 1) / tiles;
        if (vectors == 1) {
            sweep_1(rows, s, p, x, y);
        } else if (vectors == 2) {
            sweep_2(rows, s, p, x, y);
        } else {
            sweep_3(rows, s, p, x, y);
        }
        left -= rows;
        x += rows * s->x_column;
        y += rows * s->y_column;
    }
}

void SIMD(convolve)(const weld_sweep *s, int64_t n, const void *x_, const void *packed_,
                    const void *bias_, void *y_) {
    const float *x = x_, *packed = packed_, *bias = bias_;
    float *y = y_;
    for (int64_t column = 0; column < n;) {
        const int64_t vectors = panel_vectors(vectors_for(n - column)), width = vectors * V_LANES;
        const panel p = {packed, bias ? bias + column : NULL,
                         v_mask_first(least(V_LANES, n - column - (vectors - 1) * V_LANES))};
        for (int64_t row = 0; row < s->rows; row++) {
            sweep_row(vectors, s, &p, x + row * s->x_row, y + row * s->y_row + column);
        }
        packed += s->taps_h * s->taps_w * s->k * width;
        column += width;
    }
}
