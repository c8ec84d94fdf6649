/* Operators on codes, against plain loops over the formulas of passes/quantize.h. */
#include "ops/codes.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "suite.h"

static weld_graph *new_graph(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    return g;
}

static weld_value *node(weld_graph *g, const weld_op *op, weld_attributes a, weld_value *x) {
    return weld_graph_node(g, op, &a, &x, 1, 1);
}

static const weld_codes plain = {1, 0}; /* codes are the numbers */

static weld_value *codes_of(weld_graph *g, const char *name, weld_shape shape) {
    return node(g, &weld_op_quantize, (weld_attributes){.codes[WELD_CODES_Y] = plain},
                weld_input(g, name, shape));
}

static void give(weld_graph *g, weld_value *codes) {
    weld_output(
        g, "y",
        codes && codes->dtype == WELD_F32
            ? codes
            : node(g, &weld_op_dequantize, (weld_attributes){.codes[WELD_CODES_X] = plain}, codes));
}

static weld_value *leaf(weld_graph *g, const char *name, weld_dtype dtype, weld_shape shape) {
    const weld_value v = {
        .kind = WELD_VALUE_PARAMETER, .name = name, .dtype = dtype, .shape = shape};
    return weld_graph_copy_leaf(g, &v);
}

static void fill_codes(weld_session *s, const char *name, uint64_t seed) {
    const weld_tensor t = weld_session_input(s, name);
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; t.data && i < weld_shape_count(&t.shape); i++) {
        ((float *)t.data)[i] = (float)weld_random_below(&r, 256);
    }
}

/* --- Products --------------------------------------------------------------------------------- */

typedef struct product_case {
    const char *name;
    int64_t n, h, w, c, out;
    int kernel, stride, padding, dilation, groups; /* kernel 0: linear */
    bool same, bias, table, residual, is_float;
} product_case;

static const weld_codes x_codes = {0.02f, 117}, y_codes = {0.37f, 93}, a_codes = {0.21f, 140},
                        b_codes = {0.3f, 101}, sum_codes = {0.41f, 120};

typedef struct product_net {
    weld_graph *graph;
    weld_weights *weights;
    const int8_t *weight;
    const float *scales;
    const int32_t *bias; /* NULL: none */
    const uint8_t *table;
} product_net;

static void *fill(weld_weights *w, const char *name, weld_random *r) {
    weld_tensor t;
    if (!weld_weights_find(w, name, &t)) {
        return NULL;
    }
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        switch (t.dtype) {
        case WELD_I8:
            ((int8_t *)t.data)[i] = (int8_t)((int)weld_random_below(r, 255) - 127);
            break;
        case WELD_F32:
            ((float *)t.data)[i] = (float)weld_random_range(r, 0.001, 0.02);
            break;
        case WELD_I32:
            ((int32_t *)t.data)[i] = (int32_t)weld_random_below(r, 20000) - 10000;
            break;
        default:
            ((uint8_t *)t.data)[i] = (uint8_t)weld_random_below(r, 256);
        }
    }
    return t.data;
}

static product_net build_product(const product_case *p) {
    product_net net = {.graph = new_graph()};
    weld_graph *g = net.graph;
    const int64_t in = p->c / p->groups;
    const weld_shape x =
        p->kernel ? WELD_SHAPE(p->n, p->h, p->w, p->c) : WELD_SHAPE(p->n, p->h * p->w, p->c);
    const weld_shape weight =
        p->kernel ? WELD_SHAPE(p->out, in, p->kernel, p->kernel) : WELD_SHAPE(p->out, in);
    weld_attributes a = {.stride = {p->stride, p->stride},
                         .padding = {p->padding, p->padding},
                         .dilation = {p->dilation, p->dilation},
                         .groups = p->groups,
                         .same = p->same,
                         .codes = {x_codes, p->is_float ? (weld_codes){0} : y_codes}};
    if (!p->kernel) {
        a = (weld_attributes){.codes = {x_codes, p->is_float ? (weld_codes){0} : y_codes}};
    }
    weld_value *inputs[WELD_PRODUCT_INPUTS] = {
        codes_of(g, "x", x), leaf(g, "weight", WELD_I8, weight),
        leaf(g, "scales", WELD_F32, WELD_SHAPE(p->out)),
        p->bias ? leaf(g, "bias", WELD_I32, WELD_SHAPE(p->out)) : NULL,
        p->table ? leaf(g, "table", WELD_U8, WELD_SHAPE(256)) : NULL};
    const weld_op *op = p->kernel ? &weld_op_conv2d_codes : &weld_op_linear_codes;
    if (p->residual) { /* of the output's shape, which the rule tells */
        const weld_value *y = weld_graph_node(g, op, &a, inputs, WELD_PRODUCT_INPUTS, 3);
        ck_assert_ptr_nonnull(y);
        inputs[WELD_PRODUCT_RESIDUAL] = codes_of(g, "residual", y->shape);
        a.codes[WELD_CODES_A] = a_codes;
        a.codes[WELD_CODES_B] = b_codes;
        a.codes[WELD_CODES_SUM] = sum_codes;
    }
    give(g, weld_graph_node(g, op, &a, inputs, WELD_PRODUCT_INPUTS, 3));
    weld_error err = {0};
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s: %s", p->name, err.message);
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &net.weights, NULL), WELD_OK);
    weld_random r = weld_random_start(11, 0, 0, WELD_RANDOM_TEST);
    net.weight = fill(net.weights, "weight", &r);
    net.scales = fill(net.weights, "scales", &r);
    net.bias = fill(net.weights, "bias", &r);
    net.table = fill(net.weights, "table", &r);
    return net;
}

