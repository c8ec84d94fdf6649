/* A convolution or linear layer taken out of a graph: see layer.h. */
#include "passes/layer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"
#include "passes/layer_nodes.h"

const weld_node *weld_layer_inner(const weld_rewrite *r, const weld_value *v) {
    const weld_node *node = weld_rewrite_inner(r, v, &weld_op_conv2d);
    node = node ? node : weld_rewrite_inner(r, v, &weld_op_linear);
    return node && weld_rewrite_owns_leaves(r, node) ? node : NULL;
}

static const weld_value *bias_of(const weld_node *node) {
    return node->input_count > 2 ? node->inputs[2] : NULL;
}

/* Copy a kernel into the centre of a larger one; a linear layer's is 1 x 1. */
static void copy_kernel(weld_rewrite *r, const weld_value *weight, weld_layer *out) {
    bool linear = weight->shape.rank == 2;
    int64_t planes = weight->shape.dim[0] * weight->shape.dim[1];
    int64_t h = linear ? 1 : weight->shape.dim[2], w = linear ? 1 : weight->shape.dim[3];
    int64_t oh = linear ? 1 : out->shape.dim[2], ow = linear ? 1 : out->shape.dim[3];
    int64_t top = (oh - h) / 2, left = (ow - w) / 2;
    for (int64_t p = 0; p < planes; p++) {
        for (int64_t i = 0; i < h; i++) {
            for (int64_t j = 0; j < w; j++) {
                out->weight[(p * oh + top + i) * ow + left + j] =
                    weld_rewrite_element(r, weight, (p * h + i) * w + j);
            }
        }
    }
}

bool weld_layer_take(weld_rewrite *r, const weld_node *node, const int kernel[2], weld_layer *out) {
    const weld_value *weight = node->inputs[1], *bias = bias_of(node);
    *out = (weld_layer){.node = node, .shape = weight->shape, .has_bias = bias != NULL};
    for (int i = 0; i < 2 && node->op == &weld_op_conv2d; i++) {
        int size = kernel ? kernel[i] : (int)weight->shape.dim[2 + i];
        out->shape.dim[2 + i] = size;
        int wider = (size - (int)weight->shape.dim[2 + i]) / 2;
        out->padding[i] = node->attributes.padding[i] + wider * weld_dilation(&node->attributes, i);
    }
    weld_rewrite_consume(r, node);
    if (r->source->maker) {
        return weld_nodes_take(r, node, out);
    }
    if (!weld_rewrite_has_weights(r)) {
        return true;
    }
    int64_t outputs = out->shape.dim[0];
    out->weight = weld_pool_alloc(r->pool, weld_shape_count(&out->shape));
    out->bias = weld_pool_alloc(r->pool, outputs);
    if (!out->weight || !out->bias) {
        weld_graph_fail(r->to, WELD_ERROR_MEMORY, "merging: out of memory");
        return false;
    }
    copy_kernel(r, weight, out);
    for (int64_t o = 0; bias && o < outputs; o++) {
        out->bias[o] = weld_rewrite_element(r, bias, o);
    }
    return true;
}

void weld_layer_scale(weld_layer *layer, int64_t o, double factor) {
    int64_t row = weld_shape_count(&layer->shape) / layer->shape.dim[0];
    for (int64_t i = 0; i < row; i++) {
        layer->weight[o * row + i] *= factor;
    }
    layer->bias[o] *= factor;
}

bool weld_norm_affine(weld_rewrite *r, const weld_node *norm, int64_t c, double *scale,
                      double *shift) {
    enum { WEIGHT = 1, BIAS, MEAN, VAR }; /* inputs of the node; 0 is x */
    double var = weld_rewrite_element(r, norm->inputs[VAR], c);
    double mean = weld_rewrite_element(r, norm->inputs[MEAN], c);
    *scale = weld_rewrite_element(r, norm->inputs[WEIGHT], c) / sqrt(var + norm->attributes.eps);
    *shift = weld_rewrite_element(r, norm->inputs[BIAS], c) - mean * *scale;
    if (!isfinite(*scale) || !isfinite(*shift)) {
        weld_graph_fail(r->to, WELD_ERROR_NUMERIC,
                        "merging: element %lld of '%s' is %g (mean %g): the batch norm gives no "
                        "finite result: the weights are damaged, take an earlier checkpoint",
                        (long long)c, norm->inputs[VAR]->name, var, mean);
        return false;
    }
    return true;
}

