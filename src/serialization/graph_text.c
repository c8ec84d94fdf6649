/* Graphs as JSON text; see graph_text.h. */
#include "serialization/graph_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json.h"
#include "graph/graph.h"
#include "ops/ops.h"

enum {
    VERSION = 1,
    MAX_VALUES = 16384,
    MAX_INPUTS = 4096,
    MAX_OUTPUTS = 64,
    MAX_NAME = 400,
    MAX_INT = 1 << 24
};
static const int64_t max_int64 = INT64_C(1) << 40;

static const char *const leaf_names[] = {"input", "parameter", "buffer"};
static const char *const init_names[] = {"constant", "uniform", "trunc_normal"};

/* --- Writing. NULL stands for a lack of memory throughout, as in jansson. --- */

static json_t *shape_json(const weld_shape *shape) {
    json_t *list = json_array();
    for (int i = 0; i < shape->rank; i++) {
        weld_json_append(&list, json_integer(shape->dim[i]));
    }
    return list;
}

static json_t *leaf_json(const weld_value *v) {
    json_t *leaf = json_pack("{s:s, s:s, s:s, s:o}", "leaf", leaf_names[v->kind], "name", v->name,
                             "dtype", weld_dtype_name(v->dtype), "shape", shape_json(&v->shape));
    if (v->kind != WELD_VALUE_INPUT) {
        weld_json_set(&leaf, "init",
                      json_pack("[s, f, f]", init_names[v->init.kind], v->init.a, v->init.b));
    }
    return leaf;
}

static json_t *attribute_json(const weld_attribute_field *field, const void *at) {
    const int *pair = at;
    switch (field->type) {
    case WELD_FIELD_INT:
        return json_integer(*(const int *)at);
    case WELD_FIELD_INT2:
        return json_pack("[i, i]", pair[0], pair[1]);
    case WELD_FIELD_INT64:
        return json_integer(*(const int64_t *)at);
    case WELD_FIELD_DOUBLE:
        return json_real(*(const double *)at);
    case WELD_FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case WELD_FIELD_SHAPE:
        return shape_json(at);
    case WELD_FIELD_DTYPE:
        return json_string(weld_dtype_name(*(const weld_dtype *)at));
    case WELD_FIELD_CODES:
        break;
    }
    return NULL;
}

static json_t *node_json(const weld_node *node) {
    json_t *inputs = json_array();
    for (int i = 0; i < node->input_count; i++) {
        weld_json_append(&inputs,
                         node->inputs[i] ? json_integer(node->inputs[i]->id) : json_null());
    }
    json_t *object = json_pack("{s:s, s:o}", "op", node->op->name, "inputs", inputs);
    for (size_t i = 0; i < weld_attribute_field_count; i++) {
        const weld_attribute_field *f = &weld_attribute_fields[i];
        if (weld_node_has_field(node, f)) {
            const char *at = (const char *)&node->attributes + f->offset;
            weld_json_set(&object, f->name, attribute_json(f, at));
        }
    }
    return object;
}

static json_t *values_json(const weld_graph *g) {
    json_t *values = json_array();
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_RESULT && v->output_index > 0) {
            continue; /* comes with the first output of its node */
        }
        weld_json_append(&values,
                         v->kind == WELD_VALUE_RESULT ? node_json(v->producer) : leaf_json(v));
    }
    return values;
}

static json_t *outputs_json(const weld_graph *g) {
    json_t *outputs = json_array();
    for (size_t i = 0; i < g->output_count; i++) {
        weld_json_append(&outputs, json_pack("{s:s, s:i}", "name", g->outputs[i].name, "value",
                                             g->outputs[i].value->id));
    }
    return outputs;
}

/* JSON has no numbers that are not finite. */
static const weld_node *find_not_finite(const weld_graph *g) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_attributes *a = &g->nodes[i]->attributes;
        if (!isfinite(a->eps) || !isfinite(a->momentum) || !isfinite(a->factor) ||
            !isfinite(a->probability) || !isfinite(a->low) || !isfinite(a->high)) {
            return g->nodes[i];
        }
    }
    return NULL;
}

weld_status weld_graph_to_text(const weld_graph *g, char **text, weld_error *err) {
    const weld_node *bad = find_not_finite(g);
    if (bad) {
        char name[160];
        return weld_fail(err, WELD_ERROR_NUMERIC, "%s: an attribute is not finite",
                         weld_node_text(bad, name, sizeof name));
    }
    json_t *root =
        json_pack("{s:i, s:s, s:o, s:o}", "weld_graph", VERSION, "dtype", weld_dtype_name(g->dtype),
                  "values", values_json(g), "outputs", outputs_json(g));
    return weld_json_text(root, "graph", text, err);
}

