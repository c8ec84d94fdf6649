/* What checkkernels cannot ask of the matrix products: numbers of bf16 that are not finite, and
 * rows that are computed apart. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "suite.h"

enum { M = 37, N = 40, K = 45, ONE = 0x3f80, NOT_A_NUMBER = 0x7fc0, INFINITE = 0x7f80 };

static const weld_kernels *table(int i) {
    const char *name = weld_kernels_available(WELD_BF16, i);
    const weld_kernels *k = NULL;
    if (name) {
        ck_assert_int_eq(weld_kernels_select(WELD_BF16, name, &k, NULL), WELD_OK);
    }
    return k;
}

static float widened(uint16_t x) {
    const uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* c = a b for ones in a, but for `value` in row 20's column `column`, and ones in b. */
static void multiply_packed(const weld_kernels *k, uint16_t value, int column, uint16_t *c) {
    static uint16_t a[M * K];
    static float b[K * N];
    for (int i = 0; i < M * K; i++) {
        a[i] = ONE;
    }
    a[20 * K + column] = value;
    for (int i = 0; i < K * N; i++) {
        b[i] = 1;
    }
    void *packed = malloc(k->packed_size(K, N) * sizeof(uint16_t));
    ck_assert_ptr_nonnull(packed);
    k->pack(K, N, b, N, 1, packed);
    k->gemm_packed(M, N, K, a, K, packed, NULL, false, c, N);
    free(packed);
}

START_TEST(what_is_not_finite_shows_in_its_row_of_a_product_alone) {
    static const uint16_t values[] = {NOT_A_NUMBER, INFINITE};
    static const int columns[] = {0, 31, 32, K - 1};
    uint16_t c[M * N];
    for (int t = 0; table(t); t++) {
        for (int i = 0; i < 8; i++) {
            multiply_packed(table(t), values[i / 4], columns[i % 4], c);
            for (int j = 0; j < M * N; j++) {
                const float got = widened(c[j]);
                if (j / N != 20) {
                    ck_assert_msg(got == K, "%s: %g at row %d", table(t)->name, got, j / N);
                } else {
                    ck_assert_msg(i < 4 ? isnan(got) : isinf(got) && got > 0,
                                  "%s: %g for %#x in column %d", table(t)->name, got, values[i / 4],
                                  columns[i % 4]);
                }
            }
        }
    }
}
END_TEST

START_TEST(what_is_not_finite_shows_in_its_row_of_a_transposed_product_alone) {
    static uint16_t a[K * M], b[K * N];
    static float c[M * N];
    for (int t = 0; table(t); t++) {
        for (int row = 0; row < K; row += K - 1) {
            for (int i = 0; i < K * M; i++) {
                a[i] = ONE;
            }
            for (int i = 0; i < K * N; i++) {
                b[i] = ONE;
            }
            a[row * M + 20] = NOT_A_NUMBER;
            memset(c, 0, sizeof c);
            table(t)->gemm_at_b(M, N, K, a, M, b, N, true, c, N);
            for (int j = 0; j < M * N; j++) {
                ck_assert_msg(j / N == 20 ? isnan(c[j]) : c[j] == K, "%s: %g at row %d",
                              table(t)->name, (double)c[j], j / N);
            }
        }
    }
}
END_TEST

START_TEST(sums_too_large_for_bf16_become_infinite) {
    uint16_t a[2] = {0x7f7f, 0x7f7f}, c[1]; /* the largest */
    const float b[2] = {1, 1};
    for (int t = 0; table(t); t++) {
        void *packed = malloc(table(t)->packed_size(2, 1) * sizeof(uint16_t));
        ck_assert_ptr_nonnull(packed);
        table(t)->pack(2, 1, b, 1, 1, packed);
        table(t)->gemm_packed(1, 1, 2, a, 2, packed, NULL, false, c, 1);
        ck_assert_int_eq(c[0], INFINITE);
        free(packed);
    }
}
END_TEST

enum { ROWS = 184, COLUMNS = 72, SUMMED = 301, STRIP = 32 };

/* c += a^T b, of rows [begin, end) of c. */
static void add_rows(const weld_kernels *k, const void *a, const void *b, float *c, int begin,
                     int end) {
    k->gemm_at_b(end - begin, COLUMNS, SUMMED,
                 (const char *)a + (size_t)begin * weld_dtype_size(k->dtype), ROWS, b, COLUMNS,
                 true, c + (size_t)begin * COLUMNS, COLUMNS);
}

static void check_rows_apart(const weld_kernels *k) {
    static float a[SUMMED * ROWS], b[SUMMED * COLUMNS], whole[ROWS * COLUMNS],
        apart[ROWS * COLUMNS];
    uint32_t state = 1;
    float *const arrays[] = {a, b, whole};
    const int counts[] = {SUMMED * ROWS, SUMMED * COLUMNS, ROWS * COLUMNS};
    for (int n = 0; n < 3; n++) {
        for (int i = 0; i < counts[n]; i++) {
            state = state * 1664525U + 1013904223U;
            arrays[n][i] = (float)(state >> 8) / (1 << 24) - 0.5F;
        }
    }
    memcpy(apart, whole, sizeof whole);
    if (k->dtype == WELD_BF16) { /* the upper halves, and not less random for it */
        for (int n = 0; n < 2; n++) {
            uint16_t *to = (uint16_t *)arrays[n];
            for (int i = 0; i < counts[n]; i++) {
                uint32_t bits;
                memcpy(&bits, &arrays[n][i], sizeof bits);
                to[i] = (uint16_t)(bits >> 16);
            }
        }
    }
    add_rows(k, a, b, whole, 0, ROWS);
    for (int begin = 0; begin < ROWS; begin += 3 * STRIP) {
        const int middle = begin + STRIP, end = begin + 3 * STRIP;
        add_rows(k, a, b, apart, begin, middle);
        add_rows(k, a, b, apart, middle, end < ROWS ? end : ROWS);
    }
    ck_assert_msg(memcmp(whole, apart, sizeof whole) == 0, "%s", k->name);
}

START_TEST(rows_of_a_transposed_product_have_the_same_bits_alone) {
    static const weld_dtype dtypes[] = {WELD_F32, WELD_BF16};
    for (int d = 0; d < 2; d++) {
        const char *name;
        for (int i = 0; (name = weld_kernels_available(dtypes[d], i)); i++) {
            const weld_kernels *k;
            ck_assert_int_eq(weld_kernels_select(dtypes[d], name, &k, NULL), WELD_OK);
            check_rows_apart(k);
        }
    }
}
END_TEST

RUN_SUITE("kernels/products", rows_of_a_transposed_product_have_the_same_bits_alone,
          what_is_not_finite_shows_in_its_row_of_a_product_alone,
          what_is_not_finite_shows_in_its_row_of_a_transposed_product_alone,
          sums_too_large_for_bf16_become_infinite)
