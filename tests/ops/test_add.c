/* add, scale and fill. */
#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build_add(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_add(g, x[0], x[1]);
}

static weld_value *build_scale(weld_graph *g, weld_value *const *x, const void *options) {
    return weld_scale(g, x[0], *(const double *)options);
}

/* x is read by three nodes, so its gradient is a sum of three. */
static weld_value *build_shared(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    weld_value *y = weld_add(g, weld_add(g, x[0], x[0]), weld_scale(g, x[0], -3.5));
    return weld_add(g, y, weld_fill_like(g, x[0], 2));
}

START_TEST(add_is_right) {
    check_leaf leaves[] = {{WELD_SHAPE(3, 5, 7), -1, 1, false},
                           {WELD_SHAPE(3, 5, 7), -1, 1, false}};
    check_operator(leaves, 2, build_add, NULL);
    check_operator_bf16(leaves, 2, 2, build_add, NULL);
    leaves[0].shape = leaves[1].shape = WELD_SHAPE(70001);
    check_threads(leaves, 2, build_add, NULL);
    check_variants(leaves, 2, build_add, NULL);
}
END_TEST

START_TEST(scale_is_right) {
    check_operator(&(check_leaf){WELD_SHAPE(4, 9), -1, 1, false}, 1, build_scale, &(double){-0.3});
    check_operator_bf16(&(check_leaf){WELD_SHAPE(4, 9), -1, 1, false}, 1, 1, build_scale,
                        &(double){-0.3});
}
END_TEST

START_TEST(gradients_of_all_who_read_a_value_add_up) {
    check_operator(&(check_leaf){WELD_SHAPE(2, 3), -1, 1, false}, 1, build_shared, NULL);
    double y[2];
    check_forward(WELD_SHAPE(2), (double[]){1, -2}, build_shared, NULL, 2, y);
    ck_assert_double_eq_tol(y[0], 0.5, 1e-12);
    ck_assert_double_eq_tol(y[1], 5, 1e-12);
}
END_TEST

START_TEST(adding_other_shapes_is_refused) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 3), 0, 1, false}, {WELD_SHAPE(3, 2), 0, 1, false}};
    check_refused(leaves, 2, build_add, NULL, "b must be f64 [2, 3], is f64 [3, 2]");
}
END_TEST

RUN_SUITE("ops/add", add_is_right, scale_is_right, gradients_of_all_who_read_a_value_add_up,
          adding_other_shapes_is_refused)
