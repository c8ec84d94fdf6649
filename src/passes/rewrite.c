/* Rewriting a graph by a rule: see rewrite.h. */
#include "passes/rewrite.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"

/* --- Arrays ---------------------------------------------------------------------------------- */

struct weld_pool_block {
    struct weld_pool_block *next;
    double *values;
};

double *weld_pool_alloc(weld_pool *pool, int64_t count) {
    struct weld_pool_block *block = weld_alloc(1, sizeof *block);
    if (!block) {
        return NULL;
    }
    block->values = weld_alloc((size_t)count, sizeof *block->values);
    if (!block->values) {
        weld_free(block);
        return NULL;
    }
    block->next = pool->blocks;
    pool->blocks = block;
    return block->values;
}

void weld_pool_free(weld_pool *pool) {
    while (pool->blocks) {
        struct weld_pool_block *block = pool->blocks;
        pool->blocks = block->next;
        weld_free(block->values);
        weld_free(block);
    }
}

void weld_weighted_graph_free(weld_weighted_graph *g) {
    weld_graph_free(g->graph);
    weld_free(g->data);
    weld_free(g->made);
    *g = (weld_weighted_graph){0};
}

/* Remember the weights of a leaf of r->to. */
static void set_data(weld_rewrite *r, const weld_value *leaf, weld_tensor data) {
    weld_weighted_graph *target = r->target;
    size_t id = (size_t)leaf->id;
    if (id >= target->data_capacity) {
        size_t capacity = 2 * id + 64;
        weld_tensor *grown =
            weld_grow(target->data, target->data_capacity, capacity, sizeof *grown);
        if (!grown) {
            weld_graph_fail(r->to, WELD_ERROR_MEMORY, "rewriting: out of memory");
            return;
        }
        target->data = grown;
        target->data_capacity = capacity;
    }
    target->data[id] = data;
}

void weld_rewrite_set_made(weld_rewrite *r, const weld_value *leaf, weld_value *made) {
    weld_weighted_graph *target = r->target;
    const size_t id = (size_t)leaf->id;
    if (id >= target->made_capacity) {
        const size_t capacity = 2 * id + 64;
        weld_value **grown =
            weld_grow(target->made, target->made_capacity, capacity, sizeof(weld_value *));
        if (!grown) {
            weld_graph_fail(r->to, WELD_ERROR_MEMORY, "rewriting: out of memory");
            return;
        }
        target->made = grown;
        target->made_capacity = capacity;
    }
    target->made[id] = made;
}

weld_value *weld_rewrite_made(const weld_rewrite *r, const weld_value *leaf) {
    return r->source->made[leaf->id];
}

/* --- What rules ask -------------------------------------------------------------------------- */

static bool is_leaf(const weld_value *v) {
    return v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER;
}

const weld_node *weld_rewrite_inner(const weld_rewrite *r, const weld_value *v, const weld_op *op) {
    bool fits = v->producer && v->producer->op == op && r->uses[v->id] == 1;
    return fits ? v->producer : NULL;
}

bool weld_rewrite_owns_leaves(const weld_rewrite *r, const weld_node *node) {
    for (int i = 1; i < node->input_count; i++) {
        const weld_value *v = node->inputs[i];
        if (v && (!is_leaf(v) || r->uses[v->id] != 1)) {
            return false;
        }
    }
    return true;
}

void weld_rewrite_need(weld_rewrite *r, const weld_value *v) {
    r->needed[v->id] = true;
}

weld_value *weld_rewrite_get(weld_rewrite *r, const weld_value *v) {
    weld_value **mapped = &r->map[v->id];
    if (!*mapped && v->kind != WELD_VALUE_RESULT) {
        *mapped = weld_graph_copy_leaf(r->to, v);
        if (*mapped && is_leaf(v) && weld_rewrite_has_weights(r)) {
            set_data(r, *mapped, r->source->data[v->id]);
        } else if (*mapped && is_leaf(v) && r->source->maker) {
            weld_rewrite_set_made(r, *mapped, weld_rewrite_made(r, v));
        }
    }
    return *mapped;
}

bool weld_rewrite_has_weights(const weld_rewrite *r) {
    return r->source->data != NULL;
}

double weld_rewrite_element(const weld_rewrite *r, const weld_value *leaf, int64_t i) {
    const weld_tensor *t = &r->source->data[leaf->id];
    return t->dtype == WELD_F64 ? ((const double *)t->data)[i]
                                : (double)((const float *)t->data)[i];
}

void weld_rewrite_consume(weld_rewrite *r, const weld_node *node) {
    for (int i = 1; i < node->input_count; i++) {
        if (node->inputs[i]) {
            r->consumed[node->inputs[i]->id] = r->replacement;
        }
    }
}

weld_value *weld_rewrite_parameter(weld_rewrite *r, const char *name, weld_shape shape,
                                   double *values) {
    int64_t count = values ? weld_shape_count(&shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return weld_graph_fail(r->to, WELD_ERROR_NUMERIC,
                                   "merging: element %lld of '%s' would be %g: the weights that go "
                                   "into it are damaged or far too large",
                                   (long long)i, name, values[i]);
        }
    }
    weld_init none = {.kind = WELD_INIT_CONSTANT};
    weld_value *v = weld_parameter(r->to, name, shape, none);
    if (v && values) {
        set_data(r, v, (weld_tensor){.dtype = WELD_F64, .shape = shape, .data = values});
    }
    return v;
}

