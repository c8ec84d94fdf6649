/* ONNX files, taken apart again: what is in them, how values are called, what is refused. That
 * other programs run them to the same end is tests/cli/test_onnx.sh's business. */
#include "suite.h"

#include "base/memory.h"
#include "serialization/model_text.h"
#include "serialization/onnx_builder.h"
#include "onnx_files.h"
#include "passes/merging.h"
#include "repvit_config.h"

/* --- Merged networks -------------------------------------------------------------------------- */

static merging small_network(bool legacy, bool distillation) {
    weld_model_config config = repvit_config(3, "8, 12", "1, 2", 2, legacy, distillation);
    merging m;
    ck_assert_int_eq(weld_model_build(&config, false, 1, 24, 20, WELD_F32, &m.graph, NULL),
                     WELD_OK);
    m.weights = weights_of(m.graph);
    merging_enliven(m.graph, m.weights, 5);
    ck_assert_int_eq(weld_reparameterize(m.graph, m.weights, &m.merged, &m.merged_weights, NULL),
                     WELD_OK);
    return m;
}

static void free_network(merging *m) {
    weld_graph_free(m->graph);
    weld_graph_free(m->merged);
    weld_weights_free(m->weights);
    weld_weights_free(m->merged_weights);
}

static void check_initializers(const model_proto *file, const weld_weights *w) {
    size_t constants = 0;
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        const tensor_proto *p = initializer(file, weld_weights_name(w, i));
        size_t bytes = (size_t)weld_shape_count(&t.shape) * sizeof(float);
        ck_assert_int_eq(p->data_type, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        ck_assert_uint_eq(p->n_dims, (size_t)t.shape.rank);
        ck_assert_mem_eq(p->dims, t.shape.dim, p->n_dims * sizeof *p->dims);
        ck_assert_uint_eq(p->raw_data.len, bytes);
        ck_assert_mem_eq(p->raw_data.data, t.data, bytes);
        ck_assert_uint_eq(p->n_float_data, 0);
    }
    for (size_t i = 0; i < file->graph->n_initializer; i++) {
        constants += strncmp(file->graph->initializer[i]->name, "constant/", 9) == 0;
    }
    ck_assert_uint_eq(file->graph->n_initializer, weld_weights_count(w) + constants);
    ck_assert_uint_eq(constants, 3); /* of GELU, shared */
}

static void check_network(bool legacy, bool distillation, int64_t batch) {
    static char form[] = "merged", names[] = "[\"cat\",\"d\\\"og\",\"m\xc3\xbc\"]";
    weld_metadata metadata = {2, {{"weld.form", form}, {"weld.class_names", names}}};
    weld_onnx_options options = {.batch = batch, .name = "repvit_tiny", .metadata = &metadata};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    merging m = small_network(legacy, distillation);
    ck_assert_int_eq(weld_onnx_write(path, m.merged, m.merged_weights, &options, NULL, NULL),
                     WELD_OK);
    model_proto *file = read_model(path);
    check_order(file);
    check_versions(file, 9, 4);
    ck_assert_str_eq(file->producer_name, "weld");
    ck_assert_str_eq(file->producer_version, weld_version());
    ck_assert_uint_eq(file->n_metadata_props, metadata.count);
    for (size_t i = 0; i < metadata.count; i++) {
        ck_assert_str_eq(file->metadata_props[i]->key, metadata.items[i].key);
        ck_assert_str_eq(file->metadata_props[i]->value, metadata.items[i].text);
    }
    ck_assert_str_eq(file->graph->name, "repvit_tiny");
    ck_assert_uint_eq(file->graph->n_input, 1);
    ck_assert_uint_eq(file->graph->n_output, 1);
    int64_t written_batch = batch ? batch : -1;
    check_value(file->graph->input[0], "input", WELD_SHAPE(written_batch, 3, 24, 20));
    check_value(file->graph->output[0], "logits", WELD_SHAPE(written_batch, 3));
    check_initializers(file, m.merged_weights);
    ck_assert_int_eq(count_nodes(file, "Conv"), merging_count(m.merged, &weld_op_conv2d));
    ck_assert_int_eq(count_nodes(file, "Gemm"), 1);
    ck_assert_int_eq(count_nodes(file, "Transpose"), 0);
    ck_assert_int_eq(count_nodes(file, "Identity"), 0);
    weld_onnx__model_proto__free_unpacked(file, NULL);
    free_network(&m);
    test_folder_remove(folder);
}

