/* The kernels of int8 against NumPy, from tests/fixtures/int8.fixture: every table that this cpu
 * can run gives its codes, all of them. */
#include <math.h>

#include "base/memory.h"
#include "fixture.h"
#include "kernels/int8.h"
#include "suite.h"

static weld_weights *fixture;

/* --- Reading ---------------------------------------------------------------------------------- */

/* The tensor's values, which are whole, as bytes (of either sign); free with weld_free. */
static void *bytes_of(weld_tensor t) {
    const int64_t count = weld_shape_count(&t.shape);
    unsigned char *bytes = weld_alloc((size_t)count, 1);
    ck_assert_ptr_nonnull(bytes);
    for (int64_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(int)((const float *)t.data)[i];
    }
    return bytes;
}

static weld_tensor tensor_of(const char *prefix, const char *name) {
    return fixture_tensor(fixture, prefix, name);
}

static const float *floats_of(const char *prefix, const char *name) {
    return tensor_of(prefix, name).data;
}

static int zero_of(const char *prefix, int i) {
    return (int)floats_of(prefix, "codes")[2 * i + 1];
}

static float scale_of(const char *prefix, int i) {
    return floats_of(prefix, "codes")[2 * i];
}

static const weld_int8_kernels *table_of(const char *isa) {
    const weld_int8_kernels *k;
    weld_error err;
    ck_assert_msg(weld_int8_kernels_select(isa, &k, &err) == WELD_OK, "%s", err.message);
    return k;
}

static void check_codes(const char *isa, const char *prefix, const uint8_t *got) {
    const weld_tensor want = tensor_of(prefix, "y");
    for (int64_t i = 0; i < weld_shape_count(&want.shape); i++) {
        const int code = (int)((const float *)want.data)[i];
        ck_assert_msg(got[i] == code, "%s, %s: code %lld is %d, not %d", isa, prefix, (long long)i,
                      got[i], code);
    }
}

/* Call it for each case of a kind ("product/") and each table. */
static void for_each(const char *kind, void (*check)(const char *isa, const char *prefix)) {
    char last[128] = "";
    int cases = 0;
    fixture = fixture_load("int8.fixture");
    for (size_t i = 0; i < weld_weights_count(fixture); i++) {
        char prefix[128];
        const char *name = weld_weights_name(fixture, i);
        const int length = (int)(strrchr(name, '/') - name) + 1;
        snprintf(prefix, sizeof prefix, "%.*s", length, name);
        if (strncmp(prefix, kind, strlen(kind)) != 0 || strcmp(prefix, last) == 0) {
            continue;
        }
        strcpy(last, prefix);
        const char *isa;
        for (int t = 0; (isa = weld_int8_kernels_available(t)); t++) {
            check(isa, prefix);
        }
        cases++;
    }
    ck_assert_int_gt(cases, 0);
    weld_weights_free(fixture);
}

/* --- Products --------------------------------------------------------------------------------- */

typedef struct product {
    weld_window window;
    int64_t images, out, groups, depth, taps; /* depth: channels of a group */
    uint8_t *x;
    int8_t *w; /* [out, depth, kh, kw] */
    int32_t *bias;
    weld_int8_finish finish;
} product;

static product read_product(const char *prefix) {
    const weld_tensor x = tensor_of(prefix, "x"), w = tensor_of(prefix, "w");
    const int64_t *o = tensor_of(prefix, "options").data, *dim = x.shape.dim;
    const int64_t *bias = tensor_of(prefix, "bias").data;
    weld_window g = {.h = dim[1], .w = dim[2], .c = dim[3], .kernel_h = w.shape.dim[2]};
    g.kernel_w = w.shape.dim[3];
    g.stride_h = o[0];
    g.stride_w = o[1];
    g.pad_h = o[2];
    g.pad_w = o[3];
    g.dilation_h = g.dilation_w = 1;
    g.oh = (g.h + 2 * g.pad_h - g.kernel_h) / g.stride_h + 1;
    g.ow = (g.w + 2 * g.pad_w - g.kernel_w) / g.stride_w + 1;
    product p = {.window = g, .images = dim[0], .out = w.shape.dim[0], .groups = o[4]};
    p.depth = w.shape.dim[1];
    p.taps = g.kernel_h * g.kernel_w;
    p.x = bytes_of(x);
    p.w = bytes_of(w);
    p.bias = weld_alloc((size_t)p.out, sizeof *p.bias);
    ck_assert_ptr_nonnull(p.bias);
    for (int64_t j = 0; j < p.out; j++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < p.depth * p.taps; i++) {
            sum += p.w[j * p.depth * p.taps + i];
        }
        p.bias[j] = (int32_t)(bias[j] - zero_of(prefix, 0) * sum);
    }
    p.finish = (weld_int8_finish){
        .bias = p.bias, .multiplier = floats_of(prefix, "multiplier"), .zero = zero_of(prefix, 1)};
    return p;
}

