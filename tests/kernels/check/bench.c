/* Speed of each table on the shapes of RepViT M0.9 at 224; see check.h.
 *
 * Best of several rounds in which the tables take turns, since on a shared machine whole seconds
 * may be slow. Bytes are those of the arrays, counted twice where they are read and written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "check.h"

enum { ROUNDS = 5, MAX_VARIANTS = 6 };

typedef struct bench_case {
    const kernel_check *group; /* in which `kernel` is */
    const char *kernel;
    trial t;
} bench_case;

/* clang-format off */
#define PRODUCT(kernel, m_, n_, k_) {product_checks, kernel, {.m = m_, .n = n_, .k = k_}}
#define ROWS(group, kernel, rows_, n_) {group, kernel, {.rows = rows_, .n = n_}}
#define COMBINE(rows_, n_, count_, f_)                                                             \
    {combine_checks, "combine", {.rows = rows_, .n = n_, .count = count_, .f = f_}}
#define ELEMENTS(kernel, n_, ...) {elementwise_checks, kernel, {.n = n_, __VA_ARGS__}}
#define WINDOW(group, kernel, size, c_, k, s, o)                                                   \
    {group, kernel, {.g = {size, size, c_, o, o, k, k, s, s, (k) / 2, (k) / 2, 1, 1}}}

static const bench_case cases[] = {
    PRODUCT("gemm_packed", 3136, 96, 48), PRODUCT("gemm_packed", 3136, 48, 96),
    PRODUCT("gemm_packed", 1568, 192, 96), PRODUCT("gemm_packed", 1568, 96, 192),
    PRODUCT("gemm_packed", 784, 384, 192), PRODUCT("gemm_packed", 784, 192, 384),
    PRODUCT("gemm_packed", 392, 768, 384), PRODUCT("gemm_packed", 392, 384, 768),
    PRODUCT("gemm_packed", 3136, 48, 216), PRODUCT("gemm_packed", 49, 384, 768),
    PRODUCT("gemm_packed", 196, 96, 48), PRODUCT("gemm_packed", 196, 384, 192),
    PRODUCT("gemm_packed", 50176, 96, 48), PRODUCT("gemm_packed", 50176, 48, 96), /* from memory */
    PRODUCT("gemm_packed", 392, 24, 27), PRODUCT("gemm_packed", 1, 1000, 384),
    PRODUCT("gemm_at_b", 96, 48, 196), PRODUCT("gemm_at_b", 384, 192, 196),
    PRODUCT("gemm_at_b", 384, 768, 49), PRODUCT("gemm_at_b", 96, 48, 50176),
    PRODUCT("gemm_at_b", 96, 48, 3136), PRODUCT("gemm_at_b", 192, 96, 1568),
    PRODUCT("gemm_at_b", 384, 192, 784), PRODUCT("gemm_at_b", 768, 384, 392),
    PRODUCT("gemm_unrounded", 48, 256, 36), PRODUCT("gemm_unrounded", 64, 64, 48),
    PRODUCT("gemm_unrounded", 96, 49, 64), PRODUCT("gemm_unrounded", 16, 16, 60),
    PRODUCT("convolve", 14, 24, 24), PRODUCT("convolve", 28, 96, 96),
    WINDOW(depthwise_checks, "depthwise", 56, 48, 3, 1, 56),
    WINDOW(depthwise_checks, "depthwise", 56, 48, 3, 2, 28),
    WINDOW(depthwise_checks, "depthwise", 28, 96, 3, 1, 28),
    WINDOW(depthwise_checks, "depthwise", 14, 192, 3, 1, 14),
    WINDOW(depthwise_checks, "depthwise", 7, 384, 3, 1, 7),
    WINDOW(depthwise_checks, "depthwise_input_grad", 56, 48, 3, 1, 56),
    WINDOW(depthwise_checks, "depthwise_input_grad", 56, 48, 3, 2, 28),
    WINDOW(depthwise_checks, "depthwise_input_grad", 14, 192, 3, 1, 14),
    WINDOW(depthwise_checks, "depthwise_weight_grad", 56, 48, 3, 1, 56),
    WINDOW(depthwise_checks, "depthwise_weight_grad", 56, 48, 3, 2, 28),
    WINDOW(depthwise_checks, "depthwise_weight_grad", 14, 192, 3, 1, 14),
    ROWS(channel_checks, "moments", 3136, 48), ROWS(channel_checks, "moments", 784, 384),
    ROWS(channel_checks, "affine", 3136, 48), ROWS(channel_checks, "affine", 784, 384),
    ROWS(channel_checks, "channel_sum", 3136, 48), ROWS(channel_checks, "channel_sum", 784, 384),
    ROWS(channel_checks, "channel_dot", 3136, 48), ROWS(channel_checks, "channel_dot", 784, 384),
    ROWS(channel_checks, "affine2", 3136, 48), ROWS(channel_checks, "affine2", 784, 384),
    COMBINE(3136, 48, 1, WELD_IDENTITY), COMBINE(3136, 48, 2, WELD_IDENTITY),
    COMBINE(3136, 48, 3, WELD_IDENTITY), COMBINE(784, 384, 3, WELD_IDENTITY),
    COMBINE(784, 384, 1, WELD_GELU),
    {combine_checks, "unary_pair", {.rows = 784, .n = 384, .f = WELD_GELU}},
    ELEMENTS("unary", 301056, .f = WELD_GELU), ELEMENTS("unary", 301056, .f = WELD_RELU),
    ELEMENTS("unary", 301056, .f = WELD_SILU), ELEMENTS("unary", 301056, .f = WELD_SIGMOID),
    ELEMENTS("unary_rows", 24, .rows = 784, .f = WELD_RELU),
    ELEMENTS("unary_grad", 301056, .f = WELD_GELU), ELEMENTS("unary_grad", 301056, .f = WELD_SILU),
    ELEMENTS("from_f32", 301056, .terms = 0), ELEMENTS("to_f32", 301056, .terms = 0),
    ELEMENTS("add", 301056, .terms = 0), ELEMENTS("mul", 301056, .terms = 0),
    ELEMENTS("scale", 301056, .terms = 0),
    ELEMENTS("dropout", 301056, .terms = 0),
    ELEMENTS("adamw", 301056, .terms = 0), ELEMENTS("square_sum", 301056, .terms = 0), ELEMENTS("softplus_sum", 301056, .terms = 0), ELEMENTS("first_not_finite", 301056, .terms = 0),
    ROWS(row_checks, "softmax", 784, 196), ROWS(row_checks, "softmax_grad", 784, 196),
    ROWS(row_checks, "expectation", 6400, 16), ROWS(row_checks, "expectation_grad", 6400, 16),
    ROWS(row_checks, "attention_softmax", 48, 256), ROWS(row_checks, "attention_softmax", 96, 49),
    ROWS(row_checks, "attention_softmax_grad", 48, 256),
    ROWS(row_checks, "attention_softmax_grad", 96, 49),
    ROWS(row_checks, "layer_norm", 784, 192), ROWS(row_checks, "layer_norm_grad", 784, 192),
    ROWS(row_checks, "cross_entropy", 32, 1000), ROWS(row_checks, "cross_entropy_grad", 32, 1000),
    ROWS(row_checks, "binary_cross_entropy", 32, 1000),
    ROWS(row_checks, "binary_cross_entropy_grad", 32, 1000),
    WINDOW(window_checks, "max_pool", 112, 48, 3, 2, 56),
    WINDOW(window_checks, "max_pool_grad", 112, 48, 3, 2, 56),
    WINDOW(window_checks, "im2col", 224, 3, 3, 2, 112),
    WINDOW(window_checks, "im2col", 112, 24, 3, 2, 56),
    WINDOW(window_checks, "im2col", 80, 64, 3, 1, 80),
    WINDOW(window_checks, "col2im", 112, 24, 3, 2, 56),
    WINDOW(window_checks, "resample", 28, 96, 3, 1, 56),
    WINDOW(winograd_checks, "winograd_input", 28, 96, 3, 1, 28),
    WINDOW(winograd_checks, "winograd_output", 28, 96, 3, 1, 28),
};
/* clang-format on */

