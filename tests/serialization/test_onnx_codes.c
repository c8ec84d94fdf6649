/* ONNX files of integer networks, taken apart: where values become codes, and what weights and
 * biases are written as. That ONNX Runtime makes weld's bits of them is
 * tests/cli/test_onnx_integers.sh's business. */
#include "onnx_files.h"
#include "passes/minmax.h"

/* images -> a -> GELU -> b + c -> ReLU -> pool -> linear -> logits: b and c are convolutions of the
 * same. */
static weld_graph *network(void) {
    weld_graph *g = new_graph();
    const weld_conv2d_options same = {.padding = {1, 1}};
    weld_value *x = weld_conv2d(g, image(g), parameter(g, "a.weight", WELD_SHAPE(6, 4, 3, 3)),
                                parameter(g, "a.bias", WELD_SHAPE(6)), same);
    x = weld_gelu(g, x);
    weld_value *b = weld_conv2d(g, x, parameter(g, "b.weight", WELD_SHAPE(6, 6, 3, 3)),
                                parameter(g, "b.bias", WELD_SHAPE(6)), same);
    weld_value *c = weld_conv2d(g, x, parameter(g, "c.weight", WELD_SHAPE(6, 6, 1, 1)), NULL,
                                (weld_conv2d_options){0});
    weld_value *y = weld_global_avg_pool(g, weld_relu(g, weld_add(g, b, c)));
    y = weld_reshape(g, y, WELD_SHAPE(2, 6));
    weld_output(g, "logits",
                weld_linear(g, y, parameter(g, "head.weight", WELD_SHAPE(3, 6)),
                            parameter(g, "head.bias", WELD_SHAPE(3))));
    return g;
}

typedef struct written_codes {
    weld_graph *g;
    weld_weights *integers;
    weld_quantization q;
    model_proto *file;
} written_codes;

/* kept: the layer (a convolution by its number, from 1) that stays float; 0: none. */
static written_codes write_codes(int kept, int opset, bool signed_codes) {
    weld_error err;
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    written_codes c = {.g = network()};
    weld_weights *w = weights_of(c.g);
    bool *float_nodes = weld_alloc(c.g->node_count, sizeof *float_nodes);
    for (size_t i = 0; i < c.g->node_count; i++) {
        float_nodes[i] = c.g->nodes[i]->op == &weld_op_conv2d && --kept == 0;
    }
    c.q = minmax_quantization(c.g, w, 2, float_nodes);
    ck_assert_msg(weld_quantize_weights(c.g, w, &c.q, &c.integers, &err) == WELD_OK, "%s",
                  err.message);
    for (size_t i = 0; signed_codes && i < c.q.value_count; i++) {
        c.q.codes[i].zero = 128;
    }
    const weld_onnx_options o = {.codes = &c.q, .opset = opset, .signed_codes = signed_codes};
    ck_assert_msg(weld_onnx_write(path, c.g, c.integers, &o, NULL, &err) == WELD_OK, "%s",
                  err.message);
    c.file = read_model(path);
    check_order(c.file);
    weld_free(float_nodes);
    weld_weights_free(w);
    test_folder_remove(folder);
    return c;
}

static weld_codes codes_of_images(const written_codes *c) {
    return c->q.codes[weld_graph_find_leaf(c->g, "images")->id];
}

static void free_codes(written_codes *c) {
    weld_onnx__model_proto__free_unpacked(c->file, NULL);
    weld_quantization_free(&c->q);
    weld_weights_free(c->integers);
    weld_graph_free(c->g);
}

static const node_proto *first_of(const model_proto *m, const char *type) {
    for (size_t i = 0; i < m->graph->n_node; i++) {
        if (strcmp(m->graph->node[i]->op_type, type) == 0) {
            return m->graph->node[i];
        }
    }
    ck_abort_msg("no %s", type);
}

/* The node reads what DequantizeLinear makes of QuantizeLinear, by one scale and zero point, which
 * are these codes. Returns what was quantised. */
