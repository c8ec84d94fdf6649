#include "ops/gradcheck.h"
#include "suite.h"

enum { EVAL, TRAIN };

static weld_batch_norm_leaves leaves_of(weld_graph *g, weld_value *weight, weld_value *bias) {
    weld_shape c = weld_value_shape(weight), scalar = {0};
    return (weld_batch_norm_leaves){
        weight, bias, weld_buffer(g, "mean", WELD_F32, c, (weld_init){WELD_INIT_UNIFORM, -2, 2}),
        weld_buffer(g, "var", WELD_F32, c, (weld_init){WELD_INIT_UNIFORM, 0.5, 3}),
        weld_buffer(g, "batches", WELD_I64, scalar, (weld_init){0})};
}

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    bool training = *(const int *)options == TRAIN;
    return weld_batch_norm(g, x[0], leaves_of(g, x[1], x[2]), 1e-5, 0.1, training);
}

static const weld_shape shapes[] = {{2, {5, 3}},        {2, {4, 17}},         {4, {2, 3, 5, 7}},
                                    {4, {1, 9, 9, 16}}, {4, {2, 16, 13, 33}}, {2, {300, 1}}};
enum { SHAPE_COUNT = sizeof shapes / sizeof *shapes };

static void check_shapes(int mode) {
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        int64_t c = shapes[i].dim[shapes[i].rank - 1];
        check_leaf leaves[] = {{shapes[i], -2, 3, false},
                               {WELD_SHAPE(c), 0.5, 2, false},
                               {WELD_SHAPE(c), -1, 1, false}};
        check_operator(leaves, 3, build, &mode);
        check_operator_bf16(leaves, 3, 1, build, &mode);
    }
}

START_TEST(training_batch_norm_is_right_for_both_ranks) {
    check_shapes(TRAIN);
}
END_TEST

START_TEST(evaluating_batch_norm_is_right_for_both_ranks) {
    check_shapes(EVAL);
}
END_TEST

/* Of a value that nobody else reads, so in place where it may be. */
static weld_value *build_chain(weld_graph *g, weld_value *const *x, const void *options) {
    weld_batch_norm_leaves leaves = leaves_of(g, x[1], x[2]);
    bool training = *(const int *)options == TRAIN;
    weld_value *y = weld_batch_norm(g, weld_add(g, x[0], x[0]), leaves, 1e-5, 0.1, training);
    y = weld_batch_norm(g, weld_gelu(g, y), leaves, 1e-3, 0.1, training);
    return weld_batch_norm(g, y, leaves, 1e-5, 0.1, training);
}

START_TEST(batch_norms_in_a_chain_are_right) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 3, 3, 5), -1, 1, false},
                           {WELD_SHAPE(5), 0.5, 2, false},
                           {WELD_SHAPE(5), -1, 1, false}};
    check_operator(leaves, 3, build_chain, &(int){TRAIN});
    check_operator(leaves, 3, build_chain, &(int){EVAL});
    check_operator_bf16(leaves, 3, 1, build_chain, &(int){TRAIN});
    check_operator_bf16(leaves, 3, 1, build_chain, &(int){EVAL});
}
END_TEST

/* A training step on x with given running statistics; what they are after it. */
typedef struct step_result {
    double y[16], mean[4], var[4];
    int64_t batches;
} step_result;

