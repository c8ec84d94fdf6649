#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    return weld_binary_cross_entropy(g, x[0], x[1], *(const double *)options);
}

START_TEST(binary_cross_entropy_is_right_with_and_without_smoothing) {
    weld_shape shapes[] = {WELD_SHAPE(1, 1), WELD_SHAPE(3, 10), WELD_SHAPE(5, 33)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (double smoothing = 0; smoothing < 0.2; smoothing += 0.1) {
            check_leaf leaves[] = {{shapes[i], -3, 3, false}, {shapes[i], 0, 1, true}};
            check_operator(leaves, 2, build, &smoothing);
        }
    }
}
END_TEST

START_TEST(a_target_that_does_not_fit_is_refused) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 3), 0, 1, false}, {WELD_SHAPE(2, 4), 0, 1, false}};
    check_refused(leaves, 2, build, &(double){0}, "target must be f64 [2, 3], is f64 [2, 4]");
}
END_TEST

RUN_SUITE("ops/binary_cross_entropy", binary_cross_entropy_is_right_with_and_without_smoothing,
          a_target_that_does_not_fit_is_refused)
