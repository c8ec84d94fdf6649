/* Building graphs: leaves, nodes, outputs, copies. */
#include "graph/graph.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"

weld_status weld_graph_create(weld_dtype dtype, weld_graph **out, weld_error *err) {
    *out = NULL;
    if (dtype != WELD_F32 && dtype != WELD_F64) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "graph: type %s: use f32 or f64",
                         weld_dtype_name(dtype));
    }
    *out = weld_alloc(1, sizeof **out);
    if (!*out) {
        return weld_fail_memory(err, "graph");
    }
    (*out)->dtype = dtype;
    return WELD_OK;
}

static void free_node(weld_node *node) {
    if (node) {
        weld_free(node->inputs);
        weld_free(node);
    }
}

void weld_graph_free(weld_graph *g) {
    if (!g) {
        return;
    }
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind != WELD_VALUE_RESULT) {
            weld_free((char *)g->values[i]->name);
        }
        weld_free(g->values[i]);
    }
    for (size_t i = 0; i < g->node_count; i++) {
        free_node(g->nodes[i]);
    }
    for (size_t i = 0; i < g->output_count; i++) {
        weld_free((char *)g->outputs[i].name);
    }
    weld_free(g->values);
    weld_free(g->nodes);
    weld_free(g->outputs);
    weld_free(g->parameters);
    weld_names_free(&g->leaf_names);
    weld_names_free(&g->output_names);
    weld_free(g);
}

weld_status weld_graph_status(const weld_graph *g, weld_error *err) {
    if (g->error.status != WELD_OK && err) {
        *err = g->error;
    }
    return g->error.status;
}

weld_value *weld_graph_fail(weld_graph *g, weld_status status, const char *format, ...) {
    if (g->error.status == WELD_OK) {
        va_list args;
        va_start(args, format);
        g->error.status = status;
        weld_vsnprintf(g->error.message, sizeof g->error.message, format, args);
        va_end(args);
    }
    return NULL;
}

static weld_value *fail_memory(weld_graph *g) {
    return weld_graph_fail(g, WELD_ERROR_MEMORY, "graph: out of memory");
}

/* Room for `more` further elements in a growing array. */
static bool reserve(void **array, size_t count, size_t *capacity, size_t more, size_t size) {
    if (count + more <= *capacity) {
        return true;
    }
    size_t wanted = 2 * *capacity > count + more ? 2 * *capacity : count + more + 64;
    void *grown = weld_grow(*array, count, wanted, size);
    if (grown) {
        *array = grown;
        *capacity = wanted;
    }
    return grown != NULL;
}

static bool reserve_values(weld_graph *g, size_t more) {
    return reserve((void **)&g->values, g->value_count, &g->value_capacity, more,
                   sizeof *g->values);
}

/* The caller has reserved room in g->values. */
static weld_value *append_value(weld_graph *g, weld_value_kind kind, weld_dtype dtype,
                                weld_shape shape) {
    weld_value *v = weld_alloc(1, sizeof *v);
    if (v) {
        *v = (weld_value){.graph = g,
                          .id = (int)g->value_count,
                          .kind = kind,
                          .dtype = dtype,
                          .shape = shape,
                          .name = "",
                          .viewed = v};
        g->values[g->value_count++] = v;
    }
    return v;
}

bool weld_node_is_needed(const weld_node *node, const bool *needed) {
    for (int i = 0; i < node->output_count; i++) {
        if (needed[node->outputs[i]->id]) {
            return true;
        }
    }
    return false;
}

void weld_graph_find_needed(const weld_graph *g, const weld_named_value *values, size_t count,
                            bool *needed) {
    for (size_t i = 0; i < count; i++) {
        needed[values[i].value->id] = true;
    }
    for (size_t i = g->node_count; i-- > 0;) {
        const weld_node *node = g->nodes[i];
        const bool runs = weld_node_is_needed(node, needed);
        for (int k = 0; runs && k < node->input_count; k++) {
            if (node->inputs[k]) {
                needed[node->inputs[k]->id] = true;
            }
        }
    }
}

size_t weld_graph_most_inputs(const weld_graph *g) {
    size_t most = 1;
    for (size_t i = 0; i < g->node_count; i++) {
        const size_t count = (size_t)g->nodes[i]->input_count;
        most = count > most ? count : most;
    }
    return most;
}

weld_value *weld_graph_find_leaf(const weld_graph *g, const char *name) {
    const size_t at = weld_names_find(&g->leaf_names, name);
    return at == SIZE_MAX ? NULL : g->values[at];
}

