/* Functions of single elements, reference; included by ref.inc.h. Every output may be any of the
 * inputs, so nothing here is restrict. */

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

/* The function f at x. */
static double unary_value(weld_unary f, double x) {
    switch (f) {
    case WELD_GELU: /* erfc keeps its digits where Phi is small, erf + 1 would not */
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case WELD_RELU:
        return x > 0 ? x : 0;
    case WELD_SILU:
        return x / (1 + exp(-x));
    case WELD_HARD_SWISH:
        return x * clamp(x + 3, 0, 6) / 6;
    case WELD_HARD_SIGMOID:
        return clamp(x + 3, 0, 6) / 6;
    case WELD_SIGMOID:
        return 1 / (1 + exp(-x));
    case WELD_UNARY_COUNT:
        break;
    }
    return NAN;
}

/* The derivative of f at x. */
static double unary_slope(weld_unary f, double x) {
    const double sigmoid = 1 / (1 + exp(-x));
    const double one_minus_sigmoid = 1 / (1 + exp(x)); /* 1 - sigmoid would cancel */
    switch (f) {
    case WELD_GELU: /* Phi(x) + x Phi'(x) */
        return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-0.5 * x * x) * (0.5 * M_SQRT1_2 * M_2_SQRTPI);
    case WELD_RELU:
        return x > 0 ? 1 : 0;
    case WELD_SILU:
        return sigmoid + x * sigmoid * one_minus_sigmoid;
    case WELD_HARD_SWISH:
        return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
    case WELD_HARD_SIGMOID:
        return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case WELD_SIGMOID:
        return sigmoid * one_minus_sigmoid;
    case WELD_UNARY_COUNT:
        break;
    }
    return NAN;
}

/* y[n] = f(x[n]) */
static void unary(weld_unary f, int64_t n, const void *x_, void *y_) {
    const real *x = x_;
    real *y = y_;
    for (int64_t i = 0; i < n; i++) {
        y[i] = put(unary_value(f, get(x[i])));
    }
}

/* y[rows, n] = f(y[rows, n]), rows ld elements apart */
static void unary_rows(weld_unary f, int64_t rows, int64_t n, int64_t ld, void *y_) {
    real *y = y_;
    for (int64_t r = 0; r < rows; r++) {
        unary(f, n, y + r * ld, y + r * ld);
    }
}

/* dx[n] = f'(x[n]) dy[n] */
static void unary_grad(weld_unary f, int64_t n, const void *x_, const void *dy_, void *dx_) {
    const real *x = x_, *dy = dy_;
    real *dx = dx_;
    for (int64_t i = 0; i < n; i++) {
        dx[i] = put(unary_slope(f, get(x[i])) * get(dy[i]));
    }
}

/* y[n] = a[n] + b[n] */
static void add(int64_t n, const void *a_, const void *b_, void *y_) {
    const real *a = a_, *b = b_;
    real *y = y_;
    for (int64_t i = 0; i < n; i++) {
        y[i] = put(get(a[i]) + get(b[i]));
    }
}

/* y[n] = a[n] b[n] */
static void mul(int64_t n, const void *a_, const void *b_, void *y_) {
    const real *a = a_, *b = b_;
    real *y = y_;
    for (int64_t i = 0; i < n; i++) {
        y[i] = put(get(a[i]) * get(b[i]));
    }
}

/* y[n] = factor x[n] */
static void scale(int64_t n, double factor, const void *x_, void *y_) {
    const real *x = x_;
    real *y = y_;
    for (int64_t i = 0; i < n; i++) {
        y[i] = put(factor * get(x[i]));
    }
}

/* y[n] = factor x, 0 where the stream's next word is less than `below` */
static void dropout(const weld_random *stream, uint32_t below, double factor, int64_t n,
                    const void *x_, void *y_) {
    const real *x = x_;
    real *y = y_;
    weld_random r = *stream;
    for (int64_t i = 0; i < n; i++) {
        y[i] = put(weld_random_u32(&r) < below ? 0 : factor * get(x[i]));
    }
}

/* y[n] = x[n] within [low, high] */
static void clamp_to(int64_t n, double low, double high, const void *x_, void *y_) {
    const param least_value = (param)low, most_value = (param)high;
    const real *x = x_;
    real *y = y_;
    for (int64_t i = 0; i < n; i++) {
        y[i] = put(clamp(get(x[i]), least_value, most_value));
    }
}

/* dx[n] = dy[n] where low < x[n] < high, else 0 */
static void clamp_grad(int64_t n, double low, double high, const void *x_, const void *dy_,
                       void *dx_) {
    const param least_value = (param)low, most_value = (param)high;
    const real *x = x_, *dy = dy_;
    real *dx = dx_;
    for (int64_t i = 0; i < n; i++) {
        dx[i] = get(x[i]) > least_value && get(x[i]) < most_value ? dy[i] : put(0);
    }
}

#if P_IS_T
/* x within +- limit; NaN is left as it is */
static double within(double x, double limit) {
    return x > limit ? limit : x < -limit ? -limit : x;
}

/* weight[n], m[n], v[n] and average[n] (or NULL) after one step along grad[n] */
static void adamw(const weld_adamw_step *s, int64_t n, const void *grad_, void *weight_, void *m_,
                  void *v_, void *average_) {
    const real *grad = grad_;
    real *weight = weight_, *m = m_, *v = v_, *average = average_;
    for (int64_t i = 0; i < n; i++) {
        const double g = within(grad[i] * s->gradient_scale, s->gradient_limit);
        const double mean = s->beta1 * m[i] + (1 - s->beta1) * g;
        const double square = s->beta2 * v[i] + (1 - s->beta2) * g * g;
        const double decayed = weight[i] - s->lr * s->weight_decay * weight[i];
        const double root = sqrt(square / s->correction2) + s->eps;
        weight[i] = (real)(decayed - s->lr / s->correction1 * mean / root);
        m[i] = (real)mean;
        v[i] = (real)square;
        if (average) {
            const double d = s->average_decay;
            average[i] = (real)(d * average[i] + (1 - d) * weight[i]);
        }
    }
}

/* sum of x[n]^2 */
static double square_sum(int64_t n, const void *x_) {
    const real *x = x_;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * x[i];
    }
    return sum;
}

/* sum of log(1 + exp(x[n])) */
static double softplus_sum(int64_t n, const void *x_) {
    const real *x = x_;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += fmax(x[i], 0) + log1p(exp(-fabs((double)x[i])));
    }
    return sum;
}
#else
/* y[n] = x[n] */
static void from_f32(int64_t n, const float *x, void *y_) {
    real *y = y_;
    for (int64_t i = 0; i < n; i++) {
        y[i] = put(x[i]);
    }
}

/* y[n] = x[n] */
static void to_f32(int64_t n, const void *x_, float *y) {
    const real *x = x_;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)get(x[i]);
    }
}
#endif

/* least i with x[i] infinite or NaN, or -1; x[n] */
static int64_t first_not_finite(int64_t n, const void *x_) {
    const real *x = x_;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(get(x[i]))) {
            return i;
        }
    }
    return -1;
}
