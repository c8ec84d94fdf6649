/* Statistics of, and transforms along, channels of x[rows, c], reference; included by ref.inc.h. */

static void clear(int64_t n, double *sum) {
    for (int64_t i = 0; i < n; i++) {
        sum[i] = 0;
    }
}

/* sum[c] = sum over rows of x[rows, c] */
static void channel_sum(int64_t rows, int64_t c, const void *x_, double *sum) {
    const real *x = x_;
    clear(c, sum);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            sum[j] += get(x[r * c + j]);
        }
    }
}

/* mean[c] = sum over rows of x[rows, c] / rows; m2[c] = sum over rows of (x - mean)^2
 *
 * Two passes: squares are taken of the deviations, so a large mean costs no digits of m2. */
static void moments(int64_t rows, int64_t c, const void *x_, double *mean, double *m2) {
    const real *x = x_;
    channel_sum(rows, c, x, mean);
    for (int64_t j = 0; j < c; j++) {
        mean[j] /= (double)rows;
    }
    clear(c, m2);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            const double deviation = get(x[r * c + j]) - mean[j];
            m2[j] += deviation * deviation;
        }
    }
}

/* y[rows, c] = x[rows, c] scale[c] + shift[c] */
static void affine(int64_t rows, int64_t c, const void *x_, const void *scale_, const void *shift_,
                   void *y_) {
    const real *x = x_;
    const param *factor = scale_, *shift = shift_;
    real *y = y_;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            const double scaled = get(x[r * c + j]) * (factor ? (double)factor[j] : 1.0);
            y[r * c + j] = put(scaled + (shift ? (double)shift[j] : 0.0));
        }
    }
}

/* sum_dy[c] = sum over rows of dy[rows, c]; sum_dy_x[c] = sum over rows of dy (x - center[c]) */
static void channel_dot(int64_t rows, int64_t c, const void *dy_, const void *x_,
                        const void *center_, double *sum_dy, double *sum_dy_x) {
    const real *dy = dy_, *x = x_;
    const param *center = center_;
    if (sum_dy) {
        channel_sum(rows, c, dy, sum_dy);
    }
    if (!sum_dy_x) {
        return;
    }
    clear(c, sum_dy_x);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            sum_dy_x[j] +=
                get(dy[r * c + j]) * (get(x[r * c + j]) - (center ? (double)center[j] : 0.0));
        }
    }
}

/* dx[rows, c] = a[c] dy[rows, c] + b[c] x[rows, c] + d[c] */
static void affine2(int64_t rows, int64_t c, const void *dy_, const void *x_, const void *a_,
                    const void *b_, const void *d_, void *dx_) {
    const real *dy = dy_, *x = x_;
    const param *a = a_, *b = b_, *d = d_;
    real *dx = dx_;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            const int64_t i = r * c + j;
            dx[i] = put(a[j] * get(dy[i]) + b[j] * get(x[i]) + d[j]);
        }
    }
}
