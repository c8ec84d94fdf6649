/* The products of kernels.h by BFMMLA; see quads.h.
 *
 * A tile of C is up to 8 rows and a panel wide, its sums in registers, each the 2 x 2 elements of
 * two rows and two columns. */
#include "kernels/neonbf16/quads.h"

enum {
    ROW_BLOCK = 96, /* of A; its rows stay in the second-level cache over the panels */
    K_BLOCK = 256,  /* of gemm_at_b */
    M_BLOCK = 96,
    N_BLOCK = 96,
    PAIRS = TILE_ROWS / 2
};

typedef struct quad_product {
    int64_t k;
    const tvalue *a;
    int64_t lda;       /* 0: A^T is packed, in panels of TILE_ROWS */
    const float *bias; /* of the panel's columns, or NULL */
    int64_t columns;   /* of C in the panel */
    bool accumulate;
    tvalue *rounded; /* C, as bf16 or */
    float *whole;    /* as floats */
    int64_t ldc;
} quad_product;

V_INLINE bfloat16x8_t load_eight(const tvalue *p) {
    return vreinterpretq_bf16_u16(vld1q_u16(&p->bits));
}

V_INLINE uint16x4_t load_first(const tvalue *p, int64_t n) {
    tvalue four[QUAD] = {0};
    for (int64_t i = 0; i < n; i++) {
        four[i] = p[i];
    }
    return vld1_u16(&four->bits);
}

/* Four of k, or the first `left`, of two rows of A that are `step` apart. */
V_INLINE bfloat16x8_t load_rows(const tvalue *a, int64_t step, int64_t left) {
    const uint16x4_t first = left < QUAD ? load_first(a, left) : vld1_u16(&a->bits);
    const uint16x4_t second = left < QUAD ? load_first(a + step, left) : vld1_u16(&a[step].bits);
    return vreinterpretq_bf16_u16(vcombine_u16(first, second));
}

/* sum += four of k of A's pairs of rows and of a panel's pairs of columns. */
V_INLINE void multiply_add(const int pairs, const int width, const bfloat16x8_t row[PAIRS],
                           const tvalue *panel, vfloat sum[PAIRS][PANEL / 2]) {
    V_UNROLL
    for (int v = 0; v < width / 2; v++) {
        const bfloat16x8_t columns = load_eight(panel + v * 2 * QUAD);
        V_UNROLL
        for (int i = 0; i < pairs; i++) {
            sum[i][v] = vbfmmlaq_f32(sum[i][v], row[i], columns);
        }
    }
}

/* Four columns of a row of C from `j` on. */
V_INLINE void store_four(const quad_product *p, int64_t row, int64_t j, vfloat total) {
    const vlanes lanes = v_lanes_at(j, p->columns);
    const int64_t at = row * p->ldc + j;
    if (p->whole) {
        total = p->accumulate ? total + v_load(p->whole + at, lanes) : total;
        v_store(p->whole + at, lanes, total);
    } else {
        total = p->accumulate ? total + t_load(p->rounded + at, lanes) : total;
        t_store(p->rounded + at, lanes, total);
    }
}

/* `rows` rows of C from `row` on, which are `pairs` pairs, times a panel of `width` columns. */
V_INLINE void tile(const int pairs, const int width, const bool is_packed, const quad_product *p,
                   int64_t row, int64_t rows, const tvalue *panel) {
    vfloat sum[PAIRS][PANEL / 2];
    V_UNROLL
    for (int v = 0; v < width / 2; v++) {
        const int64_t left = p->columns - 2 * v;
        const float first = p->bias && left > 0 ? p->bias[2 * v] : 0;
        const float second = p->bias && left > 1 ? p->bias[2 * v + 1] : 0;
        V_UNROLL
        for (int i = 0; i < pairs; i++) {
            sum[i][v] = (vfloat){first, second, first, second};
        }
    }
    const tvalue *a = p->a + (is_packed ? row * quads_for(p->k) * QUAD : row * p->lda);
    /* The last pair of an odd number of rows is one row twice. */
    const int64_t last_step = rows % 2 ? 0 : p->lda;
    for (int64_t k = 0; k < p->k; k += QUAD, panel += width * QUAD) {
        bfloat16x8_t pair[PAIRS];
        V_UNROLL
        for (int i = 0; i < pairs; i++) {
            const int64_t step = i == pairs - 1 ? last_step : p->lda;
            if (is_packed) {
                pair[i] = load_eight(a + i * 2 * QUAD);
            } else {
                pair[i] = load_rows(a + 2 * i * p->lda, step, p->k - k);
            }
        }
        multiply_add(pairs, width, pair, panel, sum);
        a += is_packed ? quads_for(rows) * QUAD * QUAD : QUAD;
    }
    V_UNROLL
    for (int i = 0; i < pairs; i++) {
        V_UNROLL
        for (int j = 0; j < width; j += QUAD) {
            const float64x2_t one = vreinterpretq_f64_f32(sum[i][j / 2]);
            const float64x2_t other = vreinterpretq_f64_f32(sum[i][j / 2 + 1]);
            store_four(p, row + 2 * i, j, vreinterpretq_f32_f64(vzip1q_f64(one, other)));
            if (2 * i + 1 < rows) {
                store_four(p, row + 2 * i + 1, j, vreinterpretq_f32_f64(vzip2q_f64(one, other)));
            }
        }
    }
}

