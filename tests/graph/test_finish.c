/* Functions of each element that the node before does in passing (graph/finish.c): where, where
 * not, and that no bit tells. */
#include "graph/networks.h"
#include "ops/ops.h"
#include "passes/fuse_training.h"
#include "suite.h"

/* A convolution with a function behind it; each is computed in a way of its own. */
typedef struct layer {
    int64_t n, h, w, in, out;
    int kernel, stride, padding, groups, dilation;
} layer;

static const layer layers[] = {
    {1, 14, 13, 20, 50, 1, 1, 0, 1, 0},  /* a product of all rows */
    {1, 40, 41, 24, 200, 1, 1, 0, 1, 0}, /* in blocks of rows */
    {2, 7, 7, 130, 590, 1, 1, 0, 1, 0},  /* by chunks of columns */
    {1, 1, 1, 72, 24, 1, 1, 0, 1, 0},    /* of one row */
    {2, 9, 5, 19, 19, 1, 1, 0, 19, 0},   /* a factor a channel */
    {1, 15, 14, 40, 40, 3, 1, 1, 40, 0}, /* a group a channel */
    {2, 11, 13, 33, 33, 5, 2, 2, 33, 0}, /* likewise */
    {1, 20, 22, 3, 18, 3, 2, 1, 1, 0},   /* by patches */
    {2, 9, 9, 12, 24, 3, 1, 1, 3, 0},    /* by patches of groups */
    {1, 12, 11, 48, 40, 3, 1, 1, 2, 0},  /* straight from the image, in groups */
    {1, 30, 70, 18, 21, 3, 2, 1, 1, 0},  /* likewise, all channels at once */
    {2, 13, 12, 16, 34, 3, 1, 1, 1, 0},  /* by squares, at once */
    {1, 37, 40, 64, 50, 3, 1, 1, 1, 0},  /* by squares, in blocks */
    {1, 6, 6, 256, 256, 3, 2, 1, 1, 0},  /* of many weights */
    {9, 6, 7, 16, 24, 1, 1, 0, 1, 0},    /* in slices */
    {9, 8, 8, 24, 24, 3, 1, 1, 24, 0},   /* likewise */
};
enum { LAYERS = sizeof layers / sizeof *layers };

static weld_value *function_of(weld_graph *g, weld_value *x, int function) {
    weld_value *(*const make[])(weld_graph *, weld_value *) = {
        weld_gelu, weld_relu, weld_silu, weld_hard_swish, weld_hard_sigmoid, weld_sigmoid};
    ck_assert_uint_eq(sizeof make / sizeof *make, WELD_UNARY_COUNT);
    return make[function](g, x);
}

static weld_graph *layer_graph(const layer *l, bool narrow, int function) {
    weld_graph *g;
    const weld_conv2d_options o = {
        .stride = {l->stride, l->stride}, .padding = {l->padding, l->padding}, .groups = l->groups};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(l->n, l->h, l->w, l->in));
    x = narrow ? weld_cast(g, x, WELD_BF16) : x;
    const weld_shape shape = WELD_SHAPE(l->out, l->in / l->groups, l->kernel, l->kernel);
    x = weld_conv2d(g, x, network_parameter(g, "c", "weight", shape),
                    network_parameter(g, "c", "bias", WELD_SHAPE(l->out)), o);
    x = function_of(g, x, function);
    weld_output(g, "y", narrow ? weld_cast(g, x, WELD_F32) : x);
    ck_assert_int_eq(weld_graph_status(g, NULL), WELD_OK);
    return g;
}

static size_t nodes_run(weld_session *s) {
    return weld_session_plan(s)->order_count;
}

static weld_session *ran(const weld_graph *g, weld_weights *w, weld_session_options o) {
    o.constant_weights = true;
    weld_session *s = network_session(g, w, o);
    network_fill(s, 1, 0);
    weld_session_run(s, 0);
    return s;
}

/* The graph has the bits that it has node by node, in `fewer` nodes. */
static void check_graph(const weld_graph *g, weld_weights *w, const char *isa, size_t fewer) {
    weld_session *plain =
        ran(g, w, (weld_session_options){.threads = 1, .isa = isa, .node_by_node = true});
    for (int threads = 1; threads <= 5; threads += 2) {
        weld_session *s = ran(g, w, (weld_session_options){.threads = threads, .isa = isa});
        ck_assert_uint_eq(nodes_run(s) + fewer, nodes_run(plain));
        network_assert_equal(plain, s);
        weld_session_free(s);
    }
    weld_session_free(plain);
}

/* In bf16 only what gains by it does. */
static bool in_passing(const layer *l, bool narrow) {
    return !narrow || (l->groups == l->in && l->kernel > 1) || l->h * l->w == 1;
}

START_TEST(a_function_is_taken_in_passing_however_a_convolution_is_computed) {
    for (int i = 0; i < 2 * LAYERS; i++) {
        const bool narrow = i >= LAYERS;
        for (int function = 0; function < WELD_UNARY_COUNT; function++) {
            weld_graph *g = layer_graph(&layers[i % LAYERS], narrow, function);
            weld_weights *w = network_weights(g);
            const char *isa;
            for (int v = 0; (isa = weld_kernels_available(narrow ? WELD_BF16 : WELD_F32, v)); v++) {
                if (function == i % WELD_UNARY_COUNT || strcmp(isa, "ref") != 0) {
                    check_graph(g, w, isa, in_passing(&layers[i % LAYERS], narrow));
                }
            }
            weld_weights_free(w);
            weld_graph_free(g);
        }
    }
}
END_TEST