START_TEST(a_merged_network_is_there_with_all_its_weights) {
    for (int64_t batch = 0; batch <= 3; batch += 3) {
        check_network(false, false, batch);
        check_network(true, false, batch);
        check_network(false, true, batch);
    }
}
END_TEST

START_TEST(layers_say_what_they_are) {
    merging n = small_network(false, false);
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    ck_assert_int_eq(weld_onnx_write(path, n.merged, n.merged_weights, &any_batch, NULL, NULL),
                     WELD_OK);
    model_proto *m = read_model(path);
    const node_proto *stem = node_making(m, "features.0.0/Conv");
    ck_assert_str_eq(stem->input[0], "input");
    ck_assert_str_eq(stem->input[1], "features.0.0.weight");
    ck_assert_str_eq(stem->input[2], "features.0.0.bias");
    CHECK_INTEGERS(stem, "kernel_shape", 3, 3);
    CHECK_INTEGERS(stem, "strides", 2, 2);
    CHECK_INTEGERS(stem, "pads", 1, 1, 1, 1);
    CHECK_INTEGERS(stem, "group", 1);
    const node_proto *mixer = node_making(m, "features.1.token_mixer.0/Conv");
    CHECK_INTEGERS(mixer, "group", 8);
    CHECK_INTEGERS(mixer, "strides", 1, 1);
    const node_proto *point = node_making(m, "features.1.channel_mixer.m.0/Conv");
    CHECK_INTEGERS(point, "kernel_shape", 1, 1);
    CHECK_INTEGERS(point, "pads", 0, 0, 0, 0);
    const node_proto *head = node_making(m, "logits");
    ck_assert_str_eq(head->op_type, "Gemm");
    ck_assert_str_eq(head->name, "classifier.classifier/Gemm");
    CHECK_INTEGERS(head, "transB", 1);
    weld_onnx__model_proto__free_unpacked(m, NULL);
    free_network(&n);
    test_folder_remove(folder);
}
END_TEST

static void check_constant(const model_proto *m, const char *name, float value) {
    const tensor_proto *t = initializer(m, name);
    ck_assert_uint_eq(t->n_dims, 0);
    ck_assert_uint_eq(t->raw_data.len, sizeof value);
    ck_assert_mem_eq(t->raw_data.data, &value, sizeof value);
}

START_TEST(gelu_is_exact_and_in_the_order_that_runtimes_fuse) {
    static const char *const types[] = {"Div", "Erf", "Add", "Mul", "Mul"};
    static const char *const operands[][2] = {{"input", "constant/1.41421354"},
                                              {"Div", NULL},
                                              {"Erf", "constant/1"},
                                              {"input", "Add"},
                                              {"Mul", "constant/0.5"}};
    weld_graph *g = new_graph();
    weld_output(g, "y", weld_gelu(g, image(g)));
    model_proto *m = written(g, &any_batch);
    ck_assert_uint_eq(m->graph->n_node, 5);
    for (size_t i = 0; i < 5; i++) {
        const node_proto *node = m->graph->node[i];
        ck_assert_str_eq(node->op_type, types[i]);
        ck_assert_uint_eq(node->n_input, i == 1 ? 1 : 2);
        for (size_t k = 0; k < node->n_input; k++) {
            ck_assert_str_eq(node->input[k], operands[i][k]);
        }
    }
    check_constant(m, "constant/1.41421354", (float)sqrt(2));
    check_constant(m, "constant/1", 1);
    check_constant(m, "constant/0.5", 0.5F);
    weld_onnx__model_proto__free_unpacked(m, NULL);
}
END_TEST

