/* The core of the matrix products: one tile of C held in registers while k runs.
 *
 * A tile is up to 3 vectors wide and as many rows high as the registers allow (V_TILE_ROWS_1, _2,
 * _3). Per step of k it loads `vectors` vectors of B and multiplies them by one element of A for
 * each row. Each element of C is a plain sum over k in order, so it does not depend on which tile
 * it falls into. */
#ifndef WELD_KERNELS_SIMD_TILE_H
#define WELD_KERNELS_SIMD_TILE_H

#include "kernels/simd/vector.h"

enum { TILE_VECTORS = 3, TILE_ROWS = V_TILE_ROWS_1 };

typedef struct tile_product {
    int64_t k;
    const float *b;    /* [k, vectors * V_LANES], contiguous */
    const float *bias; /* [columns] or NULL: where the sums start */
    bool accumulate;   /* add to C rather than overwrite it */
    int64_t ldc;
    vmask last;        /* columns that exist in the last vector */
    const char *ahead; /* what to fetch at the first step of k; bytes to go on by at each */
    ptrdiff_t ahead_step;
} tile_product;

/* Memory that the next panel or block will want, fetched into the second-level cache a line per
 * step of k while this one is computed: the rows are long and few, so the processor's own
 * prefetching gets little of them. The first stretch that is not at its end is next. */
enum { AHEAD_B, AHEAD_A, AHEAD_C, AHEAD_STRETCHES };

typedef struct tile_ahead {
    struct {
        const char *at, *end;
    } stretch[AHEAD_STRETCHES];
} tile_ahead;

enum { CACHE_LINE = 64 };

/* The rows [begin, end) of a matrix as a stretch of memory. */
V_INLINE void fetch_rows(tile_ahead *ahead, int i, const float *matrix, int64_t ld, int64_t columns,
                         int64_t begin, int64_t end) {
    ahead->stretch[i].at = (const char *)(matrix + begin * ld);
    ahead->stretch[i].end =
        end > begin ? (const char *)(matrix + (end - 1) * ld + columns) : ahead->stretch[i].at;
}

/* Gives the next tile its part. */
V_INLINE void fetch_with(tile_product *t, tile_ahead *ahead) {
    int i = 0;
    while (i < AHEAD_STRETCHES - 1 && ahead->stretch[i].at >= ahead->stretch[i].end) {
        i++;
    }
    const bool left = ahead->stretch[i].at < ahead->stretch[i].end;
    t->ahead = left ? ahead->stretch[i].at : (const char *)t->b;
    t->ahead_step = left ? CACHE_LINE : 0;
    ahead->stretch[i].at += t->ahead_step * t->k;
}

/* The greatest height of a tile that is `vectors` wide. */
V_INLINE int64_t tile_rows(int64_t vectors) {
    return vectors == 1 ? V_TILE_ROWS_1 : vectors == 2 ? V_TILE_ROWS_2 : V_TILE_ROWS_3;
}

/* Width of the next panel when `vectors` are left: 3, but 2 + 2 rather than 3 + 1. */
V_INLINE int64_t panel_vectors(int64_t vectors) {
    return vectors == 4 || vectors == 2 ? 2 : vectors == 1 ? 1 : TILE_VECTORS;
}

V_INLINE int64_t vectors_for(int64_t n) {
    return (n + V_LANES - 1) / V_LANES;
}

V_INLINE vlanes tile_lanes(const tile_product *t, bool last) {
    return last ? (vlanes){.all = false, .mask = t->last} : v_all();
}

/* C[rows, columns] = A B + bias, element (r, p) of A being a[r * a_row + p * a_step]. `rows` and
 * `vectors` are known when compiling, and so is whichever of a_row and a_step is 1. */
V_INLINE void tile(const int rows, const int vectors, const tile_product *t, const float *a,
                   int64_t a_row, int64_t a_step, float *c) {
    vfloat sum[TILE_ROWS][TILE_VECTORS];
    V_UNROLL
    for (int v = 0; v < vectors; v++) {
        const vfloat start =
            t->bias ? v_load(t->bias + v * V_LANES, tile_lanes(t, v == vectors - 1)) : v_zero();
        V_UNROLL
        for (int r = 0; r < rows; r++) {
            sum[r][v] = start;
        }
    }
    V_UNROLL
    for (int r = 0; r < rows; r++) {
        V_UNROLL
        for (int v = 0; v < vectors; v++) {
            __builtin_prefetch(c + r * t->ldc + v * V_LANES, 1);
        }
    }
    const float *b = t->b;
    const char *ahead = t->ahead;
    for (int64_t p = 0; p < t->k; p++, b += vectors * V_LANES, a += a_step) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += t->ahead_step;
        vfloat row[TILE_VECTORS];
        V_UNROLL
        for (int v = 0; v < vectors; v++) {
            row[v] = v_load_all(b + v * V_LANES);
        }
        V_UNROLL
        for (int r = 0; r < rows; r++) {
            const vfloat factor = v_set(a[r * a_row]);
            V_UNROLL
            for (int v = 0; v < vectors; v++) {
                sum[r][v] = v_fma(factor, row[v], sum[r][v]);
            }
        }
    }
    V_UNROLL
    for (int r = 0; r < rows; r++, c += t->ldc) {
        V_UNROLL
        for (int v = 0; v < vectors; v++) {
            const vlanes lanes = tile_lanes(t, v == vectors - 1);
            float *out = c + v * V_LANES;
            if (t->accumulate) {
                sum[r][v] = v_load(out, lanes) + sum[r][v];
            }
            v_store(out, lanes, sum[r][v]);
        }
    }
}

/* One case of a switch over the height; those too high for the registers fall away. */
#define TILE_CASE(rows, vectors, a_row, a_step)                                                    \
    case rows:                                                                                     \
        if (rows <= tile_rows(vectors)) {                                                          \
            tile(rows, vectors, t, a, a_row, a_step, c);                                           \
        }                                                                                          \
        break;

/* Defines name(rows, t, a, lda, c), for tiles `vectors` wide. */
#define DEFINE_TILES(name, vectors, a_row, a_step)                                                 \
    static void name(int64_t rows, const tile_product *t, const float *a, int64_t lda, float *c) { \
        (void)lda;                                                                                 \
        switch (rows) {                                                                            \
            TILE_CASE(1, vectors, a_row, a_step)                                                   \
            TILE_CASE(2, vectors, a_row, a_step)                                                   \
            TILE_CASE(3, vectors, a_row, a_step)                                                   \
            TILE_CASE(4, vectors, a_row, a_step)                                                   \
            TILE_CASE(5, vectors, a_row, a_step)                                                   \
            TILE_CASE(6, vectors, a_row, a_step)                                                   \
            TILE_CASE(7, vectors, a_row, a_step)                                                   \
            TILE_CASE(8, vectors, a_row, a_step)                                                   \
            TILE_CASE(9, vectors, a_row, a_step)                                                   \
            TILE_CASE(10, vectors, a_row, a_step)                                                  \
            TILE_CASE(11, vectors, a_row, a_step)                                                  \
            TILE_CASE(12, vectors, a_row, a_step)                                                  \
            TILE_CASE(13, vectors, a_row, a_step)                                                  \
            TILE_CASE(14, vectors, a_row, a_step)                                                  \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    }

#endif
