#include "ops/gradcheck.h"
#include "suite.h"

typedef struct conv_case {
    int64_t n, h, w, in, out;
    int kernel[2], stride[2], padding[2], groups;
    bool bias;
    int dilation[2];
    bool same, unrounded;
} conv_case;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    const conv_case *c = options;
    weld_conv2d_options o = {.stride = {c->stride[0], c->stride[1]},
                             .padding = {c->padding[0], c->padding[1]},
                             .groups = c->groups,
                             .dilation = {c->dilation[0], c->dilation[1]},
                             .same = c->same};
    weld_value *y = weld_conv2d(g, x[0], x[1], c->bias ? x[2] : NULL, o);
    if (!y || !c->unrounded) {
        return y;
    }
    weld_node unrounded = *y->producer;
    unrounded.attributes.unrounded = true;
    return weld_graph_copy_node(g, &unrounded, unrounded.inputs);
}

static void check_cases(const conv_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const conv_case *c = &cases[i];
        int groups = c->groups ? c->groups : 1;
        check_leaf leaves[] = {
            {WELD_SHAPE(c->n, c->h, c->w, c->in), -1, 1, false},
            {WELD_SHAPE(c->out, c->in / groups, c->kernel[0], c->kernel[1]), -1, 1, false},
            {WELD_SHAPE(c->out), -1, 1, false}};
        check_operator(leaves, c->bias ? 3 : 2, build, c);
        check_operator_bf16(leaves, c->bias ? 3 : 2, 1, build, c);
    }
}
#define CHECK_CASES(...)                                                                           \
    const conv_case cases[] = {__VA_ARGS__};                                                       \
    check_cases(cases, sizeof cases / sizeof *cases)

START_TEST(pointwise_convolution_is_right_for_odd_sizes_and_tails) {
    CHECK_CASES({2, 5, 3, 7, 11, {1, 1}, {1, 1}, {0, 0}, 1, true},
                {1, 1, 1, 3, 5, {1, 1}, {1, 1}, {0, 0}, 0, false},
                {1, 1, 1, 1, 1, {1, 1}, {1, 1}, {0, 0}, 1, true},
                {3, 1, 1, 40, 16, {1, 1}, {1, 1}, {0, 0}, 1, true},
                {2, 23, 7, 24, 48, {1, 1}, {1, 1}, {0, 0}, 1, false});
}
END_TEST

START_TEST(depthwise_convolution_is_right_for_strides_and_paddings) {
    CHECK_CASES({2, 6, 5, 9, 9, {3, 3}, {1, 1}, {1, 1}, 9, true},
                {1, 7, 7, 16, 16, {3, 3}, {2, 2}, {1, 1}, 16, false},
                {2, 8, 8, 5, 5, {3, 3}, {2, 2}, {1, 1}, 5, false},
                {1, 1, 1, 17, 17, {3, 3}, {1, 1}, {1, 1}, 17, true},
                {1, 6, 9, 3, 3, {5, 3}, {2, 1}, {2, 0}, 3, true},
                {2, 5, 5, 8, 8, {7, 7}, {1, 1}, {3, 3}, 8, false},
                {1, 4, 4, 6, 6, {2, 2}, {2, 2}, {0, 0}, 6, false},
                {2, 15, 10, 20, 20, {3, 3}, {1, 1}, {1, 1}, 20, false});
}
END_TEST

START_TEST(depthwise_convolution_of_one_tap_is_right) {
    CHECK_CASES({2, 5, 3, 9, 9, {1, 1}, {1, 1}, {0, 0}, 9, true},
                {1, 1, 1, 33, 33, {1, 1}, {1, 1}, {0, 0}, 33, false},
                {1, 5, 5, 4, 4, {1, 1}, {2, 2}, {0, 0}, 4, true},
                {2, 15, 10, 20, 20, {1, 1}, {1, 1}, {0, 0}, 20, true});
}
END_TEST

START_TEST(dense_convolution_is_right_for_strides_and_paddings) {
    CHECK_CASES({2, 6, 5, 3, 7, {3, 3}, {1, 1}, {1, 1}, 1, true},
                {1, 9, 7, 3, 24, {3, 3}, {2, 2}, {1, 1}, 1, false},
                {2, 8, 8, 4, 5, {3, 3}, {2, 2}, {1, 1}, 1, false},
                {1, 1, 1, 5, 3, {3, 3}, {1, 1}, {1, 1}, 1, true},
                {1, 6, 9, 2, 3, {5, 2}, {2, 3}, {2, 0}, 1, true},
                {1, 4, 5, 3, 2, {4, 5}, {1, 1}, {0, 0}, 1, false},
                {1, 3, 3, 1, 4, {3, 3}, {1, 1}, {1, 1}, 1, true},
                {2, 16, 13, 8, 18, {3, 3}, {1, 1}, {1, 1}, 1, false});
}
END_TEST

