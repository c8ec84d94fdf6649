/* Trials of the int8 kernels, and running them; see check.h. Here there are no bounds: all tables
 * give the reference's bits. Scales are often powers of two, so that many results are ties. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

/* --- contents --- */

static array *add_kind(trial *t, weld_random *r, const char *name, usage role, kind type,
                       int64_t rows, int64_t width, int64_t stride) {
    array *a = add_array(t, r, name, role, rows, width, stride);
    a->kind = type;
    return a;
}

static void fill(array *a, weld_random *r, int64_t low, int64_t high) {
    for (int64_t i = 0; i < array_span(a); i++) {
        a->value[i] = (double)draw_between(r, low, high);
    }
}

/* All 0, all 255, one of the two, or any. */
static array *add_codes(trial *t, weld_random *r, const char *name, int64_t rows, int64_t width,
                        int64_t stride) {
    array *a = add_kind(t, r, name, INPUT, CODE, rows, width, stride);
    const int64_t how = t->fixed ? 9 : draw_between(r, 0, 9);
    fill(a, r, how == 1 ? 255 : 0, how == 0 ? 0 : 255);
    for (int64_t i = 0; how == 2 && i < array_span(a); i++) {
        a->value[i] = a->value[i] < 128 ? 0 : 255;
    }
    return a;
}

/* All 127, all -127, one of the two, or any. */
static array *add_weights(trial *t, weld_random *r, int64_t rows, int64_t width, int64_t stride) {
    array *a = add_kind(t, r, "weight", INPUT, WEIGHT, rows, width, stride);
    const int64_t how = t->fixed ? 9 : draw_between(r, 0, 9);
    fill(a, r, how <= 1 ? 127 : -127, 127);
    for (int64_t i = 0; how >= 1 && how <= 2 && i < array_span(a); i++) {
        a->value[i] = how == 1 ? -127 : a->value[i] < 0 ? -127 : 127;
    }
    return a;
}

static array *add_codes_out(trial *t, const char *name, int64_t rows, int64_t width,
                            int64_t stride) {
    return add_kind(t, NULL, name, OUTPUT, CODE, rows, width, stride);
}

/* A float, or a power of two that makes ties. */
static float draw_scale(weld_random *r, double typical) {
    const double scale = typical * exp2(weld_random_range(r, -3, 3));
    return (float)(draw_chance(r, 0.5) ? exp2(floor(log2(scale))) : scale);
}

static void draw_sum(trial *t, weld_random *r) {
    t->sum = (weld_int8_sum){draw_scale(r, 0.5), draw_scale(r, 0.5),
                             (float)draw_between(r, -200, 100) / 2};
}

/* --- finishes: the arrays bias, multiplier, table and residual --- */

/* Of sums over k products; the arrays are number `first` and following. */
static void add_finish(trial *t, weld_random *r, int64_t rows, int64_t n, int64_t stride) {
    const double typical = 0.3 / sqrt((double)t->k), largest = 0x1p30 / (4e4 * (double)t->k + 2e6);
    fill(add_kind(t, r, "bias", INPUT, INTEGER, 1, n, n), r, -1000000, 1000000);
    array *multiplier = add_parameters(t, r, "multiplier", INPUT, 1, n, n);
    array *bias = &t->array[t->arrays - 2];
    const bool small = draw_chance(r, 0.7), extreme = draw_chance(r, 0.1);
    for (int64_t j = 0; j < n; j++) {
        multiplier->value[j] =
            extreme ? (float)fmin(largest, 100) : draw_scale(r, small ? 0.01 * typical : typical);
        bias->value[j] = small ? bias->value[j] : floor(bias->value[j] / 1000);
    }
    fill(add_kind(t, r, "table", INPUT, CODE, 1, 256, 256), r, 0, 255);
    t->array[t->arrays - 1].absent = t->fixed ? false : draw_chance(r, 0.5);
    fill(add_kind(t, r, "residual", INPUT, CODE, rows, n, stride), r, 0, 255);
    t->array[t->arrays - 1].absent = t->fixed ? !t->accumulate : draw_chance(r, 0.5);
    t->zero[0] =
        (int32_t)(draw_chance(r, 0.3) ? 255 * draw_between(r, 0, 1) : draw_between(r, 0, 255));
    draw_sum(t, r);
}

