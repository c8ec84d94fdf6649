/* Batch norm by running statistics is y = x scale + shift for each channel, with
 * scale = weight / sqrt(var + eps) and shift = bias - mean scale. After a layer it scales the rows
 * of the weight; before a linear layer it scales the columns:
 *
 *     (W x + b) scale + shift = (scale W) x + (scale b + shift)
 *     W (x scale + shift) + b = (W scale) x + (b + W shift)
 */
#include "ops/ops.h"
#include "passes/layer.h"
#include "passes/rules.h"

/* A batch norm and the layer that it folds into; norm is NULL where there is no such pair. */
typedef struct pair {
    const weld_node *norm, *layer;
    bool after; /* the batch norm comes after the layer */
} pair;

static pair find_pair(const weld_rewrite *r, const weld_node *node) {
    const weld_value *x = node->inputs[0];
    pair p = {0};
    if (node->op == &weld_op_batch_norm_eval) {
        p = (pair){.norm = node, .layer = weld_layer_inner(r, x), .after = true};
    } else if (node->op == &weld_op_linear) {
        p = (pair){.norm = weld_rewrite_inner(r, x, &weld_op_batch_norm_eval), .layer = node};
    }
    bool fits = p.norm && p.layer && weld_rewrite_owns_leaves(r, p.norm) &&
                weld_rewrite_owns_leaves(r, p.layer);
    return fits ? p : (pair){0};
}

/* What the pair reads. */
static const weld_value *source(pair p) {
    return p.after ? p.layer->inputs[0] : p.norm->inputs[0];
}

static bool match(weld_rewrite *r, const weld_node *node) {
    pair p = find_pair(r, node);
    if (p.norm) {
        weld_rewrite_need(r, source(p));
    }
    return p.norm != NULL;
}

static bool fold_after(weld_rewrite *r, const weld_node *norm, weld_layer *layer) {
    for (int64_t o = 0; o < layer->shape.dim[0]; o++) {
        double scale, shift;
        if (!weld_norm_affine(r, norm, o, &scale, &shift)) {
            return false;
        }
        weld_layer_scale(layer, o, scale);
        layer->bias[o] += shift;
    }
    return true;
}

static bool fold_before(weld_rewrite *r, const weld_node *norm, weld_layer *layer) {
    int64_t outputs = layer->shape.dim[0], inputs = layer->shape.dim[1];
    for (int64_t i = 0; i < inputs; i++) {
        double scale, shift;
        if (!weld_norm_affine(r, norm, i, &scale, &shift)) {
            return false;
        }
        for (int64_t o = 0; o < outputs; o++) {
            double *w = &layer->weight[o * inputs + i];
            layer->bias[o] += *w * shift;
            *w *= scale;
        }
    }
    return true;
}

static weld_value *build(weld_rewrite *r, const weld_node *node) {
    pair p = find_pair(r, node);
    weld_value *x = weld_rewrite_get(r, source(p));
    weld_layer layer;
    weld_rewrite_consume(r, p.norm);
    if (!weld_layer_take(r, p.layer, NULL, &layer)) {
        return NULL;
    }
    if (layer.weight &&
        !(p.after ? fold_after(r, p.norm, &layer) : fold_before(r, p.norm, &layer))) {
        return NULL;
    }
    layer.has_bias = true;
    return weld_layer_put(r, &layer, x);
}

const weld_rule weld_rule_fold_batch_norm = {"fold_batch_norm", match, build};