static uint8_t clamp(double q) {
    return (uint8_t)fmin(fmax(q, 0), 255);
}

/* What becomes of a sum. */
static float finished(const product_case *p, const product_net *net, int64_t o, int64_t acc,
                      const float *residual, int64_t at) {
    const float both = x_codes.scale * net->scales[o];
    if (p->is_float) {
        return (float)acc * both;
    }
    const float m = both / y_codes.scale, product = (float)acc * m;
    uint8_t q = clamp(rint((double)product) + y_codes.zero);
    q = p->table ? net->table[q] : q;
    if (!p->residual) {
        return q;
    }
    const float r_a = a_codes.scale / sum_codes.scale, r_b = b_codes.scale / sum_codes.scale;
    const float k =
        (float)sum_codes.zero - fmaf(r_a, (float)a_codes.zero, r_b * (float)b_codes.zero);
    return clamp(rint((double)fmaf(residual[at], r_a, fmaf(q, r_b, k))));
}

/* Padding in front along an axis, with as many outputs. */
static int64_t padding_of(const product_case *p, int64_t size, int64_t outputs) {
    const int64_t extent = (p->kernel - 1) * (p->dilation ? p->dilation : 1) + 1;
    const int64_t missing = (outputs - 1) * p->stride + extent - size;
    return !p->same ? p->padding : missing > 0 ? missing / 2 : 0;
}

static int64_t sum_at(const product_case *p, const product_net *net, const float *x, int64_t oh,
                      int64_t ow, int64_t i, int64_t oy, int64_t ox, int64_t o) {
    const int64_t in = p->c / p->groups, first = o / (p->out / p->groups) * in;
    const int64_t kernel = p->kernel ? p->kernel : 1, dilation = p->dilation ? p->dilation : 1;
    int64_t acc = net->bias ? net->bias[o] : 0;
    for (int64_t c = 0; c < in; c++) {
        for (int64_t t = 0; t < kernel * kernel; t++) {
            const int64_t iy = oy * p->stride - padding_of(p, p->h, oh) + t / kernel * dilation;
            const int64_t ix = ox * p->stride - padding_of(p, p->w, ow) + t % kernel * dilation;
            if (iy >= 0 && iy < p->h && ix >= 0 && ix < p->w) {
                const int64_t code = (int64_t)x[((i * p->h + iy) * p->w + ix) * p->c + first + c];
                acc += (code - x_codes.zero) * net->weight[(o * in + c) * kernel * kernel + t];
            }
        }
    }
    return acc;
}

static void check_run(const product_case *p, const product_net *net, weld_session_options o) {
    weld_session *s;
    weld_error err = {0};
    ck_assert_msg(weld_session_create(net->graph, net->weights, &o, &s, &err) == WELD_OK, "%s: %s",
                  p->name, err.message);
    fill_codes(s, "x", 5);
    fill_codes(s, "residual", 6);
    weld_session_run(s, 0);
    const weld_tensor y = weld_session_output(s, "y"), x = weld_session_input(s, "x");
    const float *residual = weld_session_input(s, "residual").data;
    const int64_t oh = p->kernel ? y.shape.dim[1] : p->h, ow = p->kernel ? y.shape.dim[2] : p->w;
    for (int64_t at = 0; at < weld_shape_count(&y.shape); at++) {
        const int64_t channel = at % p->out, position = at / p->out % (oh * ow);
        const int64_t acc = sum_at(p, net, x.data, oh, ow, at / p->out / (oh * ow), position / ow,
                                   position % ow, channel);
        const float want = finished(p, net, channel, acc, residual, at);
        const float got = ((const float *)y.data)[at];
        ck_assert_msg(got == want, "%s, %s, %d threads: element %lld is %g, not %g", p->name,
                      o.isa ? o.isa : "best", o.threads, (long long)at, (double)got, (double)want);
    }
    weld_session_free(s);
}

