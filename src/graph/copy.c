/* Copying a graph with some of its nodes replaced, or a part of it; see copy.h and, for
 * weld_graph_cut, graph.h. */
#include "graph/copy.h"

#include "base/error.h"
#include "base/memory.h"

/* What is copied. */
typedef struct part {
    const weld_named_value *outputs;
    size_t count;
    const weld_shape *input;   /* all inputs get it; or NULL */
    bool needed_leaves;        /* other leaves are left out */
    weld_copy_replace replace; /* or NULL */
    void *context;
} part;

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

static void copy_leaf(weld_copy *c, const weld_value *v, const part *p) {
    if (v->kind == WELD_VALUE_RESULT || (p->needed_leaves && !c->needed[v->id])) {
        return;
    }
    c->map[v->id] = p->input && v->kind == WELD_VALUE_INPUT ? weld_input(c->to, v->name, *p->input)
                                                            : weld_graph_copy_leaf(c->to, v);
}

static weld_status build(weld_copy *c, const part *p, weld_error *err) {
    const weld_graph *from = c->from;
    for (size_t i = 0; i < from->value_count; i++) {
        copy_leaf(c, from->values[i], p);
    }
    for (size_t i = 0; i < from->node_count && !weld_graph_status(c->to, NULL); i++) {
        const weld_node *node = from->nodes[i];
        if (weld_node_is_needed(node, c->needed) &&
            !(p->replace && p->replace(c, node, p->context))) {
            copy_plainly(c, node);
        }
    }
    for (size_t i = 0; i < p->count && !weld_graph_status(c->to, NULL); i++) {
        weld_output(c->to, p->outputs[i].name, c->map[p->outputs[i].value->id]);
    }
    return weld_graph_status(c->to, err);
}

static weld_status copy(const weld_graph *from, const part *p, weld_graph **out, weld_error *err) {
    *out = NULL;
    weld_copy c = {.from = from,
                   .needed = weld_alloc(from->value_count, sizeof *c.needed),
                   .map = weld_alloc(from->value_count, sizeof *c.map)};
    weld_status status = c.needed && c.map ? weld_graph_create(from->dtype, &c.to, err)
                                           : weld_fail_memory(err, "graph");
    if (!status) {
        weld_graph_find_needed(from, p->outputs, p->count, c.needed);
        c.to->next_salt = from->next_salt;
        status = build(&c, p, err);
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

weld_status weld_copy_graph(const weld_graph *from, weld_copy_replace replace, void *context,
                            weld_graph **out, weld_error *err) {
    *out = NULL;
    WELD_TRY(weld_graph_status(from, err));
    const part all = {from->outputs, from->output_count, .replace = replace, .context = context};
    return copy(from, &all, out, err);
}

weld_status weld_graph_cut(const weld_graph *g, weld_shape input, const weld_named_value *outputs,
                           size_t count, weld_graph **out, weld_error *err) {
    return copy(g, &(part){outputs, count, &input, .needed_leaves = true}, out, err);
}

weld_status weld_graph_resized(const weld_graph *g, weld_shape input,
                               const weld_named_value *outputs, size_t count, weld_graph **out,
                               weld_error *err) {
    return copy(g, &(part){outputs, count, &input}, out, err);
}