/* --- Reading. --- */

/* The index of a text in a list of names; fails and returns 0 where it is not there. */
static int choice(weld_json *j, const char *key, const char *text, const char *const *names,
                  int count) {
    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            return i;
        }
    }
    weld_json_fail(j, "%s: \"%.40s\" is not known", key, text);
    return 0;
}

enum { LEAF_DTYPES = 3, RESULT_DTYPES };

/* The first `count` of the list: graphs and leaves are never bf16. */
static weld_dtype read_dtype(weld_json *j, const json_t *object, int count) {
    static const weld_dtype dtypes[RESULT_DTYPES] = {WELD_F32, WELD_F64, WELD_I64, WELD_BF16};
    const char *names[RESULT_DTYPES];
    for (int i = 0; i < count; i++) {
        names[i] = weld_dtype_name(dtypes[i]);
    }
    return dtypes[choice(j, "dtype", weld_json_string(j, object, "dtype"), names, count)];
}

/* min is 1 for shapes; -1 for reshape's "what is left", 0 for permutations. */
static weld_shape read_shape(weld_json *j, const json_t *object, int64_t min) {
    weld_shape shape = {0};
    const json_t *list = weld_json_array(j, object, "shape", 0, WELD_MAX_DIMS);
    shape.rank = (int)json_array_size(list);
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = weld_json_int_at(j, list, (size_t)i, "shape", min, max_int64);
    }
    return shape;
}

static weld_init read_init(weld_json *j, const json_t *object) {
    const json_t *list = weld_json_array(j, object, "init", 3, 3);
    const char *kind = json_string_value(json_array_get(list, 0));
    return (weld_init){(weld_init_kind)choice(j, "init", kind ? kind : "", init_names, 3),
                       weld_json_real_at(j, list, 1, "init"),
                       weld_json_real_at(j, list, 2, "init")};
}

static void read_leaf(weld_json *j, const json_t *object, weld_graph *g) {
    weld_value leaf = {.name = weld_json_string(j, object, "name"),
                       .dtype = read_dtype(j, object, LEAF_DTYPES),
                       .shape = read_shape(j, object, 1)};
    leaf.kind =
        (weld_value_kind)choice(j, "leaf", weld_json_string(j, object, "leaf"), leaf_names, 3);
    if (leaf.kind != WELD_VALUE_INPUT) {
        leaf.init = read_init(j, object);
    }
    weld_json_no_more(j, object, leaf.kind == WELD_VALUE_INPUT ? 4 : 5);
    if (strlen(leaf.name) > MAX_NAME) {
        weld_json_fail(j, "a name of %zu characters", strlen(leaf.name));
    }
    if (leaf.dtype != g->dtype && (leaf.kind != WELD_VALUE_BUFFER || leaf.dtype != WELD_I64)) {
        weld_json_fail(j, "%.100s: of another type than its graph", leaf.name);
    }
    if (j->status != WELD_OK) {
        return;
    }
    if (weld_graph_find_leaf(g, leaf.name)) {
        weld_json_fail(j, "%.100s: the name is used twice", leaf.name);
    } else {
        weld_graph_copy_leaf(g, &leaf);
    }
}

static void read_attribute(weld_json *j, const json_t *object, const weld_attribute_field *f,
                           void *at) {
    const json_t *pair;
    switch (f->type) {
    case WELD_FIELD_INT:
        *(int *)at = (int)weld_json_int(j, object, f->name, -MAX_INT, MAX_INT);
        break;
    case WELD_FIELD_INT2:
        pair = weld_json_array(j, object, f->name, 2, 2);
        for (size_t i = 0; i < 2; i++) {
            ((int *)at)[i] = (int)weld_json_int_at(j, pair, i, f->name, 0, MAX_INT);
        }
        break;
    case WELD_FIELD_INT64:
        *(int64_t *)at = weld_json_int(j, object, f->name, -max_int64, max_int64);
        break;
    case WELD_FIELD_DOUBLE:
        *(double *)at = weld_json_real(j, object, f->name);
        break;
    case WELD_FIELD_BOOL:
        *(bool *)at = weld_json_bool(j, object, f->name);
        break;
    case WELD_FIELD_SHAPE:
        *(weld_shape *)at = read_shape(j, object, -1);
        break;
    case WELD_FIELD_DTYPE:
        *(weld_dtype *)at = read_dtype(j, object, RESULT_DTYPES);
        break;
    case WELD_FIELD_CODES:
        break;
    }
}

