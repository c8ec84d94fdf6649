/* Speed of each int8 table on the shapes of RepViT M0.9 at 224; see check.h and bench.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "check.h"

enum { ROUNDS = 7, MAX_TABLES = 8 };

typedef struct int8_case {
    const char *kernel;
    trial t;
} int8_case;

/* clang-format off */
#define EXPAND(m_, n_, k_) {"gemm", {.m = m_, .n = n_, .k = k_}}
#define PROJECT(m_, n_, k_) {"gemm", {.m = m_, .n = n_, .k = k_, .accumulate = true}}
#define WINDOW(kernel, size, c_, k, s, o)                                                          \
    {kernel, {.g = {size, size, c_, o, o, k, k, s, s, (k) / 2, (k) / 2, 1, 1}}}

static const int8_case cases[] = {
    EXPAND(3136, 96, 48), PROJECT(3136, 48, 96), EXPAND(784, 192, 96), PROJECT(784, 96, 192),
    EXPAND(196, 384, 192), PROJECT(196, 192, 384), EXPAND(49, 768, 384), PROJECT(49, 384, 768),
    EXPAND(12544, 24, 27), EXPAND(3136, 48, 216), EXPAND(1, 48, 192),
    {"gemm_f32", {.m = 1, .n = 1000, .k = 384}},
    WINDOW("depthwise", 56, 48, 3, 1, 56), WINDOW("depthwise", 28, 96, 3, 1, 28),
    WINDOW("depthwise", 14, 192, 3, 1, 14), WINDOW("depthwise", 7, 384, 3, 1, 7),
    WINDOW("depthwise", 56, 48, 3, 2, 28), WINDOW("depthwise", 14, 192, 7, 1, 14),
    WINDOW("im2col", 224, 3, 3, 2, 112), WINDOW("im2col", 112, 24, 3, 2, 56),
    WINDOW("max_pool", 112, 48, 3, 2, 56),
    {"channel_sum", {.rows = 3136, .n = 48}}, {"channel_sum", {.rows = 196, .n = 192}},
    {"mul_channels", {.rows = 3136, .n = 48}}, {"mul_channels", {.rows = 196, .n = 192}},
    {"quantize", {.n = 150528}}, {"dequantize", {.n = 150528}}, {"add", {.n = 150528}},
    {"lookup", {.n = 150528}},
};
/* clang-format on */

static bool multiplies(const char *kernel) {
    return strncmp(kernel, "gemm", 4) == 0 || strcmp(kernel, "depthwise") == 0;
}

static double products(const trial *t) {
    return t->g.c ? (double)(t->g.oh * t->g.ow * t->g.c * t->g.kernel_h * t->g.kernel_w)
                  : (double)t->m * (double)t->n * (double)t->k;
}

static double bytes(const trial *t) {
    double sum = 0;
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        sum += a->absent ? 0 : (double)array_span(a) * (double)element_size(a, WELD_F32);
    }
    return sum;
}

/* One call with everything in place; packing is not timed. */
typedef struct prepared {
    void *p[MAX_ARRAYS];
    void *packed;
    weld_int8_finish finish;
} prepared;

static void prepare(const trial *t, prepared *c) {
    memset(c, 0, sizeof *c);
    place_trial(t, &(weld_kernels){.dtype = WELD_F32}, false, 0, c->p);
    if (!multiplies(t->kernel)) {
        return;
    }
    if (t->g.c) {
        c->packed = scratch(t->int8->depthwise_packed_size(&t->g));
        t->int8->depthwise_pack(&t->g, c->p[1], c->packed);
    } else {
        const int64_t stride = t->array[1].stride;
        c->packed = scratch(t->int8->packed_size(t->k, t->n));
        t->int8->pack(t->k, t->n, c->p[1], t->transpose_b ? 1 : stride, t->transpose_b ? stride : 1,
                      c->packed);
    }
    c->finish = (weld_int8_finish){.bias = c->p[2],
                                   .multiplier = c->p[3],
                                   .zero = t->zero[0],
                                   .table = c->p[4],
                                   .residual = c->p[5],
                                   .residual_ld = t->array[5].stride,
                                   .sum = t->sum};
}

static void call(const trial *t, const prepared *c) {
    if (strcmp(t->kernel, "gemm") == 0) {
        t->int8->gemm(t->m, t->n, t->k, c->p[0], t->array[0].stride, c->packed, &c->finish, c->p[6],
                      t->array[6].stride);
    } else if (strcmp(t->kernel, "gemm_f32") == 0) {
        t->int8->gemm_f32(t->m, t->n, t->k, c->p[0], t->array[0].stride, c->packed, c->p[2],
                          c->p[3], c->p[6], t->array[6].stride);
    } else if (strcmp(t->kernel, "depthwise") == 0) {
        t->int8->depthwise(&t->g, c->p[0], (uint8_t)t->zero[1], c->packed, &c->finish, t->begin,
                           t->end, c->p[6]);
    } else {
        t->call(NULL, c->p, t);
    }
}

/* Seconds of one call: the shortest of many few, as other work shortens none. */
static double time_calls(const trial *t) {
    enum { CALLS = 4 };
    prepared c;
    prepare(t, &c);
    call(t, &c);
    double best = INFINITY, now = weld_clock();
    const double end = now + 0.01;
    do {
        const double start = now;
        for (int i = 0; i < CALLS; i++) {
            call(t, &c);
        }
        now = weld_clock();
        best = fmin(best, (now - start) / CALLS);
    } while (now < end);
    return best;
}

static double time_instruction(const weld_int8_kernels *k) {
    int32_t sum;
    if (!k->multiply_adds) {
        return 0;
    }
    const double start = weld_clock(), done = k->multiply_adds(200, &sum);
    return done / (weld_clock() - start) * 1e-9;
}

static void bench_instruction(const weld_int8_kernels *const *tables, int count) {
    double best[MAX_TABLES] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < count; i++) {
            best[i] = fmax(best[i], time_instruction(tables[i]));
        }
    }
    printf("%-14s", "instruction");
    for (int i = 0; i < count; i++) {
        printf(" %10.1f", best[i]);
    }
    printf(" GMAC/s\n");
}

static void bench_one(const int8_case *c, const weld_int8_kernels *const *tables, int count) {
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    trial t = c->t;
    t.kernel = c->kernel;
    t.fixed = true;
    draw_int8(&t, c->kernel, &r);
    double best[MAX_TABLES];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < count; i++) {
            t.int8 = tables[i];
            const double seconds = time_calls(&t);
            best[i] = round == 0 || seconds < best[i] ? seconds : best[i];
        }
    }
    const bool work = multiplies(c->kernel);
    printf("%-14s", c->kernel);
    for (int i = 0; i < count; i++) {
        printf(" %10.1f", (work ? products(&t) : bytes(&t)) / best[i] * 1e-9);
    }
    printf(" %s  %s\n", work ? "GMAC/s" : "GB/s  ", t.shape);
    fflush(stdout);
    free_trial(&t);
}

void bench_int8(const char *only, int *chosen) {
    const weld_int8_kernels *tables[MAX_TABLES];
    int count = 0;
    const char *name;
    printf("%-14s", "int8");
    for (; (name = weld_int8_kernels_available(count)); count++) {
        if (weld_int8_kernels_select(name, &tables[count], NULL) != WELD_OK) {
            return;
        }
        printf(" %10s", name);
    }
    printf("\n");
    bench_instruction(tables, count);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!only || strcmp(only, cases[i].kernel) == 0) {
            ++*chosen;
            bench_one(&cases[i], tables, count);
        }
    }
}
