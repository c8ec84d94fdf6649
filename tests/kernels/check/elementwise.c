/* Trials of the functions of single elements; see check.h. */
#include <float.h>
#include <math.h>

#include "check.h"

static void draw_count(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->n = draw_chance(r, 0.2) ? draw_between(r, 100, 3000) : draw_between(r, 0, 100);
    }
    t->terms = 1;
    describe(t, "%lld elements", (long long)t->n);
}

static array *add_elements(trial *t, weld_random *r, const char *name, usage role) {
    return add_array(t, r, name, role, 1, t->n, t->n);
}

/* Spread over the range in which the functions bend, with some that are extreme. */
static void spread(weld_random *r, array *x) {
    static const double extreme[] = {0,     -0.0,   3,    -3,    88.8,  -88.8, 100,
                                     -100,  104,    -104, 1e30,  -1e30, 1e-30, -1e-30,
                                     1e-40, -1e-40, 1e10, -1e10, 1e37,  -1e37};
    enum { EXTREMES = sizeof extreme / sizeof *extreme };
    for (int64_t i = 0; i < x->width; i++) {
        x->value[i] = draw_chance(r, 0.1) ? (float)extreme[draw_between(r, 0, EXTREMES - 1)]
                                          : (float)(5 * x->value[i]);
    }
}

static const char *function_name(weld_unary f) {
    static const char *const names[WELD_UNARY_COUNT] = {
        [WELD_GELU] = "gelu",
        [WELD_RELU] = "relu",
        [WELD_SILU] = "silu",
        [WELD_HARD_SWISH] = "hard-swish",
        [WELD_HARD_SIGMOID] = "hard-sigmoid",
        [WELD_SIGMOID] = "sigmoid",
    };
    return names[f];
}

