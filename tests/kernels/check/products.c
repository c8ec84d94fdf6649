/* Trials of the matrix products; see check.h. */
#include "check.h"

static void call_packed(const weld_kernels *k, void *const *p, const trial *t) {
    void *packed = scratch(k->packed_size(t->k, t->n) * weld_dtype_size(k->dtype));
    const int64_t row_stride = t->transpose_b ? 1 : t->array[1].stride;
    const int64_t column_stride = t->transpose_b ? t->array[1].stride : 1;
    k->pack(t->k, t->n, p[1], row_stride, column_stride, packed);
    k->gemm_packed(t->m, t->n, t->k, p[0], t->array[0].stride, packed, p[2], t->accumulate, p[3],
                   t->array[3].stride);
}

static int64_t gap(weld_random *r) {
    return draw_chance(r, 0.5) ? 0 : draw_between(r, 1, 20);
}

static void draw_sizes(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->m = draw_chance(r, 0.2) ? draw_between(r, 60, 200) : draw_between(r, 1, 50);
        t->n = draw_chance(r, 0.1) ? draw_between(r, 100, 300) : draw_channels(r);
        t->k = draw_chance(r, 0.1) ? draw_between(r, 250, 600) : draw_channels(r);
    }
    t->accumulate = !t->fixed && draw_chance(r, 0.3);
    t->terms = (double)t->k + 2;
}

static void draw_packed(trial *t, weld_random *r) {
    draw_sizes(t, r);
    t->call = call_packed;
    t->transpose_b = draw_chance(r, 0.5);
    const int64_t rows = t->transpose_b ? t->n : t->k, width = t->transpose_b ? t->k : t->n;
    add_array(t, r, "a", INPUT, t->m, t->k, t->k + gap(r));
    add_array(t, r, "b", INPUT, rows, width, width + gap(r))->kind = ROUNDED_PARAMETER;
    add_parameters(t, r, "bias", INPUT, 1, t->n, t->n)->absent = draw_chance(r, 0.5);
    add_array(t, r, "c", t->accumulate ? UPDATED : OUTPUT, t->m, t->n, t->n + gap(r));
    describe(t, "m %lld n %lld k %lld%s%s%s", (long long)t->m, (long long)t->n, (long long)t->k,
             t->transpose_b ? ", b transposed" : "", t->array[2].absent ? "" : ", bias",
             t->accumulate ? ", accumulate" : "");
}

static void call_at_b(const weld_kernels *k, void *const *p, const trial *t) {
    k->gemm_at_b(t->m, t->n, t->k, p[0], t->array[0].stride, p[1], t->array[1].stride,
                 t->accumulate, p[2], t->array[2].stride);
}

static void draw_at_b(trial *t, weld_random *r) {
    draw_sizes(t, r);
    t->call = call_at_b;
    add_array(t, r, "a", INPUT, t->k, t->m, t->m + gap(r));
    add_array(t, r, "b", INPUT, t->k, t->n, t->n + gap(r));
    add_parameters(t, r, "c", t->accumulate ? UPDATED : OUTPUT, t->m, t->n, t->n + gap(r));
    describe(t, "m %lld n %lld k %lld%s", (long long)t->m, (long long)t->n, (long long)t->k,
             t->accumulate ? ", accumulate" : "");
}

static void call_unrounded(const weld_kernels *k, void *const *p, const trial *t) {
    void *packed = scratch(k->packed_size(t->k, t->n) * weld_dtype_size(k->dtype));
    const int64_t row_stride = t->transpose_b ? 1 : t->array[1].stride;
    const int64_t column_stride = t->transpose_b ? t->array[1].stride : 1;
    k->pack_activations(t->k, t->n, p[1], row_stride, column_stride, packed);
    k->gemm_unrounded(t->m, t->n, t->k, p[0], t->array[0].stride, packed, p[2], p[3],
                      t->array[3].stride);
}