/* --- Names and outputs ------------------------------------------------------------------------ */

START_TEST(names_that_meet_are_told_apart) {
    weld_graph *g = new_graph();
    weld_shape one = WELD_SHAPE(4, 4, 1, 1);
    weld_value *x = image(g);
    x = weld_conv2d(g, x, parameter(g, "a.weight", one), NULL, (weld_conv2d_options){0});
    x = weld_conv2d(g, x, parameter(g, "a.second", one), NULL, (weld_conv2d_options){0});
    x = weld_conv2d(g, x, parameter(g, "input", one), NULL, (weld_conv2d_options){0});
    x = weld_conv2d(g, x, parameter(g, "a/Conv_2", one), NULL, (weld_conv2d_options){0});
    x = weld_conv2d(g, x, parameter(g, "y", one), NULL, (weld_conv2d_options){0});
    x = weld_scale(g, x, 0.5);
    x = weld_add(g, x, parameter(g, "constant/0.5", WELD_SHAPE(2, 5, 7, 4)));
    weld_output(g, "y", weld_relu(g, x));
    weld_onnx_options fixed = {.batch = 2};
    model_proto *m = written(g, &fixed);
    check_order(m);
    check_value(m->graph->output[0], "y", WELD_SHAPE(2, 4, 5, 7));
    ck_assert_str_eq(node_making(m, "y")->op_type, "Relu");
    ck_assert_str_eq(m->graph->node[0]->name, "a/Conv");
    weld_onnx__model_proto__free_unpacked(m, NULL);
}
END_TEST

START_TEST(every_output_has_its_name_whatever_makes_it) {
    weld_graph *g = new_graph();
    weld_value *x = image(g), *y = weld_relu(g, x);
    weld_output(g, "image", y);
    weld_output(g, "again", y);
    weld_output(g, "as_it_came", x);
    weld_output(g, "rows", weld_softmax(g, weld_reshape(g, y, WELD_SHAPE(2, 35, 4))));
    weld_output(g, "turned", weld_permute(g, y, (int[]){0, 3, 2, 1}));
    model_proto *m = written(g, &any_batch);
    check_order(m);
    ck_assert_uint_eq(m->graph->n_output, 5);
    check_value(m->graph->output[0], "image", WELD_SHAPE(-1, 4, 5, 7));
    check_value(m->graph->output[1], "again", WELD_SHAPE(-1, 4, 5, 7));
    check_value(m->graph->output[2], "as_it_came", WELD_SHAPE(-1, 4, 5, 7));
    check_value(m->graph->output[3], "rows", WELD_SHAPE(-1, 35, 4));
    check_value(m->graph->output[4], "turned", WELD_SHAPE(-1, 5, 4, 7));
    for (size_t i = 0; i < 5; i++) {
        node_making(m, m->graph->output[i]->name);
    }
    weld_onnx__model_proto__free_unpacked(m, NULL);
}
END_TEST

START_TEST(a_graph_may_have_no_nodes) {
    weld_graph *g = new_graph();
    weld_output(g, "y", image(g));
    model_proto *m = written(g, &any_batch);
    ck_assert_uint_eq(m->graph->n_node, 1);
    ck_assert_str_eq(m->graph->node[0]->op_type, "Identity");
    ck_assert_str_eq(m->graph->node[0]->output[0], "y");
    weld_onnx__model_proto__free_unpacked(m, NULL);
}
END_TEST

