/* What is computed anew, and what is kept. */
#include <string.h>

#include "ops/ops.h"
#include "passes/levels.h"
#include "passes/recompute.h"
#include "passes/split_batch_norm.h"
#include "suite.h"

enum { SIZE = 4, CHANNELS = 6 };

static weld_error err;
static const weld_init one = {WELD_INIT_CONSTANT, 1, 0};

static weld_graph *start(weld_value **x) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    *x = weld_input(g, "x", WELD_SHAPE(2, SIZE, SIZE, CHANNELS));
    return g;
}

static weld_value *conv(weld_graph *g, weld_value *x, const char *name, int groups, int kernel) {
    weld_shape shape = WELD_SHAPE(CHANNELS, CHANNELS / groups, kernel, kernel);
    weld_conv2d_options o = {.padding = {kernel / 2, kernel / 2}, .groups = groups};
    return weld_conv2d(g, x, weld_parameter(g, name, shape, one), NULL, o);
}

static weld_value *norm(weld_graph *g, weld_value *x, const char *prefix) {
    static const char *const parts[] = {"weight", "bias", "mean", "var", "batches"};
    char names[5][32];
    for (int i = 0; i < 5; i++) {
        snprintf(names[i], sizeof names[i], "%s.%s", prefix, parts[i]);
    }
    weld_shape c = WELD_SHAPE(CHANNELS);
    weld_batch_norm_leaves leaves = {
        weld_parameter(g, names[0], c, one), weld_parameter(g, names[1], c, one),
        weld_buffer(g, names[2], WELD_F32, c, one), weld_buffer(g, names[3], WELD_F32, c, one),
        weld_buffer(g, names[4], WELD_I64, (weld_shape){0}, one)};
    return weld_batch_norm(g, x, leaves, 1e-5, 0.1, true);
}

/* The step of training on the mean of y, with gradients of all parameters, in steps and
 * recomputed. */
static weld_graph *finish(weld_graph *g, weld_value *y, int roots) {
    weld_value *parameters[16], *gradients[16];
    weld_graph *split, *out;
    size_t count = weld_graph_parameter_count(g);
    ck_assert_uint_le(count, 16);
    for (size_t i = 0; i < count; i++) {
        parameters[i] = weld_graph_parameter(g, i);
    }
    weld_value *loss = weld_mean(g, y);
    ck_assert_msg(!weld_differentiate(g, loss, parameters, count, gradients, &err), "%s",
                  err.message);
    for (size_t i = 0; i < count; i++) {
        weld_output(g, weld_value_name(parameters[i]), gradients[i]);
    }
    weld_output(g, "loss", loss);
    ck_assert_int_eq(weld_split_batch_norm(g, &split, &err), WELD_OK);
    ck_assert_msg(!weld_recompute(split, roots, &out, &err), "%s", err.message);
    weld_graph_free(g);
    weld_graph_free(split);
    return out;
}

static int count_of(const weld_graph *g, const weld_op *op) {
    int count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += g->nodes[i]->op == op;
    }
    return count;
}

START_TEST(activations_are_computed_anew_from_a_convolutions_output) {
    weld_value *x;
    weld_graph *g = start(&x);
    weld_value *y = weld_gelu(g, norm(g, conv(g, x, "a", 1, 1), "n"));
    g = finish(g, norm(g, conv(g, y, "b", 1, 1), "m"), 1);
    /* The affine map of n twice, that of m once; the activation twice. */
    ck_assert_int_eq(count_of(g, &weld_op_affine), 3);
    ck_assert_int_eq(count_of(g, &weld_op_activation), 2);
    weld_graph_free(g);
}
END_TEST

START_TEST(the_input_of_a_depthwise_convolution_is_kept) {
    weld_value *x;
    weld_graph *g = start(&x);
    weld_value *y = weld_gelu(g, norm(g, conv(g, x, "a", 1, 1), "n"));
    g = finish(g, norm(g, conv(g, y, "b", CHANNELS, 3), "m"), 1);
    ck_assert_int_eq(count_of(g, &weld_op_activation), 1);
    ck_assert_int_eq(count_of(g, &weld_op_affine), 3); /* n's for gelu and for its gradient */
    weld_graph_free(g);
}
END_TEST

START_TEST(a_value_of_more_roots_than_allowed_is_kept) {
    for (int roots = 1; roots <= 2; roots++) {
        weld_value *x;
        weld_graph *g = start(&x);
        weld_value *a = norm(g, conv(g, x, "a", 1, 1), "n");
        weld_value *b = norm(g, conv(g, x, "b", 1, 1), "m");
        weld_value *y = conv(g, weld_add(g, a, b), "c", 1, 1);
        g = finish(g, norm(g, y, "o"), roots);
        ck_assert_int_eq(count_of(g, &weld_op_add), roots);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(outputs_are_computed_once) {
    weld_value *x;
    weld_graph *g = start(&x);
    weld_value *y = weld_gelu(g, norm(g, conv(g, x, "a", 1, 1), "n"));
    weld_output(g, "y", y);
    g = finish(g, conv(g, y, "b", 1, 1), 1);
    ck_assert_int_eq(count_of(g, &weld_op_activation), 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(nothing_is_computed_anew_from_what_would_have_to_be_kept_for_it) {
    weld_value *x;
    weld_graph *g = start(&x);
    weld_value *sum = weld_add(g, conv(g, x, "a", 1, 1), conv(g, x, "b", 1, 1));
    g = finish(g, norm(g, sum, "n"), 2);
    ck_assert_int_eq(count_of(g, &weld_op_add), 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_copy_has_the_level_of_its_readers) {
    weld_value *x;
    int levels[128];
    weld_graph *g = start(&x);
    weld_value *y = weld_gelu(g, norm(g, conv(g, x, "a", 1, 1), "n"));
    g = finish(g, norm(g, conv(g, y, "b", 1, 1), "m"), 1);
    ck_assert_uint_le(g->node_count, 128);
    ck_assert_int_eq(weld_node_levels(g, levels, &err), WELD_OK);
    const weld_node *gelu = NULL;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        gelu = node->op == &weld_op_activation ? node : gelu;
        if (node->op == &weld_op_conv2d_weight_grad && node->inputs[0] == gelu->outputs[0]) {
            ck_assert_int_eq(levels[gelu->id], levels[i]);
            ck_assert_int_eq(levels[gelu->inputs[0]->producer->id], levels[i]);
        }
        if (node->op == &weld_op_batch_norm_statistics) {
            ck_assert_int_eq(levels[i], levels[node->inputs[0]->producer->id] + 1);
        }
    }
    weld_graph_free(g);
}
END_TEST

START_TEST(a_wrong_number_of_roots_is_refused) {
    weld_value *x;
    weld_graph *g = start(&x), *out;
    weld_output(g, "y", x);
    ck_assert_int_eq(weld_recompute(g, 0, &out, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_recompute(g, WELD_RECOMPUTE_MOST_ROOTS + 1, &out, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_null(out);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("passes/recompute", activations_are_computed_anew_from_a_convolutions_output,
          the_input_of_a_depthwise_convolution_is_kept, a_value_of_more_roots_than_allowed_is_kept,
          outputs_are_computed_once,
          nothing_is_computed_anew_from_what_would_have_to_be_kept_for_it,
          a_copy_has_the_level_of_its_readers, a_wrong_number_of_roots_is_refused)
