/* Copying a graph with some of its nodes replaced; see copy.h. */
#include "passes/copy.h"

#include "base/error.h"
#include "base/memory.h"

bool weld_copy_needs(const weld_copy *c, const weld_node *node) {
    for (int i = 0; i < node->output_count; i++) {
        if (c->needed[node->outputs[i]->id]) {
            return true;
        }
    }
    return false;
}

static void find_needed(weld_copy *c) {
    for (size_t i = 0; i < c->from->output_count; i++) {
        c->needed[c->from->outputs[i].value->id] = true;
    }
    for (size_t i = c->from->node_count; i-- > 0;) {
        const weld_node *node = c->from->nodes[i];
        bool needed = weld_copy_needs(c, node);
        for (int k = 0; needed && k < node->input_count; k++) {
            if (node->inputs[k]) {
                c->needed[node->inputs[k]->id] = true;
            }
        }
    }
}

weld_node *weld_copy_node(weld_copy *c, const weld_node *node, weld_value *const *inputs) {
    weld_value *out = weld_graph_copy_node(c->to, node, inputs);
    return out ? out->producer : NULL;
}

static void copy_plainly(weld_copy *c, const weld_node *node) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof(weld_value *));
    if (!inputs) {
        weld_graph_fail(c->to, WELD_ERROR_MEMORY, "rewriting: out of memory");
        return;
    }
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = node->inputs[i] ? c->map[node->inputs[i]->id] : NULL;
    }
    const weld_node *made = weld_copy_node(c, node, inputs);
    for (int i = 0; made && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = made->outputs[i];
    }
    weld_free(inputs);
}

static weld_status build(weld_copy *c, weld_copy_replace replace, void *context, weld_error *err) {
    const weld_graph *from = c->from;
    for (size_t i = 0; i < from->value_count; i++) {
        if (from->values[i]->kind != WELD_VALUE_RESULT) {
            c->map[i] = weld_graph_copy_leaf(c->to, from->values[i]);
        }
    }
    for (size_t i = 0; i < from->node_count && !weld_graph_status(c->to, NULL); i++) {
        const weld_node *node = from->nodes[i];
        if (weld_copy_needs(c, node) && !(replace && replace(c, node, context))) {
            copy_plainly(c, node);
        }
    }
    for (size_t i = 0; i < from->output_count && !weld_graph_status(c->to, NULL); i++) {
        weld_output(c->to, from->outputs[i].name, c->map[from->outputs[i].value->id]);
    }
    return weld_graph_status(c->to, err);
}

weld_status weld_copy_graph(const weld_graph *from, weld_copy_replace replace, void *context,
                            weld_graph **out, weld_error *err) {
    *out = NULL;
    WELD_TRY(weld_graph_status(from, err));
    weld_copy c = {.from = from,
                   .needed = weld_alloc(from->value_count, sizeof *c.needed),
                   .map = weld_alloc(from->value_count, sizeof *c.map)};
    weld_status status = c.needed && c.map ? weld_graph_create(from->dtype, &c.to, err)
                                           : weld_fail_memory(err, "rewriting");
    if (!status) {
        find_needed(&c);
        c.to->next_salt = from->next_salt;
        status = build(&c, replace, context, err);
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
