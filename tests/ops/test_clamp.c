#include "ops/gradcheck.h"
#include "suite.h"

typedef struct limits {
    double low, high;
} limits;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    const limits *l = options;
    return weld_clamp(g, x[0], l->low, l->high);
}

START_TEST(clamping_is_right) {
    const weld_shape shapes[] = {{4, {2, 3, 5, 7}}, {2, {130, 131}}};
    for (int i = 0; i < 2; i++) {
        check_leaf leaf = {shapes[i], -2, 3, false};
        check_operator(&leaf, 1, build, &(limits){-0.5, 1.25});
        check_operator_bf16(&leaf, 1, 1, build, &(limits){-0.5, 1.25});
    }
    double y[5];
    check_forward(WELD_SHAPE(5), (double[]){-7, -0.0, 0.1, 6, 1e30}, build, &(limits){0, 6}, 5, y);
    const double want[] = {0, 0, 0.1, 6, 6};
    for (int i = 0; i < 5; i++) {
        ck_assert_double_eq(y[i], want[i]);
    }
}
END_TEST

START_TEST(limits_the_wrong_way_round_are_refused) {
    check_leaf leaf = {WELD_SHAPE(2), 0, 1, false};
    check_refused(&leaf, 1, build, &(limits){1, 0.5}, "limits 1 and 0.5");
    check_refused(&leaf, 1, build, &(limits){0, INFINITY}, "must be finite");
    check_refused(&leaf, 1, build, &(limits){NAN, 1}, "must be finite");
}
END_TEST

RUN_SUITE("ops/clamp", clamping_is_right, limits_the_wrong_way_round_are_refused)
