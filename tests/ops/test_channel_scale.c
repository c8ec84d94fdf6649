/* Global average pool, channel scale, and squeeze-and-excitation, which is built of them. */
#include "ops/gradcheck.h"
#include "suite.h"

static const weld_shape shapes[] = {{4, {2, 3, 5, 7}}, {4, {1, 1, 1, 17}}, {4, {3, 8, 8, 16}}};
enum { SHAPE_COUNT = sizeof shapes / sizeof *shapes };

static weld_value *build_pool(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_global_avg_pool(g, x[0]);
}

static weld_value *build_scale(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_channel_scale(g, x[0], x[1]);
}

static weld_value *build_squeeze_excite(weld_graph *g, weld_value *const *x, const void *options) {
    return weld_squeeze_excite_gated(g, x[0], x[1], x[2], x[3], x[4], *(const weld_gate *)options);
}

START_TEST(global_average_pool_is_right) {
    for (int i = 0; i < SHAPE_COUNT; i++) {
        check_operator(&(check_leaf){shapes[i], -1, 2, false}, 1, build_pool, NULL);
        check_operator_bf16(&(check_leaf){shapes[i], -1, 2, false}, 1, 1, build_pool, NULL);
    }
    double y[2];
    check_forward(WELD_SHAPE(1, 1, 2, 2), (double[]){1, 2, 5, -8}, build_pool, NULL, 2, y);
    ck_assert_double_eq_tol(y[0], 3, 1e-15);
    ck_assert_double_eq_tol(y[1], -3, 1e-15);
}
END_TEST

START_TEST(channel_scale_is_right) {
    for (int i = 0; i < SHAPE_COUNT; i++) {
        const int64_t *d = shapes[i].dim;
        check_leaf leaves[] = {{shapes[i], -1, 2, false},
                               {WELD_SHAPE(d[0], 1, 1, d[3]), -1, 2, false}};
        check_operator(leaves, 2, build_scale, NULL);
        check_operator_bf16(leaves, 2, 1, build_scale, NULL);
    }
}
END_TEST

START_TEST(squeeze_and_excitation_is_right) {
    for (int i = 0; i < SHAPE_COUNT; i++) {
        int64_t c = shapes[i].dim[3], r = 3;
        check_leaf leaves[] = {{shapes[i], 0.5, 1, false},
                               {WELD_SHAPE(r, c, 1, 1), 0, 0.5, false},
                               {WELD_SHAPE(r), 0.1, 1, false},
                               {WELD_SHAPE(c, r, 1, 1), -1, 1, false},
                               {WELD_SHAPE(c), -1, 1, false}};
        for (int j = 0; j < 2; j++) {
            const weld_gate gate = j ? WELD_GATE_HARD_SIGMOID : WELD_GATE_SIGMOID;
            check_operator(leaves, 5, build_squeeze_excite, &gate);
            check_operator_bf16(leaves, 5, 1, build_squeeze_excite, &gate);
        }
    }
}
END_TEST

START_TEST(a_scale_that_does_not_fit_is_refused) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 4, 4, 3), 0, 1, false}, {WELD_SHAPE(2, 3), 0, 1, false}};
    check_refused(leaves, 2, build_scale, NULL, "s must be f64 [2, 1, 1, 3], is f64 [2, 3]");
    check_refused(leaves + 1, 1, build_pool, NULL, "x must be [n, h, w, c], is [2, 3]");
    check_leaf five[] = {leaves[0], leaves[1], leaves[1], leaves[1], leaves[1]};
    check_refused(five, 5, build_squeeze_excite, &(const weld_gate){2}, "there is no gate 2");
}
END_TEST

RUN_SUITE("ops/channel_scale", global_average_pool_is_right, channel_scale_is_right,
          squeeze_and_excitation_is_right, a_scale_that_does_not_fit_is_refused)