static weld_value *add_leaf(weld_graph *g, weld_value_kind kind, const char *name, weld_dtype dtype,
                            weld_shape shape, weld_init init) {
    if (g->error.status != WELD_OK) {
        return NULL;
    }
    if (!name || !*name) {
        return weld_graph_fail(g, WELD_ERROR_ARGUMENT, "graph: a leaf needs a name");
    }
    char text[128];
    if (shape.rank < 0 || shape.rank > WELD_MAX_DIMS || weld_shape_count(&shape) <= 0) {
        return weld_graph_fail(g, WELD_ERROR_SHAPE, "%s: shape %s has no elements or too many",
                               name, weld_shape_text(&shape, text, sizeof text));
    }
    weld_value *old = weld_graph_find_leaf(g, name);
    if (old) {
        char before[128];
        if (old->kind == kind && kind != WELD_VALUE_INPUT && old->dtype == dtype &&
            weld_shape_equal(&old->shape, &shape)) {
            return old;
        }
        return weld_graph_fail(g, WELD_ERROR_ARGUMENT,
                               "%s: the name is used twice, for shapes %s and %s", name,
                               weld_shape_text(&old->shape, before, sizeof before),
                               weld_shape_text(&shape, text, sizeof text));
    }
    char *copy = weld_strdup(name);
    const bool room = copy && reserve_values(g, 1) && weld_names_make_room(&g->leaf_names) &&
                      reserve((void **)&g->parameters, g->parameter_count, &g->parameter_capacity,
                              1, sizeof(weld_value *));
    weld_value *v = room ? append_value(g, kind, dtype, shape) : NULL;
    if (!v) {
        weld_free(copy);
        return fail_memory(g);
    }
    v->name = copy;
    v->init = init;
    weld_names_put(&g->leaf_names, copy, (size_t)v->id);
    if (kind == WELD_VALUE_PARAMETER) {
        g->parameters[g->parameter_count++] = v;
    }
    return v;
}

weld_value *weld_input(weld_graph *g, const char *name, weld_shape shape) {
    return add_leaf(g, WELD_VALUE_INPUT, name, g->dtype, shape, (weld_init){0});
}

weld_value *weld_parameter(weld_graph *g, const char *name, weld_shape shape, weld_init init) {
    return add_leaf(g, WELD_VALUE_PARAMETER, name, g->dtype, shape, init);
}

weld_value *weld_buffer(weld_graph *g, const char *name, weld_dtype dtype, weld_shape shape,
                        weld_init init) {
    return add_leaf(g, WELD_VALUE_BUFFER, name, dtype == WELD_I64 ? dtype : g->dtype, shape, init);
}

void weld_output(weld_graph *g, const char *name, weld_value *v) {
    if (!v || g->error.status != WELD_OK) {
        return;
    }
    if (weld_graph_output(g, name)) {
        weld_graph_fail(g, WELD_ERROR_ARGUMENT, "output %s: the name is used twice", name);
        return;
    }
    char *copy = weld_strdup(name);
    if (!copy || !weld_names_make_room(&g->output_names) ||
        !reserve((void **)&g->outputs, g->output_count, &g->output_capacity, 1,
                 sizeof *g->outputs)) {
        weld_free(copy);
        fail_memory(g);
        return;
    }
    weld_names_put(&g->output_names, copy, g->output_count);
    g->outputs[g->output_count++] = (weld_named_value){copy, v};
    v->reads++;
}

weld_value *weld_graph_output(const weld_graph *g, const char *name) {
    const size_t at = weld_names_find(&g->output_names, name);
    return at == SIZE_MAX ? NULL : g->outputs[at].value;
}

weld_shape weld_value_shape(const weld_value *v) {
    return v->shape;
}

const char *weld_value_name(const weld_value *v) {
    return v->name;
}

size_t weld_graph_parameter_count(const weld_graph *g) {
    return g->parameter_count;
}

weld_value *weld_graph_parameter(const weld_graph *g, size_t index) {
    return index < g->parameter_count ? g->parameters[index] : NULL;
}

const char *weld_node_text(const weld_node *node, char *text, size_t size) {
    const char *leaf = "";
    for (int i = 0; i < node->input_count && !*leaf; i++) {
        leaf = node->inputs[i] ? node->inputs[i]->name : "";
    }
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] && node->inputs[i]->kind == WELD_VALUE_PARAMETER) {
            leaf = node->inputs[i]->name;
            break;
        }
    }
    snprintf(text, size, *leaf ? "%s#%d (%s)" : "%s#%d", node->op->name, node->id, leaf);
    return text;
}

