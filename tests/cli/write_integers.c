/* write_integers: small networks of integers, for other programs to run; into the working
 * directory. A Check program, since what it shares with tests is made for these.
 *
 * NAME.onnx is a merged network of lively weights, quantised on noise, NAME.input.npy a batch for
 * it, NAME.logits.npy and NAME.map.npy what weld says of that; `networks` has a line for each:
 * NAME, its convolutions, its matrix products. NAME_float.* is the same with a block kept in
 * floats, NAME_15.onnx in an older operator set. */
#include "base/memory.h"
#include "fixture.h"
#include "formats/npy_file.h"
#include "models/models.h"
#include "passes/merging.h"
#include "passes/minmax.h"
#include "passes/quantize.h"
#include "passes/symmetric_codes.h"
#include "serialization/onnx.h"
#include "suite.h"

enum { BATCH = 5, SIZE = 32 };
static FILE *list;

static void ok(weld_status status, const weld_error *err) {
    ck_assert_msg(status == WELD_OK, "%s", err->message);
}

static weld_weights *merged(const weld_model_config *config, weld_graph **out) {
    weld_error err;
    weld_graph *g;
    weld_weights *w, *made;
    ok(weld_model_build(config, false, 1, SIZE, SIZE, WELD_F32, &g, &err), &err);
    ok(weld_graph_init_weights(g, 0, &w, &err), &err);
    merging_enliven(g, w, 11);
    ok(weld_reparameterize(g, w, out, &made, &err), &err);
    weld_graph_free(g);
    weld_weights_free(w);
    return made;
}

/* --- Arrays ----------------------------------------------------------------------------------- */

static void write_array(const char *name, const char *end, weld_tensor t) {
    char path[4096];
    weld_error err;
    snprintf(path, sizeof path, "%s.%s.npy", name, end);
    ok(npy_file_write(path, &t, &err), &err);
}

/* Unlike each other: each has a mean and a contrast of its own in each channel. */
static void draw_images(weld_tensor t) {
    weld_random r = weld_random_start(8, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < BATCH; i++) {
        double mean[3], contrast[3];
        for (int c = 0; c < 3; c++) {
            mean[c] = weld_random_range(&r, -1.5, 1.5);
            contrast[c] = weld_random_range(&r, 0.2, 1.5);
        }
        for (int k = 0; k < SIZE * SIZE * 3; k++) {
            ((float *)t.data)[i * SIZE * SIZE * 3 + k] =
                (float)(mean[k % 3] + contrast[k % 3] * weld_random_normal(&r));
        }
    }
}

/* Images are turned from NHWC into NCHW. */
static void write_value(const char *name, const char *end, weld_tensor t) {
    const int64_t *d = t.shape.dim, area = d[1] * d[2];
    if (t.shape.rank != 4) {
        write_array(name, end, t);
        return;
    }
    float *turned = weld_alloc((size_t)weld_shape_count(&t.shape), sizeof *turned);
    ck_assert_ptr_nonnull(turned);
    for (int64_t i = 0; i < d[0] * area; i++) {
        for (int64_t c = 0; c < d[3]; c++) {
            turned[(i / area * d[3] + c) * area + i % area] = ((const float *)t.data)[i * d[3] + c];
        }
    }
    write_array(name, end, (weld_tensor){WELD_F32, WELD_SHAPE(d[0], d[3], d[1], d[2]), turned});
    weld_free(turned);
}

static void write_run(const char *name, const weld_graph *integer_graph, weld_weights *integers) {
    weld_error err;
    weld_session *s;
    const weld_session_options o = {.batch = BATCH, .constant_weights = true};
    ok(weld_session_create(integer_graph, integers, &o, &s, &err), &err);
    draw_images(weld_session_input(s, "images"));
    write_value(name, "input", weld_session_input(s, "images"));
    weld_session_run(s, 0);
    write_value(name, "logits", weld_session_output(s, "logits"));
    write_value(name, "map", weld_session_output(s, "map"));
    weld_session_free(s);
}

/* --- Networks --------------------------------------------------------------------------------- */

static void write_onnx(const char *name, const weld_graph *g, const weld_weights *integers,
                       const weld_quantization *q, int opset, bool signed_codes) {
    char path[4096];
    weld_error err;
    const weld_onnx_options options = {
        .opset = opset, .codes = q, .signed_codes = signed_codes, .name = name};
    snprintf(path, sizeof path, opset == 20 ? "%s.onnx" : "%s_%d.onnx", name, opset);
    ok(weld_onnx_write(path, g, integers, &options, NULL, &err), &err);
}

