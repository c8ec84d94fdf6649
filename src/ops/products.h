/* Matrix products over many rows, in parallel: what convolution and linear layers share. */
#ifndef WELD_OPS_PRODUCTS_H
#define WELD_OPS_PRODUCTS_H

#include "ops/ops.h"

/* C[m, n] = A packed + bias, of the type of run->out[0]: activations, or parameters. */
void weld_multiply_packed(const weld_run *run, int64_t m, int64_t n, int64_t k, const void *a,
                          int64_t lda, const void *packed, const void *bias, void *c, int64_t ldc);

/* c[rows, n] = a[rows, k] B[k, n] + bias[n] (bias may be NULL); element (i, j) of B is
 * b[i * row_stride + j * column_stride]; c is of the type of run->out[0]. Split over blocks of
 * rows.
 */
typedef struct weld_row_product {
    int64_t rows, k, n;
    const void *a, *b, *bias;
    int64_t row_stride, column_stride;
    void *c;
    bool by_columns; /* B is large: read it once, in chunks of columns, whatever the rows are */
} weld_row_product;
/* Bytes of B packed. */
size_t weld_row_product_prepared(const weld_kernels *kernels, int64_t k, int64_t n);
/* Pack B. */
void weld_row_product_prepare(weld_row_product p, const weld_run *run, void *prepared);
/* From run->prepared; b is not read. */
void weld_row_product_run(weld_row_product p, const weld_run *run);

/* A sum over rows that gives an m x n matrix, split over `chunks` ranges of rows, each with a
 * partial sum of its own, and over `blocks` of the m matrix rows. */
typedef struct weld_row_sum {
    weld_split chunks, blocks;
} weld_row_sum;
/* `units`: what ranges are made of, each of `unit_rows` rows. */
weld_row_sum weld_row_sum_split(int64_t units, int64_t unit_rows, int64_t m, int64_t n);

/* first[count] += partials[0..n_partials)[count], in this order, in parallel over count. */
void weld_add_partials(const weld_run *run, int64_t n_partials, int64_t count, const void *partials,
                       void *first);

/* c[m, n] = A^T B for a[rows, m], b[rows, n]; added to c where run->accumulate, then to the run's
 * rows of c alone. */
typedef struct weld_transposed_product {
    int64_t rows, m, n;
    const void *a, *b;
    void *c;
} weld_transposed_product;
size_t weld_transposed_product_workspace(const weld_kernels *kernels, int64_t rows, int64_t m,
                                         int64_t n);
void weld_transposed_product_run(const weld_transposed_product *p, const weld_run *run);

#endif
