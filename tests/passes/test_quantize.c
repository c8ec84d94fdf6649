/* Networks of integers made of merged networks of floats. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "models/models.h"
#include "ops/codes.h"
#include "passes/merging.h"
#include "passes/minmax.h"
#include "passes/quantize.h"
#include "suite.h"

/* A merged network with its integers. */
typedef struct net {
    weld_graph *graph, *fused, *plain;
    weld_weights *weights, *integers;
    weld_quantization q;
} net;

static void ok(weld_status status, const weld_error *err) {
    ck_assert_msg(status == WELD_OK, "%s", err->message);
}

static net make(const char *name, int size, int classes) {
    net n = {0};
    weld_error err = {0};
    weld_graph *g;
    weld_weights *w;
    weld_model_config config;
    ok(weld_model_config_named(name, &config, &err), &err);
    config.num_classes = classes;
    ok(weld_model_build(&config, false, 1, size, size, WELD_F32, &g, &err), &err);
    ok(weld_graph_init_weights(g, 3, &w, &err), &err);
    ok(weld_reparameterize(g, w, &n.graph, &n.weights, &err), &err);
    weld_graph_free(g);
    weld_weights_free(w);
    n.q = minmax_quantization(n.graph, n.weights, 2, NULL);
    ok(weld_quantize_weights(n.graph, n.weights, &n.q, &n.integers, &err), &err);
    ok(weld_quantized_graph(n.graph, &n.q, true, &n.fused, &err), &err);
    ok(weld_quantized_graph(n.graph, &n.q, false, &n.plain, &err), &err);
    return n;
}

static void free_net(net *n) {
    weld_graph_free(n->graph);
    weld_graph_free(n->fused);
    weld_graph_free(n->plain);
    weld_weights_free(n->weights);
    weld_weights_free(n->integers);
    weld_quantization_free(&n->q);
}

/* All outputs of a run on noise, one after the other; the caller's to free. */
static float *run(const weld_graph *g, weld_weights *w, weld_session_options o, size_t *count) {
    weld_session *s;
    weld_error err = {0};
    o.constant_weights = true;
    ok(weld_session_create(g, w, &o, &s, &err), &err);
    minmax_fill(s, "images", 7);
    weld_session_run(s, 0);
    *count = 0;
    float *all = NULL;
    for (size_t i = 0; i < g->output_count; i++) {
        const weld_tensor t = weld_session_output(s, g->outputs[i].name);
        ck_assert_int_eq(t.dtype, WELD_F32);
        const size_t more = (size_t)weld_shape_count(&t.shape);
        all = realloc(all, (*count + more) * sizeof *all);
        memcpy(all + *count, t.data, more * sizeof *all);
        *count += more;
    }
    weld_session_free(s);
    return all;
}

/* dB of the float outputs over what the integers' differ by. */
static double sqnr(const float *x, const float *y, size_t count) {
    double signal = 0, noise = 0;
    for (size_t i = 0; i < count; i++) {
        signal += (double)x[i] * (double)x[i];
        noise += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    }
    return 10 * log10(signal / noise);
}

static void check_says_the_same(const char *name, int size) {
    net n = make(name, size, 10);
    size_t count;
    float *want = run(n.graph, n.weights, (weld_session_options){.batch = 2}, &count);
    float *got = run(n.fused, n.integers, (weld_session_options){.batch = 2}, &count);
    const double db = sqnr(want, got, count);
    ck_assert_msg(db > 15, "%s: %g dB", name, db);
    free(want);
    free(got);
    free_net(&n);
}

START_TEST(a_network_of_integers_says_nearly_what_that_of_floats_says) {
    const char *const names[] = {
        "repvit_m0_6", "mobilenetv3_small_050", "mobileone_s0", "repvgg_a0",
        "regnety_002", "mobilevit_xxs",         "cmt_ti",       "yolo11n"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_says_the_same(names[i], 64);
    }
}
END_TEST