static void write_network(const char *name, const weld_graph *g, weld_weights *w,
                          const bool *float_nodes) {
    weld_error err;
    weld_graph *integer_graph;
    weld_weights *integers;
    weld_quantization q = minmax_quantization(g, w, 4, float_nodes);
    ok(weld_quantize_weights(g, w, &q, &integers, &err), &err);
    ok(weld_quantized_graph(g, &q, true, &integer_graph, &err), &err);
    write_onnx(name, g, integers, &q, 20, false);
    write_onnx(name, g, integers, &q, 15, false);
    write_run(name, integer_graph, integers);
    fprintf(list, "%s %d %d\n", name, merging_count(g, &weld_op_conv2d),
            merging_count(g, &weld_op_linear));
    weld_graph_free(integer_graph);
    weld_weights_free(integers);
    weld_quantization_free(&q);
}

/* Codes around 0; what they come to, as floats that are rounded. */
static void write_symmetric(const char *name, const weld_graph *g, weld_weights *w) {
    weld_error err;
    weld_graph *rounded;
    weld_weights *integers, *floats, *mixed;
    weld_quantization q = minmax_quantization(g, w, 4, NULL), symmetric;
    ok(weld_quantize_weights(g, w, &q, &integers, &err), &err);
    ok(weld_dequantize_weights(g, &q, integers, &floats, &err), &err);
    ok(weld_symmetric_codes(g, &q, &symmetric, &err), &err);
    ok(weld_rounded_graph(g, &symmetric, &rounded, &err), &err);
    ok(weld_symmetric_weights(g, &q, integers, &mixed, &err), &err);
    write_onnx(name, g, mixed, &symmetric, 20, true);
    write_run(name, rounded, floats);
    weld_graph_free(rounded);
    weld_weights_free(integers);
    weld_weights_free(floats);
    weld_weights_free(mixed);
    weld_quantization_free(&q);
    weld_quantization_free(&symmetric);
}

/* Every fourth layer stays float. */
static void write_mixed(const char *name, const weld_graph *g, weld_weights *w) {
    bool *float_nodes = weld_alloc(g->node_count, sizeof *float_nodes);
    char own[64];
    int layers = 0;
    for (size_t i = 0; float_nodes && i < g->node_count; i++) {
        const bool product =
            g->nodes[i]->op == &weld_op_conv2d || g->nodes[i]->op == &weld_op_linear;
        float_nodes[i] = product && layers++ % 4 == 2;
    }
    snprintf(own, sizeof own, "%s_float", name);
    write_network(own, g, w, float_nodes);
    weld_free(float_nodes);
}

/* With what the last pool is of as an output too, since hardly anything is left of images of noise
 * behind it. */
static weld_graph *with_map(const weld_graph *g) {
    weld_error err;
    weld_graph *out;
    weld_named_value values[] = {g->outputs[0], {"map", NULL}};
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        values[1].value = node->op == &weld_op_global_avg_pool ? node->inputs[0] : values[1].value;
    }
    ck_assert_ptr_nonnull(values[1].value);
    ok(weld_graph_cut(g, WELD_SHAPE(1, SIZE, SIZE, 3), values, 2, &out, &err), &err);
    return out;
}

static void write_config(const char *name, const weld_model_config *config) {
    char symmetric[64];
    weld_graph *whole;
    weld_weights *w = merged(config, &whole);
    weld_graph *g = with_map(whole);
    write_network(name, g, w, NULL);
    write_mixed(name, g, w);
    snprintf(symmetric, sizeof symmetric, "%s_symmetric", name);
    write_symmetric(symmetric, g, w);
    weld_graph_free(whole);
    weld_graph_free(g);
    weld_weights_free(w);
}

START_TEST(write_networks) {
    list = fopen("networks", "w");
    ck_assert_ptr_nonnull(list);
    for (int i = 0; i < 3; i++) {
        const char *const names[] = {"repvit", "repvit_legacy", "repvit_distillation"};
        const weld_model_config config =
            repvit_config(5, "8, 12, 24", "1, 2, 2", 2, i == 1, i == 2);
        write_config(names[i], &config);
    }
    for (int i = 0; i < FAMILY_CASES; i++) {
        const weld_model_config config = family_case_config(&family_cases[i]);
        write_config(family_cases[i].name, &config);
    }
    fclose(list);
}
END_TEST

RUN_SUITE("cli/write_integers", write_networks)