/* --- The walk -------------------------------------------------------------------------------- */

static bool node_is_needed(const weld_rewrite *r, const weld_node *node) {
    for (int i = 0; i < node->output_count; i++) {
        if (r->needed[node->outputs[i]->id]) {
            return true;
        }
    }
    return false;
}

static void need_outputs(weld_rewrite *r) {
    for (size_t i = 0; i < r->from->output_count; i++) {
        weld_rewrite_need(r, r->from->outputs[i].value);
    }
}

static void need_inputs(weld_rewrite *r, const weld_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i]) {
            weld_rewrite_need(r, node->inputs[i]);
        }
    }
}

/* Count the readers of every value, those aside that lead to no output. */
static void count_uses(weld_rewrite *r) {
    const weld_graph *g = r->from;
    need_outputs(r);
    for (size_t i = 0; i < g->output_count; i++) {
        r->uses[g->outputs[i].value->id]++;
    }
    for (size_t i = g->node_count; i-- > 0;) {
        const weld_node *node = g->nodes[i];
        if (!node_is_needed(r, node)) {
            continue;
        }
        need_inputs(r, node);
        for (int k = 0; k < node->input_count; k++) {
            if (node->inputs[k]) {
                r->uses[node->inputs[k]->id]++;
            }
        }
    }
    for (size_t i = 0; i < g->value_count; i++) {
        r->needed[i] = false;
    }
}

/* Find where the rule fits and what is needed then. */
static bool match(weld_rewrite *r, const weld_rule *rule) {
    bool any = false;
    need_outputs(r);
    for (size_t i = r->from->node_count; i-- > 0;) {
        const weld_node *node = r->from->nodes[i];
        if (!node_is_needed(r, node)) {
            continue;
        }
        r->matched[i] = rule->match(r, node);
        any = any || r->matched[i];
        if (!r->matched[i]) {
            need_inputs(r, node);
        }
    }
    return any;
}

static void copy_node(weld_rewrite *r, const weld_node *node) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof(weld_value *));
    if (!inputs) {
        weld_graph_fail(r->to, WELD_ERROR_MEMORY, "rewriting: out of memory");
        return;
    }
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = node->inputs[i] ? weld_rewrite_get(r, node->inputs[i]) : NULL;
    }
    weld_value *out = weld_graph_copy_node(r->to, node, inputs);
    for (int i = 0; out && i < node->output_count; i++) {
        r->map[node->outputs[i]->id] = out->producer->outputs[i];
    }
    weld_free(inputs);
}

static weld_status build(weld_rewrite *r, const weld_rule *rule, weld_error *err) {
    const weld_graph *from = r->from;
    for (size_t i = 0; i < from->value_count; i++) {
        if (from->values[i]->kind == WELD_VALUE_INPUT) {
            weld_rewrite_get(r, from->values[i]);
        }
    }
    for (size_t i = 0; i < from->node_count; i++) {
        const weld_node *node = from->nodes[i];
        if (r->matched[i]) {
            r->replacement++;
            r->map[node->outputs[0]->id] = rule->build(r, node);
        } else if (node_is_needed(r, node)) {
            copy_node(r, node);
        }
        WELD_TRY(weld_graph_status(r->to, err));
    }
    for (size_t i = 0; i < from->output_count; i++) {
        weld_output(r->to, from->outputs[i].name, weld_rewrite_get(r, from->outputs[i].value));
    }
    return weld_graph_status(r->to, err);
}

weld_status weld_rewrite_apply(const weld_weighted_graph *in, const weld_rule *rule, bool always,
                               weld_pool *pool, weld_weighted_graph *out, bool *changed,
                               weld_error *err) {
    const weld_graph *from = in->graph;
    size_t values = from->value_count;
    *out = (weld_weighted_graph){.maker = in->maker};
    weld_rewrite r = {.source = in,
                      .from = from,
                      .target = out,
                      .pool = pool,
                      .uses = weld_alloc(values, sizeof *r.uses),
                      .needed = weld_alloc(values, sizeof *r.needed),
                      .matched = weld_alloc(from->node_count, sizeof *r.matched),
                      .map = weld_alloc(values, sizeof *r.map),
                      .consumed = weld_alloc(values, sizeof *r.consumed)};
    weld_status status = WELD_OK;
    *changed = false;
    if (!r.uses || !r.needed || !r.matched || !r.map || !r.consumed) {
        status = weld_fail_memory(err, "rewriting");
    } else {
        count_uses(&r);
        *changed = match(&r, rule);
        if (r.out_of_memory) {
            status = weld_fail_memory(err, "rewriting");
        } else if (*changed || always) {
            status = weld_graph_create(from->dtype, &out->graph, err);
            r.to = out->graph;
            status = !status ? build(&r, rule, err) : status;
        }
    }
    if (status) {
        weld_weighted_graph_free(out);
    }
    weld_free(r.uses);
    weld_free(r.needed);
    weld_free(r.matched);
    weld_free(r.map);
    weld_free(r.consumed);
    return status;
}
