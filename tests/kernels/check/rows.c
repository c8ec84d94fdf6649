/* Trials of the normalisations and losses along rows; see check.h. */
#include <math.h>
#include <string.h>

#include "check.h"

static void draw_rows(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->rows = draw_between(r, 1, 20);
        t->n = draw_chance(r, 0.15) ? draw_between(r, 100, 1100) : draw_channels(r);
    }
    t->terms = (double)t->n;
    describe(t, "%lld rows of %lld", (long long)t->rows, (long long)t->n);
}

static array *add_rows(trial *t, weld_random *r, const char *name, usage role) {
    return add_array(t, r, name, role, t->rows, t->n, t->n);
}

static array *add_vector(trial *t, weld_random *r, const char *name, usage role, int64_t n) {
    return add_array(t, r, name, role, 1, n, n);
}

/* Logits from nearly equal ones to such as leave all but one class nothing. */
static void spread_logits(trial *t, weld_random *r, array *x) {
    static const double factors[] = {1, 1, 10, 50, 1e30};
    for (int64_t i = 0; !t->fixed && i < t->rows; i++) {
        const double factor = factors[draw_between(r, 0, 4)];
        const double shift = draw_chance(r, 0.3) ? weld_random_range(r, -100, 100) : 0;
        for (int64_t j = 0; j < t->n; j++) {
            double *value = &x->value[i * t->n + j];
            *value = (float)(factor * *value + shift);
        }
    }
}

static double maximum_of(const double *x, int64_t n) {
    double maximum = x[0];
    for (int64_t j = 1; j < n; j++) {
        maximum = x[j] > maximum ? x[j] : maximum;
    }
    return maximum;
}

static void call_softmax(const weld_kernels *k, void *const *p, const trial *t) {
    k->softmax(t->rows, t->n, p[0], p[1]);
}

/* Relative: the sum's rounding, and that of x - maximum, which exp makes a relative one. */
static void bound_softmax(trial *t) {
    for (int64_t i = 0; i < t->rows; i++) {
        const double *x = t->array[0].value + i * t->n;
        const double maximum = maximum_of(x, t->n);
        for (int64_t j = 0; j < t->n; j++) {
            const double relative = UNIT * (growth(t->terms) + 2 * fabs(x[j] - maximum));
            const int64_t at = i * t->n + j;
            t->array[1].bound[at] = relative * t->array[1].expect[at] + SMALLEST;
        }
    }
}

static void draw_softmax(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_softmax;
    t->bound = bound_softmax;
    spread_logits(t, r, add_rows(t, r, "x", INPUT));
    add_rows(t, r, "y", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

static void call_softmax_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->softmax_grad(t->rows, t->n, p[0], p[1], p[2]);
}

/* y (dy - sum): growth u times |y| (|dy| + sum |dy y|) */
static void bound_softmax_grad(trial *t) {
    for (int64_t i = 0; i < t->rows; i++) {
        const double *y = t->array[0].value + i * t->n, *dy = t->array[1].value + i * t->n;
        double dot = 0;
        for (int64_t j = 0; j < t->n; j++) {
            dot += fabs(y[j] * dy[j]);
        }
        for (int64_t j = 0; j < t->n; j++) {
            t->array[2].bound[i * t->n + j] =
                growth(t->terms) * UNIT * fabs(y[j]) * (fabs(dy[j]) + dot);
        }
    }
}

static void draw_softmax_grad(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_softmax_grad;
    t->bound = bound_softmax_grad;
    add_rows(t, r, "y", INPUT);
    add_rows(t, r, "dy", INPUT);
    add_rows(t, r, "dx", OUTPUT)->alias = draw_chance(r, 0.3) ? 1 : -1;
}

static void call_expectation(const weld_kernels *k, void *const *p, const trial *t) {
    k->expectation(t->rows, t->n, p[0], p[1]);
}

/* A softmax of row i and, as in bound_softmax, how far each may be off; the mean place and how far
 * that is, by the terms of both sums. */
typedef struct mean_place {
    double mean, off;
} mean_place;

static mean_place mean_place_of(const trial *t, int64_t i, double *p, double *p_off) {
    const double *x = t->array[0].value + i * t->n, maximum = maximum_of(x, t->n);
    mean_place m = {0};
    double sum = 0, sum_off = 0;
    for (int64_t j = 0; j < t->n; j++) {
        sum += exp(x[j] - maximum);
    }
    for (int64_t j = 0; j < t->n; j++) {
        p[j] = exp(x[j] - maximum) / sum;
        p_off[j] = p[j] * UNIT * (growth(t->terms) + 2 * fabs(x[j] - maximum));
        m.mean += (double)j * p[j];
        m.off += (double)j * p_off[j];
        sum_off += p_off[j];
    }
    m.off += m.mean * sum_off + SMALLEST;
    return m;
}

static double *row_scratch(const trial *t) {
    return scratch(2 * (size_t)t->n * sizeof(double));
}

static void bound_expectation(trial *t) {
    double *p = row_scratch(t);
    for (int64_t i = 0; i < t->rows; i++) {
        t->array[1].bound[i] = mean_place_of(t, i, p, p + t->n).off;
    }
}

static void draw_expectation(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_expectation;
    t->bound = bound_expectation;
    spread_logits(t, r, add_rows(t, r, "x", INPUT));
    add_parameters(t, r, "y", OUTPUT, 1, t->rows, t->rows);
}

static void call_expectation_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->expectation_grad(t->rows, t->n, p[0], p[1], p[2]);
}

