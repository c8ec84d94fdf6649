/* Products in tiles of registers: some rows of A, each four of codes broadcast, times a panel of B.
 * A panel passes over all rows before the next, so that it stays in the first-level cache. Sums
 * start from the bias. Those of full tiles are made codes where they are, others through memory. */
#include "kernels/ahead.h"
#include "kernels/int8/finish.h"
#include "kernels/int8/panels.h"
#include "kernels/int8/simd.h"

enum { MOST_ROWS = 12, FULL_ROWS_2 = C_ROWS_2 / 2 * 2 };

#ifdef C_WIDENS
enum { STRETCH = 512 }; /* codes of a row that are made words at a time */

C_INLINE factors factors_at(const uint8_t *wide, int64_t rest) {
    (void)rest;
    return c_wide_factors(wide, STRETCH);
}
#else
/* Four codes or, where it is not 0, the last `rest` of a row. */
C_INLINE factors factors_at(const uint8_t *a, int64_t rest) {
    uint32_t four;
    if (rest == 0) {
        memcpy(&four, a, sizeof four);
    } else {
        four = a[0];
        four |= rest > 1 ? (uint32_t)a[1] << 8 : 0;
        four |= rest > 2 ? (uint32_t)a[2] << 16 : 0;
    }
    return c_factors(c_set_four(four));
}
#endif

/* sum[rows, width] += a four of columns of A times a four of rows of the panel. What there is less
 * of, factors or weights, is loaded first: all registers are in use. */
C_INLINE void add_four(int rows, int width, const uint8_t *a, int64_t lda, int64_t rest,
                       const uint8_t *panel, ints sum[MOST_ROWS][4]) {
    if (rows < width) {
        factors f[MOST_ROWS];
        C_UNROLL
        for (int i = 0; i < rows; i++) {
            f[i] = factors_at(a + i * lda, rest);
        }
        C_UNROLL
        for (int j = 0; j < width; j++) {
            const weights w = c_weights(panel + j * C_WEIGHTS);
            C_UNROLL
            for (int i = 0; i < rows; i++) {
                sum[i][j] = c_dot(sum[i][j], f[i], w);
            }
        }
        return;
    }
    weights w[4];
    C_UNROLL
    for (int j = 0; j < width; j++) {
        w[j] = c_weights(panel + j * C_WEIGHTS);
    }
    C_UNROLL
    for (int i = 0; i < rows; i++) {
        const factors f = factors_at(a + i * lda, rest);
        C_UNROLL
        for (int j = 0; j < width; j++) {
            sum[i][j] = c_dot(sum[i][j], f, w[j]);
        }
    }
}

/* sum[rows, width] += A[rows, k] panel */
#ifdef C_WIDENS
/* To make words of factors in the loop over fours would take an eighth of what products take. */
C_INLINE void add_products(int rows, int width, int64_t k, const uint8_t *a, int64_t lda,
                           const uint8_t *panel, ints sum[MOST_ROWS][4]) {
    _Alignas(C_BYTES) uint8_t wide[MOST_ROWS][2 * STRETCH];
    for (int64_t begin = 0; begin < k; begin += STRETCH) {
        const int64_t count = c_least(STRETCH, k - begin);
        for (int i = 0; i < rows; i++) {
            const uint8_t *from = a + i * lda + begin;
            int64_t p = 0;
            for (; p + C_BYTES <= count; p += C_BYTES) {
                c_widen(c_load(from + p), wide[i] + p, STRETCH);
            }
            if (p < count) {
                c_widen(c_load_first(from + p, count - p), wide[i] + p, STRETCH);
            }
        }
        for (int64_t p = 0; p < count; p += 4, panel += width * C_WEIGHTS) {
            add_four(rows, width, wide[0] + p, 2 * STRETCH, 0, panel, sum);
        }
    }
}
#else
C_INLINE void add_products(int rows, int width, int64_t k, const uint8_t *a, int64_t lda,
                           const uint8_t *panel, ints sum[MOST_ROWS][4]) {
    const uint8_t *end = panel + k / 4 * width * C_WEIGHTS;
    for (; panel < end; panel += width * C_WEIGHTS, a += 4) {
        add_four(rows, width, a, lda, 0, panel, sum);
    }
    if (k % 4 != 0) {
        add_four(rows, width, a, lda, k % 4, panel, sum);
    }
}
#endif

/* sum[rows, width] = bias[width] + A[rows, k] panel */
C_INLINE void multiply_tile(int rows, int width, int64_t k, const uint8_t *a, int64_t lda,
                            const uint8_t *panel, const ints *bias, ints sum[MOST_ROWS][4]) {
    C_UNROLL
    for (int i = 0; i < rows; i++) {
        C_UNROLL
        for (int j = 0; j < width; j++) {
            sum[i][j] = bias[j];
        }
    }
    add_products(rows, width, k, a, lda, panel, sum);
}

static const int tile_rows[] = {C_ROWS_1, C_ROWS_2, C_ROWS_3, C_ROWS_4};

/* --- sums through memory --- */

