#include <math.h>

#include "graph/networks.h"
#include "suite.h"

static weld_graph *new_graph(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F64, &g, NULL), WELD_OK);
    return g;
}

static weld_value *constant(weld_graph *g, const char *name, weld_shape shape, double value) {
    return weld_parameter(g, name, shape, (weld_init){WELD_INIT_CONSTANT, value, 0});
}

static weld_value *differentiate_one(weld_graph *g, weld_value *loss, weld_value *x) {
    weld_value *dx = NULL;
    weld_error err = {0};
    weld_status status = weld_differentiate(g, loss, &x, 1, &dx, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    return dx;
}

/* Every element of output `name` is `want`. */
static void assert_output(weld_graph *g, const char *name, double want) {
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){0});
    weld_session_run(s, 0);
    weld_tensor t = weld_session_output(s, name);
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        ck_assert_double_eq_tol(((double *)t.data)[i], want, 1e-12);
    }
    weld_session_free(s);
    weld_weights_free(w);
}

START_TEST(a_value_read_several_times_adds_up_its_gradients) {
    weld_graph *g = new_graph();
    weld_value *x = constant(g, "x", WELD_SHAPE(2, 3), 0.5);
    weld_value *twice = weld_scale(g, x, 2);
    weld_value *sum =
        weld_add(g, weld_add(g, twice, twice), weld_add(g, weld_scale(g, twice, 3), x));
    weld_value *dx = differentiate_one(g, weld_mean(g, sum), x);
    weld_output(g, "dx", dx);
    assert_output(g, "dx", (2 + 2 + 6 + 1) / 6.0);
    weld_graph_free(g);
}
END_TEST

START_TEST(the_gradient_of_the_loss_itself_is_one) {
    weld_graph *g = new_graph();
    weld_value *x = constant(g, "x", WELD_SHAPE(2, 3), 0.5);
    weld_value *middle = weld_scale(g, x, 4), *loss = weld_mean(g, middle);
    weld_value *wrt[] = {loss, middle, x}, *grads[3];
    ck_assert_int_eq(weld_differentiate(g, loss, wrt, 3, grads, NULL), WELD_OK);
    weld_output(g, "loss", grads[0]);
    weld_output(g, "middle", grads[1]);
    weld_output(g, "x", grads[2]);
    assert_output(g, "loss", 1);
    assert_output(g, "middle", 1 / 6.0);
    assert_output(g, "x", 4 / 6.0);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_parameter_that_the_loss_does_not_depend_on_is_named) {
    weld_graph *g = new_graph();
    weld_value *x = constant(g, "x", WELD_SHAPE(2, 3), 0.5);
    weld_value *lost = constant(g, "stage.lost.weight", WELD_SHAPE(2, 3), 0.5);
    weld_output(g, "elsewhere", weld_gelu(g, lost));
    weld_value *wrt[] = {x, lost}, *grads[2];
    weld_error err = {0};
    ck_assert_int_eq(weld_differentiate(g, weld_mean(g, x), wrt, 2, grads, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "does not depend on stage.lost.weight"));
    weld_graph_free(g);
}
END_TEST

START_TEST(a_loss_of_several_elements_is_refused) {
    weld_graph *g = new_graph();
    weld_value *x = constant(g, "x", WELD_SHAPE(2, 3), 0.5), *dx;
    weld_error err = {0};
    ck_assert_int_eq(weld_differentiate(g, x, &x, 1, &dx, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "take its mean"));
    ck_assert_int_eq(weld_differentiate(g, NULL, &x, 1, &dx, &err), WELD_ERROR_SHAPE);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_graph_with_an_error_is_not_differentiated) {
    weld_graph *g = new_graph();
    weld_value *x = constant(g, "x", WELD_SHAPE(1), 0.5), *dx;
    weld_value *bad = weld_slice(g, x, 3, 0, 1);
    weld_error err = {0};
    ck_assert_int_eq(weld_differentiate(g, bad, &x, 1, &dx, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "slice#0"));
    weld_graph_free(g);
}
END_TEST

START_TEST(a_graph_can_be_differentiated_again_and_grown_between) {
    weld_graph *g = new_graph();
    weld_value *x = constant(g, "x", WELD_SHAPE(2, 3), 0.5);
    weld_value *y = weld_scale(g, x, 2), *loss = weld_mean(g, y);
    weld_output(g, "first", differentiate_one(g, loss, x));
    weld_output(g, "again", differentiate_one(g, loss, x));
    weld_value *more = weld_add(g, weld_scale(g, y, 10), x);
    weld_output(g, "more", differentiate_one(g, weld_mean(g, more), x));
    assert_output(g, "first", 2 / 6.0);
    assert_output(g, "again", 2 / 6.0);
    assert_output(g, "more", 21 / 6.0);
    weld_graph_free(g);
}
END_TEST

