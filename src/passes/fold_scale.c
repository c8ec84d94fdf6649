/* A factor after a layer, one for all or one for each channel, with a shift or without:
 *
 *     factor (W x + b) + shift = (factor W) x + (factor b + shift)
 */
#include "ops/ops.h"
#include "passes/layer.h"
#include "passes/layer_nodes.h"
#include "passes/rules.h"

enum { X, FACTORS, SHIFTS }; /* inputs of an affine map */

static bool is_factor(const weld_rewrite *r, const weld_node *node) {
    return node->op == &weld_op_scale ||
           (node->op == &weld_op_affine && weld_rewrite_owns_leaves(r, node));
}

static bool match(weld_rewrite *r, const weld_node *node) {
    const weld_node *layer = is_factor(r, node) ? weld_layer_inner(r, node->inputs[X]) : NULL;
    if (layer) {
        weld_rewrite_need(r, layer->inputs[0]);
    }
    return layer != NULL;
}

static weld_value *build(weld_rewrite *r, const weld_node *node) {
    const weld_node *inner = weld_layer_inner(r, node->inputs[X]);
    const weld_value *factors = node->op == &weld_op_affine ? node->inputs[FACTORS] : NULL;
    const weld_value *shifts = weld_optional_input(node, SHIFTS);
    weld_value *x = weld_rewrite_get(r, inner->inputs[0]);
    weld_layer layer;
    weld_rewrite_consume(r, node);
    if (!weld_layer_take(r, inner, NULL, &layer)) {
        return NULL;
    }
    for (int64_t o = 0; layer.weight && o < layer.shape.dim[0]; o++) {
        weld_layer_scale(&layer, o,
                         factors ? weld_rewrite_element(r, factors, o) : node->attributes.factor);
        layer.bias[o] += shifts ? weld_rewrite_element(r, shifts, o) : 0;
    }
    if (layer.made_weight && factors) {
        weld_nodes_scale(r, &layer,
                         (weld_nodes_map){weld_rewrite_made(r, factors),
                                          shifts ? weld_rewrite_made(r, shifts) : NULL});
    } else if (layer.made_weight) {
        weld_nodes_multiply(r, &layer, node->attributes.factor);
    }
    layer.has_bias = layer.has_bias || shifts;
    return weld_layer_put(r, &layer, x);
}

const weld_rule weld_rule_fold_scale = {"fold_scale", match, build};
