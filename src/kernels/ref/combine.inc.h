/* Sums of scaled rows with a function at the end, reference; included by ref.inc.h. */

static double element(const param *vector, int64_t j, double absent) {
    return vector ? (double)vector[j] : absent;
}

/* y[rows, c] = f(sum over i < count of scale[i][c] x[i][rows, c] + shift[c]) */
static void combine(weld_unary f, int64_t rows, int64_t c, int count, const void *const *x,
                    const void *const *scale, const void *shift, void *y_) {
    real *y = y_;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            double sum = element(shift, j, 0);
            for (int i = 0; i < count; i++) {
                sum += element(scale[i], j, 1) * get(((const real *)x[i])[r * c + j]);
            }
            y[r * c + j] = put(f == WELD_IDENTITY ? sum : unary_value(f, sum));
        }
    }
}

/* y[rows, c] = f(u), dx[rows, c] = f'(u) dy[rows, c]; u = scale[c] x[rows, c] + shift[c] */
static void unary_pair(weld_unary f, int64_t rows, int64_t c, const void *x_, const void *scale,
                       const void *shift, const void *dy_, void *y_, void *dx_) {
    const real *x = x_, *dy = dy_;
    real *y = y_, *dx = dx_;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            const int64_t i = r * c + j;
            const double u = element(scale, j, 1) * get(x[i]) + element(shift, j, 0);
            const double gradient = unary_slope(f, u) * get(dy[i]);
            if (y) {
                y[i] = put(unary_value(f, u));
            }
            dx[i] = put(gradient);
        }
    }
}
