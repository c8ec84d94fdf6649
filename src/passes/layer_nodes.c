/* Weights of layers as nodes; see layer_nodes.h. */
#include "passes/layer_nodes.h"

#include "base/error.h"
#include "ops/ops.h"

static weld_graph *maker_of(const weld_rewrite *r) {
    return r->source->maker;
}

/* NULL after an error, which becomes one of r->to. */
static weld_value *checked(weld_rewrite *r, weld_value *v) {
    weld_error err;
    const weld_status status = v ? WELD_OK : weld_graph_status(maker_of(r), &err);
    return status ? weld_graph_fail(r->to, status, "%s", err.message) : v;
}

static weld_value *node(weld_rewrite *r, const weld_op *op, const weld_attributes *a, weld_value *x,
                        weld_value *y) {
    const int count = y ? 2 : 1;
    return checked(r, weld_graph_node(maker_of(r), op, a, (weld_value *[]){x, y}, count, count));
}

static weld_value *sum_of(weld_rewrite *r, weld_value *a, weld_value *b) {
    return a && b ? node(r, &weld_op_add, NULL, a, b) : a ? a : b;
}

weld_nodes_map weld_nodes_norm(weld_rewrite *r, const weld_node *norm) {
    enum { LEAVES = 4 };
    weld_value *in[LEAVES];
    for (int i = 0; i < LEAVES; i++) {
        in[i] = weld_rewrite_made(r, norm->inputs[1 + i]);
    }
    const weld_attributes a = {.eps = norm->attributes.eps};
    weld_value *scale =
        checked(r, weld_graph_node(maker_of(r), &weld_op_norm_map, &a, in, LEAVES, LEAVES));
    return (weld_nodes_map){scale, scale ? scale->producer->outputs[1] : NULL};
}

bool weld_nodes_take(weld_rewrite *r, const weld_node *layer, weld_layer *out) {
    out->made_weight = weld_rewrite_made(r, layer->inputs[1]);
    out->made_bias = out->has_bias ? weld_rewrite_made(r, layer->inputs[2]) : NULL;
    if (!weld_shape_equal(&out->shape, &out->made_weight->shape)) {
        const weld_attributes a = {.kernel = {(int)out->shape.dim[2], (int)out->shape.dim[3]}};
        out->made_weight = node(r, &weld_op_widen_kernel, &a, out->made_weight, NULL);
    }
    return out->made_weight != NULL;
}

void weld_nodes_put(weld_rewrite *r, const weld_layer *layer, const weld_value *weight,
                    const weld_value *bias) {
    weld_rewrite_set_made(r, weight, layer->made_weight);
    if (bias) {
        weld_rewrite_set_made(r, bias, layer->made_bias);
    }
}

void weld_nodes_scale(weld_rewrite *r, weld_layer *layer, weld_nodes_map map) {
    layer->made_weight = node(r, &weld_op_scale_rows, NULL, layer->made_weight, map.scale);
    if (layer->made_bias) {
        layer->made_bias = node(r, &weld_op_mul, NULL, layer->made_bias, map.scale);
    }
    layer->made_bias = sum_of(r, layer->made_bias, map.shift);
}

void weld_nodes_scale_before(weld_rewrite *r, weld_layer *layer, weld_nodes_map map) {
    const weld_attributes a = {.groups = layer->node->attributes.groups};
    weld_value *shifted = node(r, &weld_op_scale_columns, &a, layer->made_weight, map.shift);
    layer->made_bias = sum_of(r, layer->made_bias, node(r, &weld_op_sum_rows, &a, shifted, NULL));
    layer->made_weight = node(r, &weld_op_scale_columns, &a, layer->made_weight, map.scale);
}

void weld_nodes_multiply(weld_rewrite *r, weld_layer *layer, double factor) {
    const weld_attributes a = {.factor = factor};
    layer->made_weight = node(r, &weld_op_scale, &a, layer->made_weight, NULL);
    if (layer->made_bias) {
        layer->made_bias = node(r, &weld_op_scale, &a, layer->made_bias, NULL);
    }
}

void weld_nodes_add(weld_rewrite *r, weld_layer *to, const weld_layer *from) {
    to->made_weight = sum_of(r, to->made_weight, from->made_weight);
    to->made_bias = sum_of(r, to->made_bias, from->made_bias);
}

/* A vector of ones, one for each output. */
static weld_value *ones(weld_rewrite *r, const weld_layer *to) {
    weld_value *rows = node(r, &weld_op_take_identity, NULL, to->made_weight, NULL);
    return rows ? checked(r, weld_fill_like(maker_of(r), rows, 1)) : NULL;
}

void weld_nodes_add_identity(weld_rewrite *r, weld_layer *to, const weld_node *norm) {
    const weld_nodes_map map =
        norm ? weld_nodes_norm(r, norm) : (weld_nodes_map){.scale = ones(r, to)};
    to->made_weight = node(r, &weld_op_add_identity, NULL, to->made_weight, map.scale);
    to->made_bias = sum_of(r, to->made_bias, map.shift);
}