static weld_status check_types(const weld_node *node, const weld_tensor *in, weld_error *err) {
    const unsigned types = node->op->types | 1u << WELD_I64;
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] && !(types >> in[i].dtype & 1u)) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "input %d is %s: this operator takes f32: put a cast before it", i,
                             weld_dtype_name(in[i].dtype));
        }
    }
    return WELD_OK;
}

/* Shape rule of a new node on the shapes it was built with. */
static weld_status infer_outputs(weld_graph *g, const weld_node *node, weld_tensor *out) {
    weld_tensor *in = weld_alloc((size_t)node->input_count, sizeof *in);
    if (!in) {
        fail_memory(g);
        return WELD_ERROR_MEMORY;
    }
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i]) {
            in[i] = (weld_tensor){node->inputs[i]->dtype, node->inputs[i]->shape, NULL};
        }
    }
    weld_error reason = {0};
    weld_status status = check_types(node, in, &reason);
    status = status ? status : node->op->infer(node, in, out, &reason);
    weld_free(in);
    char text[160];
    for (int i = 0; i < node->op->outputs && !status; i++) {
        if (weld_shape_count(&out[i].shape) <= 0) {
            char shape[128];
            status = weld_fail(&reason, WELD_ERROR_SHAPE, "output shape %s has no elements",
                               weld_shape_text(&out[i].shape, shape, sizeof shape));
        }
    }
    if (status) {
        weld_graph_fail(g, status, "%s: %s", weld_node_text(node, text, sizeof text),
                        reason.message);
    }
    return status;
}

static weld_node *new_node(weld_graph *g, const weld_op *op, const weld_attributes *attributes,
                           weld_value *const *inputs, int count) {
    weld_node *node = weld_alloc(1, sizeof *node);
    weld_value **copy = weld_alloc((size_t)count, sizeof *copy);
    if (!node || !copy) {
        weld_free(node);
        weld_free(copy);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        copy[i] = inputs[i];
    }
    *node = (weld_node){.graph = g,
                        .id = (int)g->node_count,
                        .op = op,
                        .attributes = attributes ? *attributes : (weld_attributes){0},
                        .input_count = count,
                        .output_count = op->outputs,
                        .inputs = copy};
    return node;
}

static void note_reads(weld_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i]) {
            node->inputs[i]->reads++;
            node->inputs[i]->reader = node;
        }
    }
}

weld_value *weld_graph_node(weld_graph *g, const weld_op *op, const weld_attributes *attributes,
                            weld_value *const *inputs, int count, int required) {
    if (g->error.status != WELD_OK) {
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (!inputs[i] && i < required) {
            return NULL;
        }
        if (inputs[i] && inputs[i]->graph != g) {
            return weld_graph_fail(g, WELD_ERROR_ARGUMENT, "%s#%zu: input %d is of another graph",
                                   op->name, g->node_count, i);
        }
    }
    if (count < op->inputs[0] || (op->inputs[1] >= 0 && count > op->inputs[1])) {
        return weld_graph_fail(g, WELD_ERROR_ARGUMENT, "%s#%zu: %d inputs are not what it takes",
                               op->name, g->node_count, count);
    }
    weld_node *node = new_node(g, op, attributes, inputs, count);
    if (!node || !reserve_values(g, (size_t)op->outputs) ||
        !reserve((void **)&g->nodes, g->node_count, &g->node_capacity, 1, sizeof *g->nodes)) {
        free_node(node);
        return fail_memory(g);
    }
    weld_tensor out[WELD_MAX_OUTPUTS] = {0};
    if (infer_outputs(g, node, out) != WELD_OK) {
        free_node(node);
        return NULL;
    }
    for (int i = 0; i < op->outputs; i++) {
        weld_value *v = append_value(g, WELD_VALUE_RESULT, out[i].dtype, out[i].shape);
        if (!v) {
            while (i-- > 0) {
                weld_free(g->values[--g->value_count]);
            }
            free_node(node);
            return fail_memory(g);
        }
        v->producer = node;
        v->output_index = i;
        v->viewed = op->view ? weld_viewed(inputs[0]) : v;
        node->outputs[i] = v;
    }
    g->nodes[g->node_count++] = node;
    note_reads(node);
    return node->outputs[0];
}

weld_value *weld_graph_copy_node(weld_graph *dst, const weld_node *node,
                                 weld_value *const *inputs) {
    if (node->attributes.salt >= dst->next_salt) {
        dst->next_salt = node->attributes.salt + 1;
    }
    return weld_graph_node(dst, node->op, &node->attributes, inputs, node->input_count, 0);
}

weld_value *weld_graph_copy_leaf(weld_graph *dst, const weld_value *leaf) {
    return add_leaf(dst, leaf->kind, leaf->name, leaf->dtype, leaf->shape, leaf->init);
}
