/* A part of a graph as a graph of its own, for inputs of another size. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"

typedef struct cut {
    const weld_graph *from;
    weld_graph *to;
    weld_shape input;
    bool *needed;     /* by value id in from */
    weld_value **map; /* by value id in from: its counterpart in to, or NULL so far */
} cut;

static bool node_is_needed(const cut *c, const weld_node *node) {
    for (int i = 0; i < node->output_count; i++) {
        if (c->needed[node->outputs[i]->id]) {
            return true;
        }
    }
    return false;
}

static void find_needed(cut *c, const weld_named_value *outputs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        c->needed[outputs[i].value->id] = true;
    }
    for (size_t i = c->from->node_count; i-- > 0;) {
        const weld_node *node = c->from->nodes[i];
        bool needed = node_is_needed(c, node);
        for (int k = 0; needed && k < node->input_count; k++) {
            if (node->inputs[k]) {
                c->needed[node->inputs[k]->id] = true;
            }
        }
    }
}

static void copy_leaves(cut *c) {
    for (size_t i = 0; i < c->from->value_count; i++) {
        const weld_value *v = c->from->values[i];
        if (c->needed[i] && v->kind == WELD_VALUE_INPUT) {
            c->map[i] = weld_input(c->to, v->name, c->input);
        } else if (c->needed[i] && v->kind != WELD_VALUE_RESULT) {
            c->map[i] = weld_graph_copy_leaf(c->to, v);
        }
    }
}

static void copy_node(cut *c, const weld_node *node) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof *inputs);
    if (!inputs) {
        weld_graph_fail(c->to, WELD_ERROR_MEMORY, "graph: out of memory");
        return;
    }
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = node->inputs[i] ? c->map[node->inputs[i]->id] : NULL;
    }
    weld_value *out = weld_graph_copy_node(c->to, node, inputs);
    for (int i = 0; out && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = out->producer->outputs[i];
    }
    weld_free(inputs);
}

weld_status weld_graph_cut(const weld_graph *g, weld_shape input, const weld_named_value *outputs,
                           size_t count, weld_graph **out, weld_error *err) {
    *out = NULL;
    cut c = {.from = g,
             .input = input,
             .needed = weld_alloc(g->value_count, sizeof *c.needed),
             .map = weld_alloc(g->value_count, sizeof *c.map)};
    weld_status status = c.needed && c.map ? weld_graph_create(g->dtype, &c.to, err)
                                           : weld_fail_memory(err, "graph");
    if (!status) {
        find_needed(&c, outputs, count);
        copy_leaves(&c);
        for (size_t i = 0; i < g->node_count && weld_graph_status(c.to, NULL) == WELD_OK; i++) {
            if (node_is_needed(&c, g->nodes[i])) {
                copy_node(&c, g->nodes[i]);
            }
        }
        for (size_t i = 0; i < count; i++) {
            weld_output(c.to, outputs[i].name, c.map[outputs[i].value->id]);
        }
        status = weld_graph_status(c.to, err);
    }
    weld_free(c.needed);
    weld_free(c.map);
    if (status) {
        weld_graph_free(c.to);
        return status;
    }
    *out = c.to;
    return WELD_OK;
}
