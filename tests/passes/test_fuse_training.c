/* All passes over a training graph. */
#include "passes/fuse_training.h"

#include <string.h>

#include "base/memory.h"
#include "passes/training_net.h"
#include "suite.h"

static weld_graph *build(void) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *branch = net_norm(g, net_conv(g, x, "depthwise", NET_CHANNELS, 3), "a");
    weld_value *sum = weld_add(g, branch, net_conv(g, x, "factor", NET_CHANNELS, 1));
    weld_value *y = net_norm(g, weld_add(g, sum, x), "b");
    y = weld_gelu(g, net_norm(g, net_conv(g, y, "c", 1, 1), "d"));
    return net_finish(g, y);
}

START_TEST(leaves_and_outputs_stay_in_order) {
    weld_graph *g = build(), *fused;
    ck_assert_int_eq(weld_fuse_training(g, NULL, &fused, &err), WELD_OK);
    size_t leaves = 0;
    for (size_t i = 0; i < g->value_count && g->values[i]->kind != WELD_VALUE_RESULT; i++) {
        leaves++;
    }
    size_t at = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind != WELD_VALUE_RESULT) {
            ck_assert_str_eq(fused->values[at]->name, v->name);
            ck_assert_int_eq(fused->values[at]->kind, v->kind);
            ck_assert_int_eq(fused->values[at++]->dtype, v->dtype);
        }
    }
    ck_assert_uint_ge(at, leaves);
    ck_assert_uint_eq(fused->output_count, g->output_count);
    for (size_t i = 0; i < g->output_count; i++) {
        ck_assert_str_eq(fused->outputs[i].name, g->outputs[i].name);
        ck_assert(weld_shape_equal(&fused->outputs[i].value->shape, &g->outputs[i].value->shape));
    }
    weld_graph_free(g);
    weld_graph_free(fused);
}
END_TEST

START_TEST(with_all_passes_off_the_graph_is_as_it_was) {
    weld_fuse_options none = {.whole_batch_norm = true,
                              .keep_chains = true,
                              .keep_sums = true,
                              .keep_all = true,
                              .keep_elementwise = true};
    weld_graph *g = build(), *fused;
    ck_assert_int_eq(weld_fuse_training(g, &none, &fused, &err), WELD_OK);
    ck_assert_uint_eq(fused->node_count, g->node_count);
    for (size_t i = 0; i < g->node_count; i++) {
        ck_assert_ptr_eq(fused->nodes[i]->op, g->nodes[i]->op);
    }
    weld_graph_free(g);
    weld_graph_free(fused);
}
END_TEST

START_TEST(running_out_of_memory_anywhere_is_an_error) {
    weld_graph *g = build(), *fused = NULL;
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_memory_fail_after(i);
        status = weld_fuse_training(g, NULL, &fused, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert(!status == !!fused);
    }
    weld_graph_free(g);
    weld_graph_free(fused);
}
END_TEST

RUN_SUITE("passes/fuse_training", leaves_and_outputs_stay_in_order,
          with_all_passes_off_the_graph_is_as_it_was, running_out_of_memory_anywhere_is_an_error)
