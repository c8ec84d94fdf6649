/* Products in tiles of registers: some rows of A, each four of codes broadcast, times a panel of B.
 * A panel passes over all rows before the next, so that it stays in the first-level cache. Sums
 * start from the bias and go through memory to be finished. */
#include "kernels/int8/finish.h"
#include "kernels/int8/panels.h"
#include "kernels/int8/simd.h"

enum { MOST_ROWS = 12 };

C_INLINE factors four_of(const uint8_t *a) {
    uint32_t four;
    memcpy(&four, a, sizeof four);
    return c_factors(c_set_four(four));
}

/* The last codes of a row, fewer than four. */
C_INLINE factors rest_of(const uint8_t *a, int64_t count) {
    uint32_t four = a[0];
    four |= count > 1 ? (uint32_t)a[1] << 8 : 0;
    four |= count > 2 ? (uint32_t)a[2] << 16 : 0;
    return c_factors(c_set_four(four));
}

/* sums[rows, 4] = bias[width] + A[rows, k] panel; of four only `width` are written. */
C_INLINE void multiply_tile(int rows, int width, int64_t k, const uint8_t *a, int64_t lda,
                            const uint8_t *panel, const ints *bias, ints *sums) {
    ints sum[MOST_ROWS][4];
    C_UNROLL
    for (int i = 0; i < rows; i++) {
        C_UNROLL
        for (int j = 0; j < width; j++) {
            sum[i][j] = bias[j];
        }
    }
    const uint8_t *end = panel + k / 4 * width * C_WEIGHTS;
    for (; panel < end; panel += width * C_WEIGHTS, a += 4) {
        factors f[MOST_ROWS];
        C_UNROLL
        for (int i = 0; i < rows; i++) {
            f[i] = four_of(a + i * lda);
        }
        C_UNROLL
        for (int j = 0; j < width; j++) {
            const weights w = c_weights(panel + j * C_WEIGHTS);
            C_UNROLL
            for (int i = 0; i < rows; i++) {
                sum[i][j] = c_dot(sum[i][j], f[i], w);
            }
        }
    }
    if (k % 4 != 0) {
        C_UNROLL
        for (int i = 0; i < rows; i++) {
            const factors f = rest_of(a + i * lda, k % 4);
            C_UNROLL
            for (int j = 0; j < width; j++) {
                sum[i][j] = c_dot(sum[i][j], f, c_weights(panel + j * C_WEIGHTS));
            }
        }
    }
    C_UNROLL
    for (int i = 0; i < rows; i++) {
        C_UNROLL
        for (int j = 0; j < width; j++) {
            sums[i * 4 + j] = sum[i][j];
        }
    }
}

static const int tile_rows[] = {C_ROWS_1, C_ROWS_2, C_ROWS_3, C_ROWS_4};

C_INLINE void multiply_rows(int rows, int width, int most, int64_t k, const uint8_t *a, int64_t lda,
                            const uint8_t *panel, const ints *bias, ints *sums) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        if ((n) <= most) {                                                                         \
            multiply_tile(n, width, k, a, lda, panel, bias, sums);                                 \
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

void INT8(gemm)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda, const void *packed,
                const weld_int8_finish *f, uint8_t *c, int64_t ldc) {
    finisher s;
    start_finish(&s, f);
    ints sums[MOST_ROWS * 4];
    memset(sums, 0, sizeof sums);
    const uint8_t *panel = packed;
    for (int64_t column = 0; column < n; column += C_BYTES) {
        columns p;
        const int width = panel_width(n - column);
        start_columns(&p, f->bias, f->multiplier, width, column, n - column);
        const int64_t count = (m + tile_rows[width - 1] - 1) / tile_rows[width - 1];
        for (int64_t t = 0; t < count; t++) {
            const int64_t begin = m * t / count, end = m * (t + 1) / count;
            multiply((int)(end - begin), width, k, a + begin * lda, lda, panel, p.bias, sums);
            finish_rows(&s, &p, sums, begin, end - begin, c, ldc);
        }
        panel += width * C_WEIGHTS * fours(k);
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
    uint8_t a[4] = {1, 2, 3, 4}, b[C_WEIGHTS];
    memset(b, 1, sizeof b);
    __asm__ volatile("" : "+m"(b)); /* nothing known of the weights */
    factors f = four_of(a);
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
