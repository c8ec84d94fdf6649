#include "graph/networks.h"
#include "ops/ops.h"
#include "suite.h"

START_TEST(every_operator_of_a_network_is_found_by_its_name) {
    for (int training = 0; training < 2; training++) {
        weld_graph *g = network_build(WELD_F32, 2, training);
        for (size_t i = 0; i < g->node_count; i++) {
            const weld_op *op = g->nodes[i]->op;
            ck_assert_msg(weld_op_find(op->name) == op, "%s is not in the registry", op->name);
        }
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(an_unknown_name_finds_nothing) {
    ck_assert_ptr_null(weld_op_find("conv3d"));
    ck_assert_ptr_null(weld_op_find(""));
}
END_TEST

RUN_SUITE("ops/registry", every_operator_of_a_network_is_found_by_its_name,
          an_unknown_name_finds_nothing)
