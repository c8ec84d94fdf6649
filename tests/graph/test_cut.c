/* Parts of graphs as graphs of their own. */
#include "base/memory.h"
#include "graph/networks.h"
#include "suite.h"

static weld_value *find_conv(const weld_graph *g, const char *weight) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->input_count > 1 && strcmp(node->inputs[1]->name, weight) == 0) {
            return node->outputs[0];
        }
    }
    ck_abort_msg("no %s", weight);
    return NULL;
}

START_TEST(the_whole_is_the_same_graph) {
    weld_graph *g = network_build(WELD_F32, 2, false), *cut;
    weld_weights *w = network_weights(g);
    ck_assert_int_eq(
        weld_graph_cut(g, WELD_SHAPE(2, 16, 16, 3), g->outputs, g->output_count, &cut, NULL),
        WELD_OK);
    ck_assert_uint_eq(cut->node_count, g->node_count);
    weld_session *a = network_session(g, w, (weld_session_options){.threads = 2});
    weld_session *b = network_session(cut, w, (weld_session_options){.threads = 2});
    network_fill(a, 4, 0);
    network_fill(b, 4, 0);
    weld_session_run(a, 0);
    weld_session_run(b, 0);
    weld_tensor x = weld_session_output(a, "logits"), y = weld_session_output(b, "logits");
    ck_assert_mem_eq(x.data, y.data, (size_t)weld_shape_count(&x.shape) * sizeof(float));
    weld_session_free(a);
    weld_session_free(b);
    weld_graph_free(cut);
    weld_graph_free(g);
    weld_weights_free(w);
}
END_TEST

START_TEST(a_part_has_no_more_than_it_needs_and_follows_the_size) {
    weld_graph *g = network_build(WELD_F32, 2, false), *cut;
    const weld_named_value outputs[] = {{"early", find_conv(g, "stem.weight")},
                                        {"late", find_conv(g, "up.weight")}};
    ck_assert_int_eq(weld_graph_cut(g, WELD_SHAPE(3, 21, 10, 3), outputs, 2, &cut, NULL), WELD_OK);
    weld_shape early = weld_value_shape(weld_graph_output(cut, "early"));
    weld_shape late = weld_value_shape(weld_graph_output(cut, "late"));
    ck_assert(weld_shape_equal(&early, &WELD_SHAPE(3, 11, 5, 8)));
    ck_assert(weld_shape_equal(&late, &WELD_SHAPE(3, 11, 5, 16)));
    ck_assert_ptr_nonnull(weld_graph_find_leaf(cut, "up.weight"));
    ck_assert_ptr_null(weld_graph_find_leaf(cut, "down.weight"));
    ck_assert_ptr_null(weld_graph_output(cut, "logits"));
    weld_graph_free(cut);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_size_that_does_not_fit_is_refused_by_the_operator_concerned) {
    weld_graph *g = network_build(WELD_F32, 2, false), *cut;
    weld_error err;
    ck_assert_int_eq(weld_graph_cut(g, WELD_SHAPE(2, 32, 32, 3), g->outputs, 1, &cut, &err),
                     WELD_ERROR_SHAPE);
    ck_assert_msg(strstr(err.message, "reshape") || strstr(err.message, "add"), "%s", err.message);
    ck_assert_ptr_null(cut);
    weld_graph_free(g);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    weld_graph *g = network_build(WELD_F32, 2, false), *cut;
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        weld_memory_fail_after(n);
        status = weld_graph_cut(g, WELD_SHAPE(2, 16, 16, 3), g->outputs, 1, &cut, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_graph_free(cut);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("graph/cut", the_whole_is_the_same_graph,
          a_part_has_no_more_than_it_needs_and_follows_the_size,
          a_size_that_does_not_fit_is_refused_by_the_operator_concerned,
          failing_allocations_are_errors_and_nothing_more)