/* The finish whose arrays start at `first`. */
static weld_int8_finish finish_of(const trial *t, void *const *p, int first) {
    return (weld_int8_finish){.bias = p[first],
                              .multiplier = p[first + 1],
                              .zero = t->zero[0],
                              .table = p[first + 2],
                              .residual = p[first + 3],
                              .residual_ld = t->array[first + 3].stride,
                              .sum = t->sum};
}

/* The output, which may be the residual itself, array number `residual`. */
static array *add_finished(trial *t, weld_random *r, int residual, int64_t rows, int64_t n,
                           int64_t stride) {
    array *c = add_codes_out(t, "c", rows, n, stride);
    if (!t->fixed && !t->array[residual].absent && draw_chance(r, 0.3)) {
        c->alias = residual;
        memcpy(c->value, t->array[residual].value, (size_t)array_span(c) * sizeof *c->value);
    }
    return c;
}

static const char *finish_text(const trial *t, int first) {
    const bool table = !t->array[first + 2].absent, residual = !t->array[first + 3].absent;
    return table && residual ? ", table, residual"
           : table           ? ", table"
           : residual        ? ", residual"
                             : "";
}

/* --- products --- */

static void call_gemm(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    const weld_int8_finish f = finish_of(t, p, 2);
    void *packed = scratch(t->int8->packed_size(t->k, t->n));
    const int64_t stride = t->array[1].stride;
    t->int8->pack(t->k, t->n, p[1], t->transpose_b ? 1 : stride, t->transpose_b ? stride : 1,
                  packed);
    t->int8->gemm(t->m, t->n, t->k, p[0], t->array[0].stride, packed, &f, p[6], t->array[6].stride);
}

static void call_gemm_f32(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    void *packed = scratch(t->int8->packed_size(t->k, t->n));
    const int64_t stride = t->array[1].stride;
    t->int8->pack(t->k, t->n, p[1], t->transpose_b ? 1 : stride, t->transpose_b ? stride : 1,
                  packed);
    t->int8->gemm_f32(t->m, t->n, t->k, p[0], t->array[0].stride, packed, p[2], p[3], p[6],
                      t->array[6].stride);
}

static int64_t gap(weld_random *r) {
    return draw_chance(r, 0.5) ? 0 : draw_between(r, 1, 20);
}

static void draw_product(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->m = draw_chance(r, 0.2) ? draw_between(r, 60, 200) : draw_between(r, 1, 50);
        t->n = draw_chance(r, 0.1) ? draw_between(r, 100, 300) : draw_channels(r);
        t->k = draw_chance(r, 0.2) ? draw_between(r, 100, 1280) : draw_channels(r);
    }
    t->transpose_b = draw_chance(r, 0.5);
    const int64_t rows = t->transpose_b ? t->n : t->k, width = t->transpose_b ? t->k : t->n;
    add_codes(t, r, "a", t->m, t->k, t->k + (t->fixed ? 0 : gap(r)));
    add_weights(t, r, rows, width, width + gap(r));
}

static void draw_gemm(trial *t, weld_random *r) {
    draw_product(t, r);
    const int64_t stride = t->n + (t->fixed ? 0 : gap(r));
    add_finish(t, r, t->m, t->n, stride);
    add_finished(t, r, 5, t->m, t->n, stride);
    t->call = call_gemm;
    describe(t, "m %lld n %lld k %lld%s%s", (long long)t->m, (long long)t->n, (long long)t->k,
             t->transpose_b ? ", b transposed" : "", finish_text(t, 2));
}

