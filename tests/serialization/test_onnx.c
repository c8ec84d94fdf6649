/* ONNX files, taken apart again: what is in them, how values are called, what is refused. That
 * other programs run them to the same end is tests/cli/test_onnx.sh's business. */
#include "suite.h"

#include "base/memory.h"
#include "files.h"
#include "serialization/model_text.h"
#include "serialization/onnx.h"
#include "serialization/onnx_builder.h"
#include "serialization/weld_onnx.pb-c.h"
#include "passes/merging.h"
#include "repvit_config.h"

typedef WeldOnnx__ModelProto model_proto;
typedef WeldOnnx__NodeProto node_proto;
typedef WeldOnnx__TensorProto tensor_proto;

static const weld_onnx_options any_batch = {0};

/* --- Files in and out ------------------------------------------------------------------------- */

static weld_weights *weights_of(const weld_graph *g) {
    weld_weights *w;
    weld_error err;
    ck_assert_msg(weld_graph_init_weights(g, 1, &w, &err) == WELD_OK, "%s", err.message);
    return w;
}

static model_proto *read_model(const char *path) {
    size_t size;
    unsigned char *bytes = test_read_file(path, &size);
    model_proto *m = weld_onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    ck_assert_ptr_nonnull(m);
    return m;
}

/* Write g with made-up weights and read it back. Frees g. */
static model_proto *written(weld_graph *g, const weld_onnx_options *options) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    weld_error err;
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    weld_weights *w = weights_of(g);
    ck_assert_msg(weld_onnx_write(path, g, w, options, &err) == WELD_OK, "%s", err.message);
    model_proto *m = read_model(path);
    weld_weights_free(w);
    weld_graph_free(g);
    test_folder_remove(folder);
    return m;
}

/* The same for a graph that must be refused in words that hold all of `words` and the file's name.
 */
static void refused(weld_graph *g, const weld_weights *w, const weld_onnx_options *options,
                    weld_status expected, const char *const *words) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    weld_error err;
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    weld_weights *own = w ? NULL : weights_of(g);
    ck_assert_int_eq(weld_onnx_write(path, g, w ? w : own, options, &err), expected);
    ck_assert_msg(strstr(err.message, path) == err.message, "%s", err.message);
    for (; *words; words++) {
        ck_assert_msg(strstr(err.message, *words) != NULL, "%s\n%s", *words, err.message);
    }
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    weld_weights_free(own);
    weld_graph_free(g);
    test_folder_remove(folder);
}

#define REFUSED(g, w, options, status, ...)                                                        \
    refused(g, w, options, status, (const char *[]){__VA_ARGS__, NULL})

/* --- Small graphs ----------------------------------------------------------------------------- */

static weld_graph *new_graph(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    return g;
}

static weld_value *image(weld_graph *g) {
    return weld_input(g, "images", WELD_SHAPE(2, 5, 7, 4));
}

static weld_value *parameter(weld_graph *g, const char *name, weld_shape shape) {
    return weld_parameter(g, name, shape,
                          (weld_init){.kind = WELD_INIT_UNIFORM, .a = -0.5, .b = 1});
}

static weld_value *pooled(weld_graph *g) {
    return weld_reshape(g, weld_global_avg_pool(g, image(g)), WELD_SHAPE(2, 4));
}

/* --- Looking at models ------------------------------------------------------------------------ */

static const tensor_proto *initializer(const model_proto *m, const char *name) {
    for (size_t i = 0; i < m->graph->n_initializer; i++) {
        if (strcmp(m->graph->initializer[i]->name, name) == 0) {
            return m->graph->initializer[i];
        }
    }
    ck_abort_msg("no initialiser %s", name);
}

static const node_proto *node_making(const model_proto *m, const char *value) {
    for (size_t i = 0; i < m->graph->n_node; i++) {
        if (strcmp(m->graph->node[i]->output[0], value) == 0) {
            return m->graph->node[i];
        }
    }
    ck_abort_msg("no node makes %s", value);
}

static int count_nodes(const model_proto *m, const char *type) {
    int count = 0;
    for (size_t i = 0; i < m->graph->n_node; i++) {
        count += strcmp(m->graph->node[i]->op_type, type) == 0;
    }
    return count;
}

static void check_integers(const node_proto *node, const char *name, int count,
                           const int64_t *values) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        const WeldOnnx__AttributeProto *a = node->attribute[i];
        if (strcmp(a->name, name) == 0) {
            bool one = a->type == WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
            ck_assert(one ? a->has_i : a->type == WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
            ck_assert_uint_eq(one ? 1 : a->n_ints, (size_t)count);
            ck_assert_mem_eq(one ? &a->i : a->ints, values, (size_t)count * sizeof *values);
            return;
        }
    }
    ck_abort_msg("%s has no %s", node->name, name);
}

