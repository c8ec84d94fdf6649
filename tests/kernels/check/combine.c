/* Trials of sums of scaled rows with a function at the end, and of functions with their gradients;
 * see check.h. */
#include <math.h>

#include "check.h"

static void draw_sizes(trial *t, weld_random *r, weld_unary most) {
    if (!t->fixed) {
        t->rows = draw_chance(r, 0.2) ? draw_between(r, 20, 100) : draw_between(r, 1, 20);
        t->n = draw_channels(r);
        t->count = draw_between(r, 1, WELD_MAX_TERMS);
        t->f = draw_chance(r, 0.3) ? most : (weld_unary)draw_between(r, 0, (int)most);
    }
}

static array *add_rows(trial *t, weld_random *r, const char *name, usage role) {
    return add_array(t, r, name, role, t->rows, t->n, t->n);
}

static void add_vector(trial *t, weld_random *r, const char *name) {
    add_parameters(t, r, name, INPUT, 1, t->n, t->n)->absent = !t->fixed && draw_chance(r, 0.3);
}

static double element(const array *vector, int64_t channel, double absent) {
    return vector->absent ? absent : vector->value[channel];
}

/* u = sum over i of scale x + shift at an element; x[0..count), scale[0..count), shift are the
 * trial's arrays. */
static argument argument_at(const trial *t, int count, int64_t i) {
    const array *x = t->array, *scale = x + count, *shift = scale + count;
    argument u = {element(shift, i % t->n, 0), fabs(element(shift, i % t->n, 0))};
    for (int k = 0; k < count; k++) {
        const double term = element(&scale[k], i % t->n, 1) * x[k].value[i];
        u.value += term;
        u.error += fabs(term);
    }
    u.error *= growth(count + 1) * UNIT;
    return u;
}

/* How far off GELU and SiLU may be in bf16 beyond rounding: kernels.h. */
static double approximation(const trial *t, argument u, double y) {
    const bool tail = u.value - u.error < -4;
    if (t->dtype == WELD_BF16 && t->f == WELD_SILU) {
        return fabs(y) * 0x1p-13;
    }
    return t->dtype == WELD_BF16 && t->f == WELD_GELU
               ? fabs(y) * (tail ? 0x1p-8 : 0x1p-13) + 0x1p-36
               : 0;
}

double bound_of_value(const trial *t, argument u, double y) {
    const weld_unary f = t->f;
    double terms = fabs(y);
    if (f == WELD_IDENTITY || f == WELD_RELU) {
        return u.error;
    }
    if (f == WELD_GELU) {
        terms += fmin(fabs(u.value), 6);
    } else if (f == WELD_HARD_SWISH) {
        terms += fmin(fabs(u.value), 3);
    } else if (f == WELD_HARD_SIGMOID) {
        terms = 1;
    }
    return 8 * UNIT * terms + 1.5 * u.error + SMALLEST * (1 + fabs(u.value)) +
           approximation(t, u, y);
}

/* The distance to the nearest point where the derivative jumps. */
static double distance_to_jump(weld_unary f, double u) {
    switch (f) {
    case WELD_RELU:
        return fabs(u);
    case WELD_HARD_SWISH:
    case WELD_HARD_SIGMOID:
        return fabs(fabs(u) - 3);
    default:
        return INFINITY;
    }
}

/* As for the kernel unary_grad; and the error of u by the greatest curvature, 0.8. Within it of a
 * jump the derivative is that of either side. */
static double bound_of_gradient(const trial *t, argument u, double dy) {
    const weld_unary f = t->f;
    const double off = t->dtype != WELD_BF16 ? 0
                       : f == WELD_GELU      ? 0x1p-15
                       : f == WELD_SILU      ? 0x1p-13
                                             : 0;
    const double terms = f == WELD_SILU ? 1 + fmin(fabs(u.value), 20) / 4 : 1;
    const double smooth = 8 * UNIT * terms + 0.8 * u.error + SMALLEST * (1 + fabs(u.value)) + off;
    return fabs(dy) * (distance_to_jump(f, u.value) <= u.error ? 1.5 : smooth) + SMALLEST;
}