static void draw_gemm_f32(trial *t, weld_random *r) {
    draw_product(t, r);
    const int64_t stride = t->n + gap(r);
    add_finish(t, r, t->m, t->n, stride);
    t->array[4].absent = t->array[5].absent = true;
    add_parameters(t, NULL, "c", OUTPUT, t->m, t->n, stride);
    t->call = call_gemm_f32;
    describe(t, "m %lld n %lld k %lld%s", (long long)t->m, (long long)t->n, (long long)t->k,
             t->transpose_b ? ", b transposed" : "");
}

/* --- windows --- */

static void draw_geometry(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->g = draw_window(r);
        if (draw_chance(r, 0.1)) { /* many taps */
            t->g = (weld_window){9, 9, draw_between(r, 1, 40), 9, 9, 9, 9, 1, 1, 4, 4, 1, 1};
        }
    }
    const weld_window *g = &t->g;
    t->begin = 0;
    t->end = g->oh;
    if (!t->fixed && draw_chance(r, 0.5)) {
        t->begin = draw_between(r, 0, g->oh - 1);
        t->end = draw_between(r, t->begin, g->oh);
    }
    t->zero[1] = (int32_t)draw_between(r, 0, 255);
    t->k = g->kernel_h * g->kernel_w;
    describe(t,
             "%lldx%lldx%lld, kernel %lldx%lld, stride %lldx%lld, padding %lldx%lld, dilation "
             "%lldx%lld, rows %lld to %lld",
             (long long)g->h, (long long)g->w, (long long)g->c, (long long)g->kernel_h,
             (long long)g->kernel_w, (long long)g->stride_h, (long long)g->stride_w,
             (long long)g->pad_h, (long long)g->pad_w, (long long)g->dilation_h,
             (long long)g->dilation_w, (long long)t->begin, (long long)t->end);
}

static void call_depthwise(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    const weld_int8_finish f = finish_of(t, p, 2);
    void *packed = scratch(t->int8->depthwise_packed_size(&t->g));
    t->int8->depthwise_pack(&t->g, p[1], packed);
    t->int8->depthwise(&t->g, p[0], (uint8_t)t->zero[1], packed, &f, t->begin, t->end, p[6]);
}

static void draw_depthwise(trial *t, weld_random *r) {
    draw_geometry(t, r);
    const weld_window *g = &t->g;
    add_codes(t, r, "x", g->h * g->w, g->c, g->c);
    add_weights(t, r, t->k, g->c, g->c);
    add_finish(t, r, g->oh * g->ow, g->c, g->c);
    array *y = add_finished(t, r, 5, g->oh * g->ow, g->c, g->c);
    y->begin = t->begin * g->ow;
    y->end = t->end * g->ow;
    t->call = call_depthwise;
}

static void call_im2col(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->im2col(&t->g, p[0], (uint8_t)t->zero[1], t->channel, t->count, t->begin, t->end, p[1]);
}

static void draw_im2col(trial *t, weld_random *r) {
    draw_geometry(t, r);
    const weld_window *g = &t->g;
    const bool some = !t->fixed && draw_chance(r, 0.5);
    t->channel = some ? draw_between(r, 0, g->c - 1) : 0;
    t->count = some ? draw_between(r, 1, g->c - t->channel) : g->c;
    t->begin = t->fixed ? 0 : draw_between(r, 0, g->oh * g->ow - 1);
    t->end = t->fixed ? g->oh * g->ow : draw_between(r, t->begin, g->oh * g->ow);
    add_codes(t, r, "x", g->h * g->w, g->c, g->c);
    add_codes_out(t, "out", t->end - t->begin, t->k * t->count, t->k * t->count);
    t->call = call_im2col;
}

static void call_max_pool(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->max_pool(&t->g, p[0], t->begin, t->end, p[1]);
}

