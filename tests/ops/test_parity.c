/* Operators and their gradients against PyTorch's, from tests/fixtures/ops.fixture. */
#include "fixture.h"
#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *conv(weld_graph *g, weld_value *const *x, const void *options) {
    weld_value *bias = weld_graph_find_leaf(g, "x2");
    return weld_conv2d(g, x[0], x[1], bias, *(const weld_conv2d_options *)options);
}

static weld_value *batch_norm(weld_graph *g, weld_value *const *x, const void *options) {
    weld_shape scalar = {0}, c = weld_value_shape(x[1]);
    weld_batch_norm_leaves leaves = {x[1], x[2], weld_buffer(g, "mean", WELD_F32, c, x[1]->init),
                                     weld_buffer(g, "var", WELD_F32, c, x[1]->init),
                                     weld_buffer(g, "batches", WELD_I64, scalar, (weld_init){0})};
    return weld_batch_norm(g, x[0], leaves, 1e-5, 0.1, *(const bool *)options);
}

typedef weld_value *(*unary)(weld_graph *g, weld_value *x);
static weld_value *apply(weld_graph *g, weld_value *const *x, const void *options) {
    return (*(const unary *)options)(g, x[0]);
}

static weld_value *linear(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_linear(g, x[0], x[1], x[2]);
}

static weld_value *layer_norm(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_layer_norm(g, x[0], x[1], x[2], 1e-6);
}

static weld_value *cross_entropy(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_cross_entropy(g, x[0], x[1], 0.1);
}

static weld_value *binary_cross_entropy(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_binary_cross_entropy(g, x[0], x[1], 0.1);
}

static weld_value *max_pool(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_max_pool(g, x[0], (int[]){3, 3}, (int[]){2, 2}, (int[]){1, 1});
}

static weld_value *squeeze_excite(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_squeeze_excite(g, x[0], x[1], x[2], x[3], x[4]);
}

static weld_value *squeeze_excite_hard(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_squeeze_excite_gated(g, x[0], x[1], x[2], x[3], x[4], WELD_GATE_HARD_SIGMOID);
}

static weld_value *mul(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_mul(g, x[0], x[1]);
}

static weld_value *affine(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_affine(g, x[0], x[1], weld_graph_find_leaf(g, "x2"));
}

static weld_value *clamp(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_clamp(g, x[0], -0.5, 1.25);
}

typedef struct resizing {
    int64_t height, width;
    weld_resize_mode mode;
} resizing;

static weld_value *resize(weld_graph *g, weld_value *const *x, const void *options) {
    const resizing *to = options;
    return weld_resize(g, x[0], to->height, to->width, to->mode);
}

static weld_value *attention(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_attention(g, x[0], x[1], x[2], x[3], 2, 0);
}

static weld_value *attention_without_bias(weld_graph *g, weld_value *const *x,
                                          const void *options) {
    (void)options;
    return weld_attention(g, x[0], x[1], x[2], NULL, 2, 0);
}

static weld_value *position_bias(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_relative_position_bias(g, x[0], 2, 3);
}

static weld_value *box_decode(weld_graph *g, weld_value *const *x, const void *options) {
    return weld_box_decode(g, x[0], (int)(weld_value_shape(x[0]).dim[3] / 4),
                           *(const int *)options);
}

typedef struct parity_case {
    const char *name;
    check_build build;
    const void *options;
} parity_case;

#define CONV(...)                                                                                  \
    conv, &(const weld_conv2d_options) {                                                           \
        __VA_ARGS__                                                                                \
    }
#define APPLY(function)                                                                            \
    apply, &(const unary) {                                                                        \
        function                                                                                   \
    }

#define RESIZE(...)                                                                                \
    resize, &(const resizing) {                                                                    \
        __VA_ARGS__                                                                                \
    }

static const parity_case cases[] = {
    {"conv_dense", CONV({2, 2}, {1, 1}, 1)},
    {"conv_uneven", CONV({2, 3}, {2, 0}, 1)},
    {"conv_pointwise", CONV({1, 1}, {0, 0}, 1)},
    {"conv_pointwise_stride", CONV({2, 2}, {0, 0}, 1)},
    {"conv_depthwise", CONV({2, 2}, {1, 1}, 6)},
    {"conv_depthwise_1x1", CONV({1, 1}, {0, 0}, 5)},
    {"conv_grouped", CONV({1, 1}, {1, 1}, 3)},
    {"conv_same", CONV(.stride = {2, 2}, .same = true)},
    {"conv_same_depthwise", CONV(.stride = {2, 2}, .groups = 6, .same = true)},
    {"conv_same_uneven", CONV(.stride = {1, 3}, .groups = 2, .same = true)},
    {"batch_norm_train", batch_norm, &(const bool){true}},
    {"batch_norm_train_vectors", batch_norm, &(const bool){true}},
    {"batch_norm_eval", batch_norm, &(const bool){false}},
    {"batch_norm_eval_vectors", batch_norm, &(const bool){false}},
    {"gelu", APPLY(weld_gelu)},
    {"relu", APPLY(weld_relu)},
    {"silu", APPLY(weld_silu)},
    {"hard_swish", APPLY(weld_hard_swish)},
    {"hard_sigmoid", APPLY(weld_hard_sigmoid)},
    {"sigmoid", APPLY(weld_sigmoid)},
    {"linear", linear, NULL},
    {"layer_norm", layer_norm, NULL},
    {"softmax", APPLY(weld_softmax)},
    {"cross_entropy", cross_entropy, NULL},
    {"cross_entropy_mixed", cross_entropy, NULL},
    {"cross_entropy_labels", cross_entropy, NULL},
    {"binary_cross_entropy", binary_cross_entropy, NULL},
    {"binary_cross_entropy_mixed", binary_cross_entropy, NULL},
    {"box_decode", box_decode, &(const int){8}},
    {"max_pool", max_pool, NULL},
    {"global_avg_pool", APPLY(weld_global_avg_pool)},
    {"squeeze_excite", squeeze_excite, NULL},
    {"attention", attention, NULL},
    {"attention_without_bias", attention_without_bias, NULL},
    {"relative_position_bias", position_bias, NULL},
    {"resize_nearest_double", RESIZE(6, 8, WELD_RESIZE_NEAREST)},
    {"resize_nearest_up", RESIZE(8, 9, WELD_RESIZE_NEAREST)},
    {"resize_nearest_down", RESIZE(4, 1, WELD_RESIZE_NEAREST)},
    {"resize_nearest_rounded", RESIZE(1, 46, WELD_RESIZE_NEAREST)},
    {"resize_bilinear_double", RESIZE(6, 8, WELD_RESIZE_BILINEAR)},
    {"resize_bilinear_up", RESIZE(8, 9, WELD_RESIZE_BILINEAR)},
    {"resize_bilinear_down", RESIZE(4, 1, WELD_RESIZE_BILINEAR)},
    {"conv_dilated", CONV({2, 1}, {3, 0}, 1, {3, 2})},
    {"conv_depthwise_dilated", CONV({2, 2}, {2, 2}, 5, {2, 2})},
    {"affine", affine, NULL},
    {"affine_rows", affine, NULL},
    {"clamp", clamp, NULL},
    {"mul", mul, NULL},
    {"hard_swish_bends", APPLY(weld_hard_swish)},
    {"hard_sigmoid_bends", APPLY(weld_hard_sigmoid)},
    {"squeeze_excite_hard", squeeze_excite_hard, NULL},
};

