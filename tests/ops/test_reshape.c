#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    return weld_reshape(g, x[0], *(const weld_shape *)options);
}

/* Work on both sides, so that the view is of a result and is read by an operator. */
static weld_value *build_between(weld_graph *g, weld_value *const *x, const void *options) {
    weld_value *before = weld_add(g, x[0], x[0]);
    weld_value *y = weld_softmax(g, weld_reshape(g, before, *(const weld_shape *)options));
    return weld_add(g, y, weld_reshape(g, before, *(const weld_shape *)options));
}

START_TEST(reshape_keeps_the_elements_and_their_order) {
    double x[12], y[12];
    for (int i = 0; i < 12; i++) {
        x[i] = i;
    }
    check_forward(WELD_SHAPE(2, 6), x, build, &WELD_SHAPE(3, 4), 12, y);
    ck_assert_mem_eq(x, y, sizeof x);
}
END_TEST

START_TEST(reshape_differentiates_as_a_view_of_leaves_and_results) {
    weld_shape targets[] = {WELD_SHAPE(2, 12), WELD_SHAPE(24), WELD_SHAPE(4, 3, 2),
                            WELD_SHAPE(-1, 6), WELD_SHAPE(3, -1, 2)};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        check_leaf leaf = {WELD_SHAPE(2, 3, 4), -1, 1};
        check_operator(&leaf, 1, build, &targets[i]);
        check_operator(&leaf, 1, build_between, &targets[i]);
        check_operator_bf16(&leaf, 1, 1, build, &targets[i]);
    }
}
END_TEST

static weld_shape shape_after(const weld_graph *g, const weld_weights *w, int64_t batch) {
    weld_session *s;
    weld_error err = {0};
    weld_session_options o = {.batch = batch, .threads = 1};
    weld_status status = weld_session_create(g, (weld_weights *)w, &o, &s, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    weld_shape shape = weld_session_output(s, "y").shape;
    weld_session_free(s);
    return shape;
}

START_TEST(reshape_follows_the_batch_of_the_session) {
    const struct {
        weld_shape from, to, at_5;
    } cases[] = {{WELD_SHAPE(2, 3, 4), WELD_SHAPE(2, 12), WELD_SHAPE(5, 12)},
                 {WELD_SHAPE(2, 3, 4), WELD_SHAPE(2, -1), WELD_SHAPE(5, 12)},
                 {WELD_SHAPE(2, 3, 4), WELD_SHAPE(6, 4), WELD_SHAPE(15, 4)},
                 {WELD_SHAPE(2, 3, 4), WELD_SHAPE(24), WELD_SHAPE(60)},
                 {WELD_SHAPE(1, 3, 4), WELD_SHAPE(1, 12), WELD_SHAPE(5, 12)},
                 {WELD_SHAPE(1, 3, 4), WELD_SHAPE(12), WELD_SHAPE(60)},
                 {WELD_SHAPE(4, 6), WELD_SHAPE(-1, 8), WELD_SHAPE(3, 8)}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_graph *g;
        weld_weights *w;
        ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
        weld_value *x = weld_input(g, "x", cases[i].from);
        weld_output(g, "y", weld_reshape(g, x, cases[i].to));
        ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, NULL), WELD_OK);
        weld_shape built = weld_value_shape(weld_graph_output(g, "y"));
        weld_shape same = shape_after(g, w, 0);
        ck_assert(weld_shape_equal(&same, &built));
        /* 4 rows of 6 make 3 of 8 and 8 make 6; the others are asked for 5 samples. */
        weld_shape changed = shape_after(g, w, i == 6 ? 4 : 5);
        ck_assert_msg(weld_shape_equal(&changed, &cases[i].at_5), "case %zu", i);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

/* Merged into the batch and taken apart again, and the gradients of both. */
START_TEST(the_gradient_of_a_reshape_follows_the_batch) {
    weld_graph *g;
    weld_weights *w;
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 3, 4)), *dx;
    weld_value *y = weld_softmax(g, weld_reshape(g, x, WELD_SHAPE(6, 4)));
    weld_value *z = weld_reshape(g, y, WELD_SHAPE(-1, 12));
    weld_value *in[] = {z, z};
    weld_value *loss = weld_graph_node(g, &check_dot, NULL, in, 2, 2);
    weld_status status = weld_differentiate(g, loss, &x, 1, &dx, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    weld_output(g, "y", dx);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, NULL), WELD_OK);
    weld_shape at_7 = shape_after(g, w, 7);
    ck_assert(weld_shape_equal(&at_7, &WELD_SHAPE(7, 3, 4)));
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(reshape_says_why_a_shape_does_not_fit) {
    check_leaf leaf = {WELD_SHAPE(2, 3, 4)};
    check_refused(&leaf, 1, build, &WELD_SHAPE(2, 11),
                  "cannot reshape [2, 3, 4] to [2, 11]: 24 elements do not fit");
    check_refused(&leaf, 1, build, &WELD_SHAPE(-1, 7), "24 elements do not fit");
    check_refused(&leaf, 1, build, &WELD_SHAPE(-1, 2, -1), "but for one -1");
    check_refused(&leaf, 1, build, &WELD_SHAPE(0, 24), "dimensions must be positive");
    check_refused(&leaf, 1, build, &(weld_shape){.rank = 7}, "at most 6");
}
END_TEST

RUN_SUITE("ops/reshape", reshape_keeps_the_elements_and_their_order,
          reshape_differentiates_as_a_view_of_leaves_and_results,
          reshape_follows_the_batch_of_the_session, the_gradient_of_a_reshape_follows_the_batch,
          reshape_says_why_a_shape_does_not_fit)