static void draw_max_pool(trial *t, weld_random *r) {
    draw_geometry(t, r);
    const weld_window *g = &t->g;
    add_codes(t, r, "x", g->h * g->w, g->c, g->c);
    array *y = add_codes_out(t, "y", g->oh * g->ow, g->c, g->c);
    y->begin = t->begin * g->ow;
    y->end = t->end * g->ow;
    t->call = call_max_pool;
}

/* --- rows and elements --- */

static void call_channel_sum(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->channel_sum(t->rows, t->n, p[0], p[1]);
}

static void draw_rows(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->rows = draw_chance(r, 0.2) ? draw_between(r, 100, 600) : draw_between(r, 1, 30);
        t->n = draw_channels(r);
    }
    describe(t, "rows %lld n %lld", (long long)t->rows, (long long)t->n);
}

static void draw_channel_sum(trial *t, weld_random *r) {
    draw_rows(t, r);
    add_codes(t, r, "x", t->rows, t->n, t->n);
    add_kind(t, NULL, "sum", OUTPUT, INTEGER, 1, t->n, t->n);
    t->call = call_channel_sum;
}

static void call_scale_sums(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->scale_sums(t->n, p[0], t->zero[1], (float)t->alpha, t->zero[0], p[1]);
}

static void draw_elements(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->n = draw_chance(r, 0.3) ? draw_between(r, 1, 1000) : draw_channels(r);
    }
    t->zero[0] = (int32_t)draw_between(r, 0, 255);
    t->zero[2] = (int32_t)draw_between(r, 0, 255);
    describe(t, "n %lld", (long long)t->n);
}

static void draw_scale_sums(trial *t, weld_random *r) {
    draw_elements(t, r);
    const int64_t rows = draw_between(r, 1, 3000);
    fill(add_kind(t, r, "sum", INPUT, INTEGER, 1, t->n, t->n), r, 0, 255 * rows);
    add_codes_out(t, "y", 1, t->n, t->n);
    t->zero[1] = (int32_t)(-rows * t->zero[2]);
    t->alpha = draw_scale(r, 1 / (double)rows);
    t->call = call_scale_sums;
}

static void call_mul_channels(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->mul_channels(t->rows, t->n, p[0], t->zero[1], p[1], t->zero[2], (float)t->alpha,
                          t->zero[0], p[2]);
}

static void draw_mul_channels(trial *t, weld_random *r) {
    draw_rows(t, r);
    t->zero[0] = (int32_t)draw_between(r, 0, 255);
    t->zero[1] = (int32_t)draw_between(r, 0, 255);
    t->zero[2] = (int32_t)(255 * draw_between(r, 0, 1));
    t->alpha = draw_scale(r, 0.01);
    add_codes(t, r, "x", t->rows, t->n, t->n);
    add_codes(t, r, "gate", 1, t->n, t->n);
    add_codes_out(t, "y", t->rows, t->n, t->n)->alias = draw_chance(r, 0.3) ? 0 : -1;
    t->call = call_mul_channels;
}

static void call_quantize(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->quantize(t->n, p[0], (float)t->alpha, t->zero[0], p[1]);
}

static void draw_quantize(trial *t, weld_random *r) {
    static const double special[] = {NAN, INFINITY, -INFINITY, 1e30, -1e30, -0.0, 0x1p-149};
    draw_elements(t, r);
    t->alpha = draw_scale(r, 0.02);
    array *x = add_parameters(t, r, "x", INPUT, 1, t->n, t->n);
    const bool ties = draw_chance(r, 0.3);
    for (int64_t i = 0; i < t->n; i++) {
        if (draw_chance(r, 0.05)) {
            x->value[i] = special[draw_between(r, 0, 6)];
        } else if (ties) {
            x->value[i] = (float)((double)draw_between(r, -300, 300) / 2 * t->alpha);
        }
    }
    add_codes_out(t, "y", 1, t->n, t->n);
    t->call = call_quantize;
}

static void call_dequantize(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->dequantize(t->n, p[0], (float)t->alpha, t->zero[0], p[1]);
}

