/* Rows of n, normalised or compared along the row, reference; included by ref.inc.h. */

static double row_maximum(int64_t n, const real *x) {
    double maximum = -INFINITY;
    for (int64_t j = 0; j < n; j++) {
        maximum = get(x[j]) > maximum ? get(x[j]) : maximum;
    }
    return maximum;
}

/* sum over j of exp(x[j] - maximum): no term overflows, and one is 1 */
static double row_exp_sum(int64_t n, const real *x, double maximum) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        sum += exp(get(x[j]) - maximum);
    }
    return sum;
}

/* y[rows, n] = exp(x) / sum along the row of exp(x) */
static void softmax(int64_t rows, int64_t n, const void *x_, void *y_) {
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n;
        real *y = (real *)y_ + r * n;
        const double maximum = row_maximum(n, x);
        const double sum = row_exp_sum(n, x, maximum);
        for (int64_t j = 0; j < n; j++) {
            y[j] = put(exp(get(x[j]) - maximum) / sum);
        }
    }
}

/* dx[rows, n] = y (dy - sum along the row of dy y) */
static void softmax_grad(int64_t rows, int64_t n, const void *y_, const void *dy_, void *dx_) {
    for (int64_t r = 0; r < rows; r++) {
        const real *y = (const real *)y_ + r * n, *dy = (const real *)dy_ + r * n;
        real *dx = (real *)dx_ + r * n;
        double dot = 0;
        for (int64_t j = 0; j < n; j++) {
            dot += get(dy[j]) * get(y[j]);
        }
        for (int64_t j = 0; j < n; j++) {
            dx[j] = put(get(y[j]) * (get(dy[j]) - dot));
        }
    }
}

/* y[rows] = sum along the row of j exp(x) / sum of exp(x) */
static double row_expectation(int64_t n, const real *x, double maximum, double sum) {
    double y = 0;
    for (int64_t j = 0; j < n; j++) {
        y += (double)j * exp(get(x[j]) - maximum) / sum;
    }
    return y;
}

static void expectation(int64_t rows, int64_t n, const void *x_, void *y_) {
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n;
        const double maximum = row_maximum(n, x);
        ((param *)y_)[r] = (param)row_expectation(n, x, maximum, row_exp_sum(n, x, maximum));
    }
}

/* dx[rows, n] = dy[rows] exp(x) / sum of exp(x) (j - expectation) */
static void expectation_grad(int64_t rows, int64_t n, const void *x_, const void *dy_, void *dx_) {
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n;
        real *dx = (real *)dx_ + r * n;
        const double maximum = row_maximum(n, x), sum = row_exp_sum(n, x, maximum);
        const double mean = row_expectation(n, x, maximum, sum);
        const double dy = (double)((const param *)dy_)[r];
        for (int64_t j = 0; j < n; j++) {
            dx[j] = put(dy * exp(get(x[j]) - maximum) / sum * ((double)j - mean));
        }
    }
}

/* y[rows, n] = softmax(factor x + bias); bias[rows, n] */
static void attention_softmax(int64_t rows, int64_t n, int64_t ld, double factor, void *x_,
                              const void *bias_, void *y_) {
    for (int64_t r = 0; r < rows; r++) {
        param *x = (param *)x_ + r * ld;
        const param *bias = bias_ ? (const param *)bias_ + r * n : NULL;
        real *y = (real *)y_ + r * ld;
        double maximum = -INFINITY, sum = 0;
        for (int64_t j = 0; j < n; j++) {
            const double score = factor * (double)x[j] + (bias ? (double)bias[j] : 0.0);
            maximum = score > maximum ? score : maximum;
        }
        for (int64_t j = 0; j < n; j++) {
            const double score = factor * (double)x[j] + (bias ? (double)bias[j] : 0.0);
            sum += exp(score - maximum);
        }
        for (int64_t j = 0; j < n; j++) {
            const double score = factor * (double)x[j] + (bias ? (double)bias[j] : 0.0);
            y[j] = put(exp(score - maximum) / sum);
        }
    }
}

/* with g[rows, n] = y (dy - sum along the row of dy y): dx = factor g, dbias += g */
static void attention_softmax_grad(int64_t rows, int64_t n, int64_t ld, double factor,
                                   const void *y_, const void *dy_, void *dx_, void *dbias_) {
    for (int64_t r = 0; r < rows; r++) {
        const real *y = (const real *)y_ + r * ld;
        const param *dy = (const param *)dy_ + r * ld;
        real *dx = (real *)dx_ + r * ld;
        param *dbias = dbias_ ? (param *)dbias_ + r * n : NULL;
        double dot = 0;
        for (int64_t j = 0; j < n; j++) {
            dot += (double)dy[j] * get(y[j]);
        }
        for (int64_t j = 0; j < n; j++) {
            const double g = get(y[j]) * ((double)dy[j] - dot);
            dx[j] = put(factor * g);
            if (dbias) {
                dbias[j] = (param)((double)dbias[j] + g);
            }
        }
    }
}

/* mean[row] and 1 / sqrt(variance[row] + eps) */
static void row_moments(int64_t n, const real *x, double eps, double *mean, double *rstd) {
    double sum = 0, squares = 0;
    for (int64_t j = 0; j < n; j++) {
        sum += get(x[j]);
    }
    *mean = sum / (double)n;
    for (int64_t j = 0; j < n; j++) {
        squares += (get(x[j]) - *mean) * (get(x[j]) - *mean);
    }
    *rstd = 1 / sqrt(squares / (double)n + eps);
}

