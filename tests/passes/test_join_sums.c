/* Where sums over a combination of two maps are had from sums over the two. */
#include "passes/join_sums.h"

#include "passes/compose_affine.h"
#include "passes/training_net.h"
#include "suite.h"

/* Frees g. */
static weld_graph *joined(weld_graph *g) {
    weld_graph *composed, *out;
    ck_assert_int_eq(weld_compose_affine(g, &composed, &err), WELD_OK);
    ck_assert_msg(!weld_join_sums(composed, &out, &err), "%s", err.message);
    weld_graph_free(g);
    weld_graph_free(composed);
    return out;
}

static int nodes_of(const weld_graph *g, const weld_op *op) {
    int count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += g->nodes[i]->op == op;
    }
    return count;
}

/* bn(bn(depthwise(x)) + factor(x) + x), then bn(conv) */
static weld_graph *token_mixer(void) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *in = weld_gelu(g, net_norm(g, net_conv(g, x, "first", 1, 1), "f"));
    weld_value *branch = net_norm(g, net_conv(g, in, "depthwise", NET_CHANNELS, 3), "a");
    weld_value *bias = weld_parameter(g, "factor.bias", WELD_SHAPE(NET_CHANNELS), net_init);
    weld_shape shape = WELD_SHAPE(NET_CHANNELS, 1, 1, 1);
    weld_conv2d_options o = {.groups = NET_CHANNELS};
    weld_value *factor = weld_conv2d(g, in, weld_parameter(g, "factor", shape, net_init), bias, o);
    weld_value *y = net_norm(g, weld_add(g, weld_add(g, branch, factor), in), "b");
    return net_finish(g, net_norm(g, net_conv(g, y, "c", 1, 1), "d"));
}

START_TEST(the_sum_of_the_token_mixer_is_not_made_for_its_sums) {
    weld_graph *g = joined(token_mixer());
    ck_assert_int_eq(nodes_of(g, &weld_op_moments_of_affine2), 1);
    ck_assert_int_eq(nodes_of(g, &weld_op_sums_of_affine2), 1);
    /* Those of batch norm a, and of the factor and its bias. */
    ck_assert_int_eq(nodes_of(g, &weld_op_grad_sums_of_affine2), 3);
    ck_assert_int_eq(nodes_of(g, &weld_op_channel_sum), 0);
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->op == &weld_op_moments) {
            ck_assert_ptr_ne(node->inputs[0]->producer->op, &weld_op_affine2);
        }
    }
    weld_graph_free(g);
}
END_TEST

START_TEST(sums_of_maps_that_are_made_apart_are_left) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *a = net_norm(g, net_conv(g, x, "a", 1, 1), "n");
    weld_value *b = net_norm(g, net_conv(g, x, "b", 1, 1), "m");
    g = joined(net_finish(g, net_norm(g, weld_add(g, a, b), "o")));
    ck_assert_int_eq(nodes_of(g, &weld_op_moments_of_affine2), 0);
    ck_assert_int_eq(nodes_of(g, &weld_op_moments), 3);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("passes/join_sums", the_sum_of_the_token_mixer_is_not_made_for_its_sums,
          sums_of_maps_that_are_made_apart_are_left)