static step_result run_steps(weld_dtype dtype, const char *isa, int steps, int64_t rows, int64_t c,
                             const double *x, double momentum) {
    step_result r = {0};
    weld_graph *g;
    weld_weights *weights;
    weld_session *s;
    weld_error err = {0};
    weld_shape scalar = {0}, channels = WELD_SHAPE(c);
    ck_assert_int_eq(weld_graph_create(dtype, &g, &err), WELD_OK);
    weld_init one = {WELD_INIT_CONSTANT, 1, 0}, zero = {WELD_INIT_CONSTANT, 0, 0};
    weld_batch_norm_leaves leaves = {
        weld_parameter(g, "weight", channels, one), weld_parameter(g, "bias", channels, zero),
        weld_buffer(g, "mean", dtype, channels, zero), weld_buffer(g, "var", dtype, channels, one),
        weld_buffer(g, "batches", WELD_I64, scalar, zero)};
    weld_value *in = weld_input(g, "x", WELD_SHAPE(rows, c));
    weld_output(g, "y", weld_batch_norm(g, in, leaves, 1e-5, momentum, true));
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &weights, &err), WELD_OK);
    weld_session_options o = {.isa = isa};
    weld_status status = weld_session_create(g, weights, &o, &s, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    weld_tensor t = weld_session_input(s, "x"), y = weld_session_output(s, "y"), mean, var, batches;
    for (int64_t i = 0; i < rows * c; i++) {
        check_set(&t, i, x[i]);
    }
    for (int i = 0; i < steps; i++) {
        weld_session_run(s, (uint64_t)i);
    }
    ck_assert(weld_weights_find(weights, "mean", &mean));
    ck_assert(weld_weights_find(weights, "var", &var));
    ck_assert(weld_weights_find(weights, "batches", &batches));
    for (int64_t i = 0; i < rows * c; i++) {
        r.y[i] = check_get(&y, i);
    }
    for (int64_t i = 0; i < c; i++) {
        r.mean[i] = check_get(&mean, i);
        r.var[i] = check_get(&var, i);
    }
    r.batches = *(int64_t *)batches.data;
    weld_session_free(s);
    weld_weights_free(weights);
    weld_graph_free(g);
    return r;
}

START_TEST(running_statistics_move_towards_the_batch_with_the_unbiased_variance) {
    const double x[] = {1, 10, 2, 20, 3, 30, 6, 60}; /* means 3, 30; sums of squares 14, 1400 */
    step_result r = run_steps(WELD_F64, NULL, 1, 4, 2, x, 0.1);
    ck_assert_double_eq_tol(r.mean[0], 0.3, 1e-12);
    ck_assert_double_eq_tol(r.mean[1], 3.0, 1e-12);
    ck_assert_double_eq_tol(r.var[0], 0.9 + 0.1 * 14 / 3, 1e-12);
    ck_assert_double_eq_tol(r.var[1], 0.9 + 0.1 * 1400 / 3, 1e-12);
    ck_assert_int_eq(r.batches, 1);
    ck_assert_double_eq_tol(r.y[0], -2 / sqrt(14 / 4. + 1e-5), 1e-12);
    r = run_steps(WELD_F64, NULL, 3, 4, 2, x, 0.5);
    ck_assert_double_eq_tol(r.mean[0], 3 * (1 - 0.125), 1e-12);
    ck_assert_int_eq(r.batches, 3);
}
END_TEST

START_TEST(one_row_gives_the_bias_and_finite_statistics) {
    step_result r = run_steps(WELD_F64, NULL, 1, 1, 3, (double[]){4, -5, 6}, 0.1);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(r.y[i], 0, 1e-12);
        ck_assert_double_eq_tol(r.var[i], 0.9, 1e-12);
    }
}
END_TEST

START_TEST(a_large_mean_costs_no_digits_of_the_variance) {
    const double x[] = {4096, 4097, 4098, 4096, 4097, 4098, 4096, 4098}; /* exact in float */
    for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
        step_result r = run_steps(WELD_F32, weld_kernels_available(WELD_F32, v), 1, 8, 1, x, 1);
        ck_assert_double_eq_tol(r.mean[0], 4097, 1e-3);
        ck_assert_double_eq_tol(r.var[0], 6 / 7., 1e-6);
    }
}
END_TEST

static weld_value *build_without_c(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_batch_norm(g, x[0], leaves_of(g, x[1], x[1]), 1e-5, 0.1, true);
}

START_TEST(leaves_of_another_width_are_refused) {
    check_leaf leaves[] = {{WELD_SHAPE(2, 3), 0, 1, false}, {WELD_SHAPE(4), 0, 1, false}};
    check_refused(leaves, 2, build_without_c, NULL, "weight must be f64 [3], is f64 [4]");
}
END_TEST

RUN_SUITE("ops/batch_norm", training_batch_norm_is_right_for_both_ranks,
          evaluating_batch_norm_is_right_for_both_ranks, batch_norms_in_a_chain_are_right,
          running_statistics_move_towards_the_batch_with_the_unbiased_variance,
          one_row_gives_the_bias_and_finite_statistics,
          a_large_mean_costs_no_digits_of_the_variance, leaves_of_another_width_are_refused)
