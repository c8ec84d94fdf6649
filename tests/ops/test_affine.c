#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    const int *leaves = options;
    return weld_affine(g, x[0], x[1], *leaves > 2 ? x[2] : NULL);
}

START_TEST(a_scale_and_a_shift_of_each_channel_are_right) {
    const weld_shape shapes[] = {
        {4, {2, 3, 5, 7}}, {3, {2, 4, 33}}, {2, {5, 16}}, {1, {9}}, {4, {3, 40, 41, 6}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const weld_shape c = WELD_SHAPE(shapes[i].dim[shapes[i].rank - 1]);
        check_leaf leaves[] = {{shapes[i], -1, 2, false}, {c, -2, 1, false}, {c, -1, 1, false}};
        for (int count = 2; count <= 3; count++) {
            check_operator(leaves, count, build, &count);
            check_operator_bf16(leaves, count, 1, build, &count);
        }
    }
}
END_TEST

START_TEST(vectors_that_do_not_fit_are_refused) {
    const check_leaf x = {WELD_SHAPE(2, 3, 4), 0, 1, false};
    const check_leaf right = {WELD_SHAPE(4), 0, 1, false}, wrong = {WELD_SHAPE(3), 0, 1, false};
    check_refused((check_leaf[]){x, wrong}, 2, build, &(int){2}, "scale must be f64 [4]");
    check_refused((check_leaf[]){x, right, wrong}, 3, build, &(int){3}, "shift must be f64 [4]");
}
END_TEST

RUN_SUITE("ops/affine", a_scale_and_a_shift_of_each_channel_are_right,
          vectors_that_do_not_fit_are_refused)