static void free_product(product *p) {
    weld_free(p->x);
    weld_free(p->w);
    weld_free(p->bias);
}

/* As columns are for im2col's rows: taps, then channels of the group. */
static int8_t *columns_of(const product *p) {
    int8_t *b = weld_alloc((size_t)(p->out * p->depth * p->taps), 1);
    ck_assert_ptr_nonnull(b);
    for (int64_t j = 0; j < p->out; j++) {
        for (int64_t t = 0; t < p->taps; t++) {
            for (int64_t c = 0; c < p->depth; c++) {
                b[(j * p->taps + t) * p->depth + c] = p->w[(j * p->depth + c) * p->taps + t];
            }
        }
    }
    return b;
}

static void *pack(const weld_int8_kernels *k, int64_t depth, int64_t out, const int8_t *columns) {
    void *packed = weld_alloc(k->packed_size(depth, out), 1);
    ck_assert_ptr_nonnull(packed);
    k->pack(depth, out, columns, 1, depth, packed);
    return packed;
}

/* Of one group: columns [first, first + share). real: floats are wanted, or NULL. */
static void multiply_group(const weld_int8_kernels *k, const char *prefix, const product *p,
                           const uint8_t *rows, int64_t group, uint8_t *y, float *real) {
    const int64_t share = p->out / p->groups, first = group * share, depth = p->depth * p->taps;
    const int64_t positions = p->window.oh * p->window.ow;
    const float *s_w = floats_of(prefix, "scales");
    float *scales = weld_alloc((size_t)p->out, sizeof *scales);
    int8_t *columns = columns_of(p);
    void *packed = pack(k, depth, share, columns + first * depth);
    weld_int8_finish f = p->finish;
    f.bias += first;
    f.multiplier += first;
    k->gemm(positions, share, depth, rows, depth, packed, &f, y + first, p->out);
    for (int64_t j = 0; j < p->out; j++) {
        scales[j] = scale_of(prefix, 0) * s_w[j];
    }
    if (real) {
        k->gemm_f32(positions, share, depth, rows, depth, packed, f.bias, scales + first,
                    real + first, p->out);
    }
    weld_free(scales);
    weld_free(columns);
    weld_free(packed);
}

static void check_product(const char *isa, const char *prefix) {
    const weld_int8_kernels *k = table_of(isa);
    product p = read_product(prefix);
    const weld_window *g = &p.window;
    const int64_t positions = g->oh * g->ow, depth = p.depth * p.taps;
    weld_tensor want;
    char name[160];
    snprintf(name, sizeof name, "%sreal", prefix);
    const bool has_real = weld_weights_find(fixture, name, &want);
    uint8_t *rows = weld_alloc((size_t)(positions * depth), 1);
    uint8_t *y = weld_alloc((size_t)(p.images * positions * p.out), 1);
    float *real = weld_alloc((size_t)(p.images * positions * p.out), sizeof *real);
    ck_assert(rows && y && real);
    for (int64_t n = 0; n < p.images; n++) {
        const int64_t at = n * positions * p.out;
        for (int64_t group = 0; group < p.groups; group++) {
            k->im2col(g, p.x + n * g->h * g->w * g->c, (uint8_t)zero_of(prefix, 0), group * p.depth,
                      p.depth, 0, positions, rows);
            multiply_group(k, prefix, &p, rows, group, y + at, has_real ? real + at : NULL);
        }
    }
    check_codes(isa, prefix, y);
    ck_assert_msg(!has_real || memcmp(real, want.data, weld_tensor_bytes(&want)) == 0,
                  "%s, %s: floats differ", isa, prefix);
    weld_free(rows);
    weld_free(y);
    weld_free(real);
    free_product(&p);
}

START_TEST(products_are_numpys) {
    for_each("product/", check_product);
}
END_TEST

static void check_depthwise(const char *isa, const char *prefix) {
    const weld_int8_kernels *k = table_of(isa);
    product p = read_product(prefix);
    const weld_window *g = &p.window;
    const int64_t image = g->h * g->w * g->c, out = g->oh * g->ow * g->c;
    int8_t *weight = weld_alloc((size_t)(p.taps * g->c), 1);
    void *packed = weld_alloc(k->depthwise_packed_size(g), 1);
    uint8_t *y = weld_alloc((size_t)(p.images * out), 1);
    ck_assert(weight && packed && y);
    for (int64_t i = 0; i < p.taps * g->c; i++) {
        weight[i] = p.w[i % g->c * p.taps + i / g->c];
    }
    k->depthwise_pack(g, weight, packed);
    for (int64_t n = 0; n < p.images; n++) {
        for (int64_t row = 0; row < g->oh; row += 3) {
            k->depthwise(g, p.x + n * image, (uint8_t)zero_of(prefix, 0), packed, &p.finish, row,
                         row + 3 < g->oh ? row + 3 : g->oh, y + n * out);
        }
    }
    check_codes(isa, prefix, y);
    weld_free(weight);
    weld_free(packed);
    weld_free(y);
    free_product(&p);
}