/* sums[rows, 4], of which `width` of a row are written. */
C_INLINE void store_tile(int rows, int width, int64_t k, const uint8_t *a, int64_t lda,
                         const uint8_t *panel, const ints *bias, ints *sums) {
    ints sum[MOST_ROWS][4];
    multiply_tile(rows, width, k, a, lda, panel, bias, sum);
    C_UNROLL
    for (int i = 0; i < rows; i++) {
        C_UNROLL
        for (int j = 0; j < width; j++) {
            sums[i * 4 + j] = sum[i][j];
        }
    }
}

C_INLINE void multiply_rows(int rows, int width, int most, int64_t k, const uint8_t *a, int64_t lda,
                            const uint8_t *panel, const ints *bias, ints *sums) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        if ((n) <= most) {                                                                         \
            store_tile(n, width, k, a, lda, panel, bias, sums);                                    \
        }                                                                                          \
        break
    switch (rows) {
        ROWS(1);
        ROWS(2);
        ROWS(3);
        ROWS(4);
        ROWS(5);
        ROWS(6);
        ROWS(7);
        ROWS(8);
        ROWS(9);
        ROWS(10);
        ROWS(11);
        ROWS(12);
    default:
        break;
    }
}

static void multiply(int rows, int width, int64_t k, const uint8_t *a, int64_t lda,
                     const uint8_t *panel, const ints *bias, ints *sums) {
    if (width == 4) {
        multiply_rows(rows, 4, C_ROWS_4, k, a, lda, panel, bias, sums);
    } else if (width == 3) {
        multiply_rows(rows, 3, C_ROWS_3, k, a, lda, panel, bias, sums);
    } else if (width == 2) {
        multiply_rows(rows, 2, C_ROWS_2, k, a, lda, panel, bias, sums);
    } else {
        multiply_rows(rows, 1, C_ROWS_1, k, a, lda, panel, bias, sums);
    }
}

/* --- sums that stay in registers until they are codes: of tiles of full height --- */

/* One panel's products. */
typedef struct panel_product {
    int64_t k, lda, ldc;
    const uint8_t *a, *panel;
    const finisher *s;
    const columns *p;
    uint8_t *c;
    panel_ahead ahead;
} panel_product;

C_INLINE void finish_tile(bool table, bool residual, int rows, int width, const constants *k,
                          ints sum[MOST_ROWS][4], const uint8_t *a, int64_t a_ld, uint8_t *c,
                          int64_t ldc) {
    if (width > 2) {
        C_UNROLL
        for (int i = 0; i < rows; i++) {
            finish_row(table, residual, width, width == 4, k, sum[i], a + i * a_ld, c + i * ldc);
        }
        return;
    }
    C_UNROLL
    for (int i = 0; i < rows; i += 2) {
        finish_pair(table, residual, true, k, sum[i], sum[i + 1], a + i * a_ld, a_ld, c + i * ldc,
                    ldc);
    }
}

/* Rows [0, tiles * rows). */
C_INLINE void full_tiles(bool table, bool residual, int rows, int width, panel_product *g,
                         int64_t tiles) {
    const int64_t a_ld = residual ? g->s->f->residual_ld : 0;
    const uint8_t *other = residual ? g->s->f->residual + g->p->column : g->a; /* not read */
    const uint8_t *a = g->a;
    uint8_t *c = g->c + g->p->column;
    constants k;
    start_rows(&k, table, width == 2, g->s, g->p);
    for (int64_t t = 0; t < tiles; t++) {
        ints sum[MOST_ROWS][4];
        fetch_part(&g->ahead);
        multiply_tile(rows, width, g->k, a, g->lda, g->panel, g->p->bias, sum);
        finish_tile(table, residual, rows, width, &k, sum, other, a_ld, c, g->ldc);
        a += rows * g->lda;
        c += rows * g->ldc;
        other += rows * a_ld;
    }
}

/* Tables that take more registers than the sums leave are looked up of sums in memory. */
#ifdef C_SMALL_TABLE
enum { SMALL_TABLE = true };
#else
enum { SMALL_TABLE = false };
#endif

typedef void tiles_function(panel_product *g, int64_t tiles);

#define DEFINE_TILES(width, rows)                                                                  \
    static void plain_tiles_##width(panel_product *g, int64_t tiles) {                             \
        full_tiles(false, false, rows, width, g, tiles);                                           \
    }                                                                                              \
    static void table_tiles_##width(panel_product *g, int64_t tiles) {                             \
        full_tiles(SMALL_TABLE, false, rows, width, g, tiles);                                     \
    }                                                                                              \
    static void residual_tiles_##width(panel_product *g, int64_t tiles) {                          \
        full_tiles(false, true, rows, width, g, tiles);                                            \
    }                                                                                              \
    static tiles_function *tiles_of_##width(const weld_int8_finish *f) {                           \
        return f->table      ? f->residual || !SMALL_TABLE ? NULL : table_tiles_##width            \
               : f->residual ? residual_tiles_##width                                              \
                             : plain_tiles_##width;                                                \
    }

DEFINE_TILES(4, C_ROWS_4)
DEFINE_TILES(3, C_ROWS_3)
DEFINE_TILES(2, FULL_ROWS_2)