START_TEST(convolution_of_one_tap_with_stride_or_padding_is_right) {
    CHECK_CASES({2, 5, 7, 6, 9, {1, 1}, {2, 2}, {0, 0}, 1, true},
                {1, 3, 3, 4, 5, {1, 1}, {1, 1}, {1, 1}, 1, false});
}
END_TEST

START_TEST(grouped_convolution_is_right_and_may_multiply_channels) {
    CHECK_CASES({2, 5, 4, 6, 9, {3, 3}, {1, 1}, {1, 1}, 3, true},
                {1, 5, 5, 4, 12, {3, 3}, {2, 2}, {1, 1}, 4, true},
                {2, 3, 3, 8, 4, {1, 1}, {1, 1}, {0, 0}, 2, false},
                {1, 14, 12, 8, 16, {3, 3}, {1, 1}, {1, 1}, 8, false});
}
END_TEST

/* Taps beyond both borders at once, strides that are and are not multiples of the dilation. */
START_TEST(dilated_convolution_is_right) {
    CHECK_CASES({2, 9, 8, 5, 5, {3, 3}, {1, 1}, {2, 2}, 5, true, {2, 2}},
                {1, 9, 11, 17, 17, {3, 3}, {2, 2}, {2, 3}, 17, false, {2, 3}},
                {1, 3, 2, 4, 4, {3, 3}, {1, 1}, {4, 4}, 4, false, {4, 4}},
                {1, 13, 12, 3, 3, {3, 4}, {4, 3}, {1, 2}, 3, true, {2, 2}},
                {2, 9, 8, 4, 6, {3, 3}, {1, 1}, {2, 2}, 1, true, {2, 2}},
                {1, 9, 11, 4, 6, {3, 2}, {2, 1}, {3, 0}, 2, false, {3, 4}},
                {1, 3, 2, 4, 3, {3, 3}, {1, 1}, {4, 4}, 1, false, {4, 4}},
                {1, 5, 4, 6, 7, {1, 1}, {1, 1}, {0, 0}, 1, true, {3, 3}});
}
END_TEST

/* Even and odd sizes, kernels that are smaller than the stride and larger than the input. */
START_TEST(convolution_with_the_same_padding_is_right) {
    CHECK_CASES({2, 8, 7, 9, 9, {3, 3}, {2, 2}, {0, 0}, 9, true, .same = true},
                {1, 8, 10, 17, 17, {5, 5}, {2, 2}, {0, 0}, 17, false, .same = true},
                {1, 6, 6, 3, 3, {3, 3}, {1, 1}, {0, 0}, 3, false, .same = true},
                {2, 8, 9, 3, 6, {3, 3}, {2, 2}, {0, 0}, 1, true, .same = true},
                {1, 7, 8, 4, 6, {2, 4}, {1, 3}, {0, 0}, 2, false, .same = true},
                {1, 1, 2, 3, 4, {5, 3}, {2, 1}, {0, 0}, 1, false, .same = true},
                {1, 10, 9, 4, 4, {3, 3}, {3, 2}, {0, 0}, 4, false, {2, 1}, .same = true},
                {1, 6, 5, 4, 3, {1, 1}, {2, 2}, {0, 0}, 1, true, .same = true});
}
END_TEST

/* Enough output channels that a weight's gradient is split over them as well as over rows. */
START_TEST(large_weights_are_right) {
    CHECK_CASES({1, 10, 13, 160, 420, {1, 1}, {1, 1}, {0, 0}, 1, false},
                {1, 5, 5, 48, 160, {3, 3}, {1, 1}, {1, 1}, 1, false});
}
END_TEST

/* Enough rows that a weight's gradient is several partial sums. */
START_TEST(many_rows_are_right) {
    CHECK_CASES({2, 30, 20, 3, 5, {1, 1}, {1, 1}, {0, 0}, 1, true},
                {3, 20, 19, 2, 3, {3, 3}, {1, 1}, {1, 1}, 1, false},
                {3, 20, 19, 4, 4, {3, 3}, {1, 1}, {1, 1}, 4, true},
                {3, 20, 19, 4, 4, {1, 1}, {1, 1}, {0, 0}, 4, true},
                {3, 20, 19, 4, 8, {3, 3}, {1, 1}, {1, 1}, 2, false});
}
END_TEST

