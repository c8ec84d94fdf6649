/* A convolution or linear layer taken out of a graph, to be changed and put back. */
#ifndef WELD_PASSES_LAYER_H
#define WELD_PASSES_LAYER_H

#include "passes/rewrite.h"

typedef struct weld_layer {
    const weld_node *node;               /* conv2d or linear: inputs x, weight, bias or absent */
    weld_shape shape;                    /* of weight: [out, in / groups, kh, kw] or [out, in] */
    int padding[2];                      /* convolution: height, width */
    double *weight, *bias;               /* of shape, and [out]; NULL where there are no weights */
    weld_value *made_weight, *made_bias; /* the same as values of nodes (merged_nodes.h), or NULL;
                                          * the bias NULL: 0 */
    bool has_bias;
} weld_layer;

/* The convolution or linear layer that makes v, if v has no other reader and the layer's weights
 * are its own; else NULL. */
const weld_node *weld_layer_inner(const weld_rewrite *r, const weld_value *v);

/* Take the node's weights out, in double and owned by the pool. The kernel may be asked to be
 * larger (a convolution's; NULL: as it is): it is padded with zeros evenly on all sides. Notes the
 * node's leaves as consumed. False after an error. */
bool weld_layer_take(weld_rewrite *r, const weld_node *node, const int kernel[2], weld_layer *out);
/* Multiply output `o` (weight and bias, which must be there) by a factor. */
void weld_layer_scale(weld_layer *layer, int64_t o, double factor);
/* What a batch_norm_eval node does to channel c: y = x scale + shift, scale = weight / sqrt(var +
 * eps), shift = bias - mean scale. False after an error: where they are not finite. */
bool weld_norm_affine(weld_rewrite *r, const weld_node *norm, int64_t c, double *scale,
                      double *shift);
/* Put the layer into r->to, reading x there. Its leaves are named after the innermost module that
 * holds nothing but what was consumed, or else as the layer's own were. */
weld_value *weld_layer_put(weld_rewrite *r, const weld_layer *layer, weld_value *x);

#endif