static void draw_dequantize(trial *t, weld_random *r) {
    draw_elements(t, r);
    t->alpha = draw_scale(r, 0.02);
    add_codes(t, r, "x", 1, t->n, t->n);
    add_parameters(t, NULL, "y", OUTPUT, 1, t->n, t->n);
    t->call = call_dequantize;
}

static void call_add(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->add(t->n, p[0], p[1], &t->sum, p[2]);
}

static void draw_add(trial *t, weld_random *r) {
    draw_elements(t, r);
    draw_sum(t, r);
    add_codes(t, r, "a", 1, t->n, t->n);
    add_codes(t, r, "b", 1, t->n, t->n);
    add_codes_out(t, "y", 1, t->n, t->n)->alias = (int)draw_between(r, -1, 1);
    t->call = call_add;
}

static void call_lookup(const weld_kernels *k, void *const *p, const trial *t) {
    (void)k;
    t->int8->lookup(t->n, p[0], p[1], p[2]);
}

static void draw_lookup(trial *t, weld_random *r) {
    draw_elements(t, r);
    add_codes(t, r, "x", 1, t->n, t->n);
    add_codes(t, r, "table", 1, 256, 256);
    add_codes_out(t, "y", 1, t->n, t->n)->alias = draw_chance(r, 0.3) ? 0 : -1;
    t->call = call_lookup;
}

static const kernel_check checks[] = {
    {"gemm", 300, draw_gemm},
    {"gemm_f32", 60, draw_gemm_f32},
    {"depthwise", 200, draw_depthwise},
    {"im2col", 100, draw_im2col},
    {"max_pool", 100, draw_max_pool},
    {"channel_sum", 60, draw_channel_sum},
    {"scale_sums", 60, draw_scale_sums},
    {"mul_channels", 100, draw_mul_channels},
    {"quantize", 100, draw_quantize},
    {"dequantize", 60, draw_dequantize},
    {"add", 100, draw_add},
    {"lookup", 60, draw_lookup},
    {0},
};

/* --- running --- */

enum { MAX_TABLES = 8 };

void draw_int8(trial *t, const char *kernel, weld_random *r) {
    for (const kernel_check *check = checks; check->name; check++) {
        if (strcmp(check->name, kernel) == 0) {
            check->draw(t, r);
        }
    }
}

static bool check_kernel(const kernel_check *check, uint64_t seed) {
    bool good[MAX_TABLES], all = true;
    memset(good, true, sizeof good);
    for (int i = 0; i < check->trials; i++) {
        weld_random r =
            weld_random_start(seed, (uint32_t)i, weld_hash_name(check->name), WELD_RANDOM_TEST);
        trial t = {.kernel = check->name, .dtype = WELD_F32, .int8 = weld_int8_kernels_ref()};
        check->draw(&t, &r);
        expect_as_run(&t, &(weld_kernels){.name = "ref", .dtype = WELD_F32});
        const char *name;
        for (int j = 0; (name = weld_int8_kernels_available(j)); j++) {
            double worst = 0;
            const weld_kernels named = {.name = name, .dtype = WELD_F32};
            good[j] = good[j] && weld_int8_kernels_select(name, &t.int8, NULL) == WELD_OK &&
                      run_trial(&t, &named, &r, &worst);
            all = all && good[j];
        }
        free_trial(&t);
    }
    printf("int8 %-22s %4d trials, equal to the reference:", check->name, check->trials);
    for (int j = 0; weld_int8_kernels_available(j); j++) {
        printf("  %s%s", weld_int8_kernels_available(j), good[j] ? "" : " FAILS");
    }
    printf("\n");
    return all;
}

bool check_int8(uint64_t seed, const char *only, int *chosen) {
    bool good = true;
    for (const kernel_check *check = checks; check->name; check++) {
        if (!only || strcmp(only, check->name) == 0) {
            ++*chosen;
            good = check_kernel(check, seed) && good;
        }
    }
    return good;
}