static const kernel_check *find(const bench_case *c) {
    for (const kernel_check *check = c->group; check->name; check++) {
        if (strcmp(check->name, c->kernel) == 0) {
            return check;
        }
    }
    return NULL;
}

/* Floating-point operations of kernels that arithmetic limits; 0 for those that memory does. */
static double operations(const bench_case *c) {
    const trial *t = &c->t;
    if (strcmp(c->kernel, "convolve") == 0) { /* m x m results of 3 x 3 taps */
        return 18.0 * (double)(t->m * t->m) * (double)t->n * (double)t->k;
    }
    if (c->group == product_checks) {
        return 2.0 * (double)t->m * (double)t->n * (double)t->k;
    }
    if (c->group == depthwise_checks) {
        return 2.0 * (double)(t->g.oh * t->g.ow * t->g.c * t->g.kernel_h * t->g.kernel_w);
    }
    return 0;
}

static double bytes(const trial *t, weld_dtype dtype) {
    double sum = 0;
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        const double size = (double)element_size(a, dtype);
        sum += a->absent ? 0 : (double)array_span(a) * size * (a->role == UPDATED ? 2 : 1);
    }
    return sum;
}

/* Seconds of one call, averaged over as many as take about 10 ms. */
static double time_calls(const trial *t, const weld_kernels *k) {
    void *p[MAX_ARRAYS];
    place_trial(t, k, false, 0, p);
    t->call(k, p, t);
    double start = weld_clock(), elapsed;
    int calls = 0;
    do {
        t->call(k, p, t);
        calls++;
        elapsed = weld_clock() - start;
    } while (elapsed < 0.01);
    return elapsed / calls;
}

static void bench_one(const bench_case *c, const weld_kernels *const *tables, int count) {
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    trial t = c->t;
    t.kernel = c->kernel;
    t.fixed = true;
    find(c)->draw(&t, &r);
    double best[MAX_VARIANTS];
    for (int i = 0; i < count; i++) {
        best[i] = INFINITY;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < count; i++) {
            const double seconds = time_calls(&t, tables[i]);
            best[i] = seconds < best[i] ? seconds : best[i];
        }
    }
    const double work = operations(c);
    printf("%-22s", c->kernel);
    for (int i = 0; i < count; i++) {
        printf(" %9.2f", (work > 0 ? work : bytes(&t, tables[0]->dtype)) / best[i] * 1e-9);
    }
    printf(" %s  %s\n", work > 0 ? "GFLOP/s" : "GB/s   ", t.shape);
    fflush(stdout);
    free_trial(&t);
}

void bench(const weld_kernels *const *tables, int count, const char *only) {
    printf("%-22s", "kernel");
    for (int i = 0; i < count; i++) {
        printf(" %9s", tables[i]->name);
    }
    printf("\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const scope not_here = tables[0]->dtype == WELD_BF16 ? NOT_IN_BF16 : ONLY_IN_BF16;
        if ((!only || strcmp(only, cases[i].kernel) == 0) && find(&cases[i])->scope != not_here) {
            bench_one(&cases[i], tables, count);
        }
    }
}