/* Of the same factors, so that nothing is rounded on the way: bf16 and f32 must give alike. */
static void check_unrounded(const conv_case *c, const char *isa) {
    const check_leaf leaves[] = {
        {WELD_SHAPE(c->n, c->h, c->w, c->in), -1, 1, false},
        {WELD_SHAPE(c->out, c->in, c->kernel[0], c->kernel[1]), -1, 1, false},
        {WELD_SHAPE(c->out), -1, 1, false}};
    check_net exact = check_make(WELD_F32, leaves, 3, build, c);
    check_net narrow = check_make_narrow(WELD_F32, leaves, 3, 1, build, c);
    check_shorten(exact.weights);
    check_shorten(narrow.weights);
    weld_session *s = check_session(&exact, 1, "ref"), *t = check_session(&narrow, 2, isa);
    weld_session_run(s, CHECK_STEP);
    weld_session_run(t, CHECK_STEP);
    const char *const names[] = {"y", "d1", "d2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        weld_tensor x = weld_session_output(s, names[i]), y = weld_session_output(t, names[i]);
        for (int64_t j = 0; j < weld_shape_count(&x.shape); j++) {
            const double off = fabs(check_get(&x, j) - check_get(&y, j));
            ck_assert_msg(off < 1e-5, "%s: %s[%lld] is off by %g", isa, names[i], (long long)j,
                          off);
        }
    }
    weld_session_free(s);
    weld_session_free(t);
    check_free(&exact);
    check_free(&narrow);
}

START_TEST(what_shall_not_be_rounded_is_not) {
    const conv_case cases[] = {
        {2, 5, 3, 9, 12, {1, 1}, {1, 1}, {0, 0}, 1, true, .unrounded = true},
        {1, 4, 6, 33, 50, {1, 1}, {1, 1}, {0, 0}, 1, true, .unrounded = true},
        {2, 8, 9, 4, 7, {3, 3}, {2, 2}, {1, 1}, 1, true, .unrounded = true}};
    check_cases(cases, sizeof cases / sizeof *cases);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int v = 0; weld_kernels_available(WELD_BF16, v); v++) {
            check_unrounded(&cases[i], weld_kernels_available(WELD_BF16, v));
        }
    }
}
END_TEST

START_TEST(convolution_is_cross_correlation) {
    const conv_case c = {1, 3, 3, 1, 1, {2, 2}, {1, 1}, {0, 0}, 1, false};
    check_leaf leaves[] = {{WELD_SHAPE(1, 3, 3, 1), 0, 1, false},
                           {WELD_SHAPE(1, 1, 2, 2), 0, 1, false}};
    check_net net = check_make(WELD_F64, leaves, 2, build, &c);
    weld_session *s = check_session(&net, 1, NULL);
    weld_tensor x, weight, y = weld_session_output(s, "y");
    ck_assert(weld_weights_find(net.weights, "x0", &x));
    ck_assert(weld_weights_find(net.weights, "x1", &weight));
    for (int i = 0; i < 9; i++) {
        check_set(&x, i, i + 1);
    }
    for (int i = 0; i < 4; i++) {
        check_set(&weight, i, (double[]){1, 10, 100, 1000}[i]);
    }
    weld_session_run(s, 0);
    const double want[] = {5421, 6532, 8754, 9865};
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(check_get(&y, i), want[i], 1e-9);
    }
    weld_session_free(s);
    check_free(&net);
}
END_TEST

START_TEST(a_gradient_is_asked_of_the_weight_alone_where_x_is_an_input) {
    const conv_case c = {2, 5, 5, 3, 4, {3, 3}, {2, 2}, {1, 1}, 1, false};
    check_leaf leaves[] = {{WELD_SHAPE(2, 5, 5, 3), -1, 1, true},
                           {WELD_SHAPE(4, 3, 3, 3), -1, 1, false}};
    check_net net = check_make(WELD_F64, leaves, 2, build, &c);
    for (size_t i = 0; i < net.graph->node_count; i++) {
        ck_assert_str_ne(net.graph->nodes[i]->op->name, "conv2d_input_grad");
    }
    check_free(&net);
}
END_TEST

