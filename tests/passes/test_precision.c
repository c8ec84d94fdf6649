/* The pass that turns activations into bf16. */
#include <math.h>

#include "graph/networks.h"
#include "ops/ops.h"
#include "passes/precision.h"
#include "suite.h"

static weld_graph *narrow(const weld_graph *g) {
    weld_graph *out;
    weld_error err = {0};
    ck_assert_msg(weld_precision_bf16(g, &out, &err) == WELD_OK, "%s", err.message);
    return out;
}

static size_t count_nodes(const weld_graph *g, const weld_op *op, weld_dtype dtype) {
    size_t count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += g->nodes[i]->op == op && g->nodes[i]->outputs[0]->dtype == dtype;
    }
    return count;
}

static double distance(const weld_tensor *a, const weld_tensor *b) {
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < weld_shape_count(&a->shape); i++) {
        double x = ((float *)a->data)[i], y = ((float *)b->data)[i];
        difference += (x - y) * (x - y);
        norm += y * y;
    }
    return sqrt(difference / norm);
}

/* With every kind of operator, so with casts in the middle. */
START_TEST(a_network_in_bf16_says_what_it_says_in_f32) {
    weld_graph *g = network_build(WELD_F32, 4, false), *lower = narrow(g);
    weld_weights *w = network_weights(g);
    for (int v = 0; weld_kernels_available(WELD_BF16, v); v++) {
        const char *isa = weld_kernels_available(WELD_BF16, v);
        weld_session *a = network_session(g, w, (weld_session_options){.isa = isa});
        weld_session *b = network_session(lower, w, (weld_session_options){.isa = isa});
        network_fill(a, 3, 0);
        network_fill(b, 3, 0);
        weld_session_run(a, 0);
        ck_assert_int_eq(weld_session_run_checked(b, 0, NULL), WELD_OK);
        weld_tensor x = weld_session_output(b, "logits"), y = weld_session_output(a, "logits");
        ck_assert_int_eq(x.dtype, WELD_F32);
        double off = distance(&x, &y);
        ck_assert_msg(off > 0 && off < 0.01, "%s: logits are off by %g", isa, off);
        weld_session_free(a);
        weld_session_free(b);
    }
    weld_weights_free(w);
    weld_graph_free(g);
    weld_graph_free(lower);
}
END_TEST

START_TEST(leaves_and_outputs_stay_as_they_are) {
    weld_graph *g = network_build(WELD_F32, 2, false), *lower = narrow(g);
    size_t at = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_RESULT) {
            continue;
        }
        while (lower->values[at]->kind == WELD_VALUE_RESULT) {
            at++;
        }
        const weld_value *w = lower->values[at++];
        ck_assert_str_eq(v->name, w->name);
        ck_assert(v->kind == w->kind && v->dtype == w->dtype);
        ck_assert(weld_shape_equal(&v->shape, &w->shape));
    }
    ck_assert_uint_eq(g->output_count, lower->output_count);
    ck_assert_str_eq(g->outputs[0].name, lower->outputs[0].name);
    weld_graph_free(g);
    weld_graph_free(lower);
}
END_TEST

START_TEST(what_is_small_stays_f32) {
    weld_graph *g, *lower;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 8, 8, 3));
    x = weld_gelu(g, network_norm(g, "bn", network_conv(g, "stem", x, 8, 3, 2, 1), false));
    x = weld_squeeze_excite(g, x, network_parameter(g, "se1", "weight", WELD_SHAPE(4, 8, 1, 1)),
                            NULL, network_parameter(g, "se2", "weight", WELD_SHAPE(8, 4, 1, 1)),
                            NULL);
    x = weld_add(g, x, network_conv(g, "mix", x, 8, 3, 1, 8));
    weld_output(g, "map", x);
    x = weld_reshape(g, weld_global_avg_pool(g, x), WELD_SHAPE(-1, 8));
    x = weld_linear(g, x, network_parameter(g, "head", "weight", WELD_SHAPE(5, 8)), NULL);
    weld_output(g, "logits", x);
    lower = narrow(g);
    ck_assert_uint_eq(count_nodes(lower, &weld_op_conv2d, WELD_BF16), 2); /* stem and mix */
    ck_assert_uint_eq(count_nodes(lower, &weld_op_conv2d, WELD_F32), 2);  /* of the excitation */
    ck_assert_uint_eq(count_nodes(lower, &weld_op_channel_scale, WELD_BF16), 1);
    ck_assert_uint_eq(count_nodes(lower, &weld_op_linear, WELD_F32), 1);
    /* The images, and the map that is an output. */
    ck_assert_uint_eq(count_nodes(lower, &weld_op_cast, WELD_BF16), 1);
    ck_assert_uint_eq(count_nodes(lower, &weld_op_cast, WELD_F32), 1);
    ck_assert_int_eq(weld_graph_output(lower, "map")->dtype, WELD_F32);
    weld_graph_free(g);
    weld_graph_free(lower);
}
END_TEST

/* Every number of f32 that is one of bf16 too. */
static bool is_bf16(const weld_tensor *t) {
    bool all = true;
    for (int64_t i = 0; i < weld_shape_count(&t->shape); i++) {
        uint32_t bits;
        memcpy(&bits, (const float *)t->data + i, sizeof bits);
        all = all && (bits & 0xffff) == 0;
    }
    return all;
}

