#include "ops/gradcheck.h"
#include "suite.h"

typedef struct codes {
    double scale, zero;
    int count;
} codes;

/* A table whose row 1 is (scale, zero), as a constant of the graph. */
static weld_value *table_of(weld_graph *g, double a, double b) {
    const weld_init one = {.kind = WELD_INIT_CONSTANT, .a = 1};
    weld_value *x = weld_buffer(g, "one", g->dtype, WELD_SHAPE(1, 1), one);
    weld_value *cells[] = {x, x, weld_scale(g, x, a), weld_scale(g, x, b)};
    weld_value *rows[] = {weld_concat(g, cells, 2, 1), weld_concat(g, cells + 2, 2, 1)};
    return weld_concat(g, rows, 2, 0);
}

static weld_value *rounded(weld_graph *g, weld_value *const *x, const void *options) {
    const codes *c = options;
    const weld_attributes a = {.begin = 1, .count = c->count};
    weld_value *in[] = {x[0], table_of(g, c->scale, c->zero)};
    return weld_graph_node(g, &weld_op_fake_quantize, &a, in, 2, 2);
}

static weld_value *rounded_rows(weld_graph *g, weld_value *const *x, const void *options) {
    weld_value *in[] = {x[0], table_of(g, *(const double *)options, 0)};
    return weld_graph_node(g, &weld_op_fake_quantize_rows, &(weld_attributes){.begin = 1}, in, 2,
                           2);
}

START_TEST(activations_become_the_nearest_code) {
    /* Codes 0 to 7, 2 stands for 0: -1 to 2.5 in halves; ties go to even codes of x / s. */
    const double x[] = {-7, -1.3, -0.75, -0.25, -0.0, 0.25, 0.75, 1.3, 2.6, 1e30};
    const double want[] = {-1, -1, -1, 0, 0, 0, 1, 1.5, 2.5, 2.5};
    double y[10];
    check_forward(WELD_SHAPE(10), x, rounded, &(codes){0.5, 2, 7}, 10, y);
    for (int i = 0; i < 10; i++) {
        ck_assert_double_eq(y[i], want[i]);
    }
    check_forward(WELD_SHAPE(10), x, rounded, &(codes){0, 2, 7}, 10, y);
    ck_assert_mem_eq(y, x, sizeof x);
}
END_TEST

START_TEST(a_nan_stays_one) {
    double y[1];
    check_forward(WELD_SHAPE(1), (double[]){NAN}, rounded, &(codes){0.5, 2, 7}, 1, y);
    ck_assert(isnan(y[0]));
}
END_TEST

START_TEST(weights_become_codes_of_their_rows_largest) {
    const double w[] = {1.4, -0.5, 0.09, /* scale 0.2 */ 0, 0, 0, /* stays */ -7, 3.4, 3.6};
    const double want[] = {1.4, -0.4, 0, 0, 0, 0, -7, 3, 4}, off = 0, seven = 7;
    double y[9];
    check_forward(WELD_SHAPE(3, 3), w, rounded_rows, &seven, 9, y);
    for (int i = 0; i < 9; i++) {
        ck_assert_double_eq_tol(y[i], want[i], 1e-15);
    }
    check_forward(WELD_SHAPE(3, 3), w, rounded_rows, &off, 9, y);
    ck_assert_mem_eq(y, w, sizeof w);
}
END_TEST

static weld_value *rounded_bias(weld_graph *g, weld_value *const *x, const void *options) {
    const codes *c = options; /* rows 1: (scale, most); row 0: (1, 1) */
    const weld_attributes a = {.begin = 1, .end = (int64_t)c->zero};
    weld_value *in[] = {weld_reshape(g, weld_slice(g, x[0], 1, 0, 1), WELD_SHAPE(3)),
                        weld_slice(g, x[0], 1, 1, 3), table_of(g, c->scale, 0)};
    return weld_graph_node(g, &weld_op_fake_quantize_bias, &a, in, 3, 3);
}

START_TEST(biases_become_multiples_of_their_sums_steps) {
    /* Rows: bias, two weights. The largest code is 1 (row 0), so that steps are 0.5 times the
     * largest weight: 1, 0.25, and of the row of zeros 1. */
    const double x[] = {2.6, 2, -1, 2.6, 0.25, -0.5, -1.4, 0, 0}, want[] = {3, 2.5, -1};
    double y[3];
    check_forward(WELD_SHAPE(3, 3), x, rounded_bias, &(codes){0.5, 0, 0}, 3, y);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq(y[i], want[i]);
    }
    check_forward(WELD_SHAPE(3, 3), x, rounded_bias, &(codes){0, 0, 0}, 3, y);
    ck_assert_double_eq(y[0], 2.6);
}
END_TEST

/* torch.fake_quantize_per_tensor_affine(x, 0.009765625, 100, 0, 255) and its gradient by ones. */
static const double torch_x[] = {1.5458984375, -1.32421875,     -0.58154296875, 1.408203125,
                                 -2.82421875,  1.799072265625,  -0.6171875,     1.526123046875,
                                 0.4169921875, -0.367431640625, 0.83203125,     0.14794921875,
                                 1.095703125,  -1.169189453125, -0.21875,       -0.27001953125};
static const double torch_y[] = {1.513671875, -0.9765625,  -0.5859375,   1.40625,
                                 -0.9765625,  1.513671875, -0.615234375, 1.513671875,
                                 0.419921875, -0.37109375, 0.830078125,  0.146484375,
                                 1.09375,     -0.9765625,  -0.21484375,  -0.2734375};
