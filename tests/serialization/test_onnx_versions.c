/* Operator sets of ONNX files, and files for images of any height and width. */
#include "onnx_files.h"

/* --- Operator sets ---------------------------------------------------------------------------- */

static void add_gelu(weld_graph *g, weld_value *x) {
    weld_output(g, "y", weld_gelu(g, x));
}

static void add_slice(weld_graph *g, weld_value *x) {
    weld_output(g, "y", weld_slice(g, x, 1, 1, 4));
}

static void add_clamp(weld_graph *g, weld_value *x) {
    weld_output(g, "y", weld_clamp(g, x, 0, 6));
}

static void add_resize(weld_graph *g, weld_value *x) {
    weld_output(g, "y", weld_resize(g, x, 10, 14, WELD_RESIZE_NEAREST));
}

static void add_linear_without_bias(weld_graph *g, weld_value *x) {
    x = weld_reshape(g, weld_global_avg_pool(g, x), WELD_SHAPE(2, 4));
    weld_output(g, "y", weld_linear(g, x, parameter(g, "w", WELD_SHAPE(3, 4)), NULL));
}

static void add_softmax_of_channels(weld_graph *g, weld_value *x) {
    weld_output(g, "y", weld_softmax(g, x));
}

static void add_softmax_of_rows(weld_graph *g, weld_value *x) {
    weld_output(g, "y", weld_softmax(g, weld_reshape(g, x, WELD_SHAPE(2, 35, 4))));
}

static void add_layer_norm(weld_graph *g, weld_value *x) {
    weld_shape c = WELD_SHAPE(4);
    weld_value *weight = parameter(g, "w", c), *bias = parameter(g, "b", c);
    weld_output(g, "y", weld_layer_norm(g, x, weight, bias, 1e-6));
}

static void add_hard_swish(weld_graph *g, weld_value *x) {
    weld_output(g, "y", weld_hard_swish(g, x));
}

static weld_graph *graph_of(void (*add)(weld_graph *g, weld_value *x)) {
    weld_graph *g = new_graph();
    add(g, image(g));
    return g;
}

/* Since when ONNX has an operator in the form that is written: its Changelog.md. */
START_TEST(the_operator_set_is_the_lowest_that_suffices) {
    static const struct {
        void (*add)(weld_graph *g, weld_value *x);
        int opset, ir;
    } cases[] = {{add_gelu, 9, 4},
                 {add_slice, 10, 5},
                 {add_clamp, 11, 6},
                 {add_resize, 11, 6},
                 {add_linear_without_bias, 11, 6},
                 {add_softmax_of_rows, 9, 4},
                 {add_softmax_of_channels, 13, 7},
                 {add_layer_norm, 9, 4},
                 {add_hard_swish, 9, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_proto *m = written(graph_of(cases[i].add), &any_batch);
        check_versions(m, cases[i].opset, cases[i].ir);
        ck_assert_str_eq(m->graph->name, "network");
        ck_assert_uint_eq(m->n_metadata_props, 0);
        weld_onnx__model_proto__free_unpacked(m, NULL);
    }
}
END_TEST

/* ONNX's Versioning.md. */
START_TEST(another_operator_set_comes_with_its_version_of_the_format) {
    static const int ir[] = {4, 5, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13};
    for (int opset = 9; opset <= 25; opset++) {
        weld_onnx_options options = {.opset = opset};
        model_proto *m = written(graph_of(add_gelu), &options);
        check_versions(m, opset, ir[opset - 9]);
        weld_onnx__model_proto__free_unpacked(m, NULL);
    }
}
END_TEST

START_TEST(operators_of_later_sets_are_spelled_out_before) {
    static const struct {
        void (*add)(weld_graph *g, weld_value *x);
        int opset;
        const char *type;
    } cases[] = {{add_hard_swish, 14, "HardSwish"}, {add_layer_norm, 17, "LayerNormalization"}};
    for (int i = 0; i < 2; i++) {
        for (int before = 0; before < 2; before++) {
            weld_onnx_options options = {.opset = cases[i].opset - before};
            model_proto *m = written(graph_of(cases[i].add), &options);
            check_versions(m, options.opset, options.opset == 13 ? 7 : options.opset == 14 ? 7 : 8);
            ck_assert_int_eq(count_nodes(m, cases[i].type), !before);
            weld_onnx__model_proto__free_unpacked(m, NULL);
        }
    }
}
END_TEST

START_TEST(an_operator_set_that_does_not_suffice_is_refused_with_what_does) {
    weld_onnx_options nine = {.opset = 9}, twelve = {.opset = 12};
    REFUSED(graph_of(add_slice), NULL, &nine, WELD_ERROR_ARGUMENT, "opset 9 ", "Slice", "slice#0",
            "opset 10 suffices");
    REFUSED(graph_of(add_softmax_of_channels), NULL, &twelve, WELD_ERROR_ARGUMENT, "opset 12 ",
            "Softmax", "opset 13 suffices");
    /* Of two operators the message names what suffices for both. */
    weld_graph *g = new_graph();
    weld_output(g, "y", weld_softmax(g, weld_slice(g, image(g), 1, 1, 4)));
    REFUSED(g, NULL, &nine, WELD_ERROR_ARGUMENT, "Softmax", "opset 13 suffices");
}
END_TEST

START_TEST(operator_sets_that_are_not_known_are_refused) {
    weld_onnx_options low = {.opset = WELD_ONNX_OLDEST - 1}, high = {.opset = WELD_ONNX_NEWEST + 1};
    REFUSED(graph_of(add_gelu), NULL, &low, WELD_ERROR_ARGUMENT, "opset 8 ", "9 to ");
    REFUSED(graph_of(add_gelu), NULL, &high, WELD_ERROR_ARGUMENT, "is not known");
}
END_TEST

/* --- Any height and width --------------------------------------------------------------------- */

/* Of images of h x w; all but the last can be written for any size. */
typedef weld_value *body(weld_graph *g, weld_value *x, int64_t h, int64_t w);

static weld_value *convolved(weld_graph *g, weld_value *x, int64_t h, int64_t w) {
    (void)h, (void)w;
    const weld_conv2d_options halved = {.stride = {2, 2}, .padding = {1, 1}};
    return weld_conv2d(g, x, parameter(g, "c.weight", WELD_SHAPE(4, 4, 3, 3)), NULL, halved);
}

static weld_value *twice_as_large(weld_graph *g, weld_value *x, int64_t h, int64_t w) {
    return weld_resize(g, x, 2 * h, 2 * w, WELD_RESIZE_NEAREST);
}

/* In a row and back. */
static weld_value *in_a_row(weld_graph *g, weld_value *x, int64_t h, int64_t w) {
    x = weld_relu(g, weld_reshape(g, x, WELD_SHAPE(1, h * w, 4)));
    return weld_reshape(g, x, WELD_SHAPE(1, h, w, 4));
}

static weld_value *in_patches(weld_graph *g, weld_value *x, int64_t h, int64_t w) {
    x = weld_reshape(g, x, WELD_SHAPE(1, h / 2, 2, w / 2, 8));
    return weld_reshape(g, weld_relu(g, x), WELD_SHAPE(1, h, w, 4));
}

static weld_value *as_large_as_before(weld_graph *g, weld_value *x, int64_t h, int64_t w) {
    return weld_resize(g, convolved(g, x, h, w), h, w, WELD_RESIZE_BILINEAR);
}

static weld_value *padded_where_odd(weld_graph *g, weld_value *x, int64_t h, int64_t w) {
    return h % 2 || w % 2 ? weld_relu(g, x) : x;
}

static weld_graph *sized_graph(body *make, int64_t h, int64_t w) {
    weld_graph *g = new_graph();
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, h, w, 4));
    weld_output(g, "map", make(g, x, h, w));
    x = weld_reshape(g, weld_global_avg_pool(g, weld_graph_output(g, "map")), WELD_SHAPE(1, 4));
    weld_output(g, "vector", x);
    return g;
}