/* NULL where sums have to pass through memory. */
static tiles_function *choose_tiles(const columns *p, const weld_int8_finish *f) {
    return p->count == C_BYTES                        ? tiles_of_4(f)
           : p->width == 3                            ? tiles_of_3(f)
           : p->width == 2 && p->count == C_BYTES / 2 ? tiles_of_2(f)
                                                      : NULL;
}

/* How many tiles are full; what is left is at least half of one, or all there is. */
static int64_t count_full(int64_t m, int64_t rows) {
    const int64_t full = m / rows, left = m % rows;
    return full > 0 && left > 0 && 2 * left < rows ? full - 1 : full;
}

void INT8(gemm)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda, const void *packed,
                const weld_int8_finish *f, uint8_t *c, int64_t ldc) {
    if (m <= 0) {
        return;
    }
    finisher s;
    start_finish(&s, f);
    ints sums[MOST_ROWS * 4];
    memset(sums, 0, sizeof sums);
    panel_product g = {.k = k, .lda = lda, .ldc = ldc, .a = a, .panel = packed, .s = &s, .c = c};
    for (int64_t column = 0; column < n; column += C_BYTES) {
        columns p;
        const int width = panel_width(n - column);
        const int64_t height = tile_rows[width - 1], bytes = width * C_WEIGHTS * fours(k);
        start_columns(&p, f->bias, f->multiplier, width, column, n - column);
        g.p = &p;
        g.ahead = behind_panel(g.panel, bytes, (m + height - 1) / height);
        tiles_function *tiles = choose_tiles(&p, f);
        int64_t row = 0;
        if (tiles) {
            const int64_t rows = width == 2 ? FULL_ROWS_2 : height;
            tiles(&g, count_full(m, rows));
            row = count_full(m, rows) * rows;
        }
        for (int64_t left = (m - row + height - 1) / height; left > 0; left--) {
            const int64_t rows = (m - row + left - 1) / left;
            fetch_part(&g.ahead);
            multiply((int)rows, width, k, a + row * lda, lda, g.panel, p.bias, sums);
            finish_rows(&s, &p, sums, row, rows, c, ldc);
            row += rows;
        }
        g.panel += bytes;
    }
}

/* The first `count` of a panel's sums as floats, in order. */
static void store_floats(const columns *p, const ints *sums, float *c) {
    _Alignas(C_BYTES) float scaled[4 * LANES], ordered[4 * LANES];
    for (int j = 0; j < p->width; j++) {
        f_store(scaled + j * LANES, f_mul(i_to_float(sums[j]), p->multiplier[j]));
    }
    for (int l = 0; l < QUARTERS; l++) {
        for (int j = 0; j < p->width; j++) {
            memcpy(ordered + 4 * (p->width * l + j), scaled + j * LANES + 4 * l, 4 * sizeof *c);
        }
    }
    memcpy(c + p->column, ordered, (size_t)p->count * sizeof *c);
}

void INT8(gemm_f32)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda,
                    const void *packed, const int32_t *bias, const float *scale, float *c,
                    int64_t ldc) {
    ints sums[MOST_ROWS * 4];
    memset(sums, 0, sizeof sums);
    const uint8_t *panel = packed;
    for (int64_t column = 0; column < n; column += C_BYTES) {
        columns p;
        const int width = panel_width(n - column);
        start_columns(&p, bias, scale, width, column, n - column);
        const int64_t count = (m + tile_rows[width - 1] - 1) / tile_rows[width - 1];
        for (int64_t t = 0; t < count; t++) {
            const int64_t begin = m * t / count, end = m * (t + 1) / count;
            multiply((int)(end - begin), width, k, a + begin * lda, lda, panel, p.bias, sums);
            for (int64_t i = begin; i < end; i++) {
                store_floats(&p, sums + (i - begin) * 4, c + i * ldc);
            }
        }
        panel += width * C_WEIGHTS * fours(k);
    }
}

double INT8(multiply_adds)(int64_t rounds, int32_t *sum) {
    enum { COUNT = 12, REPEATS = 16 };
    uint8_t b[C_WEIGHTS];
    memset(b, 1, sizeof b);
    __asm__ volatile("" : "+m"(b)); /* nothing known of the weights */
    factors f = c_factors(c_set(3));
    const weights w = c_weights(b);
    ints s[COUNT];
    C_UNROLL
    for (int i = 0; i < COUNT; i++) {
        s[i] = i_set(0);
    }
    for (int64_t r = 0; r < rounds; r++) {
        for (int j = 0; j < REPEATS; j++) {
            C_UNROLL
            for (int i = 0; i < COUNT; i++) {
                c_hide(&f); /* else a product that has two instructions shares the first */
                s[i] = c_dot(s[i], f, w);
            }
        }
    }
    int32_t lanes[LANES];
    for (int i = 1; i < COUNT; i++) {
        s[0] = i_add(s[0], s[i]);
    }
    i_store(lanes, s[0]);
    *sum = lanes[0];
    return (double)rounds * COUNT * REPEATS * C_BYTES;
}
