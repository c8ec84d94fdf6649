/* Copying a graph with its activations in bf16; see precision.h.
 *
 * Types follow from the operators: a node is copied with what its inputs have become, and its shape
 * rule says what its outputs are. Where that rule refuses, all its inputs are given as f32. */
#include "passes/precision.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

typedef struct conversion {
    weld_graph *to;
    weld_value **map;  /* by value id in from: its counterpart, of whatever type it came to be */
    weld_value **cast; /* the same as the other type of the two, where that was asked for */
} conversion;

/* The counterpart of v in this type. */
static weld_value *as_type(conversion *c, const weld_value *v, weld_dtype dtype) {
    weld_value *found = c->map[v->id];
    if (!found || found->dtype == dtype) {
        return found;
    }
    if (!c->cast[v->id]) {
        c->cast[v->id] = weld_cast(c->to, found, dtype);
    }
    return c->cast[v->id];
}

static bool takes_bf16(const weld_op *op) {
    return op->types >> WELD_BF16 & 1u;
}

/* Does the operator take these? A rule is asked for types alone: shapes fit, as they did in g. */
static bool takes(const weld_node *node, weld_value *const *inputs, weld_tensor *specs) {
    weld_tensor out[WELD_MAX_OUTPUTS] = {0};
    weld_error ignored;
    for (int i = 0; i < node->input_count; i++) {
        specs[i] =
            inputs[i] ? (weld_tensor){inputs[i]->dtype, inputs[i]->shape, NULL} : (weld_tensor){0};
    }
    return takes_bf16(node->op) && node->op->infer(node, specs, out, &ignored) == WELD_OK;
}

static void copy_node(conversion *c, const weld_node *node) {
    size_t count = (size_t)node->input_count;
    weld_value **inputs = weld_alloc(count, sizeof *inputs);
    weld_tensor *specs = weld_alloc(count, sizeof *specs);
    if (!inputs || !specs) {
        weld_graph_fail(c->to, WELD_ERROR_MEMORY, "precision: out of memory");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const weld_value *in = node->inputs[i];
        bool starts = in && in->kind == WELD_VALUE_INPUT && takes_bf16(node->op);
        inputs[i] = !in ? NULL : starts ? as_type(c, in, WELD_BF16) : c->map[in->id];
    }
    if (weld_graph_status(c->to, NULL) == WELD_OK && !takes(node, inputs, specs)) {
        for (size_t i = 0; i < count; i++) {
            bool is_bf16 = inputs[i] && inputs[i]->dtype == WELD_BF16;
            inputs[i] = is_bf16 ? as_type(c, node->inputs[i], WELD_F32) : inputs[i];
        }
    }
    weld_value *out = weld_graph_copy_node(c->to, node, inputs);
    for (int i = 0; out && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = out->producer->outputs[i];
    }
done:
    weld_free(inputs);
    weld_free(specs);
}

weld_status weld_precision_bf16(const weld_graph *g, weld_graph **out, weld_error *err) {
    *out = NULL;
    if (g->dtype != WELD_F32) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "precision: a graph of %s: it must be of f32",
                         weld_dtype_name(g->dtype));
    }
    conversion c = {.map = weld_alloc(g->value_count, sizeof *c.map),
                    .cast = weld_alloc(g->value_count, sizeof *c.cast)};
    weld_status status = c.map && c.cast ? weld_graph_create(WELD_F32, &c.to, err)
                                         : weld_fail_memory(err, "precision");
    if (!status) {
        for (size_t i = 0; i < g->value_count; i++) {
            if (g->values[i]->kind != WELD_VALUE_RESULT) {
                c.map[i] = weld_graph_copy_leaf(c.to, g->values[i]);
            }
        }
        for (size_t i = 0; i < g->node_count; i++) {
            copy_node(&c, g->nodes[i]);
        }
        for (size_t i = 0; i < g->output_count; i++) {
            weld_output(c.to, g->outputs[i].name, as_type(&c, g->outputs[i].value, WELD_F32));
        }
        status = weld_graph_status(c.to, err);
    }
    weld_free(c.map);
    weld_free(c.cast);
    if (status) {
        weld_graph_free(c.to);
        return status;
    }
    *out = c.to;
    return WELD_OK;
}