/* Two branches of a map, side by side: one ends in a convolution, one in a linear layer; the map
 * itself is an output too, as is what a convolution makes of each channel. */
START_TEST(what_the_last_layers_give_is_not_rounded) {
    weld_graph *g, *whole, *inside;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(2, 4, 4, 3));
    x = weld_relu(g, network_conv(g, "map", x, 8, 3, 1, 1));
    weld_value *a = weld_reshape(g, network_conv(g, "a", x, 5, 1, 1, 1), WELD_SHAPE(-1, 16, 5));
    weld_value *b = weld_reshape(g, x, WELD_SHAPE(-1, 16, 8));
    b = weld_linear(g, b, network_parameter(g, "b", "weight", WELD_SHAPE(5, 8)), NULL);
    weld_output(g, "map", x);
    weld_output(g, "logits", weld_concat(g, (weld_value *[]){a, b}, 2, 1));
    weld_output(g, "each", network_conv(g, "each", x, 8, 3, 1, 8));
    weld_error err = {0};
    whole = narrow(g);
    ck_assert_int_eq(weld_precision_bf16_inside(g, &inside, &err), WELD_OK);
    weld_weights *w = network_weights(g);
    for (int v = 0; weld_kernels_available(WELD_BF16, v); v++) {
        const char *isa = weld_kernels_available(WELD_BF16, v);
        weld_session *s = network_session(whole, w, (weld_session_options){.isa = isa});
        weld_session *t = network_session(inside, w, (weld_session_options){.isa = isa});
        network_fill(s, 3, 0);
        network_fill(t, 3, 0);
        weld_session_run(s, 0);
        weld_session_run(t, 0);
        const char *const names[] = {"map", "logits", "each"};
        for (int i = 0; i < 3; i++) {
            const weld_tensor out = weld_session_output(s, names[i]);
            const weld_tensor rounded = weld_session_output(t, names[i]);
            ck_assert_msg(is_bf16(&out) == (i != 1), "%s: %s", isa, names[i]);
            ck_assert_msg(is_bf16(&rounded), "%s: %s", isa, names[i]);
            ck_assert_double_lt(distance(&rounded, &out), 0.004); /* a rounding: at most 2^-8 */
        }
        weld_session_free(s);
        weld_session_free(t);
    }
    weld_weights_free(w);
    weld_graph_free(g);
    weld_graph_free(whole);
    weld_graph_free(inside);
}
END_TEST

START_TEST(a_value_is_cast_once_for_all_who_need_it_as_f32) {
    weld_graph *g, *lower;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_relu(g, weld_input(g, "x", WELD_SHAPE(2, 6)));
    weld_value *target = weld_input(g, "target", WELD_SHAPE(2, 6));
    weld_value *a = weld_cross_entropy(g, x, target, 0);
    weld_value *b = weld_cross_entropy(g, weld_scale(g, x, 2), target, 0);
    weld_output(g, "loss", weld_add(g, a, b));
    weld_output(g, "x", x);
    lower = narrow(g);
    ck_assert_uint_eq(count_nodes(lower, &weld_op_cast, WELD_F32), 2); /* x, and its double */
    ck_assert_uint_eq(count_nodes(lower, &weld_op_cross_entropy, WELD_F32), 2);
    weld_graph_free(g);
    weld_graph_free(lower);
}
END_TEST

START_TEST(bf16_halves_the_arena) {
    weld_graph *g, *lower;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(1, 16, 16, 3));
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        x = weld_gelu(g, network_conv(g, name, x, 64, 3, 1, i ? 64 : 1));
    }
    weld_output(g, "pooled", weld_global_avg_pool(g, x));
    lower = narrow(g);
    weld_weights *w = network_weights(g);
    weld_session *a = network_session(
        g, w, (weld_session_options){.batch = 16, .threads = 1, .node_by_node = true});
    weld_session *b = network_session(
        lower, w, (weld_session_options){.batch = 16, .threads = 1, .node_by_node = true});
    ck_assert_double_lt((double)weld_session_arena_bytes(b),
                        0.65 * (double)weld_session_arena_bytes(a));
    weld_session_free(a);
    weld_session_free(b);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_graph_free(lower);
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_found_in_bf16) {
    weld_graph *g, *lower;
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_scale(g, weld_input(g, "x", WELD_SHAPE(2, 4)), 1e30);
    weld_output(g, "y", weld_relu(g, weld_scale(g, x, 1e30)));
    lower = narrow(g);
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(lower, w, (weld_session_options){0});
    ((float *)weld_session_input(s, "x").data)[5] = 1;
    ck_assert_int_eq(weld_session_run_checked(s, 0, &err), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "scale#2: element 5") != NULL, "%s", err.message);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_graph_free(lower);
}
END_TEST

START_TEST(only_graphs_of_f32_are_taken) {
    weld_graph *g = network_build(WELD_F64, 2, false), *lower;
    weld_error err = {0};
    ck_assert_int_eq(weld_precision_bf16(g, &lower, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "f64") != NULL, "%s", err.message);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("passes/precision", a_network_in_bf16_says_what_it_says_in_f32,
          leaves_and_outputs_stay_as_they_are, what_is_small_stays_f32,
          what_the_last_layers_give_is_not_rounded, a_value_is_cast_once_for_all_who_need_it_as_f32,
          bf16_halves_the_arena, a_value_that_is_not_finite_is_found_in_bf16,
          only_graphs_of_f32_are_taken)
