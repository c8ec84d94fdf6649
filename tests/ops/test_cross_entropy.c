#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    return weld_cross_entropy(g, x[0], x[1], *(const double *)options);
}

/* The loss of a training step. */
static weld_value *build_mean(weld_graph *g, weld_value *const *x, const void *options) {
    return weld_mean(g, build(g, x, options));
}

START_TEST(cross_entropy_is_right_with_and_without_smoothing) {
    weld_shape shapes[] = {WELD_SHAPE(1, 2), WELD_SHAPE(3, 10), WELD_SHAPE(5, 33)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (double smoothing = 0; smoothing < 0.2; smoothing += 0.1) {
            check_leaf leaves[] = {{shapes[i], -3, 3, false}, {shapes[i], 0, 1, true}};
            check_operator(leaves, 2, build, &smoothing);
            check_operator(leaves, 2, build_mean, &smoothing);
        }
    }
}
END_TEST

static double loss_of(const double *logits, const double *target, double smoothing) {
    check_leaf leaves[] = {{WELD_SHAPE(1, 3), 0, 1, false}, {WELD_SHAPE(1, 3), 0, 1, true}};
    check_net net = check_make(WELD_F64, leaves, 2, build, &smoothing);
    weld_session *s = check_session(&net, 1, NULL);
    weld_tensor x, t, y = weld_session_output(s, "y");
    ck_assert(weld_weights_find(net.weights, "x0", &x));
    ck_assert(weld_weights_find(net.weights, "x1", &t));
    for (int i = 0; i < 3; i++) {
        check_set(&x, i, logits[i]);
        check_set(&t, i, target[i]);
    }
    weld_session_run(s, 0);
    double loss = check_get(&y, 0);
    weld_session_free(s);
    check_free(&net);
    return loss;
}

START_TEST(cross_entropy_has_its_known_values) {
    const double even[] = {2, 2, 2}, lean[] = {log(1), log(2), log(5)};
    ck_assert_double_eq_tol(loss_of(even, (double[]){0, 1, 0}, 0), log(3), 1e-12);
    ck_assert_double_eq_tol(loss_of(lean, (double[]){0, 0, 1}, 0), log(8 / 5.), 1e-12);
    ck_assert_double_eq_tol(loss_of(lean, (double[]){0, 0.5, 0.5}, 0), (log(8 / 5.) + log(4)) / 2,
                            1e-12);
    ck_assert_double_eq_tol(loss_of(lean, (double[]){0, 0, 1}, 0.3),
                            0.8 * log(8 / 5.) + 0.1 * log(4) + 0.1 * log(8), 1e-12);
    ck_assert_double_eq_tol(loss_of((double[]){1e4, 0, -1e4}, (double[]){0, 0, 1}, 0), 2e4, 1e-9);
}
END_TEST

START_TEST(a_target_that_does_not_fit_is_refused) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 3), 0, 1, false}, {WELD_SHAPE(2, 4), 0, 1, false}};
    check_refused(leaves, 2, build, &(double){0}, "target must be f64 [2, 3], is f64 [2, 4]");
}
END_TEST

RUN_SUITE("ops/cross_entropy", cross_entropy_is_right_with_and_without_smoothing,
          cross_entropy_has_its_known_values, a_target_that_does_not_fit_is_refused)