static void draw_function(trial *t, weld_random *r) {
    draw_count(t, r);
    if (!t->fixed) {
        t->f = (weld_unary)draw_between(r, 0, WELD_UNARY_COUNT - 1);
    }
    describe(t, "%s, %lld elements", function_name(t->f), (long long)t->n);
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

static void call_unary(const weld_kernels *k, void *const *p, const trial *t) {
    k->unary(t->f, t->n, p[0], p[1]);
}

/* The rounding of the formula written plainly. With erf or exp saturating the plain formula is
 * exact, and below SMALLEST results may become zero (an exp clamped there, times x). */
static void bound_unary(trial *t) {
    for (int64_t i = 0; i < t->n; i++) {
        const double x = fabs(t->array[0].value[i]), y = fabs(t->array[1].expect[i]);
        double terms = y, approximation = 0; /* which the contract allows in bf16 */
        switch (t->f) {
        case WELD_GELU: /* x (1 + erf) / 2: the error of erf is relative to 1 */
            terms = y + smaller(x, 6);
            if (t->dtype == WELD_BF16) {
                approximation = y * (t->array[0].value[i] < -4 ? 0x1p-8 : 0x1p-13) + 0x1p-36;
            }
            break;
        case WELD_SILU:
            approximation = t->dtype == WELD_BF16 ? y * 0x1p-13 : 0;
            break;
        case WELD_HARD_SWISH: /* x (x / 6 + 1 / 2) */
            terms = y + smaller(x, 3);
            break;
        case WELD_HARD_SIGMOID: /* x / 6 + 1 / 2 */
            terms = 1;
            break;
        default:
            break;
        }
        const double bound = 8 * UNIT * terms + SMALLEST * (1 + x) + approximation;
        t->array[1].bound[i] = t->f == WELD_RELU ? 0 : bound;
    }
}

static void draw_unary(trial *t, weld_random *r) {
    draw_function(t, r);
    t->call = call_unary;
    t->bound = bound_unary;
    array *x = add_elements(t, r, "x", INPUT);
    if (!t->fixed) {
        spread(r, x);
    }
    add_elements(t, r, "y", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

static void call_unary_rows(const weld_kernels *k, void *const *p, const trial *t) {
    k->unary_rows(t->f, t->rows, t->n, t->array[0].stride, p[0]);
}

static void bound_unary_rows(trial *t) {
    const array *y = &t->array[0];
    for (int64_t i = 0; i < t->rows * t->n; i++) {
        const int64_t at = i / t->n * y->stride + i % t->n;
        y->bound[at] = bound_of_value(t, (argument){y->value[at], 0}, y->expect[at]);
    }
}

static void draw_unary_rows(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->rows = draw_between(r, 1, 9);
        t->n = draw_channels(r);
        t->f = (weld_unary)draw_between(r, 0, WELD_UNARY_COUNT - 1);
    }
    t->terms = 1;
    t->call = call_unary_rows;
    t->bound = bound_unary_rows;
    const int64_t apart = t->fixed ? t->n : draw_between(r, 0, 9);
    add_array(t, r, "y", UPDATED, t->rows, t->n, t->n + apart);
    describe(t, "%s, %lld rows of %lld, %lld apart", function_name(t->f), (long long)t->rows,
             (long long)t->n, (long long)(t->n + apart));
}

static void call_unary_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->unary_grad(t->f, t->n, p[0], p[1], p[2]);
}

/* The slopes are sums of terms of at most about 1, but for x sigmoid (1 - sigmoid) of SiLU, in
 * which 1 - sigmoid may have the error of a float near 1 until it vanishes. */
static void bound_unary_grad(trial *t) {
    for (int64_t i = 0; i < t->n; i++) {
        const double x = fabs(t->array[0].value[i]), dy = fabs(t->array[1].value[i]);
        const double terms = t->f == WELD_SILU ? 1 + smaller(x, 20) / 4 : 1;
        const double approximation = t->dtype != WELD_BF16 ? 0
                                     : t->f == WELD_GELU   ? 0x1p-15
                                     : t->f == WELD_SILU   ? 0x1p-13
                                                           : 0;
        const double bound =
            dy * (8 * UNIT * terms + SMALLEST * (1 + x) + approximation) + SMALLEST;
        t->array[2].bound[i] = t->f == WELD_RELU ? 0 : bound;
    }
}

static void draw_unary_grad(trial *t, weld_random *r) {
    draw_function(t, r);
    t->call = call_unary_grad;
    t->bound = bound_unary_grad;
    array *x = add_elements(t, r, "x", INPUT);
    if (!t->fixed) {
        spread(r, x);
    }
    add_elements(t, r, "dy", INPUT);
    add_elements(t, r, "dx", OUTPUT)->alias = (int)draw_between(r, -1, 1);
}

static void call_add(const weld_kernels *k, void *const *p, const trial *t) {
    k->add(t->n, p[0], p[1], p[2]);
}

static void draw_add(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_add;
    add_elements(t, r, "a", INPUT);
    add_elements(t, r, "b", INPUT);
    add_elements(t, r, "y", OUTPUT)->alias = (int)draw_between(r, -1, 1);
}

static void call_mul(const weld_kernels *k, void *const *p, const trial *t) {
    k->mul(t->n, p[0], p[1], p[2]);
}

static void draw_mul(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_mul;
    add_elements(t, r, "a", INPUT);
    add_elements(t, r, "b", INPUT);
    add_elements(t, r, "y", OUTPUT)->alias = (int)draw_between(r, -1, 1);
}

static void call_scale(const weld_kernels *k, void *const *p, const trial *t) {
    k->scale(t->n, t->alpha, p[0], p[1]);
}

static void draw_scale(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_scale;
    t->alpha = weld_random_range(r, -3, 3);
    add_elements(t, r, "x", INPUT);
    add_elements(t, r, "y", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

static void call_dropout(const weld_kernels *k, void *const *p, const trial *t) {
    const weld_random stream =
        weld_random_start((uint64_t)t->m, (uint32_t)t->k, (uint64_t)t->rows, WELD_RANDOM_DROPOUT);
    k->dropout(&stream, (uint32_t)t->begin, t->alpha, t->n, p[0], p[1]);
}

static void draw_dropout(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_dropout;
    t->alpha = weld_random_range(r, 1, 3);
    t->m = (int64_t)(weld_random_u64(r) >> 1);
    t->k = draw_between(r, 0, 1000);
    t->rows = draw_between(r, 0, (int64_t)1 << 50);
    t->begin = draw_between(r, 0, UINT32_MAX);
    add_elements(t, r, "x", INPUT);
    add_elements(t, r, "y", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

static void call_clamp(const weld_kernels *k, void *const *p, const trial *t) {
    k->clamp(t->n, t->low, t->high, p[0], p[1]);
}

/* Limits that some elements meet, and that bf16 can hold. */
static void draw_limits(trial *t, weld_random *r, array *x) {
    t->low = draw_chance(r, 0.5) ? 0 : round_to_bf16(weld_random_range(r, -3, 1));
    t->high = draw_chance(r, 0.5) ? 6 : round_to_bf16(weld_random_range(r, 1, 3));
    if (!t->fixed) {
        spread(r, x);
    }
    for (int64_t i = 0; i < x->width; i++) {
        x->value[i] = draw_chance(r, 0.1) ? (draw_chance(r, 0.5) ? t->low : t->high) : x->value[i];
    }
}

static void draw_clamp(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_clamp;
    t->bound = bound_exact;
    draw_limits(t, r, add_elements(t, r, "x", INPUT));
    add_elements(t, r, "y", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

static void call_clamp_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->clamp_grad(t->n, t->low, t->high, p[0], p[1], p[2]);
}

static void draw_clamp_grad(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_clamp_grad;
    t->bound = bound_exact;
    draw_limits(t, r, add_elements(t, r, "x", INPUT));
    add_elements(t, r, "dy", INPUT);
    add_elements(t, r, "dx", OUTPUT)->alias = (int)draw_between(r, -1, 1);
}

static void copy(const trial *t, const double *from, double *to) {
    for (int64_t i = 0; i < t->n; i++) {
        to[i] = from[i];
    }
}

static void call_from_f32(const weld_kernels *k, void *const *p, const trial *t) {
    if (k->dtype == WELD_F64) {
        copy(t, p[0], p[1]);
    } else {
        k->from_f32(t->n, p[0], p[1]);
    }
}

/* With some that lie in the middle of two bf16, or almost. */
static void draw_from_f32(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_from_f32;
    t->bound = bound_exact; /* x is rounded before the reference sees it */
    array *x = add_elements(t, r, "x", INPUT);
    x->kind = ROUNDED_PARAMETER;
    if (!t->fixed) {
        spread(r, x);
        for (int64_t i = 0; i < x->width; i++) {
            const double near = round_to_bf16(x->value[i]);
            if (draw_chance(r, 0.3) && near != 0) {
                const double tie = near + ldexp(0x1p-8, ilogb(near));
                x->value[i] = (float)(tie * (1 + UNIT * 2 * (double)draw_between(r, -1, 1)));
            }
        }
    }
    add_elements(t, r, "y", OUTPUT);
}

static void call_to_f32(const weld_kernels *k, void *const *p, const trial *t) {
    if (k->dtype == WELD_F64) {
        copy(t, p[0], p[1]);
    } else {
        k->to_f32(t->n, p[0], p[1]);
    }
}

static void draw_to_f32(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_to_f32;
    t->bound = bound_exact;
    array *x = add_elements(t, r, "x", INPUT);
    if (!t->fixed) {
        spread(r, x);
    }
    add_elements(t, r, "y", OUTPUT)->kind = PARAMETER;
}

/* The steps of one trial: beta^t as in training from its beginning, or from later on. */
static weld_adamw_step step_number(const trial *t, int step) {
    weld_adamw_step s = t->step;
    s.correction1 = 1 - pow(s.beta1, (double)t->begin + step);
    s.correction2 = 1 - pow(s.beta2, (double)t->begin + step);
    return s;
}

static void call_adamw(const weld_kernels *k, void *const *p, const trial *t) {
    for (int step = 1; step <= t->steps; step++) {
        const weld_adamw_step s = step_number(t, step);
        k->adamw(&s, t->n, p[0], p[1], p[2], p[3], p[4]);
    }
}

/* The rounding of each step's terms, carried through the later ones: m and v forget it, w does not.
 * The gradient's sign may cancel in m, so m is measured by the sum of its |terms|. */
static void bound_adamw(trial *t) {
    const weld_adamw_step *s = &t->step;
    for (int64_t i = 0; i < t->n; i++) {
        const double g = fmin(fabs(t->array[0].value[i] * s->gradient_scale), s->gradient_limit);
        double w = fabs(t->array[1].value[i]), m = fabs(t->array[2].value[i]);
        double v = t->array[3].value[i], average = fabs(t->array[4].value[i]);
        for (int step = 1; step <= t->steps; step++) {
            const weld_adamw_step now = step_number(t, step);
            m = s->beta1 * m + (1 - s->beta1) * g;
            v = s->beta2 * v + (1 - s->beta2) * g * g;
            w += s->lr / now.correction1 * m / (sqrt(v / now.correction2) + s->eps);
            average = fmax(average, w);
        }
        const double rounding = 8 * UNIT * t->steps;
        t->array[1].bound[i] = rounding * w + SMALLEST;
        t->array[2].bound[i] = rounding * m + SMALLEST;
        t->array[3].bound[i] = rounding * v + SMALLEST;
        t->array[4].bound[i] = rounding * average + SMALLEST;
    }
}

static void draw_adamw(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_adamw;
    t->bound = bound_adamw;
    t->step =
        (weld_adamw_step){.lr = pow(10, weld_random_range(r, -4, -1)),
                          .beta1 = 0.9,
                          .beta2 = draw_chance(r, 0.5) ? 0.999 : 0.95,
                          .eps = 1e-8,
                          .weight_decay = draw_chance(r, 0.3) ? 0 : 0.05,
                          .gradient_scale = draw_chance(r, 0.5) ? 1 : weld_random_range(r, 0.01, 1),
                          .gradient_limit = draw_chance(r, 0.5) ? INFINITY : 0.3,
                          .average_decay = draw_chance(r, 0.5) ? 0.99996 : 0.9};
    const bool fresh = draw_chance(r, 0.5);
    t->begin = fresh ? 0 : draw_between(r, 1, 100000);
    t->steps = t->fixed ? 1 : 5;
    array *grad = add_elements(t, r, "grad", INPUT);
    add_elements(t, r, "weight", UPDATED);
    array *m = add_elements(t, r, "m", UPDATED);
    array *v = add_elements(t, r, "v", UPDATED);
    add_elements(t, r, "average", UPDATED)->absent = draw_chance(r, 0.5);
    for (int64_t i = 0; i < t->n; i++) {
        if (draw_chance(r, 0.2)) {
            grad->value[i] = draw_chance(r, 0.5) ? 0 : (float)(1e-6 * grad->value[i]);
        }
        m->value[i] = fresh ? 0 : m->value[i];
        v->value[i] = fresh ? 0 : (float)(m->value[i] * m->value[i] + fabs(v->value[i]));
    }
}

static void call_square_sum(const weld_kernels *k, void *const *p, const trial *t) {
    *(double *)p[1] = k->square_sum(t->n, p[0]);
}

/* The squares of floats are exact in double. */
static void bound_square_sum(trial *t) {
    double sum = 0;
    for (int64_t i = 0; i < t->n; i++) {
        sum += t->array[0].value[i] * t->array[0].value[i];
    }
    t->array[1].bound[0] = (double)t->n * DBL_EPSILON * sum + SMALLEST;
}

static void draw_square_sum(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_square_sum;
    t->bound = bound_square_sum;
    array *x = add_elements(t, r, "x", INPUT);
    if (!t->fixed) {
        spread(r, x);
    }
    add_sums(t, "sum", 1);
}

static void call_softplus_sum(const weld_kernels *k, void *const *p, const trial *t) {
    *(double *)p[1] = k->softplus_sum(t->n, p[0]);
}

/* Terms that are not below 0, of some roundings each: of exp, of 1 + and of the logarithm. */
static void bound_softplus_sum(trial *t) {
    t->array[1].bound[0] = 8 * UNIT * t->array[1].expect[0] + (double)t->n * SMALLEST;
}

/* From such as have next to no loss to such as have one of 1e30. */
static void draw_softplus_sum(trial *t, weld_random *r) {
    static const double factors[] = {1, 10, 50, 1e4, 1e30};
    draw_count(t, r);
    t->call = call_softplus_sum;
    t->bound = bound_softplus_sum;
    array *x = add_elements(t, r, "x", INPUT);
    const double factor = factors[draw_between(r, 0, 4)];
    for (int64_t i = 0; !t->fixed && i < t->n; i++) {
        x->value[i] = (float)(factor * x->value[i]);
    }
    add_sums(t, "sum", 1);
}

static void call_not_finite(const weld_kernels *k, void *const *p, const trial *t) {
    const int64_t at = k->first_not_finite(t->n, p[0]);
    *(double *)p[1] = (double)at;
}

static void draw_not_finite(trial *t, weld_random *r) {
    draw_count(t, r);
    t->call = call_not_finite;
    t->bound = bound_exact;
    array *x = add_elements(t, r, "x", INPUT);
    if (!t->fixed) {
        spread(r, x);
    }
    if (t->n > 0) {
        x->value[draw_between(r, 0, t->n - 1)] = FLT_MAX;
    }
    static const double bad[] = {INFINITY, -INFINITY, NAN};
    for (int64_t i = t->fixed ? 0 : draw_between(r, 0, 3); i > 0 && t->n > 0; i--) {
        x->value[draw_between(r, 0, t->n - 1)] = bad[draw_between(r, 0, 2)];
    }
    add_sums(t, "index", 1);
}

const kernel_check elementwise_checks[] = {
    {"unary", 200, draw_unary},
    {"unary_rows", 120, draw_unary_rows},
    {"unary_grad", 200, draw_unary_grad},
    {"add", 60, draw_add},
    {"mul", 60, draw_mul},
    {"scale", 60, draw_scale},
    {"dropout", 100, draw_dropout},
    {"clamp", 60, draw_clamp},
    {"clamp_grad", 60, draw_clamp_grad},
    {"adamw", 100, draw_adamw, NOT_IN_BF16},
    {"square_sum", 60, draw_square_sum, NOT_IN_BF16},
    {"softplus_sum", 80, draw_softplus_sum, NOT_IN_BF16},
    {"from_f32", 100, draw_from_f32, ONLY_IN_BF16},
    {"to_f32", 60, draw_to_f32, ONLY_IN_BF16},
    {"first_not_finite", 100, draw_not_finite},
    {0},
};