/* x [2, 6, 5, 8] and its convolution. */
static weld_value *begin_graph(weld_graph **g, weld_value **x) {
    ck_assert_int_eq(weld_graph_create(WELD_F32, g, NULL), WELD_OK);
    *x = weld_input(*g, "x", WELD_SHAPE(2, 6, 5, 8));
    return network_conv(*g, "c", *x, 8, 1, 1, 1);
}

static void check_once(weld_graph *g, size_t fewer) {
    weld_weights *w = network_weights(g);
    ck_assert_int_eq(weld_graph_status(g, NULL), WELD_OK);
    check_graph(g, w, NULL, fewer);
    weld_weights_free(w);
    weld_graph_free(g);
}

START_TEST(what_others_read_too_stays_as_it_is) {
    weld_graph *g;
    weld_value *x, *y = begin_graph(&g, &x);
    weld_output(g, "y", weld_mul(g, weld_gelu(g, y), y)); /* another node */
    check_once(g, 0);

    y = begin_graph(&g, &x);
    weld_output(g, "y", weld_gelu(g, y));
    weld_output(g, "before", y); /* who asks for it */
    check_once(g, 0);

    y = begin_graph(&g, &x);
    weld_output(g, "y", weld_mul(g, weld_gelu(g, y), weld_relu(g, y))); /* another function */
    check_once(g, 0);

    y = begin_graph(&g, &x);
    weld_value *row = weld_reshape(g, y, WELD_SHAPE(-1, 8)); /* another name */
    weld_output(g, "y", weld_mul(g, weld_reshape(g, weld_gelu(g, y), WELD_SHAPE(-1, 8)), row));
    check_once(g, 0);
}
END_TEST

START_TEST(what_no_output_needs_is_no_reader) {
    weld_graph *g;
    weld_value *x, *y = begin_graph(&g, &x);
    weld_relu(g, y);
    weld_output(g, "y", weld_gelu(g, y));
    check_once(g, 1);
}
END_TEST

START_TEST(sums_and_linear_layers_take_functions_and_views_go_on_behind_them) {
    weld_graph *g;
    weld_value *x, *y = begin_graph(&g, &x);
    y = weld_relu(g, weld_add(g, weld_hard_swish(g, y), x)); /* two in passing */
    weld_value *tokens = weld_reshape(g, y, WELD_SHAPE(2, 30, 8));
    weld_value *weight = network_parameter(g, "l", "weight", WELD_SHAPE(24, 8));
    tokens = weld_gelu(g, weld_linear(g, tokens, weight, NULL)); /* the third */
    weld_output(g, "tokens", weld_reshape(g, tokens, WELD_SHAPE(2, 6, 5, 24)));
    weld_output(g, "mean", weld_global_avg_pool(g, y));
    check_once(g, 3);
}
END_TEST

/* What stays floats where a layer's results are not rounded: the kernels of two types. */
START_TEST(a_function_of_another_type_stays_a_node) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_cast(g, weld_input(g, "x", WELD_SHAPE(3, 8)), WELD_BF16);
    const weld_attributes a = {.unrounded = true};
    weld_value *in[] = {x, network_parameter(g, "l", "weight", WELD_SHAPE(24, 8))};
    weld_output(g, "y", weld_sigmoid(g, weld_graph_node(g, weld_op_find("linear"), &a, in, 2, 2)));
    check_once(g, 0);
}
END_TEST

START_TEST(the_steps_of_training_are_as_they_were) {
    weld_graph *g, *fused;
    weld_value *x, *y = begin_graph(&g, &x), *dw;
    weld_value *weight = weld_graph_find_leaf(g, "c.weight");
    weld_value *loss = weld_mean(g, weld_gelu(g, y));
    weld_output(g, "loss", loss);
    ck_assert_int_eq(weld_differentiate(g, loss, &weight, 1, &dw, NULL), WELD_OK);
    weld_output(g, "dw", dw);
    ck_assert_int_eq(weld_fuse_training(g, NULL, &fused, NULL), WELD_OK);
    weld_graph_free(g);
    weld_weights *w = network_weights(fused);
    weld_session *s = network_session(fused, w, (weld_session_options){.threads = 2});
    weld_session *plain =
        network_session(fused, w, (weld_session_options){.threads = 2, .node_by_node = true});
    ck_assert_uint_eq(nodes_run(s), nodes_run(plain));
    weld_session_free(s);
    weld_session_free(plain);
    weld_weights_free(w);
    weld_graph_free(fused);
}
END_TEST

RUN_SUITE("graph/finish", a_function_is_taken_in_passing_however_a_convolution_is_computed,
          what_others_read_too_stays_as_it_is, what_no_output_needs_is_no_reader,
          sums_and_linear_layers_take_functions_and_views_go_on_behind_them,
          a_function_of_another_type_stays_a_node, the_steps_of_training_are_as_they_were)