static bool find(const weld_weights *fixture, const char *prefix, const char *name,
                 weld_tensor *out) {
    char full[128];
    snprintf(full, sizeof full, "%s/%s", prefix, name);
    return weld_weights_find(fixture, full, out);
}

static int find_leaves(const weld_weights *fixture, const char *name, check_leaf *leaves) {
    int count = 0;
    for (; count < CHECK_MAX_LEAVES; count++) {
        char leaf[16], gradient[16];
        weld_tensor t;
        snprintf(leaf, sizeof leaf, "x%d", count);
        snprintf(gradient, sizeof gradient, "d%d", count);
        if (!find(fixture, name, leaf, &t)) {
            break;
        }
        leaves[count] = (check_leaf){t.shape, 0, 1, !find(fixture, name, gradient, &t)};
    }
    return count;
}

/* To `tolerance` of the expected tensor's largest element. */
static void expect_near(const char *what, const char *name, weld_tensor got, weld_tensor want,
                        double tolerance) {
    double largest = 0, worst = 0;
    ck_assert(weld_shape_equal(&got.shape, &want.shape));
    for (int64_t i = 0; i < weld_shape_count(&want.shape); i++) {
        double off = fabs(check_get(&got, i) - check_get(&want, i));
        worst = off <= worst ? worst : off; /* a NaN stays */
        largest = fmax(largest, fabs(check_get(&want, i)));
    }
    ck_assert_msg(worst <= tolerance * largest, "%s: %s is off by %g of %g", what, name, worst,
                  largest);
}

/* Leaves, buffers and the factors of the loss, where the fixture has them. */
static void copy_leaves(const weld_weights *fixture, const char *name, const weld_weights *to) {
    for (size_t i = 0; i < weld_weights_count(to); i++) {
        weld_tensor t = weld_weights_tensor(to, i), from;
        if (find(fixture, name, weld_weights_name(to, i), &from)) {
            for (int64_t j = 0; j < weld_shape_count(&t.shape); j++) {
                check_set(&t, j, check_get(&from, j));
            }
        }
    }
}

static void check_case(const weld_weights *fixture, const parity_case *c, weld_dtype dtype,
                       const char *isa, double tolerance) {
    check_leaf leaves[CHECK_MAX_LEAVES];
    int count = find_leaves(fixture, c->name, leaves);
    ck_assert_int_gt(count, 0);
    check_net net = check_make(dtype, leaves, count, c->build, c->options);
    copy_leaves(fixture, c->name, net.weights);
    weld_tensor want;
    weld_session *s = check_session(&net, 2, isa);
    weld_session_run(s, 0);
    for (size_t i = 0; i < net.graph->output_count; i++) {
        const char *name = net.graph->outputs[i].name;
        if (strcmp(name, "loss") != 0) {
            ck_assert_msg(find(fixture, c->name, name, &want), "%s has no %s", c->name, name);
            expect_near(c->name, name, weld_session_output(s, name), want, tolerance);
        }
    }
    for (size_t i = 0; i < weld_weights_count(net.weights); i++) {
        char name[64];
        snprintf(name, sizeof name, "after/%s", weld_weights_name(net.weights, i));
        if (find(fixture, c->name, name, &want)) {
            expect_near(c->name, name, weld_weights_tensor(net.weights, i), want, tolerance);
        }
    }
    weld_session_free(s);
    check_free(&net);
}

START_TEST(operators_and_gradients_are_as_in_pytorch) {
    weld_weights *fixture = fixture_load("ops.fixture");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(fixture, &cases[i], WELD_F64, NULL, 1e-6);
        for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
            check_case(fixture, &cases[i], WELD_F32, weld_kernels_available(WELD_F32, v), 1e-5);
        }
    }
    weld_weights_free(fixture);
}
END_TEST

RUN_SUITE("ops/parity", operators_and_gradients_are_as_in_pytorch)