START_TEST(an_operator_without_a_gradient_is_named) {
    weld_graph *g = new_graph();
    weld_value *x = constant(g, "x", WELD_SHAPE(2, 3), 0.5);
    weld_value *weight = constant(g, "w", WELD_SHAPE(2, 3), 0.5);
    weld_value *dx = differentiate_one(g, weld_mean(g, weld_softmax(g, x)), x), *ddx;
    weld_error err = {0};
    weld_value *loss = weld_mean(g, weld_add(g, dx, weight));
    ck_assert_int_eq(weld_differentiate(g, loss, &x, 1, &ddx, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "softmax_grad#") != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "has no gradient"));
    weld_graph_free(g);
}
END_TEST

static int count_nodes(const weld_graph *g, const char *op) {
    int count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += strcmp(g->nodes[i]->op->name, op) == 0;
    }
    return count;
}

START_TEST(only_what_is_wanted_is_computed) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(1, 6, 6, 2));
    weld_value *first = network_conv(g, "first", x, 4, 3, 1, 1);
    weld_value *second = network_conv(g, "second", weld_gelu(g, first), 4, 3, 1, 1);
    weld_value *loss = weld_mean(g, second);
    weld_value *weight = weld_graph_find_leaf(g, "second.weight");
    ck_assert_ptr_nonnull(differentiate_one(g, loss, weight));
    ck_assert_int_eq(count_nodes(g, "conv2d_input_grad"), 0);
    ck_assert_int_eq(count_nodes(g, "conv2d_weight_grad"), 1);
    ck_assert_int_eq(count_nodes(g, "activation_grad"), 0);
    weight = weld_graph_find_leaf(g, "first.weight");
    ck_assert_ptr_nonnull(differentiate_one(g, loss, weight));
    ck_assert_int_eq(count_nodes(g, "conv2d_input_grad"), 1);
    ck_assert_int_eq(count_nodes(g, "conv2d_weight_grad"), 2);
    weld_graph_free(g);
}
END_TEST

/* The whole network at once, in double, against central differences. */
START_TEST(a_network_of_all_operators_has_the_gradient_of_its_loss) {
    weld_graph *g = network_build(WELD_F64, 3, true);
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){.threads = 1, .seed = 4});
    for (int i = 0; i < 2; i++) {
        weld_tensor t = weld_session_input(s, i ? "target" : "images");
        weld_random r = weld_random_start(3, 0, (uint64_t)i, WELD_RANDOM_TEST);
        for (int64_t j = 0; j < weld_shape_count(&t.shape); j++) {
            /* Not noise alone, of which pooling and norms would leave little. */
            ((double *)t.data)[j] = sin(0.013 * (double)j) + weld_random_range(&r, -1, 1);
        }
    }
    const double *loss = weld_session_output(s, "loss").data;
    for (size_t i = 0; i < weld_graph_parameter_count(g); i++) {
        char name[32];
        weld_tensor x;
        const char *leaf = weld_value_name(weld_graph_parameter(g, i));
        ck_assert(weld_weights_find(w, leaf, &x));
        snprintf(name, sizeof name, "grad %zu", i);
        weld_tensor grad = weld_session_output(s, name);
        double difference = 0, norm = 0;
        const double h = 1e-5;
        int64_t n = weld_shape_count(&x.shape);
        for (int64_t j = 0; j < n; j += n / 6 + 1) {
            double *at = (double *)x.data + j, held = *at, high, low;
            *at = held + h;
            weld_session_run(s, 1);
            high = *loss;
            *at = held - h;
            weld_session_run(s, 1);
            low = *loss;
            *at = held;
            weld_session_run(s, 1);
            double analytic = ((double *)grad.data)[j], numeric = (high - low) / (2 * h);
            difference += (analytic - numeric) * (analytic - numeric);
            norm += analytic * analytic;
        }
        /* A bias before batch norm has no effect: only rounding is left of its gradient. */
        ck_assert_msg(sqrt(difference) < 1e-6 * sqrt(norm) + 2e-11, "%s: %g of %g", leaf,
                      sqrt(difference), sqrt(norm));
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("passes/differentiate", a_value_read_several_times_adds_up_its_gradients,
          the_gradient_of_the_loss_itself_is_one,
          a_parameter_that_the_loss_does_not_depend_on_is_named,
          a_loss_of_several_elements_is_refused, a_graph_with_an_error_is_not_differentiated,
          a_graph_can_be_differentiated_again_and_grown_between,
          an_operator_without_a_gradient_is_named, only_what_is_wanted_is_computed,
          a_network_of_all_operators_has_the_gradient_of_its_loss)