/* dy p (j - mean): what p and the mean are off, and a few roundings. */
static void bound_expectation_grad(trial *t) {
    double *p = row_scratch(t), *p_off = p + t->n;
    for (int64_t i = 0; i < t->rows; i++) {
        const mean_place m = mean_place_of(t, i, p, p_off);
        const double dy = fabs(t->array[1].value[i]);
        for (int64_t j = 0; j < t->n; j++) {
            const double distance = fabs((double)j - m.mean), near = (double)j + m.mean;
            t->array[2].bound[i * t->n + j] =
                dy * (p_off[j] * distance + p[j] * (m.off + 4 * UNIT * near)) +
                SMALLEST * (1 + dy * near);
        }
    }
}

static void draw_expectation_grad(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_expectation_grad;
    t->bound = bound_expectation_grad;
    spread_logits(t, r, add_rows(t, r, "x", INPUT));
    add_parameters(t, r, "dy", INPUT, 1, t->rows, t->rows);
    add_rows(t, r, "dx", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

/* The scores are lost, so the call has a copy. */
static void call_attention_softmax(const weld_kernels *k, void *const *p, const trial *t) {
    const array *x = &t->array[0];
    const size_t bytes = (size_t)array_span(x) * element_size(x, k->dtype);
    void *scores = scratch(bytes);
    memcpy(scores, p[0], bytes);
    k->attention_softmax(t->rows, t->n, x->stride, t->alpha, scores, p[1], p[2]);
}

/* As softmax's, and the rounding of a score, which exp makes a relative error: its own, and that of
 * the maximum. */
static void bound_attention_softmax(trial *t) {
    const array *x = &t->array[0], *bias = &t->array[1], *y = &t->array[2];
    for (int64_t i = 0; i < t->rows; i++) {
        double maximum = -INFINITY, largest = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t j = 0; j < t->n; j++) {
                const double product = t->alpha * x->value[i * x->stride + j];
                const double shift = bias->absent ? 0 : bias->value[i * t->n + j];
                const int64_t at = i * y->stride + j;
                maximum = fmax(maximum, product + shift);
                largest = fmax(largest, fabs(product) + fabs(shift));
                y->bound[at] =
                    UNIT * (growth(t->terms) + 2 * fabs(product + shift - maximum) + 4 * largest) *
                        y->expect[at] +
                    SMALLEST;
            }
        }
    }
}

static void draw_attention_softmax(trial *t, weld_random *r) {
    draw_rows(t, r);
    const int64_t ld = t->n + draw_between(r, 0, 1) * draw_between(r, 0, 20);
    t->call = call_attention_softmax;
    t->bound = bound_attention_softmax;
    t->alpha = draw_chance(r, 0.8) ? (float)weld_random_range(r, -1, 4) : 100;
    add_parameters(t, r, "x", INPUT, t->rows, t->n, ld);
    add_parameters(t, r, "bias", INPUT, t->rows, t->n, t->n)->absent = draw_chance(r, 0.5);
    add_array(t, r, "y", OUTPUT, t->rows, t->n, ld);
}

static void call_attention_softmax_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->attention_softmax_grad(t->rows, t->n, t->array[0].stride, t->alpha, p[0], p[1], p[2], p[3]);
}

