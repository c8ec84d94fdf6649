#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_mul(g, x[0], x[1]);
}

static weld_value *build_square(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_mul(g, x[0], x[0]);
}

START_TEST(a_product_of_each_element_is_right) {
    const weld_shape shapes[] = {{4, {2, 3, 5, 7}}, {1, {17}}, {3, {2, 130, 131}}};
    for (int i = 0; i < 3; i++) {
        check_leaf leaves[] = {{shapes[i], -1, 2, false}, {shapes[i], -2, 1, false}};
        check_operator(leaves, 2, build, NULL);
        check_operator_bf16(leaves, 2, 2, build, NULL);
    }
    check_operator(&(check_leaf){shapes[0], -1, 2, false}, 1, build_square, NULL);
}
END_TEST

START_TEST(factors_of_two_shapes_are_refused) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 4, 4, 3), 0, 1, false},
                           {WELD_SHAPE(2, 1, 1, 3), 0, 1, false}};
    check_refused(leaves, 2, build, NULL, "b must be f64 [2, 4, 4, 3], is f64 [2, 1, 1, 3]");
}
END_TEST

RUN_SUITE("ops/mul", a_product_of_each_element_is_right, factors_of_two_shapes_are_refused)
