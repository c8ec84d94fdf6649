/* Batch norms that stay after merging, as layers that have an integer form. */
#include "passes/merging.h"
#include "passes/minmax.h"
#include "suite.h"

/* What a merged graph is with layers for its norms. */
static merging with_layers(weld_graph *g, weld_weights *w) {
    merging m = {.graph = g, .weights = w};
    weld_error err = {0};
    weld_graph *alone;
    ck_assert_msg(!weld_norms_as_layers(g, w, &m.merged, &m.merged_weights, &err), "%s",
                  err.message);
    ck_assert_msg(!weld_norms_as_layers_graph(g, &alone, &err), "%s", err.message);
    char *text = merging_text(m.merged), *text_alone = merging_text(alone);
    ck_assert_str_eq(text, text_alone);
    free(text);
    free(text_alone);
    weld_graph_free(alone);
    ck_assert(!weld_has_norms(m.merged));
    return m;
}

static void set(const weld_weights *w, const char *name, float a, float b) {
    weld_tensor t;
    ck_assert(weld_weights_find(w, name, &t));
    ((float *)t.data)[0] = a;
    ((float *)t.data)[1] = b;
}

static void check(const weld_weights *w, const char *name, float a, float b) {
    weld_tensor t;
    ck_assert_msg(weld_weights_find(w, name, &t), "no %s", name);
    ck_assert_int_eq(weld_shape_count(&t.shape), 2);
    ck_assert_float_eq(((const float *)t.data)[0], a);
    ck_assert_float_eq(((const float *)t.data)[1], b);
}

START_TEST(its_factors_and_shifts_are_the_weights_and_biases) {
    static const weld_init one = {.kind = WELD_INIT_CONSTANT, .a = 1};
    const weld_shape c = WELD_SHAPE(2), scalar = {.rank = 0};
    weld_error err = {0};
    weld_graph *g;
    weld_weights *w;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 3, 5, 2));
    const weld_batch_norm_leaves leaves = {
        .weight = weld_parameter(g, "a.n.weight", c, one),
        .bias = weld_parameter(g, "a.n.bias", c, one),
        .running_mean = weld_buffer(g, "a.n.running_mean", WELD_F32, c, one),
        .running_var = weld_buffer(g, "a.n.running_var", WELD_F32, c, one),
        .num_batches_tracked = weld_buffer(g, "a.n.num_batches_tracked", WELD_I64, scalar, one)};
    weld_output(g, "y", weld_batch_norm(g, x, leaves, 0.25, 0.1, false));
    ck_assert_msg(!weld_graph_init_weights(g, 0, &w, &err), "%s", err.message);
    set(w, "a.n.weight", 2, -1);
    set(w, "a.n.bias", 1, 0.5F);
    set(w, "a.n.running_mean", 3, -2);
    set(w, "a.n.running_var", 0.75F, 3.75F); /* deviations of 1 and 2 */
    ck_assert(weld_has_norms(g));
    merging m = with_layers(g, w);
    ck_assert_int_eq(merging_count(m.merged, &weld_op_conv2d), 1);
    ck_assert_uint_eq(m.merged->node_count, 1);
    ck_assert_uint_eq(weld_weights_count(m.merged_weights), 2);
    check(m.merged_weights, "a.n.weight", 2, -0.5F);
    check(m.merged_weights, "a.n.bias", -5, -0.5F);
    merging_check_outputs(&m);
    merging_free(&m);
}
END_TEST

/* Activations and norms that run on floats in the network of integers. */
static int count_floats(const weld_graph *g, weld_weights *w) {
    weld_error err = {0};
    weld_graph *integers;
    weld_quantization q = minmax_quantization(g, w, 2, NULL);
    ck_assert_msg(!weld_quantized_graph(g, &q, true, &integers, &err), "%s", err.message);
    const int count = merging_count(integers, &weld_op_batch_norm_eval) +
                      merging_count(integers, &weld_op_activation) +
                      merging_count(integers, &weld_op_affine);
    weld_graph_free(integers);
    weld_quantization_free(&q);
    return count;
}

START_TEST(networks_with_norms_before_padded_convolutions_run_on_codes_then) {
    weld_model_config config;
    weld_error err = {0};
    weld_graph *g;
    ck_assert_int_eq(weld_model_config_named("cmt_ti", &config, &err), WELD_OK);
    config.num_classes = 10;
    ck_assert_msg(!weld_model_build(&config, false, 2, 64, 64, WELD_F32, &g, &err), "%s",
                  err.message);
    merging merged = merging_check(g, 3);
    ck_assert(weld_has_norms(merged.merged));
    ck_assert_int_gt(count_floats(merged.merged, merged.merged_weights), 30);
    merging m = with_layers(merged.merged, merged.merged_weights);
    merging_check_outputs(&m);
    ck_assert_int_eq(count_floats(m.merged, m.merged_weights), 0);
    weld_graph_free(m.merged);
    weld_weights_free(m.merged_weights);
    merging_free(&merged);
}
END_TEST

START_TEST(a_norm_of_no_finite_result_is_named) {
    weld_model_config config;
    weld_error err = {0};
    weld_graph *g, *out;
    weld_weights *w, *out_weights;
    weld_tensor t;
    ck_assert_int_eq(weld_model_config_named("cmt_ti", &config, &err), WELD_OK);
    ck_assert_int_eq(weld_model_build(&config, false, 1, 64, 64, WELD_F32, &g, &err), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, &err), WELD_OK);
    ck_assert(weld_weights_find(w, "stem_norm1.running_var", &t));
    ((float *)t.data)[1] = -2;
    ck_assert_int_eq(weld_norms_as_layers(g, w, &out, &out_weights, &err), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "stem_norm1.running_var"), "%s", err.message);
    weld_graph_free(g);
    weld_weights_free(w);
}
END_TEST

RUN_SUITE("passes/norm_as_layer", its_factors_and_shifts_are_the_weights_and_biases,
          networks_with_norms_before_padded_convolutions_run_on_codes_then,
          a_norm_of_no_finite_result_is_named)