/* static void name(p, row, rows, panel): 1 to 8 rows. */
#define DEFINE_TILES(name, width, is_packed)                                                       \
    static void name(const quad_product *p, int64_t row, int64_t rows, const tvalue *panel) {      \
        switch (rows) {                                                                            \
        case 1:                                                                                    \
        case 2:                                                                                    \
            tile(1, width, is_packed, p, row, rows, panel);                                        \
            break;                                                                                 \
        case 3:                                                                                    \
        case 4:                                                                                    \
            tile(2, width, is_packed, p, row, rows, panel);                                        \
            break;                                                                                 \
        case 5:                                                                                    \
        case 6:                                                                                    \
            tile(3, width, is_packed, p, row, rows, panel);                                        \
            break;                                                                                 \
        default:                                                                                   \
            tile(4, width, is_packed, p, row, rows, panel);                                        \
        }                                                                                          \
    }

DEFINE_TILES(rows_by_4, 4, false)
DEFINE_TILES(rows_by_8, 8, false)
DEFINE_TILES(rows_by_12, 12, false)
DEFINE_TILES(packed_by_4, 4, true)
DEFINE_TILES(packed_by_8, 8, true)
DEFINE_TILES(packed_by_12, 12, true)

/* Rows [begin, end) of C times one panel; where A is packed, tile by tile as it is. */
static void multiply_panel(const quad_product *p, int64_t begin, int64_t end, int64_t width,
                           const tvalue *panel) {
    const bool is_packed = p->lda == 0;
    int64_t tiles = (end - begin + TILE_ROWS - 1) / TILE_ROWS;
    for (; begin < end; tiles--) {
        const int64_t even = ((end - begin + tiles - 1) / tiles + 1) / 2 * 2; /* heights alike */
        const int64_t rows = least(is_packed ? TILE_ROWS : even, end - begin);
        if (is_packed) {
            (width == 4   ? packed_by_4
             : width == 8 ? packed_by_8
                          : packed_by_12)(p, begin, rows, panel);
        } else {
            (width == 4 ? rows_by_4 : width == 8 ? rows_by_8 : rows_by_12)(p, begin, rows, panel);
        }
        begin += rows;
    }
}

/* Rows [begin, end) of C times all panels; *all is of column 0. */
static void multiply_panels(const quad_product *all, int64_t begin, int64_t end, int64_t n,
                            const tvalue *panel) {
    quad_product p = *all;
    for (int64_t column = 0; column < n;) {
        const int64_t width = panel_width(n - column, PANEL);
        p.bias = all->bias ? all->bias + column : NULL;
        p.columns = least(width, n - column);
        p.rounded = all->rounded ? all->rounded + column : NULL;
        p.whole = all->whole ? all->whole + column : NULL;
        multiply_panel(&p, begin, end, width, panel);
        panel += quads_for(p.k) * QUAD * width;
        column += width;
    }
}

void SIMD(gemm_packed)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                       const void *packed, const void *bias, bool accumulate, void *c,
                       int64_t ldc) {
    const quad_product p = {.k = k,
                            .a = a,
                            .lda = lda,
                            .bias = bias,
                            .accumulate = accumulate,
                            .rounded = c,
                            .ldc = ldc};
    for (int64_t row = 0; row < m; row += ROW_BLOCK) {
        multiply_panels(&p, row, least(m, row + ROW_BLOCK), n, packed);
    }
}

void SIMD(gemm_unrounded)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                          const void *packed, const void *bias, void *c, int64_t ldc) {
    const quad_product p = {.k = k, .a = a, .lda = lda, .bias = bias, .whole = c, .ldc = ldc};
    for (int64_t row = 0; row < m; row += ROW_BLOCK) {
        multiply_panels(&p, row, least(m, row + ROW_BLOCK), n, packed);
    }
}

/* A block of each is packed along k. */
void SIMD(gemm_at_b)(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda, const void *b_,
                     int64_t ldb, bool accumulate, void *c_, int64_t ldc) {
    const tvalue *a = a_, *b = b_;
    float *c = c_;
    tvalue left[K_BLOCK * M_BLOCK], right[K_BLOCK * N_BLOCK];
    for (int64_t i = 0; i == 0 || i < k; i += K_BLOCK) {
        quad_product p = {
            .k = least(K_BLOCK, k - i), .accumulate = accumulate || i > 0, .ldc = ldc};
        for (int64_t row = 0; row < m; row += M_BLOCK) {
            const int64_t rows = least(M_BLOCK, m - row);
            SIMD(pack_quads)(p.k, rows, a + i * lda + row, lda, TILE_ROWS, left);
            p.a = left;
            for (int64_t column = 0; column < n; column += N_BLOCK) {
                const int64_t columns = least(N_BLOCK, n - column);
                SIMD(pack_quads)(p.k, columns, b + i * ldb + column, ldb, PANEL, right);
                p.whole = c + row * ldc + column;
                multiply_panels(&p, 0, rows, columns, right);
            }
        }
    }
}
