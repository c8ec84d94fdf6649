/* Chains of elementwise work: which become one node, and that it computes the same. */
#include "passes/fold_linear.h"

#include <math.h>

#include "base/random.h"
#include "passes/recompute.h"
#include "passes/training_net.h"
#include "suite.h"

/* Leaves g as it is. */
static weld_graph *folded(const weld_graph *g) {
    weld_graph *out;
    ck_assert_msg(!weld_fold_linear(g, &out, &err), "%s", err.message);
    return out;
}

static weld_value *affine(weld_graph *g, weld_value *x, weld_value *scale, weld_value *shift) {
    weld_value *in[] = {x, scale, shift};
    return weld_graph_node(g, &weld_op_affine, NULL, in, 3, 2);
}

static weld_value *vector(weld_graph *g, const char *name) {
    return weld_parameter(g, name, WELD_SHAPE(NET_CHANNELS), net_init);
}

static double element(weld_tensor t, int64_t i) {
    return t.dtype == WELD_F64 ? ((const double *)t.data)[i] : (double)((const float *)t.data)[i];
}

/* Of one run of the graph on random images; the caller frees it. */
static double *result(weld_graph *g, const char *output, int threads, int64_t *count) {
    weld_weights *w;
    weld_session *s;
    weld_session_options options = {.threads = threads};
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    ck_assert_int_eq(weld_graph_init_weights(g, 5, &w, &err), WELD_OK);
    ck_assert_msg(!weld_session_create(g, w, &options, &s, &err), "%s", err.message);
    weld_tensor x = weld_session_input(s, "x");
    for (int64_t i = 0; i < weld_shape_count(&x.shape); i++) {
        ((float *)x.data)[i] = (float)weld_random_range(&r, -2, 2);
    }
    weld_session_run(s, 0);
    weld_tensor y = weld_session_output(s, output);
    *count = weld_shape_count(&y.shape);
    double *values = malloc((size_t)*count * sizeof *values);
    for (int64_t i = 0; i < *count; i++) {
        values[i] = element(y, i);
    }
    weld_session_free(s);
    weld_weights_free(w);
    return values;
}

/* The same outputs to rounding, and the same bits with any number of threads. */
static void compare(weld_graph *a, weld_graph *b) {
    ck_assert_uint_eq(a->output_count, b->output_count);
    for (size_t i = 0; i < a->output_count; i++) {
        int64_t count, other;
        const char *name = a->outputs[i].name;
        double *x = result(a, name, 1, &count), *y = result(b, name, 1, &other);
        ck_assert_int_eq(count, other);
        double largest = 1;
        for (int64_t k = 0; k < count; k++) {
            largest = fmax(largest, fabs(x[k]));
        }
        for (int64_t k = 0; k < count; k++) {
            double off = fabs(x[k] - y[k]);
            ck_assert_msg(off <= 1e-5 * largest, "%s: off by %g of %g", name, off, largest);
        }
        for (int threads = 2; threads <= 3; threads++) {
            double *z = result(b, name, threads, &other);
            for (int64_t k = 0; k < count; k++) {
                ck_assert(y[k] == z[k]);
            }
            free(z);
        }
        free(x);
        free(y);
    }
}

/* Folded, a graph whose output "y" is one combine of so many terms that reads what the graph's
 * inputs and convolutions make. Frees g. */
static void expect_combine(weld_graph *g, int terms, int function) {
    weld_graph *out = folded(g);
    const weld_node *node = weld_graph_output(out, "y")->producer;
    ck_assert_str_eq(node->op->name, "combine");
    ck_assert_int_eq(node->input_count, 2 * terms + 1);
    ck_assert_int_eq(node->attributes.function, function);
    ck_assert_int_eq(net_count(out, &weld_op_combine), 1);
    ck_assert_int_eq(net_count(out, &weld_op_add), 0);
    ck_assert_int_eq(net_count(out, &weld_op_affine), 0);
    ck_assert_int_eq(net_count(out, &weld_op_activation), 0);
    compare(g, out);
    weld_graph_free(g);
    weld_graph_free(out);
}

