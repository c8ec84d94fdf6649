/* A batch norm that folds into nothing, as one that a convolution with padding reads, is a
 * convolution of single pixels, each channel by itself: y = x scale + shift. As that it has an
 * integer form. */
#include <string.h>

#include "base/error.h"
#include "ops/ops.h"
#include "passes/layer.h"
#include "passes/reparameterize.h"
#include "passes/rules.h"

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };

static bool match(weld_rewrite *r, const weld_node *node) {
    const bool is = node->op == &weld_op_batch_norm_eval && node->inputs[X]->shape.rank == 4 &&
                    weld_rewrite_owns_leaves(r, node);
    if (is) {
        weld_rewrite_need(r, node->inputs[X]);
    }
    return is;
}

/* False after an error. */
static bool take(weld_rewrite *r, const weld_node *norm, int64_t channels, double **scale,
                 double **shift) {
    *scale = weld_pool_alloc(r->pool, channels);
    *shift = weld_pool_alloc(r->pool, channels);
    if (!*scale || !*shift) {
        weld_graph_fail(r->to, WELD_ERROR_MEMORY, "merging: out of memory");
        return false;
    }
    bool sound = true;
    for (int64_t c = 0; c < channels && sound; c++) {
        sound = weld_norm_affine(r, norm, c, &(*scale)[c], &(*shift)[c]);
    }
    return sound;
}

static weld_value *build(weld_rewrite *r, const weld_node *node) {
    const int64_t channels = node->inputs[X]->shape.dim[3];
    double *scale = NULL, *shift = NULL;
    weld_value *x = weld_rewrite_get(r, node->inputs[X]);
    weld_rewrite_consume(r, node);
    if (weld_rewrite_has_weights(r) && !take(r, node, channels, &scale, &shift)) {
        return NULL;
    }
    weld_value *weight =
        weld_rewrite_parameter(r, node->inputs[WEIGHT]->name, WELD_SHAPE(channels, 1, 1, 1), scale);
    weld_value *bias =
        weld_rewrite_parameter(r, node->inputs[BIAS]->name, WELD_SHAPE(channels), shift);
    const weld_conv2d_options options = {.stride = {1, 1}, .groups = (int)channels};
    return weight && bias ? weld_conv2d(r->to, x, weight, bias, options) : NULL;
}

const weld_rule weld_rule_norm_as_layer = {"norm_as_layer", match, build};

/* --- And back --------------------------------------------------------------------------------- */

/* The norm whose mean or variance a leaf is; NULL: it is none. */
static const weld_node *norm_of(const weld_graph *g, const weld_value *leaf) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->op == &weld_op_batch_norm_eval &&
            (node->inputs[RUNNING_MEAN] == leaf || node->inputs[RUNNING_VAR] == leaf)) {
            return node;
        }
    }
    return NULL;
}

/* The layer has both in its weights: a mean of 0, a deviation of 1. */
static void fill(const weld_node *norm, const weld_value *leaf, weld_tensor *t) {
    const double value = norm->inputs[RUNNING_VAR] == leaf ? 1 - norm->attributes.eps : 0;
    for (int64_t i = 0; i < weld_shape_count(&t->shape); i++) {
        weld_set(t->dtype, t->data, i, value);
    }
}

static weld_status add(const weld_graph *g, const weld_value *leaf, const weld_weights *layers,
                       weld_weights *to, weld_error *err) {
    weld_tensor t, from;
    const bool has = weld_weights_find(layers, leaf->name, &from);
    const weld_node *norm = has ? NULL : norm_of(g, leaf);
    if (has ? from.dtype != leaf->dtype ||
                  weld_shape_count(&from.shape) != weld_shape_count(&leaf->shape)
            : !norm) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%s: the weights have none of its shape",
                         leaf->name);
    }
    WELD_TRY(weld_weights_add(to, leaf->name, leaf->dtype, &leaf->shape, &t, err));
    if (norm) {
        fill(norm, leaf, &t);
    } else {
        memcpy(t.data, from.data, weld_tensor_bytes(&t));
    }
    return WELD_OK;
}

weld_status weld_layers_as_norms(const weld_graph *g, const weld_weights *layers,
                                 weld_weights **out, weld_error *err) {
    WELD_TRY(weld_weights_create(out, err));
    weld_status status = WELD_OK;
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            status = add(g, v, layers, *out, err);
        }
    }
    if (status) {
        weld_weights_free(*out);
        *out = NULL;
    }
    return status;
}
