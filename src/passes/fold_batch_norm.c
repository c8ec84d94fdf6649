/* Batch norm by running statistics is y = x scale + shift for each channel, with
 * scale = weight / sqrt(var + eps) and shift = bias - mean scale. After a layer it scales the rows
 * of the weight; before one it scales the columns:
 *
 *     (W x + b) scale + shift = (scale W) x + (scale b + shift)
 *     W (x scale + shift) + b = (W scale) x + (b + W shift)
 *
 * A convolution that pads does not see the shift at its borders, so that a batch norm before it
 * stays.
 */
#include "ops/ops.h"
#include "passes/layer.h"
#include "passes/layer_nodes.h"
#include "passes/rules.h"

/* A batch norm and the layer that it folds into; norm is NULL where there is no such pair. */
typedef struct pair {
    const weld_node *norm, *layer;
    bool after; /* the batch norm comes after the layer */
} pair;

static bool is_unpadded(const weld_node *node) {
    const weld_attributes *a = &node->attributes;
    return node->op == &weld_op_conv2d && a->padding[0] == 0 && a->padding[1] == 0 && !a->same;
}

static pair find_pair(const weld_rewrite *r, const weld_node *node) {
    const weld_value *x = node->inputs[0];
    pair p = {0};
    if (node->op == &weld_op_batch_norm_eval) {
        p = (pair){.norm = node, .layer = weld_layer_inner(r, x), .after = true};
    } else if (node->op == &weld_op_linear || is_unpadded(node)) {
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

static bool take(weld_rewrite *r, const weld_node *node, bool before_convolution) {
    pair p = (node->op == &weld_op_conv2d) == before_convolution ? find_pair(r, node) : (pair){0};
    if (p.norm) {
        weld_rewrite_need(r, source(p));
    }
    return p.norm != NULL;
}

static bool match(weld_rewrite *r, const weld_node *node) {
    return take(r, node, false);
}

static bool match_convolution(weld_rewrite *r, const weld_node *node) {
    return take(r, node, true);
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

/* A linear layer is as a convolution of one group and one tap. */
static bool fold_before(weld_rewrite *r, const weld_node *norm, weld_layer *layer) {
    const bool conv = layer->node->op == &weld_op_conv2d;
    const int64_t outputs = layer->shape.dim[0], inputs = layer->shape.dim[1];
    const int64_t taps = conv ? layer->shape.dim[2] * layer->shape.dim[3] : 1;
    const int64_t groups = conv ? layer->node->attributes.groups : 1;
    for (int64_t c = 0; c < groups * inputs; c++) {
        const int64_t group = c / inputs;
        double scale, shift;
        if (!weld_norm_affine(r, norm, c, &scale, &shift)) {
            return false;
        }
        for (int64_t o = group * outputs / groups; o < (group + 1) * outputs / groups; o++) {
            double *w = &layer->weight[(o * inputs + c % inputs) * taps];
            for (int64_t t = 0; t < taps; t++) {
                layer->bias[o] += w[t] * shift;
                w[t] *= scale;
            }
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
    if (layer.made_weight) {
        const weld_nodes_map map = weld_nodes_norm(r, p.norm);
        p.after ? weld_nodes_scale(r, &layer, map) : weld_nodes_scale_before(r, &layer, map);
    }
    layer.has_bias = true;
    return weld_layer_put(r, &layer, x);
}

const weld_rule weld_rule_fold_batch_norm = {"fold_batch_norm", match, build};
const weld_rule weld_rule_fold_batch_norm_before = {"fold_batch_norm_before", match_convolution,
                                                    build};
