/* Chains of affine maps as one.
 *
 * Affine maps by channel (normalisation, a factor a channel, residual sums) composed are affine:
 * where a node's value is a linear combination a[c] p + b[c] q + d[c] of at most two other values,
 * though made by several nodes, it becomes one affine2 (or affine) of those, and a, b, d are
 * computed on vectors. So the token mixer's sum of three branches, and the batch norm after it, are
 * each one pass over the depthwise convolution's input and output.
 */
#ifndef WELD_PASSES_COMPOSE_AFFINE_H
#define WELD_PASSES_COMPOSE_AFFINE_H

#include "graph/graph.h"

/* A copy of g, which must have its gradients already; best after weld_split_batch_norm. */
weld_status weld_compose_affine(const weld_graph *g, weld_graph **out, weld_error *err);

#endif
