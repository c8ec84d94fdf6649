#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_layer_norm(g, x[0], x[1], x[2], 1e-5);
}

static void check(weld_shape shape) {
    weld_shape vector = WELD_SHAPE(shape.dim[shape.rank - 1]);
    check_leaf leaves[] = {{shape, -2, 3}, {vector, 0.5, 1.5}, {vector, -1, 1}};
    check_operator(leaves, 3, build, NULL);
    check_operator_bf16(leaves, 3, 1, build, NULL);
}

START_TEST(layer_norm_is_right_for_odd_sizes_and_many_rows) {
    check(WELD_SHAPE(3, 5, 7));
    check(WELD_SHAPE(1, 16));
    check(WELD_SHAPE(2, 3, 2, 33));
    check(WELD_SHAPE(600, 130)); /* more than one piece of work */
}
END_TEST

static weld_value *build_unit(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    weld_value *one =
        weld_parameter(g, "one", WELD_SHAPE(4), (weld_init){WELD_INIT_CONSTANT, 1, 0});
    weld_value *zero =
        weld_parameter(g, "zero", WELD_SHAPE(4), (weld_init){WELD_INIT_CONSTANT, 0, 0});
    return weld_layer_norm(g, x[0], one, zero, 0);
}

START_TEST(layer_norm_gives_rows_of_mean_zero_and_variance_one) {
    double y[8];
    check_forward(WELD_SHAPE(2, 4), (double[]){1, 2, 3, 4, 10, 10, 20, 20}, build_unit, NULL, 8, y);
    double want[] = {
        -1.5 / sqrt(1.25), -0.5 / sqrt(1.25), 0.5 / sqrt(1.25), 1.5 / sqrt(1.25), -1, -1, 1, 1};
    for (int i = 0; i < 8; i++) {
        ck_assert_double_eq_tol(y[i], want[i], 1e-12);
    }
}
END_TEST

START_TEST(layer_norm_says_which_vector_does_not_fit) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 4)}, {WELD_SHAPE(4)}, {WELD_SHAPE(5)}};
    check_refused(leaves, 3, build, NULL, "bias must be f64 [4], is f64 [5]");
    leaves[0].shape = WELD_SHAPE(4);
    check_refused(leaves, 3, build, NULL, "x must be [batch, ..., channels], is [4]");
}
END_TEST

RUN_SUITE("ops/layer_norm", layer_norm_is_right_for_odd_sizes_and_many_rows,
          layer_norm_gives_rows_of_mean_zero_and_variance_one,
          layer_norm_says_which_vector_does_not_fit)