/* y[rows, n] = (x - mean[row]) rstd[row] weight[n] + bias[n] */
static void layer_norm(int64_t rows, int64_t n, const void *x_, const void *weight_,
                       const void *bias_, double eps, void *y_) {
    const param *weight = weight_, *bias = bias_;
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n;
        real *y = (real *)y_ + r * n;
        double mean, rstd;
        row_moments(n, x, eps, &mean, &rstd);
        for (int64_t j = 0; j < n; j++) {
            y[j] = put((get(x[j]) - mean) * rstd * (double)weight[j] + (double)bias[j]);
        }
    }
}

/* with z = (x - mean) rstd and g = dy weight, both [rows, n], and means taken along the row:
 * dx = rstd (g - mean(g) - z mean(g z)); dweight[n] = sum over rows of dy z; dbias[n] of dy */
static void layer_norm_grad(int64_t rows, int64_t n, const void *x_, const void *weight_,
                            double eps, const void *dy_, void *dx_, double *dweight,
                            double *dbias) {
    const param *weight = weight_;
    clear(n, dweight);
    clear(n, dbias);
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n, *dy = (const real *)dy_ + r * n;
        real *dx = (real *)dx_ + r * n;
        double mean, rstd, sum_g = 0, sum_gz = 0;
        row_moments(n, x, eps, &mean, &rstd);
        for (int64_t j = 0; j < n; j++) {
            const double z = (get(x[j]) - mean) * rstd, out = get(dy[j]);
            sum_g += out * (double)weight[j];
            sum_gz += out * (double)weight[j] * z;
            dweight[j] += out * z;
            dbias[j] += out;
        }
        for (int64_t j = 0; j < n; j++) {
            const double z = (get(x[j]) - mean) * rstd, g = get(dy[j]) * (double)weight[j];
            dx[j] = put(rstd * (g - sum_g / (double)n - z * sum_gz / (double)n));
        }
    }
}

#if P_IS_T
/* Element of the target after label smoothing. */
static double smoothed(double target, double smoothing, int64_t n) {
    return (1 - smoothing) * target + smoothing / (double)n;
}

/* loss[rows] = sum along the row of t (log sum exp(x) - x), t = smoothed target; x, target[rows, n]
 */
static void cross_entropy(int64_t rows, int64_t n, const void *x_, const void *target_,
                          double smoothing, void *loss_) {
    real *loss = loss_;
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n, *target = (const real *)target_ + r * n;
        const double maximum = row_maximum(n, x);
        const double log_sum = log(row_exp_sum(n, x, maximum));
        double sum = 0;
        for (int64_t j = 0; j < n; j++) {
            sum += smoothed(target[j], smoothing, n) * (log_sum - (x[j] - maximum));
        }
        loss[r] = (real)sum;
    }
}

/* dx[rows, n] = dloss[rows] (softmax(x) sum along the row of t - t), t = smoothed target[rows, n]
 */
static void cross_entropy_grad(int64_t rows, int64_t n, const void *x_, const void *target_,
                               double smoothing, const void *dloss_, void *dx_) {
    const real *dloss = dloss_;
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n, *target = (const real *)target_ + r * n;
        real *dx = (real *)dx_ + r * n;
        const double maximum = row_maximum(n, x);
        const double sum = row_exp_sum(n, x, maximum);
        double total = 0;
        for (int64_t j = 0; j < n; j++) {
            total += smoothed(target[j], smoothing, n);
        }
        for (int64_t j = 0; j < n; j++) {
            const double probability = exp(x[j] - maximum) / sum;
            dx[j] = (real)(dloss[r] * (probability * total - smoothed(target[j], smoothing, n)));
        }
    }
}

/* loss[rows] = mean along the row of log(1 + exp(x)) - t x, t = smoothed target; x, target[rows, n]
 */
static void binary_cross_entropy(int64_t rows, int64_t n, const void *x_, const void *target_,
                                 double smoothing, void *loss_) {
    real *loss = loss_;
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n, *target = (const real *)target_ + r * n;
        double sum = 0;
        for (int64_t j = 0; j < n; j++) {
            sum +=
                fmax(x[j], 0) + log1p(exp(-fabs(x[j]))) - smoothed(target[j], smoothing, n) * x[j];
        }
        loss[r] = (real)(sum / (double)n);
    }
}

/* dx[rows, n] = dloss[rows] (sigmoid(x) - t) / n, t = smoothed target[rows, n] */
static void binary_cross_entropy_grad(int64_t rows, int64_t n, const void *x_, const void *target_,
                                      double smoothing, const void *dloss_, void *dx_) {
    const real *dloss = dloss_;
    for (int64_t r = 0; r < rows; r++) {
        const real *x = (const real *)x_ + r * n, *target = (const real *)target_ + r * n;
        real *dx = (real *)dx_ + r * n;
        for (int64_t j = 0; j < n; j++) {
            const double p = 1 / (1 + exp(-(double)x[j]));
            dx[j] = (real)(dloss[r] * (p - smoothed(target[j], smoothing, n)) / (double)n);
        }
    }
}
#endif
