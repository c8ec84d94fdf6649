/* write_operators FOLDER: every operator that can be written as ONNX, for other programs to run.
 *
 * operators.onnx has an output for each of them, from random weights, and operators_SET.onnx is the
 * same in other operator sets; operators_input.npy is a batch for it, and NAME.npy what the output
 * NAME is to be. Images are NCHW, as in the file. noise.npy is a batch [3, 3, 48, 48] for networks,
 * noise_HxW.npy are batches of other sizes. sized.onnx, of images of any size, has the outputs
 * sized_NAME for sized_input.npy. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "../formats/npy_file.h"
#include "serialization/onnx.h"
#include "graph/graph.h"

enum { BATCH = 3, HEIGHT = 9, WIDTH = 7, CHANNELS = 6 };

static _Noreturn void fail(const char *message) {
    fprintf(stderr, "write_operators: %s\n", message);
    exit(1);
}

/* --- The graph -------------------------------------------------------------------------------- */

static weld_value *leaf(weld_graph *g, const char *name, weld_shape shape) {
    return weld_parameter(g, name, shape,
                          (weld_init){.kind = WELD_INIT_UNIFORM, .a = -0.7, .b = 1});
}

static weld_value *batch_norm(weld_graph *g, weld_value *x, const char *at, int64_t c) {
    char names[5][64];
    const char *const parts[] = {"weight", "bias", "running_mean", "running_var", "count"};
    for (int i = 0; i < 5; i++) {
        snprintf(names[i], sizeof names[i], "%s.%s", at, parts[i]);
    }
    weld_init positive = {.kind = WELD_INIT_UNIFORM, .a = 0.3, .b = 2};
    weld_shape vector = WELD_SHAPE(c), scalar = {.rank = 0};
    weld_batch_norm_leaves leaves = {leaf(g, names[0], vector), leaf(g, names[1], vector),
                                     weld_buffer(g, names[2], WELD_F32, vector, positive),
                                     weld_buffer(g, names[3], WELD_F32, vector, positive),
                                     weld_buffer(g, names[4], WELD_I64, scalar, positive)};
    return weld_batch_norm(g, x, leaves, 1e-2, 0.1, false);
}

static void add_elementwise(weld_graph *g, weld_value *x) {
    weld_value *(*const functions[])(weld_graph *, weld_value *) = {
        weld_gelu, weld_relu, weld_silu, weld_hard_swish, weld_hard_sigmoid, weld_sigmoid};
    const char *const names[] = {"gelu", "relu", "silu", "hard_swish", "hard_sigmoid", "sigmoid"};
    x = weld_scale(g, x, 3);
    weld_output(g, "scale", x);
    for (int i = 0; i < 6; i++) {
        weld_output(g, names[i], functions[i](g, x));
    }
    weld_output(g, "clamp", weld_clamp(g, x, -0.7, 1.3));
}

static void add_images(weld_graph *g, weld_value *x) {
    weld_value *conv = weld_conv2d(
        g, x, leaf(g, "conv.weight", WELD_SHAPE(8, 3, 3, 5)), leaf(g, "conv.bias", WELD_SHAPE(8)),
        (weld_conv2d_options){.stride = {2, 1}, .padding = {0, 2}, .groups = 2});
    weld_output(g, "conv", conv);
    weld_output(g, "dilated",
                weld_conv2d(g, x, leaf(g, "dilated.weight", WELD_SHAPE(4, CHANNELS, 3, 2)), NULL,
                            (weld_conv2d_options){.padding = {2, 0}, .dilation = {2, 3}}));
    weld_output(g, "same",
                weld_conv2d(g, x, leaf(g, "same.weight", WELD_SHAPE(4, CHANNELS, 3, 5)), NULL,
                            (weld_conv2d_options){.stride = {2, 3}, .same = true}));
    weld_output(g, "max_pool", weld_max_pool(g, x, (int[]){3, 2}, (int[]){2, 1}, (int[]){1, 0}));
    weld_output(g, "batch_norm", batch_norm(g, x, "norm", CHANNELS));
    weld_value *s = weld_global_avg_pool(g, x);
    weld_output(g, "global_avg_pool", s);
    weld_output(g, "channel_scale", weld_channel_scale(g, x, s));
    weld_output(g, "image_softmax", weld_softmax(g, x));
    weld_value *vector = leaf(g, "affine.weight", WELD_SHAPE(CHANNELS));
    weld_output(g, "affine", weld_affine(g, x, vector, leaf(g, "affine.bias", vector->shape)));
    for (int axis = 1; axis < 4; axis++) {
        char name[32];
        weld_value *part = weld_slice(g, x, axis, 1, 4);
        snprintf(name, sizeof name, "slice_%d", axis);
        weld_output(g, name, part);
        snprintf(name, sizeof name, "concat_%d", axis);
        weld_output(g, name, weld_concat(g, (weld_value *[]){x, part, x}, 3, axis));
    }
}

