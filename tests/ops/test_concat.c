#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *axis) {
    return weld_concat(g, x, 3, *(const int *)axis);
}

START_TEST(concat_is_right_along_every_axis) {
    for (int axis = 0; axis < 3; axis++) {
        check_leaf leaves[] = {{WELD_SHAPE(2, 3, 4), -1, 1},
                               {WELD_SHAPE(2, 3, 4), -1, 1},
                               {WELD_SHAPE(2, 3, 4), -1, 1}};
        leaves[1].shape.dim[axis] = 1;
        leaves[2].shape.dim[axis] = 5;
        check_operator(leaves, 3, build, &axis);
        check_operator_bf16(leaves, 3, 3, build, &axis);
        leaves[1].fixed = true;
        check_operator(leaves, 3, build, &axis);
    }
}
END_TEST

static weld_value *build_same(weld_graph *g, weld_value *const *x, const void *axis) {
    return weld_concat(g, (weld_value *[]){x[0], x[0]}, 2, *(const int *)axis);
}

START_TEST(concat_puts_one_after_the_other) {
    double y[8];
    check_forward(WELD_SHAPE(2, 2), (double[]){1, 2, 3, 4}, build_same, &(int){1}, 8, y);
    ck_assert_mem_eq(y, ((double[]){1, 2, 1, 2, 3, 4, 3, 4}), sizeof y);
    check_forward(WELD_SHAPE(2, 2), (double[]){1, 2, 3, 4}, build_same, &(int){0}, 8, y);
    ck_assert_mem_eq(y, ((double[]){1, 2, 3, 4, 1, 2, 3, 4}), sizeof y);
    check_operator(&(check_leaf){WELD_SHAPE(4, 9000), -1, 1}, 1, build_same, &(int){1});
}
END_TEST

START_TEST(concat_names_the_input_that_does_not_fit) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 3)}, {WELD_SHAPE(2, 5)}, {WELD_SHAPE(3, 5)}};
    check_refused(leaves, 3, build, &(int){1}, "input 2 must be f64 [2, 5], is f64 [3, 5]");
    check_refused(leaves, 3, build, &(int){2}, "x [2, 3] has no axis 2");
    check_refused(leaves, 3, build, &(int){-1}, "x [2, 3] has no axis -1");
    leaves[1].shape = WELD_SHAPE(2);
    check_refused(leaves, 3, build, &(int){1}, "input 1 must be f64 [2, 1], is f64 [2]");
}
END_TEST

RUN_SUITE("ops/concat", concat_is_right_along_every_axis, concat_puts_one_after_the_other,
          concat_names_the_input_that_does_not_fit)
