/* What combine and activation_pair refuse; what they compute is tested by the pass that makes them
 * (passes/test_fold_linear.c) and by checkkernels. */
#include <string.h>

#include "ops/ops.h"
#include "suite.h"

enum { C = 3 };

static weld_error err;

static weld_graph *start(weld_value **x, weld_value **scale) {
    weld_graph *g;
    weld_init init = {WELD_INIT_CONSTANT, 1, 0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    *x = weld_input(g, "x", WELD_SHAPE(2, 2, 2, C));
    *scale = weld_parameter(g, "scale", WELD_SHAPE(C), init);
    return g;
}

static void expect_refused(weld_graph *g, const char *what) {
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_SHAPE);
    ck_assert_msg(strstr(err.message, what) != NULL, "%s", err.message);
    weld_graph_free(g);
}

static weld_graph *combine(int function, weld_value *(*pick)(weld_graph *g, weld_value *x), int at,
                           int count) {
    weld_value *x, *scale;
    weld_graph *g = start(&x, &scale);
    weld_value *in[] = {x, scale, NULL, x, NULL};
    in[at] = pick ? pick(g, x) : in[at];
    weld_graph_node(g, &weld_op_combine, &(weld_attributes){.function = function}, in, count, 1);
    return g;
}

static weld_value *longer(weld_graph *g, weld_value *x) {
    (void)x;
    return weld_parameter(g, "longer", WELD_SHAPE(C + 1), (weld_init){WELD_INIT_CONSTANT, 1, 0});
}

static weld_value *wider(weld_graph *g, weld_value *x) {
    (void)x;
    return weld_input(g, "wider", WELD_SHAPE(2, 2, 4, C));
}

START_TEST(terms_that_do_not_fit_are_refused) {
    weld_graph *fits = combine(WELD_IDENTITY, NULL, 0, 5);
    ck_assert_int_eq(weld_graph_status(fits, &err), WELD_OK);
    weld_graph_free(fits);
    expect_refused(combine(WELD_IDENTITY, NULL, 0, 4), "4 inputs");
    expect_refused(combine(WELD_IDENTITY + 1, NULL, 0, 5), "no function");
    expect_refused(combine(-1, NULL, 0, 5), "no function");
    expect_refused(combine(WELD_IDENTITY, longer, 1, 5), "scale");
    expect_refused(combine(WELD_IDENTITY, longer, 2, 5), "shift");
    expect_refused(combine(WELD_IDENTITY, longer, 4, 5), "scale");
    expect_refused(combine(WELD_IDENTITY, wider, 3, 5), "x");
}
END_TEST

START_TEST(a_pair_needs_a_function_and_a_gradient_of_its_shape) {
    weld_value *x, *scale;
    weld_graph *g = start(&x, &scale);
    weld_value *in[] = {x, scale, NULL, wider(g, x)};
    weld_graph_node(g, &weld_op_activation_pair, &(weld_attributes){0}, in, 4, 1);
    expect_refused(g, "dy");
    g = start(&x, &scale);
    weld_value *same[] = {x, scale, NULL, x};
    weld_attributes identity = {.function = WELD_IDENTITY};
    weld_graph_node(g, &weld_op_activation_pair, &identity, same, 4, 1);
    expect_refused(g, "no function");
}
END_TEST

RUN_SUITE("ops/combine", terms_that_do_not_fit_are_refused,
          a_pair_needs_a_function_and_a_gradient_of_its_shape)
