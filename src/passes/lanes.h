/* Channels whose scale is free: what of an evaluation graph may be rescaled without changing what
 * it computes.
 *
 * Each channel of each value, counted along its last dimension, is an element. Elements that must
 * keep one scale among them form a lane: the terms of a residual sum and the sum, what a product
 * with a gate multiplies, what a pool or a ReLU is of. From one lane to another go convolutions,
 * linear layers and affine maps, whose weights take up any difference: where every activation of a
 * lane is divided by a positive factor f, rows and biases of the layers that make it are divided by
 * f, and columns of those that read it multiplied. Lane 0 is what stays as it is: inputs, outputs,
 * and all that passes through what is not homogeneous (GELU, SiLU, hard-swish, attention, a norm).
 *
 * In RepViT each block has a lane for each channel of its stream. With one scale of codes for a
 * whole tensor (quantize.h) its channels want to be alike: lanes are then divided by their own
 * range (Nagel et al., "Data-free quantization through weight equalization and bias correction",
 * ICCV 2019, section 4.1, but of activations and along residual streams).
 */
#ifndef WELD_PASSES_LANES_H
#define WELD_PASSES_LANES_H

#include "graph/graph.h"

typedef struct weld_lanes {
    const weld_graph *graph;
    size_t *first; /* by value id, and one more: the first element of the value */
    int32_t *lane; /* by element: 0 where it is fixed, else 1 .. count - 1 */
    size_t count;
} weld_lanes;

/* By value id, and one more: the number of its first element. To be released with weld_free; NULL:
 * memory is short. */
size_t *weld_channel_elements(const weld_graph *g);

weld_status weld_lanes_find(const weld_graph *g, weld_lanes *out, weld_error *err);
void weld_lanes_free(weld_lanes *l);

/* What weights w of the graph have to become for the activations of lane i to be divided by
 * factors[i], which are positive, the first of them 1. In double, rounded once. WELD_ERROR_NUMERIC,
 * naming the layer, where a weight would not be finite; w is then of no use. */
weld_status weld_lanes_rescale(const weld_lanes *l, const double *factors, weld_weights *w,
                               weld_error *err);

/* factors[i] by which lanes come to fill the ranges of their values: the largest share that an
 * element of the lane has of the range of its value, at least 2^-10, at most 1. So no value's range
 * grows. ranges: by element, of what it was seen to be, not negative. */
void weld_lanes_equalise(const weld_lanes *l, const float *ranges, double *factors);

#endif
