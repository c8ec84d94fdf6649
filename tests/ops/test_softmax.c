#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_softmax(g, x[0]);
}

START_TEST(softmax_is_right_for_all_ranks_and_tails) {
    weld_shape shapes[] = {WELD_SHAPE(3), WELD_SHAPE(1, 17), WELD_SHAPE(4, 3, 5),
                           WELD_SHAPE(700, 100)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_operator(&(check_leaf){shapes[i], -3, 3}, 1, build, NULL);
        check_operator_bf16(&(check_leaf){shapes[i], -3, 3}, 1, 1, build, NULL);
    }
}
END_TEST

START_TEST(softmax_of_large_numbers_does_not_overflow) {
    double y[6];
    check_forward(WELD_SHAPE(2, 3), (double[]){1e6, 1e6, 1e6, -1e6, 0, log(3)}, build, NULL, 6, y);
    double want[] = {1 / 3., 1 / 3., 1 / 3., 0, 0.25, 0.75};
    for (int i = 0; i < 6; i++) {
        ck_assert_double_eq_tol(y[i], want[i], 1e-12);
    }
}
END_TEST

/* Two softmaxes of the same value: neither may be done in place of it before the other has read. */
static weld_value *build_twice(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    weld_value *sum = weld_add(g, x[0], x[0]);
    return weld_add(g, weld_softmax(g, sum), weld_softmax(g, weld_softmax(g, sum)));
}

START_TEST(softmax_in_place_keeps_what_is_read_later) {
    check_operator(&(check_leaf){WELD_SHAPE(3, 9), -1, 1}, 1, build_twice, NULL);
}
END_TEST

RUN_SUITE("ops/softmax", softmax_is_right_for_all_ranks_and_tails,
          softmax_of_large_numbers_does_not_overflow, softmax_in_place_keeps_what_is_read_later)