/* --- Names ----------------------------------------------------------------------------------- */

static bool is_live_leaf(const weld_rewrite *r, const weld_value *v) {
    return (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) && r->uses[v->id] > 0;
}

/* Length of the module's name in a leaf's: "a.b.weight" -> 3. */
static size_t module_length(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

static bool is_under(const char *name, const char *module, size_t length) {
    return strncmp(name, module, length) == 0 && name[length] == '.';
}

/* Length of the longest module name that begins both. */
static size_t common_module(const char *a, size_t length, const char *b) {
    while (length > 0 && !is_under(b, a, length)) {
        do {
            length--;
        } while (length > 0 && a[length] != '.');
    }
    return length;
}

/* Length of the name of the innermost module that holds all leaves that this replacement consumed,
 * 0 where it holds others too; *any is one of the leaves. */
static size_t consumed_module(const weld_rewrite *r, const char **any) {
    const weld_graph *g = r->from;
    size_t length = 0;
    *any = NULL;
    for (size_t i = 0; i < g->value_count; i++) {
        if (r->consumed[i] == r->replacement) {
            const char *name = g->values[i]->name;
            length = *any ? common_module(*any, length, name) : module_length(name);
            *any = *any ? *any : name;
        }
    }
    for (size_t i = 0; i < g->value_count && length > 0; i++) {
        const weld_value *v = g->values[i];
        if (is_live_leaf(r, v) && r->consumed[i] != r->replacement &&
            is_under(v->name, *any, length)) {
            return 0;
        }
    }
    return length;
}

/* Does a leaf that stays have this name? */
static bool is_taken(const weld_rewrite *r, const char *name) {
    const weld_value *v = weld_graph_find_leaf(r->from, name);
    if (v && is_live_leaf(r, v) && r->consumed[v->id] != r->replacement) {
        return true;
    }
    return weld_graph_find_leaf(r->to, name) != NULL;
}

/* module + suffix, with a number where that is taken; from the pool, NULL after an error. */
static const char *make_name(weld_rewrite *r, const char *module, size_t length,
                             const char *suffix) {
    size_t size = length + strlen(suffix) + 16;
    char *name = (char *)weld_pool_alloc(r->pool, (int64_t)(size / sizeof(double) + 1));
    if (!name) {
        weld_graph_fail(r->to, WELD_ERROR_MEMORY, "merging: out of memory");
        return NULL;
    }
    snprintf(name, size, "%.*s%s", (int)length, module, suffix);
    for (int i = 2; is_taken(r, name); i++) {
        snprintf(name, size, "%.*s%s_%d", (int)length, module, suffix, i);
    }
    return name;
}

weld_value *weld_layer_put(weld_rewrite *r, const weld_layer *layer, weld_value *x) {
    const weld_value *old_weight = layer->node->inputs[1], *old_bias = bias_of(layer->node);
    const char *module;
    size_t length = consumed_module(r, &module);
    const char *weight_name = old_weight->name, *bias_name = old_bias ? old_bias->name : NULL;
    if (length > 0) {
        weight_name = make_name(r, module, length, ".weight");
        bias_name = make_name(r, module, length, ".bias");
    } else if (!bias_name) {
        bool usual = module_length(weight_name) > 0;
        bias_name = make_name(r, weight_name,
                              usual ? module_length(weight_name) : strlen(weight_name), ".bias");
    }
    if (!weight_name || !bias_name) {
        return NULL;
    }
    weld_value *weight = weld_rewrite_parameter(r, weight_name, layer->shape, layer->weight);
    weld_value *bias = NULL;
    if (layer->has_bias) {
        bias = weld_rewrite_parameter(r, bias_name, WELD_SHAPE(layer->shape.dim[0]), layer->bias);
    }
    if (!weight || (layer->has_bias && !bias)) {
        return NULL;
    }
    if (r->source->maker) {
        weld_nodes_put(r, layer, weight, bias);
    }
    if (layer->node->op == &weld_op_linear) {
        return weld_linear(r->to, x, weight, bias);
    }
    const weld_attributes *a = &layer->node->attributes;
    weld_conv2d_options options = {.stride = {a->stride[0], a->stride[1]},
                                   .padding = {layer->padding[0], layer->padding[1]},
                                   .groups = a->groups,
                                   .dilation = {a->dilation[0], a->dilation[1]},
                                   .same = a->same};
    return weld_conv2d(r->to, x, weight, bias, options);
}