static const char *check_pair(const model_proto *m, const char *value, weld_codes codes) {
    const node_proto *to_float = node_making(m, value);
    const node_proto *to_codes = node_making(m, to_float->input[0]);
    ck_assert_str_eq(to_float->op_type, "DequantizeLinear");
    ck_assert_str_eq(to_codes->op_type, "QuantizeLinear");
    for (int i = 1; i < 3; i++) {
        ck_assert_str_eq(to_float->input[i], to_codes->input[i]);
        ck_assert_uint_eq(initializer(m, to_float->input[i])->n_dims, 0);
    }
    const tensor_proto *scale = initializer(m, to_float->input[1]);
    const tensor_proto *zero = initializer(m, to_float->input[2]);
    ck_assert_mem_eq(scale->raw_data.data, &codes.scale, sizeof codes.scale);
    ck_assert_int_eq(zero->data_type, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__UINT8);
    ck_assert_int_eq(zero->raw_data.data[0], codes.zero);
    return to_codes->input[0];
}

/* A pair after every value that has codes, but before a ReLU, whose rounding does for both. */
START_TEST(every_value_with_codes_goes_through_them) {
    written_codes c = write_codes(0, 20, false);
    const model_proto *m = c.file;
    check_versions(m, 20, 9);
    const node_proto *conv = first_of(m, "Conv"), *relu = first_of(m, "Relu");
    ck_assert_str_eq(check_pair(m, conv->input[0], codes_of_images(&c)), "input");
    ck_assert_str_eq(
        check_pair(m, first_of(m, "Gelu")->input[0], c.q.codes[c.g->nodes[0]->outputs[0]->id]),
        conv->output[0]);
    ck_assert_str_eq(node_making(m, relu->input[0])->op_type, "Add");
    const weld_node *pool = c.g->nodes[c.g->node_count - 3];
    ck_assert_str_eq(
        check_pair(m, first_of(m, "Flatten")->input[0], c.q.codes[pool->outputs[0]->id]),
        first_of(m, "GlobalAveragePool")->output[0]);
    check_pair(m, first_of(m, "Gemm")->input[0], c.q.codes[pool->outputs[0]->id]);
    ck_assert_str_eq(first_of(m, "Gemm")->output[0], "logits");
    /* images, a, GELU, b, c, ReLU, pool, flattened */
    ck_assert_int_eq(count_nodes(m, "QuantizeLinear"), 8);
    free_codes(&c);
}
END_TEST

static const tensor_proto *check_channels(const model_proto *m, const char *value, int type,
                                          const char *integers) {
    const node_proto *node = node_making(m, value);
    ck_assert_str_eq(node->op_type, "DequantizeLinear");
    ck_assert_str_eq(node->input[0], integers);
    ck_assert_int_eq(initializer(m, integers)->data_type, type);
    CHECK_INTEGERS(node, "axis", 0);
    return initializer(m, node->input[1]);
}

START_TEST(weights_and_biases_are_integers_by_channel) {
    written_codes c = write_codes(0, 20, false);
    const model_proto *m = c.file;
    weld_tensor weight, scales;
    const node_proto *conv = first_of(m, "Conv"), *head = first_of(m, "Gemm");
    ck_assert(weld_weights_find(c.integers, "a.weight", &weight));
    ck_assert(weld_weights_find(c.integers, "scales/a.weight", &scales));
    const tensor_proto *s_w =
        check_channels(m, conv->input[1], WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT8, "a.weight");
    ck_assert_mem_eq(s_w->raw_data.data, scales.data, 6 * sizeof(float));
    ck_assert_mem_eq(initializer(m, "a.weight")->raw_data.data, weight.data, 6 * 4 * 9);
    const tensor_proto *zeros = initializer(m, node_making(m, conv->input[1])->input[2]);
    ck_assert_int_eq(zeros->data_type, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT8);
    ck_assert_uint_eq(zeros->n_dims, 1);
    ck_assert_int_eq(zeros->dims[0], 6);
    const tensor_proto *s_b =
        check_channels(m, conv->input[2], WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT32, "a.bias");
    for (int i = 0; i < 6; i++) {
        const float want = codes_of_images(&c).scale * ((const float *)scales.data)[i];
        ck_assert_mem_eq(s_b->raw_data.data + 4 * i, &want, sizeof want);
    }
    check_channels(m, head->input[1], WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT8, "head.weight");
    ck_assert_uint_eq(head->n_attribute, 3);
    CHECK_INTEGERS(head, "transB", 1);
    ck_assert_str_eq(head->attribute[1]->name, "alpha");
    ck_assert(head->attribute[1]->f == 1);
    ck_assert_str_eq(head->attribute[2]->name, "beta");
    ck_assert(head->attribute[2]->f == 1);
    free_codes(&c);
}
END_TEST