static const product_case products[] = {
    {"stem", 2, 9, 10, 3, 8, 3, 2, 1, 0, 1, .bias = true, .table = true},
    {"dense", 1, 7, 6, 20, 24, 3, 1, 1, 0, 1, .bias = true, .residual = true},
    {"no padding, no bias", 1, 7, 6, 5, 7, 3, 1, 0, 0, 1},
    {"as TensorFlow pads", 1, 9, 8, 4, 6, 3, 2, 0, 0, 1, .same = true, .bias = true},
    {"dilated", 1, 11, 12, 8, 9, 3, 1, 2, 2, 1, .bias = true, .table = true},
    {"groups", 1, 6, 6, 12, 20, 3, 1, 1, 0, 4, .bias = true, .residual = true},
    {"groups of 1x1", 1, 6, 6, 12, 20, 1, 1, 0, 0, 2, .bias = true},
    {"1x1 with stride", 2, 7, 7, 12, 20, 1, 2, 0, 0, 1, .bias = true},
    {"pointwise", 2, 7, 9, 48, 96, 1, 1, 0, 0, 1, .bias = true, .table = true, .residual = true},
    {"pointwise, wide", 1, 3, 5, 33, 700, 1, 1, 0, 0, 1, .bias = true, .residual = true},
    {"of one position", 1, 1, 1, 130, 600, 1, 1, 0, 0, 1, .bias = true, .table = true},
    {"depthwise", 2, 8, 9, 40, 40, 3, 1, 1, 0, 40, .bias = true, .table = true, .residual = true},
    {"depthwise 5x5 with stride", 1, 11, 8, 70, 70, 5, 2, 2, 0, 70, .bias = true},
    {"depthwise as TensorFlow pads", 1, 8, 7, 16, 16, 3, 2, 0, 0, 16, .same = true, .bias = true},
    {"depthwise, dilated", 1, 9, 9, 24, 24, 3, 1, 2, 2, 24, .bias = true},
    {"a factor a channel", 1, 5, 5, 24, 24, 1, 1, 0, 0, 24, .bias = true},
    {"floats", 1, 7, 6, 20, 24, 3, 1, 1, 0, 1, .bias = true, .is_float = true},
    {"floats of groups", 1, 6, 6, 12, 20, 3, 1, 1, 0, 2, .bias = true, .is_float = true},
    {"linear", 3, 2, 5, 36, 50, 0, 1, 0, 0, 1, .bias = true, .table = true, .residual = true},
    {"logits", 3, 1, 1, 70, 1000, 0, 1, 0, 0, 1, .bias = true, .is_float = true},
};

START_TEST(products_are_their_formulas_to_the_bit) {
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        const product_case *p = &products[i];
        const product_net net = build_product(p);
        for (int threads = 1; threads <= 7; threads += 3) {
            check_run(p, &net, (weld_session_options){.threads = threads});
        }
        check_run(p, &net, (weld_session_options){.threads = 2, .constant_weights = true});
        for (int k = 0; weld_int8_kernels_available(k); k++) {
            check_run(p, &net,
                      (weld_session_options){.isa = weld_int8_kernels_available(k), .threads = 2});
        }
        weld_graph_free(net.graph);
        weld_weights_free(net.weights);
    }
}
END_TEST

/* --- The others ------------------------------------------------------------------------------- */

/* The codes that `op` makes of x, which has one row. */
static void check_one(const weld_op *op, weld_attributes a, weld_shape shape, const float *x,
                      const float *want) {
    weld_graph *g = new_graph();
    weld_weights *w;
    weld_session *s;
    weld_error err = {0};
    give(g, node(g, op, a, codes_of(g, "x", shape)));
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_weights_create(&w, NULL), WELD_OK);
    ck_assert_int_eq(weld_session_create(g, w, NULL, &s, NULL), WELD_OK);
    memcpy(weld_session_input(s, "x").data, x, (size_t)weld_shape_count(&shape) * sizeof *x);
    weld_session_run(s, 0);
    const weld_tensor y = weld_session_output(s, "y");
    for (int64_t i = 0; i < weld_shape_count(&y.shape); i++) {
        ck_assert_msg(((float *)y.data)[i] == want[i], "%s: element %lld is %g, not %g", op->name,
                      (long long)i, (double)((float *)y.data)[i], (double)want[i]);
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}

START_TEST(floats_are_rounded_to_the_nearest_even_code) {
    /* By scale 1, zero 0: halves go to the even one, what is outside to the ends. */
    check_one(&weld_op_recode, (weld_attributes){.codes = {plain, plain}}, WELD_SHAPE(1, 8),
              (float[]){0.5f, 1.5f, 2.5f, 254.5f, 255.5f, 300, -0.5f, -7},
              (float[]){0, 2, 2, 254, 255, 255, 0, 0});
}
END_TEST