/* As softmax_grad's, times the factor; and added to dbias. */
static void bound_attention_softmax_grad(trial *t) {
    const array *y = &t->array[0], *dx = &t->array[2], *dbias = &t->array[3];
    for (int64_t i = 0; i < t->rows; i++) {
        const double *p = y->value + i * y->stride, *dy = t->array[1].value + i * y->stride;
        double dot = 0;
        for (int64_t j = 0; j < t->n; j++) {
            dot += fabs(p[j] * dy[j]);
        }
        for (int64_t j = 0; j < t->n; j++) {
            const double bound = growth(t->terms) * UNIT * fabs(p[j]) * (fabs(dy[j]) + dot);
            dx->bound[i * y->stride + j] = fabs(t->alpha) * bound;
            dbias->bound[i * t->n + j] = bound + 2 * UNIT * fabs(dbias->expect[i * t->n + j]);
        }
    }
}

static void draw_attention_softmax_grad(trial *t, weld_random *r) {
    draw_rows(t, r);
    const int64_t ld = t->n + draw_between(r, 0, 1) * draw_between(r, 0, 20);
    t->call = call_attention_softmax_grad;
    t->bound = bound_attention_softmax_grad;
    t->alpha = (float)weld_random_range(r, -2, 2);
    add_array(t, r, "y", INPUT, t->rows, t->n, ld);
    add_parameters(t, r, "dy", INPUT, t->rows, t->n, ld);
    add_array(t, r, "dx", OUTPUT, t->rows, t->n, ld)->alias = draw_chance(r, 0.5) ? 0 : -1;
    add_parameters(t, r, "dbias", UPDATED, t->rows, t->n, t->n)->absent = draw_chance(r, 0.5);
}

static void call_layer_norm(const weld_kernels *k, void *const *p, const trial *t) {
    k->layer_norm(t->rows, t->n, p[0], p[1], p[2], t->eps, p[3]);
}

/* What the formula makes of one row, and how far a float may be off in it: the mean relative to the
 * mean |x|; its error adds its square to the variance, and itself to every deviation. */
typedef struct row_moments {
    double mean, rstd, shift, stretch;
} row_moments;

static row_moments moments_of(const trial *t, const double *x) {
    const double relative = growth(t->terms) * UNIT;
    double sum = 0, absolute = 0, squares = 0;
    for (int64_t j = 0; j < t->n; j++) {
        sum += x[j];
        absolute += fabs(x[j]);
    }
    row_moments m = {.mean = sum / (double)t->n, .shift = relative * absolute / (double)t->n};
    for (int64_t j = 0; j < t->n; j++) {
        squares += (x[j] - m.mean) * (x[j] - m.mean);
    }
    m.rstd = 1 / sqrt(squares / (double)t->n + t->eps);
    m.stretch = relative + m.shift * m.shift * m.rstd * m.rstd;
    return m;
}

static void bound_layer_norm(trial *t) {
    const array *y = &t->array[3];
    const double *weight = t->array[1].value, *bias = t->array[2].value;
    for (int64_t i = 0; i < t->rows; i++) {
        const double *x = t->array[0].value + i * t->n;
        const row_moments m = moments_of(t, x);
        for (int64_t j = 0; j < t->n; j++) {
            const double z = (x[j] - m.mean) * m.rstd;
            y->bound[i * t->n + j] = fabs(weight[j]) * (fabs(z) * m.stretch + m.rstd * m.shift) +
                                     4 * UNIT * (fabs(weight[j] * z) + fabs(bias[j]));
        }
    }
}

/* At times with a mean far from 0. */
static void add_shifted_rows(trial *t, weld_random *r, double most) {
    array *x = add_rows(t, r, "x", INPUT);
    const double shift = draw_chance(r, 0.3) ? weld_random_range(r, -most, most) : 0;
    for (int64_t i = 0; i < t->rows * t->n; i++) {
        x->value[i] = (float)(x->value[i] + shift);
    }
}