static void call_combine(const weld_kernels *k, void *const *p, const trial *t) {
    const int count = (int)t->count;
    k->combine(t->f, t->rows, t->n, count, (const void *const *)p, (const void *const *)p + count,
               p[2 * count], p[2 * count + 1]);
}

static void bound_combine(trial *t) {
    array *y = &t->array[2 * t->count + 1];
    for (int64_t i = 0; i < t->rows * t->n; i++) {
        y->bound[i] = bound_of_value(t, argument_at(t, (int)t->count, i), y->expect[i]);
    }
}

static void draw_combine(trial *t, weld_random *r) {
    static const char *const x[] = {"x[0]", "x[1]", "x[2]", "x[3]"};
    static const char *const scale[] = {"scale[0]", "scale[1]", "scale[2]", "scale[3]"};
    draw_sizes(t, r, WELD_IDENTITY);
    describe(t, "function %d of %lld terms, %lld rows of %lld", (int)t->f, (long long)t->count,
             (long long)t->rows, (long long)t->n);
    t->call = call_combine;
    t->bound = bound_combine;
    t->terms = (double)t->count + 1;
    for (int i = 0; i < t->count; i++) {
        add_rows(t, r, x[i], INPUT);
    }
    for (int i = 0; i < t->count; i++) {
        add_vector(t, r, scale[i]);
    }
    add_vector(t, r, "shift");
    add_rows(t, r, "y", OUTPUT)->alias = (int)draw_between(r, -1, t->count - 1);
}

enum { PAIR_X, PAIR_SCALE, PAIR_SHIFT, PAIR_DY, PAIR_Y, PAIR_DX };

static void call_pair(const weld_kernels *k, void *const *p, const trial *t) {
    k->unary_pair(t->f, t->rows, t->n, p[PAIR_X], p[PAIR_SCALE], p[PAIR_SHIFT], p[PAIR_DY],
                  p[PAIR_Y], p[PAIR_DX]);
}

static void bound_pair(trial *t) {
    array *y = &t->array[PAIR_Y], *dx = &t->array[PAIR_DX];
    for (int64_t i = 0; i < t->rows * t->n; i++) {
        const argument u = argument_at(t, 1, i);
        y->bound[i] = bound_of_value(t, u, y->expect[i]);
        dx->bound[i] = bound_of_gradient(t, u, t->array[PAIR_DY].value[i]);
    }
}

static void draw_pair(trial *t, weld_random *r) {
    draw_sizes(t, r, WELD_UNARY_COUNT - 1);
    describe(t, "function %d, %lld rows of %lld", (int)t->f, (long long)t->rows, (long long)t->n);
    t->call = call_pair;
    t->bound = bound_pair;
    t->terms = 2;
    add_rows(t, r, "x", INPUT);
    add_vector(t, r, "scale");
    add_vector(t, r, "shift");
    add_rows(t, r, "dy", INPUT);
    array *y = add_rows(t, r, "y", OUTPUT), *dx = add_rows(t, r, "dx", OUTPUT);
    static const int places[][2] = {{-1, -1},         {-1, PAIR_X},  {-1, PAIR_DY},
                                    {PAIR_X, -1},     {PAIR_DY, -1}, {PAIR_X, PAIR_DY},
                                    {PAIR_DY, PAIR_X}};
    const int64_t place = t->fixed ? 0 : draw_between(r, 0, 6);
    y->absent = !t->fixed && draw_chance(r, 0.2);
    y->alias = y->absent ? -1 : places[place][0];
    dx->alias = places[place][1];
}

const kernel_check combine_checks[] = {
    {"combine", 200, draw_combine},
    {"unary_pair", 200, draw_pair},
    {0},
};
