#include "ops/gradcheck.h"
#include "suite.h"

typedef struct options {
    int kernel[2], stride[2], padding[2];
} options;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *o_) {
    const options *o = o_;
    return weld_max_pool(g, x[0], o->kernel, o->stride, o->padding);
}

/* Elements are drawn from the reals, so no two are equal. */
START_TEST(max_pool_is_right_for_odd_sizes_strides_and_padding) {
    const struct {
        weld_shape shape;
        options o;
    } cases[] = {{WELD_SHAPE(2, 5, 7, 3), {{3, 3}, {2, 2}, {1, 1}}},
                 {WELD_SHAPE(1, 4, 4, 17), {{2, 2}, {2, 2}, {0, 0}}},
                 {WELD_SHAPE(3, 1, 1, 5), {{3, 3}, {2, 2}, {1, 1}}},
                 {WELD_SHAPE(1, 9, 6, 2), {{3, 2}, {1, 3}, {2, 0}}},
                 {WELD_SHAPE(2, 3, 3, 1), {{1, 1}, {0, 0}, {0, 0}}},
                 {WELD_SHAPE(1, 8, 8, 4), {{2, 5}, {3, 4}, {1, 4}}},
                 {WELD_SHAPE(3, 60, 60, 16), {{3, 3}, {2, 2}, {1, 1}}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_operator(&(check_leaf){cases[i].shape, -1, 1}, 1, build, &cases[i].o);
        check_operator_bf16(&(check_leaf){cases[i].shape, -1, 1}, 1, 1, build, &cases[i].o);
    }
}
END_TEST

START_TEST(max_pool_pads_with_minus_infinity) {
    double y[4];
    options o = {{2, 2}, {2, 2}, {1, 1}};
    double x[] = {-1, -2, -3, -4};
    check_forward(WELD_SHAPE(1, 2, 2, 1), x, build, &o, 4, y);
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq(y[i], x[i]); /* each window holds one element and padding */
    }
}
END_TEST

START_TEST(max_pool_sends_the_gradient_of_a_tie_to_the_first) {
    options o = {{2, 2}, {1, 1}, {0, 0}};
    check_leaf leaf = {WELD_SHAPE(1, 2, 2, 1), 1, 1}; /* all elements are 1 */
    check_net net = check_make(WELD_F32, &leaf, 1, build, &o);
    weld_session *s = check_session(&net, 1, NULL);
    weld_session_run(s, 0);
    weld_tensor d = weld_session_output(s, "d0"), r;
    ck_assert(weld_weights_find(net.weights, "r", &r));
    ck_assert_double_eq(check_get(&d, 0), check_get(&r, 0));
    for (int i = 1; i < 4; i++) {
        ck_assert_double_eq(check_get(&d, i), 0);
    }
    weld_session_free(s);
    check_free(&net);
}
END_TEST

START_TEST(max_pool_says_what_does_not_fit) {
    check_leaf leaf = {WELD_SHAPE(1, 2, 5, 3)};
    options large = {{5, 5}, {1, 1}, {1, 1}};
    check_refused(&leaf, 1, build, &large, "height 2 with padding 1 is smaller than the kernel");
    options padded = {{2, 2}, {1, 1}, {0, 2}};
    check_refused(&leaf, 1, build, &padded, "width: kernel 2, stride 1, padding 2");
    leaf.shape = WELD_SHAPE(2, 5, 3);
    check_refused(&leaf, 1, build, &padded, "x must be [batch, height, width, channels]");
}
END_TEST

RUN_SUITE("ops/max_pool", max_pool_is_right_for_odd_sizes_strides_and_padding,
          max_pool_pads_with_minus_infinity, max_pool_sends_the_gradient_of_a_tie_to_the_first,
          max_pool_says_what_does_not_fit)
