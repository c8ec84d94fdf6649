#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    bool bias = *(const bool *)options;
    return weld_linear(g, x[0], x[1], bias ? x[2] : NULL);
}

START_TEST(linear_is_right_for_all_ranks_and_tails) {
    const struct {
        weld_shape x;
        int64_t out;
        bool bias;
    } cases[] = {{WELD_SHAPE(7), 5, true},          {WELD_SHAPE(1, 33), 3, true},
                 {WELD_SHAPE(6, 4), 17, false},     {WELD_SHAPE(2, 3, 5), 4, true},
                 {WELD_SHAPE(2, 3, 4, 6), 1, true}, {WELD_SHAPE(1200, 5), 3, true},
                 {WELD_SHAPE(150, 20), 30, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t in = cases[i].x.dim[cases[i].x.rank - 1];
        check_leaf leaves[] = {{cases[i].x, -1, 1, false},
                               {WELD_SHAPE(cases[i].out, in), -1, 1, false},
                               {WELD_SHAPE(cases[i].out), -1, 1, false}};
        check_operator(leaves, cases[i].bias ? 3 : 2, build, &cases[i].bias);
        check_operator_bf16(leaves, cases[i].bias ? 3 : 2, 1, build, &cases[i].bias);
    }
}
END_TEST

START_TEST(a_weight_that_does_not_fit_is_refused) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 3), 0, 1, false}, {WELD_SHAPE(5, 4), 0, 1, false}};
    check_refused(leaves, 2, build, &(bool){false}, "weight [5, 4] wants 4 inputs, x is [2, 3]");
}
END_TEST

RUN_SUITE("ops/linear", linear_is_right_for_all_ranks_and_tails,
          a_weight_that_does_not_fit_is_refused)