static void add_resizes(weld_graph *g, weld_value *x) {
    const int64_t sizes[][2] = {{2 * HEIGHT, 3 * WIDTH}, {10, WIDTH}, {4, 20}, {1, 1}};
    for (int i = 0; i < 8; i++) {
        char name[32];
        const int64_t *to = sizes[i / 2];
        const weld_resize_mode mode = i % 2 ? WELD_RESIZE_BILINEAR : WELD_RESIZE_NEAREST;
        snprintf(name, sizeof name, "resize_%d", i);
        weld_output(g, name, weld_resize(g, x, to[0], to[1], mode));
    }
}

static void add_rows(weld_graph *g, weld_value *x, int64_t batch) {
    weld_value *rows = weld_reshape(g, x, WELD_SHAPE(batch, HEIGHT * WIDTH, CHANNELS));
    weld_output(g, "rows", rows);
    weld_shape vector = WELD_SHAPE(CHANNELS);
    weld_value *weight = leaf(g, "layer.weight", vector), *bias = leaf(g, "layer.bias", vector);
    weld_output(g, "affine_rows", weld_affine(g, rows, weight, NULL));
    weld_output(g, "layer_norm", weld_layer_norm(g, rows, weight, bias, 1e-3));
    weld_output(g, "image_layer_norm", weld_layer_norm(g, x, weight, bias, 1e-3));
    weight = leaf(g, "linear.weight", WELD_SHAPE(4, CHANNELS));
    bias = leaf(g, "linear.bias", WELD_SHAPE(4));
    weld_output(g, "linear_rows", weld_linear(g, rows, weight, bias));
    weld_output(g, "linear_image", weld_linear(g, x, weight, NULL));
    weld_output(g, "softmax", weld_softmax(g, rows));
    weld_value *turned = weld_permute(g, rows, (int[]){0, 2, 1});
    weld_output(g, "permute", turned);
    /* Back to an image: an operator of images then reads what lies in the graph's own layout. */
    weld_value *back = weld_reshape(g, rows, WELD_SHAPE(batch, WIDTH, HEIGHT, CHANNELS));
    weld_output(g, "back", weld_global_avg_pool(g, back));
    weld_value *mixed = weld_permute(g, back, (int[]){0, 2, 1, 3});
    weld_output(g, "add", weld_add(g, mixed, x));
    weld_output(g, "add_reversed", weld_add(g, x, mixed));
    weld_output(g, "mul", weld_mul(g, mixed, x));
    weld_output(g, "concat_mixed", weld_concat(g, (weld_value *[]){mixed, x}, 2, 3));
}

static void add_attention(weld_graph *g, weld_value *x, int64_t batch) {
    weld_value *rows = weld_reshape(g, x, WELD_SHAPE(batch, HEIGHT * WIDTH, CHANNELS));
    weld_value *few = weld_slice(g, rows, 1, 0, 15), *table, *bias, *y;
    weld_value *v = weld_linear(g, few, leaf(g, "v.weight", WELD_SHAPE(4, CHANNELS)), NULL);
    weld_output(g, "attention", weld_attention(g, rows, few, v, NULL, 2, 0.7));
    table = leaf(g, "table", WELD_SHAPE(2, (2 * 5 - 1) * (2 * 3 - 1)));
    bias = weld_relative_position_bias(g, table, 5, 3);
    y = weld_attention(g, few, few, v, bias, 2, 0);
    weld_output(g, "attention_with_bias", y);
}

static void add_boxes(weld_graph *g, weld_value *x) {
    weld_value *weight = leaf(g, "sides.weight", WELD_SHAPE(4 * 5, CHANNELS, 1, 1));
    weld_value *sides = weld_conv2d(g, weld_scale(g, x, 3), weight, NULL, (weld_conv2d_options){0});
    weld_output(g, "box_decode", weld_box_decode(g, sides, 5, 8));
}