static void draw_layer_norm(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_layer_norm;
    t->bound = bound_layer_norm;
    t->eps = 1e-5;
    add_shifted_rows(t, r, 100);
    add_parameters(t, r, "weight", INPUT, 1, t->n, t->n);
    add_parameters(t, r, "bias", INPUT, 1, t->n, t->n);
    add_rows(t, r, "y", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

static void call_layer_norm_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->layer_norm_grad(t->rows, t->n, p[0], p[1], t->eps, p[2], p[3], p[4], p[5]);
}

/* growth u times the sum of the |terms|, with z off as in bound_layer_norm. */
static void bound_layer_norm_grad(trial *t) {
    const double *weight = t->array[1].value;
    const array *dx = &t->array[3], *dweight = &t->array[4], *dbias = &t->array[5];
    const double along = growth(t->terms) * UNIT, down = growth((double)t->rows) * UNIT;
    for (int64_t i = 0; i < t->rows; i++) {
        const double *x = t->array[0].value + i * t->n, *dy = t->array[2].value + i * t->n;
        const row_moments m = moments_of(t, x);
        const double off = m.rstd * m.shift;
        double g_mean = 0, gz_mean = 0;
        for (int64_t j = 0; j < t->n; j++) {
            const double z = fabs((x[j] - m.mean) * m.rstd), g = fabs(dy[j] * weight[j]);
            g_mean += g / (double)t->n;
            gz_mean += g * (z + 1) / (double)t->n;
            dweight->bound[j] += fabs(dy[j]) * (z * (down + m.stretch) + off);
            dbias->bound[j] += down * fabs(dy[j]);
        }
        for (int64_t j = 0; j < t->n; j++) {
            const double z = fabs((x[j] - m.mean) * m.rstd), g = fabs(dy[j] * weight[j]);
            const double terms = g + g_mean + z * gz_mean;
            dx->bound[i * t->n + j] =
                m.rstd * (terms * (along + 2 * m.stretch) + (1 + z) * gz_mean * off);
        }
    }
}

static void draw_layer_norm_grad(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_layer_norm_grad;
    t->bound = bound_layer_norm_grad;
    t->eps = 1e-5;
    add_shifted_rows(t, r, 10);
    add_parameters(t, r, "weight", INPUT, 1, t->n, t->n);
    add_rows(t, r, "dy", INPUT);
    add_rows(t, r, "dx", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : draw_chance(r, 0.3) ? 2 : -1;
    add_sums(t, "dweight", t->n);
    add_sums(t, "dbias", t->n);
}

/* Soft targets as mixing makes them: two classes share 1; at times anything that is not negative.
 */
static void fill_targets(trial *t, weld_random *r, array *target) {
    for (int64_t i = 0; i < t->rows; i++) {
        double *row = target->value + i * t->n;
        const bool anything = draw_chance(r, 0.3);
        for (int64_t j = 0; j < t->n; j++) {
            row[j] = anything ? fabs(row[j]) : 0;
        }
        if (!anything) {
            const double share = (float)weld_random_uniform(r);
            row[draw_between(r, 0, t->n - 1)] += share;
            row[draw_between(r, 0, t->n - 1)] += (float)(1 - share);
        }
        for (int64_t j = 0; j < t->n; j++) {
            row[j] = (float)row[j];
        }
    }
}

static double smoothed(const trial *t, double target) {
    return (1 - t->smoothing) * target + t->smoothing / (double)t->n;
}

static void draw_loss(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->smoothing = draw_chance(r, 0.5) ? 0 : 0.1;
    spread_logits(t, r, add_rows(t, r, "x", INPUT));
    fill_targets(t, r, add_rows(t, r, "target", INPUT));
}

static void call_cross_entropy(const weld_kernels *k, void *const *p, const trial *t) {
    k->cross_entropy(t->rows, t->n, p[0], p[1], t->smoothing, p[2]);
}

/* Terms t (log sum + maximum - x), whose parts may cancel: each counts by its size. The log of a
 * sum of at least 1 turns its relative error into an absolute one. */
static void bound_cross_entropy(trial *t) {
    for (int64_t i = 0; i < t->rows; i++) {
        const double *x = t->array[0].value + i * t->n, *target = t->array[1].value + i * t->n;
        const double maximum = maximum_of(x, t->n);
        double terms = 0;
        for (int64_t j = 0; j < t->n; j++) {
            terms += smoothed(t, target[j]) * (1 + log((double)t->n) + fabs(maximum) + fabs(x[j]));
        }
        t->array[2].bound[i] = growth(t->terms) * UNIT * terms;
    }
}

static void draw_cross_entropy(trial *t, weld_random *r) {
    draw_loss(t, r);
    t->call = call_cross_entropy;
    t->bound = bound_cross_entropy;
    add_vector(t, r, "loss", OUTPUT, t->rows);
}

static void call_cross_entropy_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->cross_entropy_grad(t->rows, t->n, p[0], p[1], t->smoothing, p[2], p[3]);
}

/* |dloss| (softmax sum t, bounded as softmax is, + t) */
static void bound_cross_entropy_grad(trial *t) {
    for (int64_t i = 0; i < t->rows; i++) {
        const double *x = t->array[0].value + i * t->n, *target = t->array[1].value + i * t->n;
        const double maximum = maximum_of(x, t->n), dloss = fabs(t->array[2].value[i]);
        double sum = 0, total = 0;
        for (int64_t j = 0; j < t->n; j++) {
            sum += exp(x[j] - maximum);
            total += smoothed(t, target[j]);
        }
        for (int64_t j = 0; j < t->n; j++) {
            const double softmax = exp(x[j] - maximum) / sum;
            const double relative = UNIT * (growth(t->terms) + 2 * fabs(x[j] - maximum));
            t->array[3].bound[i * t->n + j] =
                dloss * (relative * softmax * total + 4 * UNIT * smoothed(t, target[j])) + SMALLEST;
        }
    }
}

static void draw_cross_entropy_grad(trial *t, weld_random *r) {
    draw_loss(t, r);
    t->call = call_cross_entropy_grad;
    t->bound = bound_cross_entropy_grad;
    add_vector(t, r, "dloss", INPUT, t->rows);
    add_rows(t, r, "dx", OUTPUT);
}

static void call_binary_cross_entropy(const weld_kernels *k, void *const *p, const trial *t) {
    k->binary_cross_entropy(t->rows, t->n, p[0], p[1], t->smoothing, p[2]);
}

/* Terms of the size of x and, of the logarithm, at most ln 2. */
static void bound_binary_cross_entropy(trial *t) {
    for (int64_t i = 0; i < t->rows; i++) {
        const double *x = t->array[0].value + i * t->n, *target = t->array[1].value + i * t->n;
        double terms = 0;
        for (int64_t j = 0; j < t->n; j++) {
            terms += fabs(x[j]) * (1 + smoothed(t, target[j])) + log(2);
        }
        t->array[2].bound[i] = 8 * UNIT * terms / (double)t->n + SMALLEST;
    }
}

static void draw_binary_cross_entropy(trial *t, weld_random *r) {
    draw_loss(t, r);
    t->call = call_binary_cross_entropy;
    t->bound = bound_binary_cross_entropy;
    add_vector(t, r, "loss", OUTPUT, t->rows);
}

static void call_binary_cross_entropy_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->binary_cross_entropy_grad(t->rows, t->n, p[0], p[1], t->smoothing, p[2], p[3]);
}

