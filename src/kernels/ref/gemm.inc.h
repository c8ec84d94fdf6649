/* Matrix products, reference; included by ref.inc.h. The packed form of B is B itself, k x n.
 *
 * A stretch of one row of C is summed at a time, in double, so that the inner loop runs along rows
 * of B and C and never down a column. */

enum { COLUMNS = 64 };

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* k n elements. */
static size_t packed_size(int64_t k, int64_t n) {
    return (size_t)k * (size_t)n;
}

/* packed[k, n](i, j) = b[i row_stride + j column_stride] */
static void pack(int64_t k, int64_t n, const void *b_, int64_t row_stride, int64_t column_stride,
                 void *packed_) {
    const param *b = b_;
    real *packed = packed_;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < n; j++) {
            packed[i * n + j] = put(b[i * row_stride + j * column_stride]);
        }
    }
}

/* The same of activations. */
static void pack_activations(int64_t k, int64_t n, const void *b_, int64_t row_stride,
                             int64_t column_stride, void *packed_) {
    const real *b = b_;
    real *packed = packed_;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < n; j++) {
            packed[i * n + j] = b[i * row_stride + j * column_stride];
        }
    }
}

/* sum[count] += sum over p of a[p a_stride] b[p b_stride + j] */
static void add_products(int64_t k, int64_t count, const real *a, int64_t a_stride, const real *b,
                         int64_t b_stride, double sum[COLUMNS]) {
    for (int64_t p = 0; p < k; p++) {
        const double factor = get(a[p * a_stride]);
        const real *row = b + p * b_stride;
        for (int64_t j = 0; j < count; j++) {
            sum[j] += factor * get(row[j]);
        }
    }
}

/* C[m, n] = A[m, k] packed[k, n] + bias[n] (+ C) */
static void gemm_packed(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda,
                        const void *packed_, const void *bias_, bool accumulate, void *c_,
                        int64_t ldc) {
    const real *a = a_, *packed = packed_;
    const param *bias = bias_;
    real *c = c_;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j0 = 0; j0 < n; j0 += COLUMNS) {
            const int64_t count = least(COLUMNS, n - j0);
            real *out = c + i * ldc + j0;
            double sum[COLUMNS] = {0};
            add_products(k, count, a + i * lda, 1, packed + j0, n, sum);
            for (int64_t j = 0; j < count; j++) {
                sum[j] += bias ? (double)bias[j0 + j] : 0.0;
                out[j] = put(accumulate ? get(out[j]) + sum[j] : sum[j]);
            }
        }
    }
}

/* C[m, n] = A[m, k] packed[k, n] + bias[n], of parameters' type */
static void gemm_unrounded(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda,
                           const void *packed_, const void *bias_, void *c_, int64_t ldc) {
    const real *a = a_, *packed = packed_;
    const param *bias = bias_;
    param *c = c_;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j0 = 0; j0 < n; j0 += COLUMNS) {
            const int64_t count = least(COLUMNS, n - j0);
            double sum[COLUMNS] = {0};
            add_products(k, count, a + i * lda, 1, packed + j0, n, sum);
            for (int64_t j = 0; j < count; j++) {
                sum[j] += bias ? (double)bias[j0 + j] : 0.0;
                c[i * ldc + j0 + j] = (param)sum[j];
            }
        }
    }
}

/* C[m, n] = A^T B (+ C), A[k, m], B[k, n] */
static void gemm_at_b(int64_t m, int64_t n, int64_t k, const void *a_, int64_t lda, const void *b_,
                      int64_t ldb, bool accumulate, void *c_, int64_t ldc) {
    const real *a = a_, *b = b_;
    param *c = c_;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j0 = 0; j0 < n; j0 += COLUMNS) {
            const int64_t count = least(COLUMNS, n - j0);
            param *out = c + i * ldc + j0;
            double sum[COLUMNS] = {0};
            add_products(k, count, a + i, lda, b + j0, ldb, sum);
            for (int64_t j = 0; j < count; j++) {
                out[j] = (param)(accumulate ? out[j] + sum[j] : sum[j]);
            }
        }
    }
}

/* One element of a convolution: the sum over taps and channels, x pointing to its first tap. */
static double convolved(const weld_sweep *s, int64_t n, const real *x, const real *packed) {
    double sum = 0;
    for (int64_t t = 0; t < s->taps_h * s->taps_w; t++, packed += s->k * n) {
        const real *tap = x + t / s->taps_w * s->tap_row + t % s->taps_w * s->tap_column;
        for (int64_t i = 0; i < s->k; i++) {
            sum += get(tap[i]) * get(packed[i * n]);
        }
    }
    return sum;
}

/* y[p, q, n] = bias[n] + sum over taps and i < k of x[p, q, tap, i] packed[tap, i, n] */
static void convolve(const weld_sweep *s, int64_t n, const void *x_, const void *packed_,
                     const void *bias_, void *y_) {
    const real *x = x_, *packed = packed_;
    const param *bias = bias_;
    real *y = y_;
    for (int64_t at = 0; at < s->rows * s->columns; at++) {
        const int64_t p = at / s->columns, q = at % s->columns;
        for (int64_t j = 0; j < n; j++) {
            const double sum = convolved(s, n, x + p * s->x_row + q * s->x_column, packed + j);
            y[p * s->y_row + q * s->y_column + j] = put(sum + (bias ? (double)bias[j] : 0.0));
        }
    }
}
