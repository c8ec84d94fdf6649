#include "ops/gradcheck.h"
#include "suite.h"

typedef weld_value *(*activation)(weld_graph *g, weld_value *x);
static const activation all[] = {weld_gelu,       weld_relu,         weld_silu,
                                 weld_hard_swish, weld_hard_sigmoid, weld_sigmoid};
enum { COUNT = sizeof all / sizeof *all };

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    return (*(const activation *)options)(g, x[0]);
}

START_TEST(activations_are_right) {
    for (int i = 0; i < COUNT; i++) {
        check_operator(&(check_leaf){WELD_SHAPE(3, 5, 11), -5, 5, false}, 1, build, &all[i]);
        check_operator_bf16(&(check_leaf){WELD_SHAPE(3, 5, 11), -5, 5, false}, 1, 1, build,
                            &all[i]);
        check_operator(&(check_leaf){WELD_SHAPE(1), 0.1, 1, false}, 1, build, &all[i]);
    }
}
END_TEST

/* More elements than one piece of work. */
START_TEST(activations_of_large_tensors_are_right) {
    check_leaf leaf = {WELD_SHAPE(37, 1801), -5, 5, false};
    for (int i = 0; i < COUNT; i++) {
        check_variants(&leaf, 1, build, &all[i]);
        check_threads(&leaf, 1, build, &all[i]);
    }
}
END_TEST

START_TEST(activations_have_their_known_values) {
    static const double x[] = {-4, -1, 0, 1, 2, 4};
    static const double want[COUNT][6] = {
        {-0.00012668496733247996, -0.15865525393145707, 0, 0.8413447460685429, 1.9544997361036416,
         3.9998733150326675},
        {0, 0, 0, 1, 2, 4},
        {-0.07194483984836625, -0.2689414213699951, 0, 0.7310585786300049, 1.7615941559557649,
         3.928055160151634},
        {0, -1 / 3., 0, 2 / 3., 5 / 3., 4},
        {0, 1 / 3., 0.5, 2 / 3., 5 / 6., 1},
        {0.01798620996209156, 0.2689414213699951, 0.5, 0.7310585786300049, 0.8807970779778823,
         0.9820137900379085}};
    for (int i = 0; i < COUNT; i++) {
        double y[6];
        check_forward(WELD_SHAPE(6), x, build, &all[i], 6, y);
        for (int j = 0; j < 6; j++) {
            ck_assert_double_eq_tol(y[j], want[i][j], 1e-12);
        }
    }
}
END_TEST

RUN_SUITE("ops/activation", activations_are_right, activations_of_large_tensors_are_right,
          activations_have_their_known_values)