static void draw_unrounded(trial *t, weld_random *r) {
    draw_sizes(t, r);
    t->call = call_unrounded;
    t->accumulate = false;
    t->transpose_b = t->fixed || draw_chance(r, 0.5);
    const int64_t rows = t->transpose_b ? t->n : t->k, width = t->transpose_b ? t->k : t->n;
    add_array(t, r, "a", INPUT, t->m, t->k, t->k + gap(r));
    add_array(t, r, "b", INPUT, rows, width, width + gap(r));
    add_parameters(t, r, "bias", INPUT, 1, t->n, t->n)->absent = draw_chance(r, 0.5);
    add_parameters(t, r, "c", OUTPUT, t->m, t->n, t->n + gap(r));
    describe(t, "m %lld n %lld k %lld%s%s", (long long)t->m, (long long)t->n, (long long)t->k,
             t->transpose_b ? ", b transposed" : "", t->array[2].absent ? "" : ", bias");
}

static int64_t taps_of(const weld_sweep *s) {
    return s->taps_h * s->taps_w * s->k;
}

static void call_convolve(const weld_kernels *k, void *const *p, const trial *t) {
    if (!k->convolve) { /* there is nothing to check */
        k = k->dtype == WELD_BF16 ? weld_kernels_ref_bf16() : weld_kernels_ref_f32();
    }
    void *packed = scratch(k->packed_size(taps_of(&t->sweep), t->n) * weld_dtype_size(k->dtype));
    k->pack(taps_of(&t->sweep), t->n, p[1], 1, taps_of(&t->sweep), packed);
    k->convolve(&t->sweep, t->n, p[0], packed, p[2], p[3]);
}

/* An image of whole channels, of which a tap takes some; or a tap takes columns side by side. */
static void draw_convolve(trial *t, weld_random *r) {
    const int64_t stride = draw_between(r, 1, 2), groups = draw_between(r, 1, 3);
    const bool merged = draw_chance(r, 0.3);
    int64_t k = t->fixed ? t->k : draw_channels(r);
    k += k % 2;
    t->n = t->fixed ? t->n : draw_channels(r);
    const int64_t c = groups * k, width = draw_between(r, 0, 3), gap = draw_between(r, 0, 5);
    weld_sweep s = {.rows = t->fixed ? t->m : draw_between(r, 1, 6),
                    .columns = t->fixed ? t->m : draw_between(r, 1, 40),
                    .taps_h = draw_between(r, 1, 4),
                    .taps_w = merged ? 1 : draw_between(r, 1, 4),
                    .k = k,
                    .x_column = stride * c,
                    .tap_column = c};
    if (t->fixed) {
        s.taps_h = s.taps_w = 3;
        s.x_column = c;
    }
    const int64_t image_width = (s.columns - 1) * (s.x_column / c) + s.taps_w + width;
    s.tap_row = image_width * c;
    s.x_row = draw_between(r, 1, 2) * s.tap_row;
    s.y_column = t->n + gap;
    s.y_row = s.columns * s.y_column;
    t->sweep = s;
    t->call = call_convolve;
    t->terms = (double)taps_of(&s) + 2;
    const int64_t image_rows = (s.rows - 1) * (s.x_row / s.tap_row) + s.taps_h;
    add_array(t, r, "x", INPUT, image_rows, s.tap_row, s.tap_row);
    add_array(t, r, "b", INPUT, t->n, taps_of(&s), taps_of(&s))->kind = ROUNDED_PARAMETER;
    add_parameters(t, r, "bias", INPUT, 1, t->n, t->n)->absent = draw_chance(r, 0.5);
    add_array(t, r, "y", OUTPUT, s.rows * s.columns, t->n, s.y_column);
    describe(t, "%lldx%lld of %lld, %lldx%lld taps of %lld%s", (long long)s.rows,
             (long long)s.columns, (long long)t->n, (long long)s.taps_h, (long long)s.taps_w,
             (long long)k, t->array[2].absent ? "" : ", bias");
}

const kernel_check product_checks[] = {
    {"gemm_packed", 150, draw_packed},
    {"gemm_at_b", 100, draw_at_b},
    {"gemm_unrounded", 100, draw_unrounded},
    {"convolve", 150, draw_convolve},
    {0},
};