START_TEST(height_and_width_can_be_open) {
    body *const bodies[] = {convolved, twice_as_large, in_a_row};
    for (int i = 0; i < 3; i++) {
        weld_graph *others[] = {sized_graph(bodies[i], 9, 4), sized_graph(bodies[i], 8, 17)};
        weld_onnx_options options = {.others = others, .other_count = 2};
        model_proto *m = written(sized_graph(bodies[i], 8, 6), &options);
        check_open(m->graph->input[0], 0, "batch");
        check_open(m->graph->input[0], 2, "height");
        check_open(m->graph->input[0], 3, "width");
        check_open(m->graph->output[0], 0, "batch");
        check_open(m->graph->output[0], 2, "map_height");
        check_open(m->graph->output[0], 3, "map_width");
        check_value(m->graph->output[1], "vector", WELD_SHAPE(-1, 4));
        weld_onnx__model_proto__free_unpacked(m, NULL);
        weld_graph_free(others[0]);
        weld_graph_free(others[1]);
    }
}
END_TEST

START_TEST(what_goes_by_height_and_width_keeps_them_closed) {
    static const struct {
        body *make;
        const char *reason;
    } cases[] = {
        {as_large_as_before, "Resize"}, {padded_where_odd, "Relu"}, {in_patches, "Reshape"}};
    for (int i = 0; i < 3; i++) {
        weld_graph *other = sized_graph(cases[i].make, i == 2 ? 10 : 11, 6);
        weld_onnx_options options = {.others = &other, .other_count = 1};
        REFUSED(sized_graph(cases[i].make, 8, 6), NULL, &options, WELD_ERROR_SHAPE,
                "height and width", cases[i].reason, "fixed size");
        weld_graph_free(other);
    }
}
END_TEST

RUN_SUITE("serialization/onnx_versions", the_operator_set_is_the_lowest_that_suffices,
          another_operator_set_comes_with_its_version_of_the_format,
          operators_of_later_sets_are_spelled_out_before,
          an_operator_set_that_does_not_suffice_is_refused_with_what_does,
          operator_sets_that_are_not_known_are_refused, height_and_width_can_be_open,
          what_goes_by_height_and_width_keeps_them_closed)
