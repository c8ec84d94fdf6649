/* ONNX files of small graphs, written and taken apart again. */
#ifndef WELD_TESTS_SERIALIZATION_ONNX_FILES_H
#define WELD_TESTS_SERIALIZATION_ONNX_FILES_H

#include "suite.h"

#include "files.h"
#include "serialization/onnx.h"
#include "serialization/weld_onnx.pb-c.h"

typedef WeldOnnx__ModelProto model_proto;
typedef WeldOnnx__NodeProto node_proto;
typedef WeldOnnx__TensorProto tensor_proto;

static const weld_onnx_options any_batch = {0};

/* --- Files in and out ------------------------------------------------------------------------- */

static inline weld_weights *weights_of(const weld_graph *g) {
    weld_weights *w;
    weld_error err;
    ck_assert_msg(weld_graph_init_weights(g, 1, &w, &err) == WELD_OK, "%s", err.message);
    return w;
}

static inline model_proto *read_model(const char *path) {
    size_t size;
    unsigned char *bytes = test_read_file(path, &size);
    model_proto *m = weld_onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    ck_assert_ptr_nonnull(m);
    return m;
}

/* Write g with made-up weights and read it back. Frees g. */
static inline model_proto *written(weld_graph *g, const weld_onnx_options *options) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    weld_error err;
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    weld_weights *w = weights_of(g);
    ck_assert_msg(weld_onnx_write(path, g, w, options, NULL, &err) == WELD_OK, "%s", err.message);
    model_proto *m = read_model(path);
    weld_weights_free(w);
    weld_graph_free(g);
    test_folder_remove(folder);
    return m;
}

/* The same for a graph that must be refused in words that hold all of `words` and the file's name.
 */
static inline void refused(weld_graph *g, const weld_weights *w, const weld_onnx_options *options,
                           weld_status expected, const char *const *words) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    weld_error err;
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    weld_weights *own = w ? NULL : weights_of(g);
    ck_assert_int_eq(weld_onnx_write(path, g, w ? w : own, options, NULL, &err), expected);
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

static inline weld_graph *new_graph(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    return g;
}

static inline weld_value *image(weld_graph *g) {
    return weld_input(g, "images", WELD_SHAPE(2, 5, 7, 4));
}

static inline weld_value *parameter(weld_graph *g, const char *name, weld_shape shape) {
    return weld_parameter(g, name, shape,
                          (weld_init){.kind = WELD_INIT_UNIFORM, .a = -0.5, .b = 1});
}

static inline weld_value *pooled(weld_graph *g) {
    return weld_reshape(g, weld_global_avg_pool(g, image(g)), WELD_SHAPE(2, 4));
}

/* --- Looking at models ------------------------------------------------------------------------ */

static inline const tensor_proto *initializer(const model_proto *m, const char *name) {
    for (size_t i = 0; i < m->graph->n_initializer; i++) {
        if (strcmp(m->graph->initializer[i]->name, name) == 0) {
            return m->graph->initializer[i];
        }
    }
    ck_abort_msg("no initialiser %s", name);
}

static inline const node_proto *node_making(const model_proto *m, const char *value) {
    for (size_t i = 0; i < m->graph->n_node; i++) {
        if (strcmp(m->graph->node[i]->output[0], value) == 0) {
            return m->graph->node[i];
        }
    }
    ck_abort_msg("no node makes %s", value);
}

static inline int count_nodes(const model_proto *m, const char *type) {
    int count = 0;
    for (size_t i = 0; i < m->graph->n_node; i++) {
        count += strcmp(m->graph->node[i]->op_type, type) == 0;
    }
    return count;
}

static inline void check_integers(const node_proto *node, const char *name, int count,
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
static inline void check_order(const model_proto *m) {
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

static inline void check_versions(const model_proto *m, int opset, int ir) {
    ck_assert_int_eq(m->ir_version, ir);
    ck_assert_uint_eq(m->n_opset_import, 1);
    ck_assert_str_eq(m->opset_import[0]->domain, "");
    ck_assert_int_eq(m->opset_import[0]->version, opset);
}

/* Is this dimension open, under that name? */
static inline void check_open(const WeldOnnx__ValueInfoProto *v, int i, const char *name) {
    const WeldOnnx__TensorShapeProto__Dimension *d = v->type->tensor_type->shape->dim[i];
    ck_assert_int_eq(d->value_case, WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM);
    ck_assert_str_eq(d->dim_param, name);
}

/* Dimensions of an input or output; -1 stands for the symbolic batch. */
static inline void check_value(const WeldOnnx__ValueInfoProto *v, const char *name,
                               weld_shape shape) {
    ck_assert_str_eq(v->name, name);
    ck_assert_int_eq(v->type->value_case, WELD_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE);
    const WeldOnnx__TypeProto__Tensor *t = v->type->tensor_type;
    ck_assert_int_eq(t->elem_type, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    ck_assert_uint_eq(t->shape->n_dim, (size_t)shape.rank);
    for (int i = 0; i < shape.rank; i++) {
        const WeldOnnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        if (shape.dim[i] < 0) {
            check_open(v, i, "batch");
        } else {
            ck_assert_int_eq(d->value_case,
                             WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE);
            ck_assert_int_eq(d->dim_value, shape.dim[i]);
        }
    }
}

#endif
