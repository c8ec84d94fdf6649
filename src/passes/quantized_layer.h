/* A layer whose weights are integers, for what makes and what checks them. */
#ifndef WELD_PASSES_QUANTIZED_LAYER_H
#define WELD_PASSES_QUANTIZED_LAYER_H

#include <math.h>

#include "passes/quantize.h"

enum { WELD_MOST_WEIGHT = 127, WELD_MOST_BIAS = 1 << 30 };

/* Its tensors, as far as they are there. */
typedef struct weld_quantized_layer {
    const weld_node *node;
    const char *name;       /* of the weight */
    const weld_value *bias; /* NULL: none */
    int64_t out, row;       /* weights of one output */
    weld_codes x, y;        /* y.scale 0: there are none */
    int most;               /* the largest code of a weight */
    const float *learned;   /* scales of rows; NULL: none */
} weld_quantized_layer;

static inline weld_quantized_layer weld_quantized_layer_of(const weld_quantization *q,
                                                           const weld_node *node) {
    const weld_shape *w = &node->inputs[1]->shape;
    return (weld_quantized_layer){
        .node = node,
        .name = node->inputs[1]->name,
        .bias = node->input_count > 2 ? node->inputs[2] : NULL,
        .out = w->dim[0],
        .row = weld_shape_count(w) / w->dim[0],
        .x = q->codes[node->inputs[0]->id],
        .y = q->codes[node->outputs[0]->id],
        .most = q->weight_bits ? (1 << (q->weight_bits - 1)) - 1 : WELD_MOST_WEIGHT,
        .learned = q->learned ? q->learned->scales + q->learned->first[node->inputs[1]->id] : NULL};
}

/* Are the factors that a scale of weights makes normal numbers? */
static inline bool weld_factors_are_normal(const weld_quantized_layer *l, float s_w) {
    const float both = l->x.scale * s_w;
    return isnormal(s_w) && isnormal(both) && (l->y.scale == 0 || isnormal(both / l->y.scale));
}

/* With this bias, and these weights of one output, can none of its sums overflow? */
bool weld_quantized_bias_fits(const weld_quantized_layer *l, const int8_t *row, float s_w,
                              int64_t bias);

#endif