static void read_attributes(weld_json *j, const json_t *object, weld_node *node) {
    size_t members = 2;
    for (size_t i = 0; i < weld_attribute_field_count; i++) {
        const weld_attribute_field *f = &weld_attribute_fields[i];
        bool absent = f->optional && !json_object_get(object, f->name);
        if (node->op->attributes & f->bit && !absent) {
            read_attribute(j, object, f, (char *)&node->attributes + f->offset);
            members++;
        }
    }
    weld_json_no_more(j, object, members);
}

/* Only values that are there already: so a text cannot describe a circle. */
static void read_inputs(weld_json *j, const json_t *list, const weld_graph *g, weld_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        const json_t *input = json_array_get(list, (size_t)i);
        if (json_is_null(input)) {
            if (i < node->op->inputs[0] || node->op->inputs[1] < 0) {
                weld_json_fail(j, "%s#%zu: input %d is missing", node->op->name, g->node_count, i);
            }
            continue;
        }
        int64_t id = weld_json_int_at(j, list, (size_t)i, "inputs", 0, (int64_t)g->value_count - 1);
        node->inputs[i] = id >= 0 && (size_t)id < g->value_count ? g->values[id] : NULL;
    }
}

static void read_node(weld_json *j, const json_t *object, weld_graph *g) {
    const char *name = weld_json_string(j, object, "op");
    weld_value *inputs[MAX_INPUTS] = {0};
    weld_node node = {.op = weld_op_find(name), .inputs = inputs};
    if (!node.op) {
        weld_json_fail(j, "operator \"%.40s\": this version does not know it", name);
        return;
    }
    const json_t *list = weld_json_array(j, object, "inputs", 0, MAX_INPUTS);
    node.input_count = (int)json_array_size(list);
    read_inputs(j, list, g, &node);
    read_attributes(j, object, &node);
    if (j->status == WELD_OK) {
        weld_graph_copy_node(g, &node, inputs); /* with all shape rules */
    }
}

/* Take over an error that the graph met. */
static void check_graph(weld_json *j, const weld_graph *g) {
    if (j->status == WELD_OK && g->error.status != WELD_OK) {
        j->status = weld_graph_status(g, j->err);
        weld_fail_context(j->err, j->status, "%s", j->where);
    }
}

static void read_values(weld_json *j, const json_t *root, weld_graph *g) {
    const json_t *values = weld_json_array(j, root, "values", 0, MAX_VALUES);
    for (size_t i = 0; i < json_array_size(values) && j->status == WELD_OK; i++) {
        const json_t *object = json_array_get(values, i);
        if (json_object_get(object, "leaf")) {
            read_leaf(j, object, g);
        } else {
            read_node(j, object, g);
        }
        check_graph(j, g);
    }
}

static void read_outputs(weld_json *j, const json_t *root, weld_graph *g) {
    const json_t *outputs = weld_json_array(j, root, "outputs", 0, MAX_OUTPUTS);
    for (size_t i = 0; i < json_array_size(outputs) && j->status == WELD_OK; i++) {
        const json_t *object = json_array_get(outputs, i);
        const char *name = weld_json_string(j, object, "name");
        int64_t id = weld_json_int(j, object, "value", 0, (int64_t)g->value_count - 1);
        weld_json_no_more(j, object, 2);
        if (strlen(name) > MAX_NAME) {
            weld_json_fail(j, "a name of %zu characters", strlen(name));
        }
        if (j->status == WELD_OK) {
            weld_output(g, name, g->values[id]);
            check_graph(j, g);
        }
    }
}

weld_status weld_graph_from_text(const char *text, const char *where, weld_graph **out,
                                 weld_error *err) {
    weld_json j = {.where = where, .err = err};
    weld_graph *g = NULL;
    json_t *root = weld_json_parse(&j, text);
    if (!root) {
        return j.status;
    }
    if (weld_json_int(&j, root, "weld_graph", 1, INT64_MAX) > VERSION) {
        weld_json_fail(&j, "a graph of a later version of weld, which alone can read it");
    }
    weld_json_no_more(&j, root, 4);
    weld_dtype dtype = read_dtype(&j, root, LEAF_DTYPES);
    if (j.status == WELD_OK) {
        j.status = weld_graph_create(dtype, &g, err);
    }
    if (j.status == WELD_OK) {
        read_values(&j, root, g);
    }
    if (j.status == WELD_OK) {
        read_outputs(&j, root, g);
    }
    json_decref(root);
    if (j.status != WELD_OK) {
        weld_graph_free(g);
        return j.status;
    }
    *out = g;
    return WELD_OK;
}