static void check_same_bits(const net *n, const weld_graph *g, weld_session_options o,
                            const float *want, size_t wanted) {
    size_t count;
    float *got = run(g, n->integers, o, &count);
    ck_assert_uint_ge(count, wanted);
    ck_assert_msg(memcmp(got, want, wanted * sizeof *want) == 0,
                  "threads %d, batch %lld, isa %s, node by node %d", o.threads, (long long)o.batch,
                  o.isa ? o.isa : "best", o.node_by_node);
    free(got);
}

START_TEST(bits_depend_on_neither_threads_batch_instructions_nor_fusing) {
    const char *const names[] = {"repvit_m0_6", "mobilenetv3_small_050"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        net n = make(names[k], 48, 10);
        size_t count, one;
        float *want =
            run(n.plain, n.integers, (weld_session_options){.batch = 3, .threads = 1}, &count);
        one = count / 3;
        for (int threads = 1; threads <= 7; threads += threads == 3 ? 4 : 1) {
            check_same_bits(&n, n.fused, (weld_session_options){.batch = 3, .threads = threads},
                            want, count);
            check_same_bits(&n, n.fused, (weld_session_options){.batch = 1, .threads = threads},
                            want, one);
        }
        check_same_bits(&n, n.fused, (weld_session_options){.batch = 16, .threads = 2}, want,
                        count);
        check_same_bits(&n, n.fused,
                        (weld_session_options){.batch = 3, .threads = 2, .node_by_node = true},
                        want, count);
        for (int i = 0; weld_int8_kernels_available(i); i++) {
            const char *isa = weld_int8_kernels_available(i);
            check_same_bits(&n, n.fused, (weld_session_options){.batch = 3, .isa = isa}, want,
                            count);
        }
        free(want);
        free_net(&n);
    }
}
END_TEST

/* The network with the layers float of which `floats` says so, by the number of the layer. */
static double with_floats(const net *n, bool (*floats)(int layer), const float *want,
                          size_t *coded) {
    weld_error err = {0};
    weld_weights *integers;
    weld_graph *graph;
    bool *chosen = calloc(n->graph->node_count, sizeof *chosen);
    int layer = 0;
    size_t count;
    for (size_t i = 0; i < n->graph->node_count; i++) {
        chosen[i] = weld_node_is_product(n->graph->nodes[i]) && floats(layer++);
    }
    weld_quantization q = minmax_quantization(n->graph, n->weights, 2, chosen);
    *coded = 0;
    for (size_t i = 0; i < q.value_count; i++) {
        *coded += q.codes[i].scale != 0;
    }
    ok(weld_quantize_weights(n->graph, n->weights, &q, &integers, &err), &err);
    ok(weld_quantized_graph(n->graph, &q, true, &graph, &err), &err);
    float *got = run(graph, integers, (weld_session_options){.batch = 2}, &count);
    const double db = sqnr(want, got, count);
    free(got);
    free(chosen);
    weld_graph_free(graph);
    weld_weights_free(integers);
    weld_quantization_free(&q);
    return db;
}

static bool all_layers(int layer) {
    (void)layer;
    return true;
}

static bool no_layer(int layer) {
    (void)layer;
    return false;
}

static bool every_other(int layer) {
    return layer % 2 == 0;
}

START_TEST(a_weight_that_is_not_finite_is_no_code) {
    net n = make("repvit_m0_6", 32, 5);
    weld_error err = {0};
    weld_tensor t;
    weld_weights *integers = NULL;
    ck_assert(weld_weights_find(n.weights, "features.2.token_mixer.0.weight", &t) ||
              weld_weights_find(n.weights, "classifier.classifier.weight", &t));
    ((float *)t.data)[3] = NAN;
    ck_assert_int_eq(weld_quantize_weights(n.graph, n.weights, &n.q, &integers, &err),
                     WELD_ERROR_NUMERIC);
    free_net(&n);
}
END_TEST

