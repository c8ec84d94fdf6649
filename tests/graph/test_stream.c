/* The example at the head of graph/stream.c, as it is planned. */
#include "graph/networks.h"
#include "passes/split_batch_norm.h"
#include "suite.h"

static weld_graph *build_example(void) {
    weld_graph *g, *split;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(8, 56, 56, 48)), *k = weld_relu(g, x);
    weld_value *n = network_norm(g, "n", network_conv(g, "a", x, 48, 1, 1, 1), true);
    weld_value *d = network_conv(g, "d", weld_add(g, n, k), 96, 3, 2, 1);
    weld_value *p = weld_reshape(g, weld_global_avg_pool(g, d), WELD_SHAPE(8, 96));
    weld_value *weight = network_parameter(g, "l", "weight", WELD_SHAPE(10, 96));
    weld_output(g, "l", weld_linear(g, p, weight, NULL));
    ck_assert_int_eq(weld_split_batch_norm(g, &split, NULL), WELD_OK);
    weld_graph_free(g);
    return split;
}

/* A line a step, "images: moments(arena) ..." */
static void describe(const weld_plan *plan, char *text, size_t size) {
    static const char *const slicings[] = {"whole", "rows", "images"};
    size_t used = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        const weld_step *s = &plan->steps[i];
        used += (size_t)snprintf(text + used, size - used, "%s:", slicings[s->slicing]);
        for (size_t at = s->begin; at < s->end; at++) {
            const weld_node *node = plan->order[at];
            used += (size_t)snprintf(text + used, size - used, " %s(%s)", node->op->name,
                                     plan->in_scratch[node->outputs[0]->id] ? "scratch" : "arena");
        }
        used += (size_t)snprintf(text + used, size - used, "\n");
    }
}

START_TEST(the_example_is_planned_as_it_says) {
    char text[2048];
    weld_graph *g = build_example();
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){.threads = 2});
    describe(weld_session_plan(s), text, sizeof text);
    ck_assert_str_eq(text, "rows: conv2d(arena) moments(arena)\n"
                           "whole: batch_norm_statistics(arena)\n"
                           "rows: activation(scratch) affine(scratch) add(arena)\n"
                           "images: conv2d(scratch) global_avg_pool(arena)\n"
                           "whole: linear(arena)\n");
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

/* Two heads on tokens [6, 20, 16], with a feed-forward: no token mixes with another sequence's. */
static weld_graph *build_transformer_layer(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *images = weld_input(g, "images", WELD_SHAPE(6, 4, 5, 16));
    weld_value *x = weld_reshape(g, images, WELD_SHAPE(6, 20, 16)), *part[3], *y = x;
    weld_value *weight = network_parameter(g, "qkv", "weight", WELD_SHAPE(48, 16));
    y = weld_linear(g,
                    weld_layer_norm(g, y, network_parameter(g, "n", "weight", WELD_SHAPE(16)),
                                    network_parameter(g, "n", "bias", WELD_SHAPE(16)), 1e-5),
                    weight, NULL);
    for (int i = 0; i < 3; i++) {
        part[i] = weld_slice(g, y, 2, 16 * (int64_t)i, 16 * (int64_t)i + 16);
    }
    y = weld_attention(g, part[0], part[1], part[2], NULL, 2, 0);
    weight = network_parameter(g, "proj", "weight", WELD_SHAPE(16, 16));
    x = weld_add(g, x, weld_linear(g, y, weight, NULL));
    y = weld_silu(
        g, weld_linear(g, x, network_parameter(g, "up", "weight", WELD_SHAPE(32, 16)), NULL));
    y = weld_linear(g, y, network_parameter(g, "down", "weight", WELD_SHAPE(16, 32)), NULL);
    weld_output(g, "tokens", weld_add(g, x, y));
    return g;
}

