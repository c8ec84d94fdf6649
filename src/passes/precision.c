/* Copying a graph with its activations in bf16; see precision.h.
 *
 * Types follow from the operators: a node is copied with what its inputs have become, and its shape
 * rule says what its outputs are. Where that rule refuses, all its inputs are given as f32. The
 * last convolutions and linear layers do not round their sums: 8 bits are few for a logit of 20, or
 * for a place in an image. */
#include "passes/precision.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

typedef struct conversion {
    weld_graph *to;
    weld_value **map;  /* by value id in from: its counterpart, of whatever type it came to be */
    weld_value **cast; /* the same as the other type of the two, where that was asked for */
    bool *taken_up; /* by value id in from: a layer with weights takes it, or what becomes of it */
} conversion;

static void find_taken_up(const weld_graph *g, bool whole, bool *taken_up) {
    for (size_t i = 0; i < g->output_count && !whole; i++) {
        taken_up[g->outputs[i].value->id] = true;
    }
    for (size_t i = g->node_count; i-- > 0;) {
        const weld_node *node = g->nodes[i];
        bool is = node->op->macs != NULL;
        for (int j = 0; j < node->output_count; j++) {
            is = is || taken_up[node->outputs[j]->id];
        }
        for (int j = 0; is && j < node->input_count; j++) {
            if (node->inputs[j]) {
                taken_up[node->inputs[j]->id] = true;
            }
        }
    }
}

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

/* Is it a last layer, whose sums stay as they are? x: its input 0 as it is now. */
static bool is_last(const conversion *c, const weld_node *node, const weld_value *x) {
    return node->op->attributes & WELD_ATTR_UNROUNDED && x->dtype == WELD_BF16 &&
           !c->taken_up[node->outputs[0]->id];
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
    weld_node copied = *node;
    if (weld_graph_status(c->to, NULL) == WELD_OK && is_last(c, node, inputs[0])) {
        copied.attributes.unrounded = true;
        copied.attributes.unrounded = takes(&copied, inputs, specs);
    }
    weld_value *out = weld_graph_copy_node(c->to, &copied, inputs);
    for (int i = 0; out && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = out->producer->outputs[i];
    }
done:
    weld_free(inputs);
    weld_free(specs);
}

static weld_status convert(const weld_graph *g, bool whole, weld_graph **out, weld_error *err) {
    *out = NULL;
    if (g->dtype != WELD_F32) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "precision: a graph of %s: it must be of f32",
                         weld_dtype_name(g->dtype));
    }
    conversion c = {.map = weld_alloc(g->value_count, sizeof *c.map),
                    .cast = weld_alloc(g->value_count, sizeof *c.cast),
                    .taken_up = weld_alloc(g->value_count, sizeof *c.taken_up)};
    weld_status status = c.map && c.cast && c.taken_up ? weld_graph_create(WELD_F32, &c.to, err)
                                                       : weld_fail_memory(err, "precision");
    if (!status) {
        find_taken_up(g, whole, c.taken_up);
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
    weld_free(c.taken_up);
    if (status) {
        weld_graph_free(c.to);
        return status;
    }
    *out = c.to;
    return WELD_OK;
}

weld_status weld_precision_bf16(const weld_graph *g, weld_graph **out, weld_error *err) {
    return convert(g, true, out, err);
}

weld_status weld_precision_bf16_inside(const weld_graph *g, weld_graph **out, weld_error *err) {
    return convert(g, false, out, err);
}