static void add_vectors(weld_graph *g, weld_value *x, int64_t batch) {
    weld_value *v = weld_reshape(g, weld_global_avg_pool(g, x), WELD_SHAPE(batch, CHANNELS));
    weld_output(g, "flatten", v);
    weld_output(g, "vector_norm", batch_norm(g, v, "vectors", CHANNELS));
    weld_value *weight = leaf(g, "head.weight", WELD_SHAPE(5, CHANNELS));
    weld_output(g, "linear", weld_linear(g, v, weight, leaf(g, "head.bias", WELD_SHAPE(5))));
    weld_output(g, "linear_without_bias", weld_linear(g, v, weight, NULL));
}

/* Built for another batch than it is run with. */
static weld_graph *build(void) {
    weld_graph *g;
    weld_error err;
    const int64_t batch = 2;
    if (weld_graph_create(WELD_F32, &g, &err) != WELD_OK) {
        fail(err.message);
    }
    weld_value *x = weld_input(g, "images", WELD_SHAPE(batch, HEIGHT, WIDTH, CHANNELS));
    add_elementwise(g, x);
    add_images(g, x);
    add_resizes(g, x);
    add_rows(g, x, batch);
    add_attention(g, x, batch);
    add_boxes(g, x);
    add_vectors(g, x, batch);
    if (weld_graph_status(g, &err) != WELD_OK) {
        fail(err.message);
    }
    return g;
}

/* --- Arrays ----------------------------------------------------------------------------------- */

static void write_array(const char *folder, const char *name, const weld_tensor *t) {
    char path[4096];
    weld_error err;
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    if (npy_file_write(path, t, &err) != WELD_OK) {
        fail(err.message);
    }
}

/* Images are turned from NHWC into NCHW. */
static void write_value(const char *folder, const char *name, const weld_tensor *t) {
    if (t->shape.rank != 4) {
        write_array(folder, name, t);
        return;
    }
    const int64_t *d = t->shape.dim, positions = d[1] * d[2];
    float *turned = weld_alloc((size_t)(d[0] * positions * d[3]), sizeof *turned);
    if (!turned) {
        fail("out of memory");
    }
    for (int64_t n = 0; n < d[0]; n++) {
        for (int64_t p = 0; p < positions; p++) {
            for (int64_t c = 0; c < d[3]; c++) {
                turned[(n * d[3] + c) * positions + p] =
                    ((const float *)t->data)[(n * positions + p) * d[3] + c];
            }
        }
    }
    weld_tensor image = {WELD_F32, WELD_SHAPE(d[0], d[3], d[1], d[2]), turned};
    write_array(folder, name, &image);
    weld_free(turned);
}

static void fill(weld_tensor *t) {
    weld_random r = weld_random_start(7, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&t->shape); i++) {
        ((float *)t->data)[i] = (float)weld_random_normal(&r);
    }
}

/* The lowest set that has them all, and those in which some are spelled otherwise. */
static void write_files(const char *folder, const weld_graph *g, const weld_weights *w) {
    const int sets[] = {0, 14, 17, 25};
    for (int i = 0; i < 4; i++) {
        char path[4096];
        weld_error err;
        const weld_onnx_options options = {.name = "operators", .opset = sets[i]};
        if (i) {
            snprintf(path, sizeof path, "%s/operators_%d.onnx", folder, sets[i]);
        } else {
            snprintf(path, sizeof path, "%s/operators.onnx", folder);
        }
        if (weld_onnx_write(path, g, w, &options, NULL, &err) != WELD_OK) {
            fail(err.message);
        }
    }
}