/* |dloss| (sigmoid + t) / n: the two may cancel. */
static void bound_binary_cross_entropy_grad(trial *t) {
    for (int64_t i = 0; i < t->rows * t->n; i++) {
        const double x = t->array[0].value[i], dloss = fabs(t->array[2].value[i / t->n]);
        const double sigmoid = 1 / (1 + exp(-x)), target = smoothed(t, t->array[1].value[i]);
        t->array[3].bound[i] =
            8 * UNIT * dloss * (sigmoid * (1 + fabs(x)) + target) / (double)t->n + SMALLEST;
    }
}

static void draw_binary_cross_entropy_grad(trial *t, weld_random *r) {
    draw_loss(t, r);
    t->call = call_binary_cross_entropy_grad;
    t->bound = bound_binary_cross_entropy_grad;
    add_vector(t, r, "dloss", INPUT, t->rows);
    add_rows(t, r, "dx", OUTPUT);
}

const kernel_check row_checks[] = {
    {"softmax", 80, draw_softmax},
    {"softmax_grad", 60, draw_softmax_grad},
    {"expectation", 80, draw_expectation},
    {"expectation_grad", 80, draw_expectation_grad},
    {"attention_softmax", 80, draw_attention_softmax},
    {"attention_softmax_grad", 80, draw_attention_softmax_grad},
    {"layer_norm", 80, draw_layer_norm},
    {"layer_norm_grad", 80, draw_layer_norm_grad},
    {"cross_entropy", 80, draw_cross_entropy, NOT_IN_BF16},
    {"cross_entropy_grad", 80, draw_cross_entropy_grad, NOT_IN_BF16},
    {"binary_cross_entropy", 80, draw_binary_cross_entropy, NOT_IN_BF16},
    {"binary_cross_entropy_grad", 80, draw_binary_cross_entropy_grad, NOT_IN_BF16},
    {0},
};