START_TEST(what_no_output_needs_is_left_out) {
    weld_graph *g = new_graph();
    weld_value *x = pooled(g);
    weld_dropout(g, weld_linear(g, x, parameter(g, "unused", WELD_SHAPE(3, 4)), NULL), 0.5);
    weld_output(g, "logits", x);
    model_proto *m = written(g, &any_batch);
    ck_assert_uint_eq(m->graph->n_node, 2);
    ck_assert_uint_eq(m->graph->n_initializer, 0);
    ck_assert_str_eq(m->graph->node[1]->op_type, "Flatten");
    weld_onnx__model_proto__free_unpacked(m, NULL);
}
END_TEST

/* --- What is refused -------------------------------------------------------------------------- */

/* Who adds an operator that can stand in a graph for inference says how ONNX spells it, in
 * serialization/onnx_operators.c. */
START_TEST(every_operator_of_inference_has_a_spelling) {
    for (size_t i = 0; weld_op_at(i); i++) {
        const weld_op *op = weld_op_at(i);
        /* Files hold graphs of f32: a precision is chosen where one is run. */
        const bool inference = !(op->traits & WELD_OP_TRAINING_ONLY) && op != &weld_op_cast;
        ck_assert_msg(weld_onnx_spells(op) == inference, "%s: %s", op->name,
                      inference ? "ONNX has no spelling of it" : "is spelled, but never written");
    }
}
END_TEST

START_TEST(operators_without_a_spelling_are_refused_by_name) {
    weld_graph *g = new_graph();
    weld_output(g, "y", weld_dropout(g, image(g), 0.5));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "dropout#0", "ONNX");
    g = new_graph();
    weld_shape c = WELD_SHAPE(4), none = {.rank = 0};
    weld_init zero = {.kind = WELD_INIT_CONSTANT};
    weld_batch_norm_leaves leaves = {
        .weight = parameter(g, "bn.weight", c),
        .bias = parameter(g, "bn.bias", c),
        .running_mean = weld_buffer(g, "bn.running_mean", WELD_F32, c, zero),
        .running_var = weld_buffer(g, "bn.running_var", WELD_F32, c, zero),
        .num_batches_tracked = weld_buffer(g, "bn.count", WELD_I64, none, zero)};
    weld_output(g, "y", weld_batch_norm(g, image(g), leaves, 1e-5, 0.1, true));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "batch_norm#0 (bn.weight)");
}
END_TEST

START_TEST(a_batch_norm_of_rows_is_refused) {
    weld_graph *g = new_graph();
    weld_shape c = WELD_SHAPE(4), none = {.rank = 0};
    weld_init zero = {.kind = WELD_INIT_CONSTANT};
    weld_value *x = weld_reshape(g, image(g), WELD_SHAPE(2, 35, 4));
    weld_batch_norm_leaves leaves = {
        .weight = parameter(g, "bn.weight", c),
        .bias = parameter(g, "bn.bias", c),
        .running_mean = weld_buffer(g, "bn.running_mean", WELD_F32, c, zero),
        .running_var = weld_buffer(g, "bn.running_var", WELD_F32, c, zero),
        .num_batches_tracked = weld_buffer(g, "bn.count", WELD_I64, none, zero)};
    weld_output(g, "y", weld_batch_norm(g, x, leaves, 1e-5, 0.1, false));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "batch_norm_eval#", "3 dimensions");
}
END_TEST

START_TEST(graphs_that_are_no_image_network_are_refused) {
    weld_graph *g = new_graph();
    weld_value *x = image(g);
    weld_output(g, "y", weld_add(g, x, weld_input(g, "more", WELD_SHAPE(2, 5, 7, 4))));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "2 inputs");
    g = new_graph();
    weld_output(g, "y", weld_relu(g, weld_input(g, "rows", WELD_SHAPE(2, 5))));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "[n, h, w, c]");
    g = new_graph();
    image(g);
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "0 outputs");
    ck_assert_int_eq(weld_graph_create(WELD_F64, &g, NULL), WELD_OK);
    weld_output(g, "y", weld_relu(g, image(g)));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "f64");
    g = new_graph();
    weld_output(g, "input", weld_relu(g, image(g)));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_ARGUMENT, "'input'");
}
END_TEST