START_TEST(depthwise_convolutions_are_numpys) {
    for_each("product/depthwise", check_depthwise);
}
END_TEST

/* --- Codes alone ------------------------------------------------------------------------------ */

static void check_sum(const char *isa, const char *prefix) {
    const weld_tensor t = tensor_of(prefix, "a");
    const int64_t n = weld_shape_count(&t.shape);
    const float r_a = scale_of(prefix, 0) / scale_of(prefix, 2);
    const float r_b = scale_of(prefix, 1) / scale_of(prefix, 2);
    const float zeros = r_b * (float)zero_of(prefix, 1);
    const weld_int8_sum sum = {
        r_a, r_b, (float)zero_of(prefix, 2) - fmaf(r_a, (float)zero_of(prefix, 0), zeros)};
    uint8_t *a = bytes_of(t), *b = bytes_of(tensor_of(prefix, "b"));
    table_of(isa)->add(n, a, b, &sum, b);
    check_codes(isa, prefix, b);
    weld_free(a);
    weld_free(b);
}

START_TEST(sums_are_numpys) {
    for_each("sum/", check_sum);
}
END_TEST

static void check_gated(const char *isa, const char *prefix) {
    const weld_tensor t = tensor_of(prefix, "a");
    const int64_t rows = t.shape.dim[1] * t.shape.dim[2], c = t.shape.dim[3];
    const float m = scale_of(prefix, 0) * scale_of(prefix, 1) / scale_of(prefix, 2);
    uint8_t *x = bytes_of(t), *gate = bytes_of(tensor_of(prefix, "b"));
    for (int64_t n = 0; n < t.shape.dim[0]; n++) {
        uint8_t *image = x + n * rows * c;
        table_of(isa)->mul_channels(rows, c, image, zero_of(prefix, 0), gate + n * c,
                                    zero_of(prefix, 1), m, zero_of(prefix, 2), image);
    }
    check_codes(isa, prefix, x);
    weld_free(x);
    weld_free(gate);
}

START_TEST(gated_channels_are_numpys) {
    for_each("gated/", check_gated);
}
END_TEST

static void check_average(const char *isa, const char *prefix) {
    const weld_tensor t = tensor_of(prefix, "x");
    const int64_t rows = t.shape.dim[1] * t.shape.dim[2], c = t.shape.dim[3];
    const float m = scale_of(prefix, 0) / (scale_of(prefix, 1) * (float)rows);
    uint8_t *x = bytes_of(t);
    int32_t sums[256];
    ck_assert_int_le(c, 256);
    table_of(isa)->channel_sum(rows, c, x, sums);
    table_of(isa)->scale_sums(c, sums, -(int32_t)rows * zero_of(prefix, 0), m, zero_of(prefix, 1),
                              x);
    check_codes(isa, prefix, x);
    weld_free(x);
}

START_TEST(averages_are_numpys) {
    for_each("average/", check_average);
}
END_TEST

/* --- Floats to codes and back ----------------------------------------------------------------- */

static void check_edge(const char *isa, const char *prefix) {
    const weld_tensor x = tensor_of(prefix, "x"), real = tensor_of(prefix, "real");
    const int64_t n = weld_shape_count(&x.shape);
    const float scale = scale_of(prefix, 0);
    uint8_t *want = bytes_of(tensor_of(prefix, "q")), *codes = bytes_of(tensor_of(prefix, "code"));
    uint8_t *q = weld_alloc((size_t)n, 1);
    float back[256];
    ck_assert_ptr_nonnull(q);
    table_of(isa)->quantize(n, x.data, scale, zero_of(prefix, 0), q);
    table_of(isa)->dequantize(256, codes, scale, zero_of(prefix, 0), back);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(q[i] == want[i], "%s, %s: %g becomes %d, not %d", isa, prefix,
                      (double)((const float *)x.data)[i], q[i], want[i]);
    }
    ck_assert_msg(memcmp(back, real.data, sizeof back) == 0, "%s, %s: floats differ", isa, prefix);
    weld_free(want);
    weld_free(codes);
    weld_free(q);
}

START_TEST(codes_of_floats_are_numpys) {
    for_each("edge/", check_edge);
}
END_TEST

RUN_SUITE("kernels/int8_parity", products_are_numpys, depthwise_convolutions_are_numpys,
          sums_are_numpys, gated_channels_are_numpys, averages_are_numpys,
          codes_of_floats_are_numpys)
