/* What is computed anew, and what is kept. */
#include "passes/recompute.h"

#include "passes/levels.h"
#include "passes/training_net.h"
#include "suite.h"

/* Frees g. */
static weld_graph *finish(weld_graph *g, weld_value *y, int roots) {
    weld_graph *split = net_finish(g, y), *out;
    ck_assert_msg(!weld_recompute(split, roots, &out, &err), "%s", err.message);
    weld_graph_free(split);
    return out;
}

START_TEST(activations_are_computed_anew_from_a_convolutions_output) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *y = weld_gelu(g, net_norm(g, net_conv(g, x, "a", 1, 1), "n"));
    g = finish(g, net_norm(g, net_conv(g, y, "b", 1, 1), "m"), 1);
    /* The affine map of n twice, that of m once; the activation twice. */
    ck_assert_int_eq(net_count(g, &weld_op_affine), 3);
    ck_assert_int_eq(net_count(g, &weld_op_activation), 2);
    weld_graph_free(g);
}
END_TEST

START_TEST(the_input_of_a_depthwise_convolution_is_kept) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *y = weld_gelu(g, net_norm(g, net_conv(g, x, "a", 1, 1), "n"));
    g = finish(g, net_norm(g, net_conv(g, y, "b", NET_CHANNELS, 3), "m"), 1);
    ck_assert_int_eq(net_count(g, &weld_op_activation), 1);
    ck_assert_int_eq(net_count(g, &weld_op_affine), 3); /* n's for gelu and for its gradient */
    weld_graph_free(g);
}
END_TEST

START_TEST(a_value_of_more_roots_than_allowed_is_kept) {
    for (int roots = 1; roots <= 2; roots++) {
        weld_value *x;
        weld_graph *g = net_start(&x);
        weld_value *a = net_norm(g, net_conv(g, x, "a", 1, 1), "n");
        weld_value *b = net_norm(g, net_conv(g, x, "b", 1, 1), "m");
        weld_value *y = net_conv(g, weld_add(g, a, b), "c", 1, 1);
        g = finish(g, net_norm(g, y, "o"), roots);
        ck_assert_int_eq(net_count(g, &weld_op_add), roots);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(outputs_are_computed_once) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *y = weld_gelu(g, net_norm(g, net_conv(g, x, "a", 1, 1), "n"));
    weld_output(g, "y", y);
    g = finish(g, net_conv(g, y, "b", 1, 1), 1);
    ck_assert_int_eq(net_count(g, &weld_op_activation), 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(nothing_is_computed_anew_from_what_would_have_to_be_kept_for_it) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *sum = weld_add(g, net_conv(g, x, "a", 1, 1), net_conv(g, x, "b", 1, 1));
    g = finish(g, net_norm(g, sum, "n"), 2);
    ck_assert_int_eq(net_count(g, &weld_op_add), 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_copy_has_the_level_of_its_readers) {
    weld_value *x;
    int levels[128];
    weld_graph *g = net_start(&x);
    weld_value *y = weld_gelu(g, net_norm(g, net_conv(g, x, "a", 1, 1), "n"));
    g = finish(g, net_norm(g, net_conv(g, y, "b", 1, 1), "m"), 1);
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
    weld_graph *g = net_start(&x), *out;
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
