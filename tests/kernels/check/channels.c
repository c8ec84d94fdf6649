/* Trials of the statistics and transforms of channels; see check.h. */
#include <math.h>

#include "check.h"

static void draw_rows(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->rows = draw_chance(r, 0.2) ? draw_between(r, 100, 700) : draw_between(r, 1, 40);
        t->n = draw_channels(r);
    }
    t->terms = (double)t->rows;
    describe(t, "%lld rows of %lld", (long long)t->rows, (long long)t->n);
}

static array *add_rows(trial *t, weld_random *r, const char *name, usage role) {
    return add_array(t, r, name, role, t->rows, t->n, t->n);
}

static array *add_channels(trial *t, weld_random *r, const char *name) {
    return add_parameters(t, r, name, INPUT, 1, t->n, t->n);
}

/* Give each channel a mean of up to 10^5 times its deviation; some channels get no deviation. */
static void shift_channels(trial *t, weld_random *r, array *x) {
    for (int64_t j = 0; j < t->n; j++) {
        const double mean = weld_random_range(r, -1, 1) * pow(10, (double)draw_between(r, 0, 5));
        const double deviation = draw_chance(r, 0.2) ? 0 : 1;
        for (int64_t i = 0; i < t->rows; i++) {
            double *value = &x->value[i * t->n + j];
            *value = (float)(mean + deviation * *value);
        }
    }
}

static void call_moments(const weld_kernels *k, void *const *p, const trial *t) {
    k->moments(t->rows, t->n, p[0], p[1], p[2]);
}

/* The mean to the spacing of its floats and the rounding of a sum of deviations; m2 relative to
 * itself, with room for deviations of that spacing. */
static void bound_moments(trial *t) {
    const array *x = &t->array[0], *mean = &t->array[1], *m2 = &t->array[2];
    for (int64_t j = 0; j < t->n; j++) {
        double absolute = 0;
        for (int64_t i = 0; i < t->rows; i++) {
            absolute += fabs(x->value[i * t->n + j] - mean->expect[j]);
        }
        const double spacing = 2 * UNIT * fabs(mean->expect[j]);
        mean->bound[j] = spacing + growth(t->terms) * UNIT * absolute / (double)t->rows;
        m2->bound[j] =
            4 * growth(t->terms) * UNIT * m2->expect[j] + (double)t->rows * spacing * spacing;
    }
}

static void draw_moments(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_moments;
    t->bound = bound_moments;
    array *x = add_rows(t, r, "x", INPUT);
    if (draw_chance(r, 0.7)) {
        shift_channels(t, r, x);
    }
    add_sums(t, "mean", t->n);
    add_sums(t, "m2", t->n);
}

static void call_affine(const weld_kernels *k, void *const *p, const trial *t) {
    k->affine(t->rows, t->n, p[0], p[1], p[2], p[3]);
}

static void draw_affine(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_affine;
    t->terms = 2;
    add_rows(t, r, "x", INPUT);
    add_channels(t, r, "scale")->absent = draw_chance(r, 0.2);
    add_channels(t, r, "shift")->absent = draw_chance(r, 0.2);
    add_rows(t, r, "y", OUTPUT)->alias = draw_chance(r, 0.3) ? 0 : -1;
}

static void call_sum(const weld_kernels *k, void *const *p, const trial *t) {
    k->channel_sum(t->rows, t->n, p[0], p[1]);
}

static void draw_sum(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_sum;
    add_rows(t, r, "x", INPUT);
    add_sums(t, "sum", t->n);
}

static void call_dot(const weld_kernels *k, void *const *p, const trial *t) {
    k->channel_dot(t->rows, t->n, p[0], p[1], p[2], p[3], p[4]);
}

/* As for linear kernels, with x - center taken for one input: it is rounded once. */
static void bound_dot(trial *t) {
    const array *center = &t->array[2], *sum_dy = &t->array[3], *sum_dy_x = &t->array[4];
    for (int64_t j = 0; j < t->n; j++) {
        double dy = 0, product = 0;
        for (int64_t i = 0; i < t->rows; i++) {
            const double one_dy = fabs(t->array[0].value[i * t->n + j]);
            dy += one_dy;
            product += one_dy * fabs(t->array[1].value[i * t->n + j] -
                                     (center->absent ? 0 : center->value[j]));
        }
        sum_dy->bound[j] = growth(t->terms) * UNIT * dy;
        sum_dy_x->bound[j] = growth(t->terms) * UNIT * product;
    }
}

static void draw_dot(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_dot;
    t->bound = bound_dot;
    add_rows(t, r, "dy", INPUT);
    array *x = add_rows(t, r, "x", INPUT);
    array *center = add_channels(t, r, "center");
    if (!t->fixed && draw_chance(r, 0.5)) {
        shift_channels(t, r, x);
        for (int64_t j = 0; j < t->n; j++) {
            center->value[j] = (float)(x->value[j] + center->value[j]);
        }
    }
    center->absent = draw_chance(r, 0.2);
    add_sums(t, "sum_dy", t->n)->absent = !t->fixed && draw_chance(r, 0.2);
    add_sums(t, "sum_dy_x", t->n)->absent = !t->fixed && draw_chance(r, 0.2);
}

static void call_affine2(const weld_kernels *k, void *const *p, const trial *t) {
    k->affine2(t->rows, t->n, p[0], p[1], p[2], p[3], p[4], p[5]);
}

static void draw_affine2(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->call = call_affine2;
    t->terms = 3;
    add_rows(t, r, "dy", INPUT);
    add_rows(t, r, "x", INPUT);
    add_channels(t, r, "a");
    add_channels(t, r, "b");
    add_channels(t, r, "d");
    add_rows(t, r, "dx", OUTPUT)->alias = (int)draw_between(r, -1, 1);
}

const kernel_check channel_checks[] = {
    {"moments", 100, draw_moments}, {"affine", 60, draw_affine},   {"channel_sum", 60, draw_sum},
    {"channel_dot", 80, draw_dot},  {"affine2", 60, draw_affine2}, {0},
};