static void assert_as_node_by_node(const weld_graph *g, weld_weights *w, weld_session *s,
                                   const char *output) {
    weld_session *plain =
        network_session(g, w, (weld_session_options){.threads = 1, .node_by_node = true});
    network_fill(s, 3, 0);
    network_fill(plain, 3, 0);
    weld_session_run(s, 0);
    weld_session_run(plain, 0);
    weld_tensor x = weld_session_output(s, output), y = weld_session_output(plain, output);
    ck_assert_int_eq(memcmp(x.data, y.data, weld_tensor_bytes(&x)), 0);
    weld_session_free(plain);
}

START_TEST(a_layer_of_a_transformer_is_one_stream) {
    char text[2048];
    weld_graph *g = build_transformer_layer();
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){.threads = 2});
    describe(weld_session_plan(s), text, sizeof text);
    ck_assert_str_eq(text, "images: layer_norm(scratch) linear(scratch) slice(scratch) "
                           "slice(scratch) slice(scratch) attention(scratch) linear(scratch) "
                           "add(scratch) linear(scratch) linear(scratch) add(arena)\n");
    assert_as_node_by_node(g, w, s, "tokens");
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

/* Positions of a map are taken for tokens and back, also where the whole map is read later on (the
 * mean), and where two images become one (the last map). */
static weld_graph *build_map_of_tokens(int64_t batch) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(batch, 8, 8, 16));
    x = network_conv(g, "in", x, 16, 1, 1, 1);
    weld_value *tokens = weld_reshape(g, x, WELD_SHAPE(batch, 64, 16));
    tokens = weld_gelu(
        g, weld_linear(g, tokens, network_parameter(g, "l", "weight", WELD_SHAPE(16, 16)), NULL));
    weld_value *map = weld_reshape(g, tokens, WELD_SHAPE(batch, 8, 8, 16));
    map = weld_add(g, map, x);
    weld_value *taller = weld_relu(g, weld_reshape(g, map, WELD_SHAPE(batch / 2, 16, 8, 16)));
    weld_output(g, "mean", weld_global_avg_pool(g, map));
    weld_output(g, "taller", taller);
    return g;
}

START_TEST(streams_go_on_through_views) {
    for (int one = 0; one < 2; one++) { /* sliced by images, or by rows */
        char text[2048];
        weld_graph *g = build_map_of_tokens(one ? 2 : 8);
        weld_weights *w = network_weights(g);
        weld_session *s = network_session(g, w, (weld_session_options){.threads = 2});
        describe(weld_session_plan(s), text, sizeof text);
        ck_assert_str_eq(
            text,
            one ? "rows: conv2d(scratch) linear(scratch) add(arena) activation(arena)\n"
                  "whole: global_avg_pool(arena)\n"
                : "images: conv2d(scratch) linear(scratch) add(arena) global_avg_pool(arena)\n"
                  "whole: activation(arena)\n");
        assert_as_node_by_node(g, w, s, "mean");
        assert_as_node_by_node(g, w, s, "taller");
        weld_session_free(s);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

/* What is computed again from something else than before may not be there yet. */
START_TEST(what_would_be_computed_again_too_early_is_refused) {
    weld_graph *g;
    weld_error err = {0};
    const weld_session_options options = {.threads = 2};
    weld_plan *plan;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(8, 56, 56, 8)), *first = weld_relu(g, x);
    weld_value *late = first;
    for (int i = 0; i < 3; i++) {
        late = network_conv(g, (const char *[]){"a", "b", "c"}[i], late, 8, 3, 2, 1);
    }
    weld_value *again = weld_relu(g, late);
    again->producer->again = first->producer;
    weld_output(g, "late", late);
    weld_output(g, "y", weld_gelu(g, again));
    ck_assert_int_eq(weld_plan_create(g, &options, &plan, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "before what it reads") != NULL, "%s", err.message);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("graph/stream", the_example_is_planned_as_it_says, a_layer_of_a_transformer_is_one_stream,
          streams_go_on_through_views, what_would_be_computed_again_too_early_is_refused)