/* A graph is built once and runs with any batch: gradients must follow it. */
START_TEST(gradients_follow_the_batch_of_the_session) {
    weld_graph *g;
    weld_weights *weights;
    weld_session *s;
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F64, &g, &err), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 4, 4, 3));
    weld_value *weight =
        weld_parameter(g, "weight", WELD_SHAPE(5, 3, 3, 3), (weld_init){WELD_INIT_UNIFORM, -1, 1});
    weld_value *inner =
        weld_parameter(g, "inner", WELD_SHAPE(3, 3, 1, 1), (weld_init){WELD_INIT_UNIFORM, -1, 1});
    weld_value *y = weld_conv2d(g, x, inner, NULL, (weld_conv2d_options){0});
    y = weld_conv2d(g, y, weight, NULL, (weld_conv2d_options){.padding = {1, 1}});
    weld_value *loss = weld_mean(g, weld_global_avg_pool(g, y));
    weld_value *grads[2];
    weld_status status =
        weld_differentiate(g, loss, (weld_value *[]){weight, inner}, 2, grads, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    weld_output(g, "dweight", grads[0]);
    weld_output(g, "dinner", grads[1]);
    ck_assert_int_eq(weld_graph_init_weights(g, 3, &weights, &err), WELD_OK);
    double first[2][135];
    for (int64_t batch = 1; batch <= 3; batch += 2) { /* of the same image: the mean is the same */
        status = weld_session_create(g, weights, &(weld_session_options){.batch = batch}, &s, &err);
        ck_assert_msg(status == WELD_OK, "%s", err.message);
        weld_tensor in = weld_session_input(s, "x");
        for (int64_t i = 0; i < batch * 48; i++) {
            check_set(&in, i, sin((double)(i % 48)));
        }
        weld_session_run(s, 0);
        for (int j = 0; j < 2; j++) {
            weld_tensor d = weld_session_output(s, j ? "dinner" : "dweight");
            for (int i = 0; i < (j ? 9 : 135); i++) {
                if (batch == 1) {
                    first[j][i] = check_get(&d, i);
                } else {
                    ck_assert_double_eq_tol(check_get(&d, i), first[j][i], 1e-12);
                }
            }
        }
        weld_session_free(s);
    }
    weld_weights_free(weights);
    weld_graph_free(g);
}
END_TEST

START_TEST(what_does_not_fit_is_refused_with_the_reason) {
    const conv_case c = {.kernel = {3, 3}, .padding = {1, 1}, .groups = 1};
    check_leaf x = {WELD_SHAPE(1, 8, 8, 4), 0, 1, false};
    check_leaf rank = {WELD_SHAPE(8, 4), 0, 1, false};
    check_leaf weight = {WELD_SHAPE(48, 3, 3, 3), 0, 1, false};
    check_refused((check_leaf[]){x, weight}, 2, build, &c,
                  "weight [48, 3, 3, 3] wants 3 input channels a group, x [1, 8, 8, 4] has 4");
    check_refused((check_leaf[]){rank, weight}, 2, build, &c, "x must be [n, h, w, c]");
    check_refused((check_leaf[]){x, rank}, 2, build, &c, "weight must be [out, in / groups");
    const conv_case groups = {.groups = 3};
    check_refused((check_leaf[]){x, weight}, 2, build, &groups, "3 groups do not divide");
    check_leaf large = {WELD_SHAPE(2, 4, 9, 3), 0, 1, false};
    const conv_case no_padding = {.groups = 1};
    check_leaf small = {WELD_SHAPE(2, 4, 3, 3), 0, 1, false};
    check_refused((check_leaf[]){x, large}, 2, build, &no_padding,
                  "kernel of 9 with dilation 1 is larger than the padded input of 8");
    const conv_case dilated = {.groups = 1, .dilation = {1, 8}};
    check_refused((check_leaf[]){x, small}, 2, build, &dilated,
                  "kernel of 3 with dilation 8 is larger than the padded input of 8");
    const conv_case twice = {.groups = 1, .padding = {0, 1}, .same = true};
    check_refused((check_leaf[]){x, small}, 2, build, &twice, "padding 1 and \"same\"");
    const conv_case negative = {.groups = 1, .stride = {-1, 1}};
    check_refused((check_leaf[]){x, small}, 2, build, &negative, "stride -1");
    const conv_case unrounded = {.groups = 4, .unrounded = true};
    check_leaf each = {WELD_SHAPE(4, 1, 3, 3), 0, 1, false};
    check_refused((check_leaf[]){x, each}, 2, build, &unrounded,
                  "unrounded: convolutions with a group a channel round what they give");
    const conv_case bias = {.groups = 1, .bias = true};
    check_leaf wrong = {WELD_SHAPE(3), 0, 1, false};
    check_refused((check_leaf[]){x, small, wrong}, 3, build, &bias, "bias must be f64 [2]");
}
END_TEST

RUN_SUITE("ops/conv2d", pointwise_convolution_is_right_for_odd_sizes_and_tails,
          depthwise_convolution_is_right_for_strides_and_paddings,
          depthwise_convolution_of_one_tap_is_right,
          dense_convolution_is_right_for_strides_and_paddings,
          convolution_of_one_tap_with_stride_or_padding_is_right,
          grouped_convolution_is_right_and_may_multiply_channels, dilated_convolution_is_right,
          convolution_with_the_same_padding_is_right, large_weights_are_right, many_rows_are_right,
          what_shall_not_be_rounded_is_not, convolution_is_cross_correlation,
          a_gradient_is_asked_of_the_weight_alone_where_x_is_an_input,
          gradients_follow_the_batch_of_the_session, what_does_not_fit_is_refused_with_the_reason)