static void write_operators(const char *folder) {
    weld_error err;
    weld_graph *g = build();
    weld_weights *w;
    weld_session *s;
    weld_session_options options = {.batch = BATCH};
    if (weld_graph_init_weights(g, 3, &w, &err) != WELD_OK ||
        weld_session_create(g, w, &options, &s, &err) != WELD_OK) {
        fail(err.message);
    }
    write_files(folder, g, w);
    weld_tensor input = weld_session_input(s, "images");
    fill(&input);
    write_value(folder, "operators_input", &input);
    weld_session_run(s, 0);
    for (size_t i = 0; i < g->output_count; i++) {
        weld_tensor output = weld_session_output(s, g->outputs[i].name);
        write_value(folder, g->outputs[i].name, &output);
        puts(g->outputs[i].name);
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}

/* --- Any height and width --------------------------------------------------------------------- */

/* What detectors are made of: a map twice as large, attention over the positions of a map and back,
 * and boxes. */
static weld_graph *build_sized(int64_t h, int64_t w) {
    weld_graph *g;
    weld_error err;
    if (weld_graph_create(WELD_F32, &g, &err) != WELD_OK) {
        fail(err.message);
    }
    weld_value *x = weld_input(g, "images", WELD_SHAPE(BATCH, h, w, CHANNELS));
    weld_value *rows, *y;
    y = weld_conv2d(g, x, leaf(g, "c.weight", WELD_SHAPE(CHANNELS, CHANNELS, 3, 3)), NULL,
                    (weld_conv2d_options){.stride = {2, 2}, .padding = {1, 1}});
    weld_output(g, "sized_twice",
                weld_resize(g, y, 2 * y->shape.dim[1], 2 * y->shape.dim[2], WELD_RESIZE_NEAREST));
    rows = weld_reshape(g, y, WELD_SHAPE(BATCH, y->shape.dim[1] * y->shape.dim[2], 2, 3));
    rows = weld_slice(g, rows, 3, 1, 3);
    rows = weld_reshape(g, rows, WELD_SHAPE(BATCH, rows->shape.dim[1], 4));
    rows = weld_attention(g, rows, rows, rows, NULL, 2, 0);
    weld_output(g, "sized_rows", rows);
    y = weld_reshape(g, rows, WELD_SHAPE(BATCH, y->shape.dim[1], y->shape.dim[2], 4));
    y = weld_conv2d(g, y, leaf(g, "d.weight", WELD_SHAPE(4 * 3, 4, 3, 3)), NULL,
                    (weld_conv2d_options){.padding = {1, 1}});
    weld_output(g, "sized_map", y);
    weld_output(g, "sized_boxes", weld_box_decode(g, y, 3, 8));
    if (weld_graph_status(g, &err) != WELD_OK) {
        fail(err.message);
    }
    return g;
}

/* Run for another size than the file was made from. */
static void write_sized(const char *folder) {
    char path[4096];
    weld_error err;
    weld_graph *g = build_sized(16, 12), *others[] = {build_sized(9, 24), build_sized(18, 14)};
    weld_graph *run = build_sized(22, 15);
    weld_weights *w;
    weld_session *s;
    const weld_session_options options = {.batch = BATCH};
    const weld_onnx_options onnx = {.others = others, .other_count = 2};
    snprintf(path, sizeof path, "%s/sized.onnx", folder);
    if (weld_graph_init_weights(g, 4, &w, &err) != WELD_OK ||
        weld_onnx_write(path, g, w, &onnx, NULL, &err) != WELD_OK) {
        fail(err.message);
    }
    if (weld_session_create(run, w, &options, &s, &err) != WELD_OK) {
        fail(err.message);
    }
    weld_tensor input = weld_session_input(s, "images");
    fill(&input);
    write_value(folder, "sized_input", &input);
    weld_session_run(s, 0);
    for (size_t i = 0; i < run->output_count; i++) {
        weld_tensor output = weld_session_output(s, run->outputs[i].name);
        write_value(folder, run->outputs[i].name, &output);
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(run);
    weld_graph_free(others[0]);
    weld_graph_free(others[1]);
    weld_graph_free(g);
}

static void write_noise(const char *folder, const char *name, int64_t count, int64_t height,
                        int64_t width) {
    static float noise[2 * 3 * 64 * 96];
    weld_tensor images = {WELD_F32, WELD_SHAPE(count, 3, height, width), noise};
    fill(&images);
    write_array(folder, name, &images);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fail("usage: write_operators FOLDER");
    }
    write_noise(argv[1], "noise", 3, 48, 48);
    write_noise(argv[1], "noise_33x50", 2, 33, 50);
    write_noise(argv[1], "noise_40x24", 3, 40, 24);
    write_noise(argv[1], "noise_64x96", 2, 64, 96);
    write_operators(argv[1]);
    write_sized(argv[1]);
    return 0;
}