START_TEST(a_tree_of_sums_and_factors_is_one_node) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *a = net_conv(g, x, "a", 1, 1), *b = net_conv(g, x, "b", 1, 1);
    weld_value *left = affine(g, a, vector(g, "s"), vector(g, "t"));
    weld_value *right = affine(g, weld_add(g, b, x), vector(g, "u"), vector(g, "v"));
    weld_output(g, "y", affine(g, weld_add(g, left, right), vector(g, "w"), NULL));
    expect_combine(g, 3, WELD_IDENTITY);
}
END_TEST

START_TEST(a_tensor_that_is_read_twice_is_one_term) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *scaled = net_conv(g, x, "factor", NET_CHANNELS, 1);
    weld_output(g, "y", weld_add(g, scaled, x)); /* w x + x */
    expect_combine(g, 1, WELD_IDENTITY);
}
END_TEST

START_TEST(an_activation_ends_a_tree) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *a = affine(g, net_conv(g, x, "a", 1, 1), vector(g, "s"), vector(g, "t"));
    weld_output(g, "y", weld_gelu(g, weld_add(g, a, x)));
    expect_combine(g, 2, WELD_GELU);
}
END_TEST

START_TEST(what_is_read_twice_or_put_out_stays) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *a = affine(g, x, vector(g, "s"), vector(g, "t"));
    weld_value *b = weld_add(g, a, net_conv(g, x, "a", 1, 1));
    weld_output(g, "b", b);
    weld_output(g, "y", weld_add(g, net_conv(g, a, "b", 1, 1), b));
    weld_graph *out = folded(g);
    ck_assert_uint_eq(out->node_count, g->node_count);
    ck_assert_int_eq(net_count(out, &weld_op_combine), 0);
    weld_graph_free(g);
    weld_graph_free(out);
}
END_TEST

START_TEST(plain_sums_of_one_tensor_twice_stay) {
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_output(g, "y", weld_add(g, weld_add(g, x, x), x));
    weld_graph *out = folded(g);
    ck_assert_int_eq(net_count(out, &weld_op_combine), 0);
    compare(g, out);
    weld_graph_free(g);
    weld_graph_free(out);
}
END_TEST

START_TEST(a_sum_of_too_many_is_cut) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    weld_value *x;
    weld_graph *g = net_start(&x);
    weld_value *sum = x;
    for (int i = 0; i < 7; i++) {
        sum = weld_add(g, sum, net_conv(g, x, names[i], 1, 1));
    }
    weld_output(g, "y", sum);
    weld_graph *out = folded(g);
    ck_assert_int_eq(net_count(out, &weld_op_combine), 2); /* each of four, */
    ck_assert_int_eq(net_count(out, &weld_op_add), 1);     /* and the last */
    compare(g, out);
    weld_graph_free(g);
    weld_graph_free(out);
}
END_TEST

START_TEST(an_activation_and_its_gradient_are_one_node) {
    weld_value *x;
    weld_graph *recomputed, *g = net_start(&x);
    weld_value *y = weld_gelu(g, net_norm(g, net_conv(g, x, "a", 1, 1), "n"));
    g = net_finish(g, net_norm(g, net_conv(g, y, "b", 1, 1), "m"));
    ck_assert_int_eq(weld_recompute(g, 1, &recomputed, &err), WELD_OK);
    ck_assert_int_eq(net_count(recomputed, &weld_op_activation), 2);
    weld_graph *out = folded(recomputed);
    ck_assert_int_eq(net_count(out, &weld_op_activation), 0);
    ck_assert_int_eq(net_count(out, &weld_op_activation_grad), 0);
    ck_assert_int_eq(net_count(out, &weld_op_activation_pair), 1);
    ck_assert_int_eq(net_count(out, &weld_op_combine), 1); /* the activation forward */
    compare(g, out);
    weld_graph_free(g);
    weld_graph_free(recomputed);
    weld_graph_free(out);
}
END_TEST

RUN_SUITE("passes/fold_linear", a_tree_of_sums_and_factors_is_one_node,
          a_tensor_that_is_read_twice_is_one_term, an_activation_ends_a_tree,
          what_is_read_twice_or_put_out_stays, plain_sums_of_one_tensor_twice_stay,
          a_sum_of_too_many_is_cut, an_activation_and_its_gradient_are_one_node)
