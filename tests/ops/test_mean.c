#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_mean(g, x[0]);
}

START_TEST(mean_is_right_for_all_ranks) {
    weld_shape shapes[] = {WELD_SHAPE(1), WELD_SHAPE(7), WELD_SHAPE(3, 4, 5), WELD_SHAPE(2, 90, 7)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_operator(&(check_leaf){shapes[i], -1, 2, false}, 1, build, NULL);
    }
}
END_TEST

START_TEST(mean_is_over_all_elements) {
    double y;
    check_forward(WELD_SHAPE(2, 2), (double[]){1, 2, 3, 8}, build, NULL, 1, &y);
    ck_assert_double_eq_tol(y, 3.5, 1e-15);
}
END_TEST

RUN_SUITE("ops/mean", mean_is_right_for_all_ranks, mean_is_over_all_elements)
