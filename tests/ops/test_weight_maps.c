#include "ops/gradcheck.h"
#include "suite.h"

/* The operators are of f64: leaves are cast to it, and what comes of them back. */
typedef struct form {
    const weld_op *op;
    weld_attributes attributes;
    int count, output;
} form;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    const form *f = options;
    weld_value *in[4];
    for (int i = 0; i < f->count; i++) {
        in[i] = weld_cast(g, x[i], WELD_F64);
    }
    weld_value *y = weld_graph_node(g, f->op, &f->attributes, in, f->count, f->count);
    return y ? weld_cast(g, y->producer->outputs[f->output], g->dtype) : NULL;
}

static void check(const weld_op *op, weld_attributes attributes, const check_leaf *leaves,
                  int count) {
    check_operator(leaves, count, build, &(form){op, attributes, count, 0});
}

START_TEST(rows_and_columns_are_scaled_and_added_up) {
    const check_leaf rows[] = {{WELD_SHAPE(6, 4, 3, 5), -1, 1, false},
                               {WELD_SHAPE(6), -2, 2, false}};
    const check_leaf columns[] = {{WELD_SHAPE(6, 4, 3, 1), -1, 1, false},
                                  {WELD_SHAPE(8), -2, 2, false}};
    const check_leaf flat[] = {{WELD_SHAPE(130, 140), -1, 1, false},
                               {WELD_SHAPE(140), -2, 2, false}};
    const weld_attributes two = {.groups = 2};
    check(&weld_op_scale_rows, (weld_attributes){0}, rows, 2);
    check(&weld_op_scale_columns, two, columns, 2);
    check(&weld_op_scale_columns, (weld_attributes){0}, flat, 2);
    check(&weld_op_sum_rows, (weld_attributes){0}, rows, 1);
    check(&weld_op_sum_columns, two, columns, 1);
    check(&weld_op_sum_columns, (weld_attributes){0}, flat, 1);
}
END_TEST

START_TEST(kernels_grow_and_take_the_input_in) {
    const check_leaf kernel = {WELD_SHAPE(6, 2, 1, 3), -1, 1, false};
    const check_leaf branch[] = {{WELD_SHAPE(6, 2, 3, 3), -1, 1, false},
                                 {WELD_SHAPE(6), -2, 2, false}};
    check(&weld_op_widen_kernel, (weld_attributes){.kernel = {5, 3}}, &kernel, 1);
    check(&weld_op_add_identity, (weld_attributes){0}, branch, 2);
}
END_TEST

START_TEST(a_batch_norm_becomes_a_factor_and_a_shift) {
    const check_leaf leaves[] = {{WELD_SHAPE(7), -1, 1, false},
                                 {WELD_SHAPE(7), -1, 1, false},
                                 {WELD_SHAPE(7), -1, 1, true},
                                 {WELD_SHAPE(7), 0.5, 2, true}};
    for (int output = 0; output < 2; output++) {
        /* The bias has no part in the factor, and no gradient of it. */
        check_leaf of[4];
        memcpy(of, leaves, sizeof of);
        of[1].fixed = output == 0;
        check_operator(of, 4, build, &(form){&weld_op_norm_map, {.eps = 0.1}, 4, output});
    }
}
END_TEST

static void expect(const weld_op *op, weld_attributes attributes, weld_shape shape, const double *x,
                   const double *want, int64_t count) {
    double y[16];
    check_forward(shape, x, build, &(form){op, attributes, 1, 0}, count, y);
    for (int64_t i = 0; i < count; i++) {
        ck_assert_double_eq(y[i], want[i]);
    }
}

START_TEST(results_by_hand) {
    const weld_attributes two = {.groups = 2};
    const double w[] = {1, 2, 3, 4}; /* two outputs of a column each, with two taps */
    expect(&weld_op_sum_rows, two, WELD_SHAPE(2, 1, 1, 2), w, (double[]){3, 7}, 2);
    expect(&weld_op_sum_columns, two, WELD_SHAPE(2, 1, 1, 2), w, (double[]){3, 7}, 2);
    expect(&weld_op_sum_columns, (weld_attributes){0}, WELD_SHAPE(2, 2), w, (double[]){4, 6}, 2);
    expect(&weld_op_widen_kernel, (weld_attributes){.kernel = {3, 3}}, WELD_SHAPE(1, 1, 1, 1), w,
           (double[]){0, 0, 0, 0, 1, 0, 0, 0, 0}, 9);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    const check_leaf kernel = {WELD_SHAPE(2, 2, 3, 3), -1, 1, false};
    const form even = {&weld_op_widen_kernel, {.kernel = {4, 3}}, 1, 0};
    const form smaller = {&weld_op_widen_kernel, {.kernel = {1, 3}}, 1, 0};
    const form groups = {&weld_op_sum_columns, {.groups = 4}, 1, 0};
    check_refused(&kernel, 1, build, &even, "on both sides");
    check_refused(&kernel, 1, build, &smaller, "on both sides");
    check_refused(&kernel, 1, build, &groups, "no weight");
}
END_TEST

RUN_SUITE("ops/weight_maps", rows_and_columns_are_scaled_and_added_up,
          kernels_grow_and_take_the_input_in, a_batch_norm_becomes_a_factor_and_a_shift,
          results_by_hand, what_does_not_fit_is_refused)
