/* Drawing trials and bounding their errors; see check.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"

int64_t draw_between(weld_random *r, int64_t low, int64_t high) {
    return low + (int64_t)weld_random_below(r, (uint64_t)(high - low + 1));
}

bool draw_chance(weld_random *r, double probability) {
    return weld_random_uniform(r) < probability;
}

int64_t draw_channels(weld_random *r) {
    switch (draw_between(r, 0, 3)) {
    case 0:
        return draw_between(r, 1, 9);
    case 1:
        return 8 * draw_between(r, 1, 12);
    case 2:
        return 16 * draw_between(r, 1, 6) + draw_between(r, -1, 1);
    default:
        return draw_between(r, 1, 100);
    }
}

/* Size of an axis, its kernel, stride, padding and dilation; the kernel may overhang but not miss
 * the image. */
static void draw_axis(weld_random *r, int64_t *size, int64_t *kernel, int64_t *stride, int64_t *pad,
                      int64_t *dilation) {
    *kernel = draw_between(r, 1, 5);
    *stride = draw_between(r, 1, 3);
    *dilation = draw_chance(r, 0.3) ? draw_between(r, 2, 3) : 1;
    const int64_t extent = (*kernel - 1) * *dilation + 1;
    *pad = draw_between(r, 0, extent / 2);
    const int64_t least = extent - 2 * *pad > 1 ? extent - 2 * *pad : 1;
    *size = draw_between(r, least, least + 14);
}

weld_window draw_window(weld_random *r) {
    weld_window g = {.c = draw_channels(r)};
    draw_axis(r, &g.h, &g.kernel_h, &g.stride_h, &g.pad_h, &g.dilation_h);
    draw_axis(r, &g.w, &g.kernel_w, &g.stride_w, &g.pad_w, &g.dilation_w);
    if (draw_chance(r, 0.5)) {
        g.kernel_h = g.kernel_w = 3;
        g.stride_h = g.stride_w = draw_between(r, 1, 2);
        g.pad_h = g.pad_w = g.dilation_h = g.dilation_w = 1;
    }
    g.oh = (g.h + 2 * g.pad_h - (g.kernel_h - 1) * g.dilation_h - 1) / g.stride_h + 1;
    g.ow = (g.w + 2 * g.pad_w - (g.kernel_w - 1) * g.dilation_w - 1) / g.stride_w + 1;
    return g;
}

int64_t array_span(const array *a) {
    return a->rows == 0 ? 0 : (a->rows - 1) * a->stride + a->width;
}

static double *doubles(int64_t count) {
    double *p = weld_alloc((size_t)count, sizeof(double));
    if (!p) {
        fprintf(stderr, "checkkernels: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return p;
}

array *add_array(trial *t, weld_random *r, const char *name, usage role, int64_t rows,
                 int64_t width, int64_t stride) {
    array *a = &t->array[t->arrays++];
    *a = (array){.name = name,
                 .role = role,
                 .alias = -1,
                 .rows = rows,
                 .width = width,
                 .stride = stride,
                 .begin = 0,
                 .end = rows};
    const int64_t span = array_span(a);
    a->value = doubles(span);
    a->expect = doubles(span);
    a->bound = doubles(span);
    for (int64_t i = 0; role != OUTPUT && i < span; i++) {
        a->value[i] = (float)weld_random_range(r, -2, 2);
    }
    return a;
}

array *add_parameters(trial *t, weld_random *r, const char *name, usage role, int64_t rows,
                      int64_t width, int64_t stride) {
    array *a = add_array(t, r, name, role, rows, width, stride);
    a->kind = PARAMETER;
    return a;
}

array *add_sums(trial *t, const char *name, int64_t width) {
    array *a = add_array(t, NULL, name, OUTPUT, 1, width, width);
    a->kind = SUM;
    return a;
}

void describe(trial *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(t->shape, sizeof t->shape, format, args);
    va_end(args);
}

/* Errors of sums to either side grow with the root of their number. A table whose products round to
 * odd, by up to 2 u a step (neonbf16), stays within the same: it has a step for four terms. */
double growth(double terms) {
    return 4 * sqrt(terms) + 8;
}

void bound_exact(trial *t) {
    (void)t;
}

void bound_linear(trial *t) {
    trial absolute = *t;
    absolute.alpha = fabs(t->alpha);
    void *p[MAX_ARRAYS];
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        p[i] = a->absent ? NULL : a->bound;
        for (int64_t j = 0; j < array_span(a); j++) {
            a->bound[j] = fabs(a->value[j]);
        }
    }
    t->call(weld_kernels_ref_f64(), p, &absolute);
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        for (int64_t j = 0; j < array_span(a); j++) {
            a->bound[j] *= growth(t->terms) * UNIT;
        }
    }
}

double round_to_bf16(double x) {
    const float value = (float)x;
    bfloat stored;
    float back;
    weld_kernels_ref_bf16()->from_f32(1, &value, &stored);
    weld_kernels_ref_bf16()->to_f32(1, &stored, &back);
    return back;
}

/* Results may be 0 where they are subnormal. An exact result is exact in bf16 too, since the inputs
 * are bf16. */
static double bound_in_bf16(const trial *t, double expect, double bound) {
    const double largest = fabs(expect) + bound;
    if (largest < SMALLEST) {
        return largest;
    }
    if (bound == 0 || isinf(expect)) {
        return bound;
    }
    const double half = ldexp(0x1p-8, ilogb(largest));
    const double terms = bound / (growth(t->terms) * UNIT);
    return bound + half + 0x1p-8 * t->roundings * terms;
}

static void round_inputs(trial *t) {
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        for (int64_t j = 0; a->kind == ACTIVATION && j < array_span(a); j++) {
            a->value[j] = round_to_bf16(a->value[j]);
        }
    }
}

void expect_trial(trial *t) {
    if (t->dtype == WELD_BF16) {
        round_inputs(t);
    }
    void *p[MAX_ARRAYS];
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        p[i] = a->absent ? NULL : a->expect;
        memcpy(a->expect, a->value, (size_t)array_span(a) * sizeof(double));
        for (int64_t j = 0;
             t->dtype == WELD_BF16 && a->kind == ROUNDED_PARAMETER && j < array_span(a); j++) {
            a->expect[j] = round_to_bf16(a->value[j]);
        }
    }
    t->call(weld_kernels_ref_f64(), p, t);
    (t->bound ? t->bound : bound_linear)(t);
    for (int i = 0; t->dtype == WELD_BF16 && i < t->arrays; i++) {
        const array *a = &t->array[i];
        for (int64_t j = 0; a->kind == ACTIVATION && j < array_span(a); j++) {
            a->bound[j] = bound_in_bf16(t, a->expect[j], a->bound[j]);
        }
    }
}

void free_trial(trial *t) {
    for (int i = 0; i < t->arrays; i++) {
        weld_free(t->array[i].value);
        weld_free(t->array[i].expect);
        weld_free(t->array[i].bound);
    }
    t->arrays = 0;
}