#define CHECK_INTEGERS(node, name, ...)                                                            \
    check_integers(node, name, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),          \
                   (int64_t[]){__VA_ARGS__})

/* One name a value, made before it is read; nodes have names of their own. */
static void check_order(const model_proto *m) {
    const WeldOnnx__GraphProto *g = m->graph;
    const char **names = calloc(g->n_input + g->n_initializer + g->n_node, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < g->n_input; i++) {
        names[count++] = g->input[i]->name;
    }
    for (size_t i = 0; i < g->n_initializer; i++) {
        names[count++] = g->initializer[i]->name;
    }
    for (size_t i = 0; i < g->n_node; i++) {
        ck_assert_uint_eq(g->node[i]->n_output, 1);
        for (size_t k = 0; k < g->node[i]->n_input; k++) {
            bool known = false;
            for (size_t j = 0; j < count; j++) {
                known = known || strcmp(names[j], g->node[i]->input[k]) == 0;
            }
            ck_assert_msg(known, "%s reads %s", g->node[i]->name, g->node[i]->input[k]);
        }
        names[count++] = g->node[i]->output[0];
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(g->node[j]->name, g->node[i]->name);
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(names[i], names[j]);
        }
    }
    free(names);
}

/* Dimensions of an input or output; -1 stands for the symbolic batch. */
static void check_value(const WeldOnnx__ValueInfoProto *v, const char *name, weld_shape shape) {
    ck_assert_str_eq(v->name, name);
    ck_assert_int_eq(v->type->value_case, WELD_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE);
    const WeldOnnx__TypeProto__Tensor *t = v->type->tensor_type;
    ck_assert_int_eq(t->elem_type, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    ck_assert_uint_eq(t->shape->n_dim, (size_t)shape.rank);
    for (int i = 0; i < shape.rank; i++) {
        const WeldOnnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        if (shape.dim[i] < 0) {
            ck_assert_int_eq(d->value_case,
                             WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM);
            ck_assert_str_eq(d->dim_param, "batch");
        } else {
            ck_assert_int_eq(d->value_case,
                             WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE);
            ck_assert_int_eq(d->dim_value, shape.dim[i]);
        }
    }
}

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
    weld_onnx_options options = {batch, "repvit_tiny", &metadata};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    merging m = small_network(legacy, distillation);
    ck_assert_int_eq(weld_onnx_write(path, m.merged, m.merged_weights, &options, NULL), WELD_OK);
    model_proto *file = read_model(path);
    check_order(file);
    ck_assert_int_eq(file->ir_version, 8);
    ck_assert_uint_eq(file->n_opset_import, 1);
    ck_assert_str_eq(file->opset_import[0]->domain, "");
    ck_assert_int_eq(file->opset_import[0]->version, 15);
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
    ck_assert_int_eq(weld_onnx_write(path, n.merged, n.merged_weights, &any_batch, NULL), WELD_OK);
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

START_TEST(only_layer_norms_ask_for_a_later_operator_set) {
    weld_graph *g = new_graph();
    weld_shape c = WELD_SHAPE(4);
    weld_value *weight = parameter(g, "w", c), *bias = parameter(g, "b", c);
    weld_output(g, "y", weld_layer_norm(g, image(g), weight, bias, 1e-6));
    model_proto *m = written(g, &any_batch);
    ck_assert_int_eq(m->opset_import[0]->version, 17);
    ck_assert_str_eq(m->graph->name, "network");
    ck_assert_uint_eq(m->n_metadata_props, 0);
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
    ck_assert_int_eq(weld_onnx_write(path, m.merged, m.merged_weights, &any_batch, &err),
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
    weld_onnx_options options = {.metadata = &metadata};
    merging m = small_network(false, true);
    test_write_file(path, "old", 3);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 10000);
        weld_memory_fail_after(n);
        status = weld_onnx_write(path, m.merged, m.merged_weights, &options, NULL);
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
          only_layer_norms_ask_for_a_later_operator_set, every_operator_of_inference_has_a_spelling,
          operators_without_a_spelling_are_refused_by_name, a_batch_norm_of_rows_is_refused,
          graphs_that_are_no_image_network_are_refused,
          a_batch_that_the_graph_cannot_have_is_refused, weights_of_another_network_are_refused,
          a_place_that_cannot_be_written_is_an_error, failing_allocations_leave_the_old_file)