START_TEST(the_same_numbers_have_other_codes) {
    /* 0.5 (q - 10) = 2 (p - 3): p = rne((q - 10) / 4) + 3; of 12 it is rne(0.5) = 0, of 0 -2. */
    check_one(&weld_op_recode, (weld_attributes){.codes = {{0.5f, 10}, {2, 3}}}, WELD_SHAPE(1, 6),
              (float[]){10, 12, 14, 16, 0, 255}, (float[]){3, 3, 4, 5, 1, 64});
}
END_TEST

START_TEST(pools_and_windows_are_as_by_hand) {
    /* 4, 8, 6, 7 with zero 5 have the mean 1.25; by scale 0.5 and zero 1 it is rne(2.5) + 1. */
    check_one(&weld_op_global_avg_pool_codes, (weld_attributes){.codes = {{1, 5}, {0.5f, 1}}},
              WELD_SHAPE(1, 2, 2, 1), (float[]){4, 8, 6, 7}, (float[]){3});
    check_one(&weld_op_max_pool_codes,
              (weld_attributes){.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}},
              WELD_SHAPE(1, 3, 3, 1), (float[]){1, 9, 2, 3, 4, 5, 8, 0, 7}, (float[]){9, 9, 8, 7});
    check_one(&weld_op_resize_codes, (weld_attributes){.shape = WELD_SHAPE(2, 4)},
              WELD_SHAPE(1, 1, 2, 2), (float[]){1, 2, 3, 4},
              (float[]){1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4});
}
END_TEST

START_TEST(codes_without_meaning_are_refused) {
    const weld_codes bad[] = {{0, 0},      {-1, 0}, {NAN, 0}, {INFINITY, 0},
                              {1e-40f, 0}, {1, -1}, {1, 256}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weld_graph *g = new_graph();
        weld_error err = {0};
        node(g, &weld_op_quantize, (weld_attributes){.codes[WELD_CODES_Y] = bad[i]},
             weld_input(g, "x", WELD_SHAPE(1, 2)));
        ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_SHAPE);
        ck_assert_ptr_nonnull(strstr(err.message, "zero point"));
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(integers_go_into_no_operator_of_floats) {
    weld_graph *g = new_graph();
    weld_error err = {0};
    weld_gelu(g, codes_of(g, "x", WELD_SHAPE(1, 2)));
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "is u8"));
    weld_graph_free(g);
}
END_TEST

/* Three rows of inputs, which are doubled in floats and then codes. */
static weld_session *doubling(weld_graph *g, weld_weights **w, bool node_by_node) {
    const weld_session_options o = {.batch = 3, .threads = 2, .node_by_node = node_by_node};
    weld_session *s;
    weld_value *x = weld_scale(g, weld_input(g, "x", WELD_SHAPE(1, 2, 2, 1)), 2);
    give(g, node(g, &weld_op_quantize, (weld_attributes){.codes[WELD_CODES_Y] = plain}, x));
    ck_assert_int_eq(weld_graph_init_weights(g, 0, w, NULL), WELD_OK);
    ck_assert_int_eq(weld_session_create(g, *w, &o, &s, NULL), WELD_OK);
    return s;
}

static void check_finite_rows(weld_session *s, bool first, bool second, bool third) {
    const bool want[] = {first, second, third};
    const float *y = weld_session_output(s, "y").data;
    weld_session_run(s, 0);
    for (int i = 0; i < 12; i++) {
        ck_assert_msg(want[i / 4] ? y[i] == 2 : isnan(y[i]), "%d: %g", i, (double)y[i]);
    }
}

START_TEST(what_is_not_finite_is_not_hidden_by_codes) {
    for (int node_by_node = 0; node_by_node < 2; node_by_node++) {
        weld_graph *g = new_graph();
        weld_weights *w;
        weld_session *s = doubling(g, &w, node_by_node);
        float *x = weld_session_input(s, "x").data;
        for (int i = 0; i < 12; i++) {
            x[i] = 1;
        }
        check_finite_rows(s, true, true, true);
        x[6] = NAN;
        check_finite_rows(s, true, false, true);
        x[0] = -INFINITY;
        x[6] = 1;
        x[11] = INFINITY;
        check_finite_rows(s, false, true, false);
        x[0] = 3e38f; /* twice that is none: it came up within */
        x[11] = 1;
        check_finite_rows(s, false, false, false);
        x[0] = 1;
        check_finite_rows(s, true, true, true);
        weld_session_free(s);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

RUN_SUITE("ops/codes", products_are_their_formulas_to_the_bit,
          floats_are_rounded_to_the_nearest_even_code, the_same_numbers_have_other_codes,
          pools_and_windows_are_as_by_hand, codes_without_meaning_are_refused,
          what_is_not_finite_is_not_hidden_by_codes, integers_go_into_no_operator_of_floats)