/* Else ONNX Runtime quantises its weights by one scale for all of them. */
START_TEST(a_float_layer_has_its_input_by_channels) {
    written_codes c = write_codes(2, 20, false);
    const model_proto *m = c.file;
    const node_proto *conv = node_making(m, "b/Conv"), *own = node_making(m, conv->input[0]);
    ck_assert_str_eq(conv->input[1], "b.weight");
    ck_assert_int_eq(initializer(m, "b.weight")->data_type,
                     WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    ck_assert_str_eq(own->op_type, "DequantizeLinear");
    CHECK_INTEGERS(own, "axis", 1);
    const node_proto *other = node_making(m, node_making(m, "c/Conv")->input[0]);
    ck_assert_str_eq(own->input[0], other->input[0]);
    const tensor_proto *scales = initializer(m, own->input[1]),
                       *zeros = initializer(m, own->input[2]);
    ck_assert_uint_eq(scales->raw_data.len, 6 * sizeof(float));
    ck_assert_uint_eq(zeros->raw_data.len, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_mem_eq(scales->raw_data.data + 4 * i,
                         initializer(m, other->input[1])->raw_data.data, 4);
        ck_assert_int_eq(zeros->raw_data.data[i],
                         initializer(m, other->input[2])->raw_data.data[0]);
    }
    free_codes(&c);
}
END_TEST

START_TEST(codes_can_be_signed) {
    written_codes c = write_codes(0, 20, true);
    const node_proto *node = first_of(c.file, "QuantizeLinear");
    const tensor_proto *zero = initializer(c.file, node->input[2]);
    ck_assert_int_eq(zero->data_type, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT8);
    ck_assert_int_eq(zero->raw_data.data[0], 0);
    free_codes(&c);
}
END_TEST

START_TEST(gelu_is_spelled_out_for_older_sets) {
    written_codes c = write_codes(0, 15, false);
    check_versions(c.file, 15, 8);
    ck_assert_int_eq(count_nodes(c.file, "Erf"), 1);
    ck_assert_int_eq(count_nodes(c.file, "Gelu"), 0);
    /* As many pairs: none within it. */
    ck_assert_int_eq(count_nodes(c.file, "QuantizeLinear"), 8);
    free_codes(&c);
}
END_TEST

START_TEST(integers_by_channel_want_a_set_that_has_them) {
    weld_graph *g = network();
    weld_error err;
    weld_weights *w = weights_of(g), *integers;
    weld_quantization q = minmax_quantization(g, w, 2, NULL);
    ck_assert_int_eq(weld_quantize_weights(g, w, &q, &integers, &err), WELD_OK);
    const weld_onnx_options o = {.codes = &q, .opset = 12};
    REFUSED(g, integers, &o, WELD_ERROR_ARGUMENT, "opset 12", "DequantizeLinear", "conv2d#0",
            "opset 13 suffices");
    weld_quantization_free(&q);
    weld_weights_free(integers);
    weld_weights_free(w);
}
END_TEST

RUN_SUITE("serialization/onnx_codes", every_value_with_codes_goes_through_them,
          weights_and_biases_are_integers_by_channel, a_float_layer_has_its_input_by_channels,
          codes_can_be_signed, gelu_is_spelled_out_for_older_sets,
          integers_by_channel_want_a_set_that_has_them)