START_TEST(layers_that_stay_float_are_less_noise) {
    net n = make("repvit_m0_6", 64, 10);
    size_t count, none, some, all;
    float *want = run(n.graph, n.weights, (weld_session_options){.batch = 2}, &count);
    const double integers = with_floats(&n, no_layer, want, &none);
    const double mixed = with_floats(&n, every_other, want, &some);
    ck_assert_msg(mixed > integers, "%g and %g dB", mixed, integers);
    ck_assert(isinf(with_floats(&n, all_layers, want, &all))); /* it is the same network */
    ck_assert(all == 0 && some > 0 && some < none);
    free(want);
    free_net(&n);
}
END_TEST

/* --- Large graphs ----------------------------------------------------------------------------- */

/* `many` reshapes behind each other; as many layers of one channel, with a ReLU each, beside each
 * other; and a layer of them all. */
static weld_graph *make_wide(int many) {
    const weld_init ones = {.kind = WELD_INIT_CONSTANT, .a = 1};
    weld_graph *g;
    weld_value **parts = malloc((size_t)many * sizeof *parts);
    char name[32];
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 1, 1, 3));
    for (int i = 0; i < many; i++) {
        x = weld_reshape(g, x, WELD_SHAPE(1, 1, 1, 3));
    }
    for (int i = 0; i < many; i++) {
        snprintf(name, sizeof name, "part.%d", i);
        weld_value *w = weld_parameter(g, name, WELD_SHAPE(1, 3, 1, 1), ones);
        parts[i] = weld_relu(g, weld_conv2d(g, x, w, NULL, (weld_conv2d_options){0}));
    }
    x = weld_concat(g, parts, (size_t)many, 3);
    x = weld_conv2d(g, x, weld_parameter(g, "all", WELD_SHAPE(1, many, 1, 1), ones), NULL,
                    (weld_conv2d_options){0});
    weld_output(g, "logits", x);
    free(parts);
    return g;
}

/* Of the processor, for what is done when a file is opened, and to make what is in it. */
static double seconds_of(int many) {
    weld_error err = {0};
    weld_graph *g = make_wide(many), *fused;
    weld_weights *w, *integers;
    weld_quantization q;
    ok(weld_graph_status(g, &err), &err);
    ok(weld_graph_init_weights(g, 0, &w, &err), &err);
    ok(weld_quantization_create(g, &q, &err), &err);
    bool *coded = malloc(g->value_count * sizeof *coded);
    const clock_t begin = clock();
    ok(weld_quantization_mark(g, q.float_nodes, coded, &err), &err);
    for (size_t i = 0; i < g->value_count; i++) {
        q.codes[i] = coded[i] ? weld_codes_of_range(-1, 1) : (weld_codes){0};
    }
    ok(weld_quantize_weights(g, w, &q, &integers, &err), &err);
    ok(weld_quantized_graph(g, &q, true, &fused, &err), &err);
    const clock_t end = clock();
    ck_assert_uint_eq(fused->node_count, 2 * (size_t)many + 3); /* ReLUs are part of layers */
    free(coded);
    weld_quantization_free(&q);
    weld_weights_free(integers);
    weld_weights_free(w);
    weld_graph_free(fused);
    weld_graph_free(g);
    return (double)(end - begin) / CLOCKS_PER_SEC;
}

/* A file may hold such a graph. Looking through all nodes for each takes 16 times as long for four
 * times as many, and minutes for these. */
START_TEST(time_is_in_proportion_to_the_graph) {
    const double few = seconds_of(5000), many = seconds_of(20000);
    ck_assert_msg(many < 10 * few, "%g and %g seconds", few, many);
}
END_TEST

RUN_SUITE("passes/quantize", a_network_of_integers_says_nearly_what_that_of_floats_says,
          bits_depend_on_neither_threads_batch_instructions_nor_fusing,
          a_weight_that_is_not_finite_is_no_code, layers_that_stay_float_are_less_noise,
          time_is_in_proportion_to_the_graph)
