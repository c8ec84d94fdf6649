/* Trials of the maps around the products of Winograd's convolution; see check.h. */
#include <math.h>

#include "check.h"

enum { ELEMENTS = 16 };

static const double b[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
static const double a[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};

static int64_t across(const trial *t) {
    return (t->g.ow + 1) / 2;
}

/* An image, often of odd sizes, with up to two rows and columns of padding; some of its squares. */
static void draw_squares(trial *t, weld_random *r) {
    weld_window *g = &t->g;
    if (!t->fixed) {
        *g = (weld_window){.h = draw_between(r, 2, 12),
                           .w = draw_between(r, 2, 12),
                           .c = draw_channels(r),
                           .pad_h = draw_between(r, 1, 2),
                           .pad_w = draw_between(r, 1, 2)};
        g->kernel_h = g->kernel_w = 3;
        g->stride_h = g->stride_w = g->dilation_h = g->dilation_w = 1;
        g->oh = g->h + 2 * g->pad_h - 2;
        g->ow = g->w + 2 * g->pad_w - 2;
    }
    t->begin = 0;
    t->end = across(t) * ((g->oh + 1) / 2);
    t->k = 0; /* between the elements of a square, beyond what they take */
    if (!t->fixed) {
        t->begin = draw_between(r, 0, t->end - 1);
        t->end = draw_between(r, t->begin + 1, t->end);
        t->k = draw_between(r, 0, 9);
    }
    t->terms = ELEMENTS + 1;
    describe(t, "%lldx%lldx%lld, padding %lldx%lld, squares %lld to %lld", (long long)g->h,
             (long long)g->w, (long long)g->c, (long long)g->pad_h, (long long)g->pad_w,
             (long long)t->begin, (long long)t->end);
}

static void call_input(const weld_kernels *k, void *const *p, const trial *t) {
    k->winograd_input(&t->g, p[0], t->begin, t->end, t->array[1].stride, p[1]);
}

/* The rounding of a sum of up to 16 terms: those at which neither factor is zero. */
static void bound_input(trial *t) {
    const weld_window *g = &t->g;
    const array *x = &t->array[0], *v = &t->array[1];
    for (int64_t i = t->begin; i < t->end; i++) {
        const int64_t top = i / across(t) * 2 - g->pad_h, left = i % across(t) * 2 - g->pad_w;
        for (int64_t e = 0; e < ELEMENTS * g->c; e++) {
            const int64_t p = e / g->c, c = e % g->c;
            double sum = 0;
            for (int64_t s = 0; s < ELEMENTS; s++) {
                const int64_t iy = top + s / 4, ix = left + s % 4;
                const bool inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
                sum += inside ? fabs(b[p / 4][s / 4] * b[p % 4][s % 4] *
                                     x->value[(iy * g->w + ix) * g->c + c])
                              : 0;
            }
            v->bound[p * v->stride + (i - t->begin) * g->c + c] = growth(t->terms) * UNIT * sum;
        }
    }
}

static void draw_input(trial *t, weld_random *r) {
    draw_squares(t, r);
    t->call = call_input;
    t->bound = bound_input;
    const int64_t plane = (t->end - t->begin) * t->g.c;
    add_array(t, r, "x", INPUT, t->g.h * t->g.w, t->g.c, t->g.c);
    add_array(t, r, "v", OUTPUT, ELEMENTS, plane, plane + t->k);
}

static void call_output(const weld_kernels *k, void *const *p, const trial *t) {
    k->winograd_output(t->f, &t->g, t->n, p[0], t->array[0].stride, p[1], t->begin, t->end, p[2]);
}

/* What f is taken of at one output of square i, and the rounding of that sum. */
static argument argument_of(const trial *t, int64_t i, int64_t p, int64_t c) {
    const array *m = &t->array[0], *bias = &t->array[1];
    argument u = {bias->absent ? 0 : bias->value[c], 0};
    u.error = fabs(u.value);
    for (int64_t s = 0; s < ELEMENTS; s++) {
        const double term =
            a[p / 2][s / 4] * a[p % 2][s % 4] * m->value[s * m->stride + (i - t->begin) * t->n + c];
        u.value += term;
        u.error += fabs(term);
    }
    u.error *= growth(t->terms) * UNIT;
    return u;
}

/* Where no square lies y must keep every bit. */
static void bound_output(trial *t) {
    const weld_window *g = &t->g;
    array *y = &t->array[2];
    for (int64_t j = 0; j < array_span(y); j++) {
        y->bound[j] = 0;
    }
    for (int64_t i = t->begin; i < t->end; i++) {
        for (int64_t e = 0; e < 4 * t->n; e++) {
            const int64_t p = e / t->n, c = e % t->n;
            const int64_t oy = i / across(t) * 2 + p / 2, ox = i % across(t) * 2 + p % 2;
            const int64_t at = (oy * g->ow + ox) * t->n + c;
            if (oy < g->oh && ox < g->ow) {
                y->bound[at] = bound_of_value(t, argument_of(t, i, p, c), y->expect[at]);
            }
        }
    }
}

static void draw_output(trial *t, weld_random *r) {
    draw_squares(t, r);
    t->call = call_output;
    t->bound = bound_output;
    t->f = t->fixed || draw_chance(r, 0.3) ? WELD_IDENTITY
                                           : (weld_unary)draw_between(r, 0, WELD_IDENTITY);
    t->n = t->fixed ? t->g.c : draw_channels(r);
    const int64_t plane = (t->end - t->begin) * t->n;
    add_array(t, r, "m", INPUT, ELEMENTS, plane, plane + t->k);
    add_parameters(t, r, "bias", INPUT, 1, t->n, t->n)->absent = draw_chance(r, 0.5);
    add_array(t, r, "y", UPDATED, t->g.oh * t->g.ow, t->n, t->n);
}

const kernel_check winograd_checks[] = {
    {"winograd_input", 100, draw_input, NOT_IN_BF16},
    {"winograd_output", 150, draw_output, NOT_IN_BF16},
    {0},
};