static const double torch_dx[] = {0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1};
enum { TORCH = sizeof torch_x / sizeof *torch_x };

START_TEST(pytorch_says_the_same) {
    const codes c = {0.009765625, 100, 255};
    const check_leaf leaf = {WELD_SHAPE(TORCH), -1, 1, false};
    check_net net = check_make(WELD_F64, &leaf, 1, rounded, &c);
    weld_session *s = check_session(&net, 1, NULL);
    weld_tensor x, y = weld_session_output(s, "y"), dx = weld_session_output(s, "d0");
    ck_assert(weld_weights_find(net.weights, "x0", &x));
    memcpy(x.data, torch_x, sizeof torch_x);
    weld_session_run(s, CHECK_STEP);
    for (int i = 0; i < TORCH; i++) {
        ck_assert_double_eq(check_get(&y, i), torch_y[i]);
        ck_assert_int_eq(check_get(&dx, i) != 0, torch_dx[i] != 0);
    }
    weld_session_free(s);
    check_free(&net);
}
END_TEST

/* torch.fake_quantize_per_channel_affine(w, s, 0, 0, -127, 127), s the largest of a row / 127. */
START_TEST(pytorch_rounds_weights_the_same) {
    const double w[] = {0.14501953125,   -0.00390625,    0.874267578125,  0.311279296875,
                        -0.372314453125, -0.60400390625, -0.167724609375, -0.431396484375,
                        -0.320556640625, 0.0478515625,   0.59619140625,   0.54345703125,
                        -0.9775390625,   0.619873046875, 0.279296875};
    const double want[] = {0.1445639282464981,   -0.0068839965388178825, 0.874267578125,
                           0.3097798526287079,   -0.3717358112335205,    -0.60400390625,
                           -0.16645775735378265, -0.43279018998146057,   -0.31864771246910095,
                           0.04755936190485954,  0.5926811695098877,     0.5464982390403748,
                           -0.9775390625,        0.6234698295593262,     0.2770977020263672};
    const double most = 127;
    double y[15];
    check_forward(WELD_SHAPE(3, 5), w, rounded_rows, &most, 15, y);
    for (int i = 0; i < 15; i++) {
        ck_assert_double_eq_tol(y[i], want[i], 1e-7);
    }
}
END_TEST

/* --- Gradients: those of the same formula with rounding left out --- */

static weld_value *clamped(weld_graph *g, weld_value *const *x, const void *options) {
    const codes *c = options;
    return weld_clamp(g, x[0], -c->scale * (c->zero + 0.5), c->scale * (c->count - c->zero + 0.5));
}

static weld_value *itself(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_scale(g, x[0], 1);
}

static void expect_gradient_of(check_build made, check_build meant, const void *options,
                               weld_dtype dtype) {
    const check_leaf leaf = {WELD_SHAPE(5, 7, 11), -3, 3, false};
    check_net a = check_make(dtype, &leaf, 1, made, options);
    check_net b = check_make(dtype, &leaf, 1, meant, options);
    weld_session *s = check_session(&a, 1, NULL), *t = check_session(&b, 3, NULL);
    weld_session_run(s, CHECK_STEP);
    weld_session_run(t, CHECK_STEP);
    weld_tensor got = weld_session_output(s, "d0"), want = weld_session_output(t, "d0");
    ck_assert_mem_eq(got.data, want.data, weld_tensor_bytes(&want));
    weld_session_free(s);
    weld_session_free(t);
    check_free(&a);
    check_free(&b);
}

START_TEST(gradients_pass_within_the_limits_as_if_nothing_were_rounded) {
    const codes coarse = {0.5, 2, 7}, fine = {0.01, 128, 255}, off = {0, 3, 7};
    const double seven = 7;
    for (int i = 0; i < 2; i++) {
        const weld_dtype dtype = i ? WELD_F64 : WELD_F32;
        expect_gradient_of(rounded, clamped, &coarse, dtype);
        expect_gradient_of(rounded, clamped, &fine, dtype);
        expect_gradient_of(rounded, itself, &off, dtype);
        expect_gradient_of(rounded_rows, itself, &seven, dtype);
    }
}
END_TEST

START_TEST(threads_and_slices_change_no_bit) {
    const check_leaf leaf = {WELD_SHAPE(3, 40, 50, 7), -3, 3, false};
    check_threads(&leaf, 1, rounded, &(codes){0.02, 100, 255});
    const double most = 127;
    check_threads(&leaf, 1, rounded_rows, &most);
}
END_TEST

static weld_value *without_row(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    weld_value *in[] = {x[0], table_of(g, 1, 0)};
    return weld_graph_node(g, &weld_op_fake_quantize, &(weld_attributes){.begin = 2}, in, 2, 2);
}

START_TEST(a_row_that_is_not_there_is_refused) {
    const check_leaf leaf = {WELD_SHAPE(3), -1, 1, false};
    check_refused(&leaf, 1, without_row, NULL, "with row 2");
}
END_TEST

RUN_SUITE("ops/fake_quantize", activations_become_the_nearest_code, a_nan_stays_one,
          weights_become_codes_of_their_rows_largest, biases_become_multiples_of_their_sums_steps,
          pytorch_says_the_same, pytorch_rounds_weights_the_same,
          gradients_pass_within_the_limits_as_if_nothing_were_rounded,
          threads_and_slices_change_no_bit, a_row_that_is_not_there_is_refused)
