/* Which chains of affine maps become one. */
#include "passes/compose_affine.h"

#include "passes/training_net.h"
#include "suite.h"

/* Frees g. */
static weld_graph *composed(weld_graph *g) {
    weld_graph *out;
    ck_assert_msg(!weld_compose_affine(g, &out, &err), "%s", err.message);
    weld_graph_free(g);
    return out;
}

/* bn(bn(depthwise(x)) + factor(x) + x), whose sum another convolution reads. */
static weld_value *token_mixer(weld_graph *g, weld_value *x) {
    weld_value *branch = net_norm(g, net_conv(g, x, "depthwise", NET_CHANNELS, 3), "a");
    weld_value *sum = weld_add(g, branch, net_conv(g, x, "factor", NET_CHANNELS, 1));
    return net_norm(g, weld_add(g, sum, x), "b");
}

START_TEST(three_branches_and_the_batch_norm_after_them_are_one_map_each) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    g = net_finish(g, net_norm(g, net_conv(g, token_mixer(g, x), "c", 1, 1), "d"));
    ck_assert_int_eq(net_count(g, &weld_op_add), 2);
    g = composed(g);
    ck_assert_int_eq(net_count(g, &weld_op_add), 0);
    ck_assert_int_eq(net_count(g, &weld_op_affine), 1);  /* d's */
    ck_assert_int_eq(net_count(g, &weld_op_affine2), 5); /* the sum, b; gradients of d, b, a */
    weld_graph_free(g);
}
END_TEST

START_TEST(a_sum_of_normalised_maps_is_one_map) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *a = net_norm(g, net_conv(g, x, "a", 1, 1), "n");
    weld_value *b = net_norm(g, net_conv(g, x, "b", 1, 1), "m");
    weld_output(g, "sum", weld_add(g, a, b));
    g = composed(net_finish(g, weld_gelu(g, weld_graph_output(g, "sum"))));
    const weld_node *sum = weld_graph_output(g, "sum")->producer;
    ck_assert_ptr_eq(sum->op, &weld_op_affine2);
    ck_assert_ptr_eq(sum->inputs[0]->producer->op, &weld_op_conv2d);
    ck_assert_ptr_eq(sum->inputs[1]->producer->op, &weld_op_conv2d);
    weld_graph_free(g);
}
END_TEST

START_TEST(plain_sums_stay_sums) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *a = net_conv(g, x, "a", 1, 1), *b = net_conv(g, x, "b", 1, 1);
    weld_output(g, "sum", weld_add(g, weld_add(g, a, b), a));
    g = composed(net_finish(g, weld_gelu(g, weld_graph_output(g, "sum"))));
    ck_assert_ptr_eq(weld_graph_output(g, "sum")->producer->op, &weld_op_add);
    weld_graph_free(g);
}
END_TEST

START_TEST(what_is_kept_anyway_is_not_looked_through) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *a = net_norm(g, net_conv(g, x, "a", 1, 1), "n");
    weld_output(g, "kept", a);
    weld_output(g, "y", net_conv(g, a, "factor", NET_CHANNELS, 1));
    g = composed(net_finish(g, weld_gelu(g, weld_graph_output(g, "y"))));
    const weld_node *y = weld_graph_output(g, "y")->producer;
    ck_assert_ptr_eq(y->inputs[0], weld_graph_output(g, "kept"));
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("passes/compose_affine", three_branches_and_the_batch_norm_after_them_are_one_map_each,
          a_sum_of_normalised_maps_is_one_map, plain_sums_stay_sums,
          what_is_kept_anyway_is_not_looked_through)