START_TEST(a_batch_that_the_graph_cannot_have_is_refused) {
    weld_graph *g = new_graph();
    weld_onnx_options negative = {.batch = -1}, two = {.batch = 2}, three = {.batch = 3};
    weld_output(g, "y", weld_relu(g, image(g)));
    REFUSED(g, NULL, &negative, WELD_ERROR_ARGUMENT, "-1");
    for (int i = 0; i < 3; i++) {
        g = new_graph();
        weld_output(g, "y", weld_add(g, image(g), parameter(g, "place", WELD_SHAPE(2, 5, 7, 4))));
        if (i == 0) {
            weld_onnx__model_proto__free_unpacked(written(g, &two), NULL);
        } else {
            REFUSED(g, NULL, i == 1 ? &three : &any_batch, WELD_ERROR_SHAPE, "add#0");
        }
    }
    g = new_graph();
    weld_value *x = image(g);
    weld_output(g, "y", weld_relu(g, x));
    weld_output(g, "fixed", parameter(g, "place", WELD_SHAPE(2, 3)));
    REFUSED(g, NULL, &any_batch, WELD_ERROR_SHAPE, "'fixed'");
}
END_TEST

START_TEST(weights_of_another_network_are_refused) {
    merging m = small_network(false, false);
    weld_graph *g = new_graph();
    weld_output(g, "y", weld_linear(g, pooled(g), parameter(g, "nowhere", WELD_SHAPE(3, 4)), NULL));
    REFUSED(g, m.merged_weights, &any_batch, WELD_ERROR_NOT_FOUND, "'nowhere'");
    g = new_graph();
    weld_value *weight = parameter(g, "classifier.classifier.weight", WELD_SHAPE(3, 4));
    weld_output(g, "y", weld_linear(g, pooled(g), weight, NULL));
    REFUSED(g, m.merged_weights, &any_batch, WELD_ERROR_SHAPE, "'classifier.classifier.weight'");
    free_network(&m);
}
END_TEST

/* --- Failures --------------------------------------------------------------------------------- */

START_TEST(a_place_that_cannot_be_written_is_an_error) {
    test_folder folder = test_folder_create();
    merging m = small_network(false, false);
    weld_error err;
    const char *path = test_path(&folder, "nowhere/x.onnx");
    ck_assert_int_eq(weld_onnx_write(path, m.merged, m.merged_weights, &any_batch, NULL, &err),
                     WELD_ERROR_NOT_FOUND);
    ck_assert_msg(strstr(err.message, path) != NULL, "%s", err.message);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    free_network(&m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_leave_the_old_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    static char form[] = "merged";
    weld_metadata metadata = {1, {{"weld.form", form}}};
    merging m = small_network(false, true);
    weld_onnx_options options = {.metadata = &metadata, .others = &m.merged, .other_count = 1};
    test_write_file(path, "old", 3);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 10000);
        weld_memory_fail_after(n);
        status = weld_onnx_write(path, m.merged, m.merged_weights, &options, NULL, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        size_t size;
        free(test_read_file(path, &size));
        ck_assert((size == 3) == (status != WELD_OK));
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    }
    free_network(&m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("serialization/onnx", a_merged_network_is_there_with_all_its_weights,
          layers_say_what_they_are, gelu_is_exact_and_in_the_order_that_runtimes_fuse,
          names_that_meet_are_told_apart, every_output_has_its_name_whatever_makes_it,
          a_graph_may_have_no_nodes, what_no_output_needs_is_left_out,
          every_operator_of_inference_has_a_spelling,
          operators_without_a_spelling_are_refused_by_name, a_batch_norm_of_rows_is_refused,
          graphs_that_are_no_image_network_are_refused,
          a_batch_that_the_graph_cannot_have_is_refused, weights_of_another_network_are_refused,
          a_place_that_cannot_be_written_is_an_error, failing_allocations_leave_the_old_file)
