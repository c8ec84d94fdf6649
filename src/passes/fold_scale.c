/* factor (W x + b) = (factor W) x + factor b. */
#include "ops/ops.h"
#include "passes/layer.h"
#include "passes/rules.h"

static bool match(weld_rewrite *r, const weld_node *node) {
    const weld_node *layer =
        node->op == &weld_op_scale ? weld_layer_inner(r, node->inputs[0]) : NULL;
    if (layer) {
        weld_rewrite_need(r, layer->inputs[0]);
    }
    return layer != NULL;
}

static weld_value *build(weld_rewrite *r, const weld_node *node) {
    const weld_node *inner = weld_layer_inner(r, node->inputs[0]);
    weld_value *x = weld_rewrite_get(r, inner->inputs[0]);
    weld_layer layer;
    if (!weld_layer_take(r, inner, NULL, &layer)) {
        return NULL;
    }
    for (int64_t o = 0; layer.weight && o < layer.shape.dim[0]; o++) {
        weld_layer_scale(&layer, o, node->attributes.factor);
    }
    return weld_layer_put(r, &layer, x);
}

const weld_rule weld_rule_fold_scale = {"fold_scale", match, build};
