/* Chains of elementwise work as one pass over the data.
 *
 * Sums, factors and shifts by channel that are read once are done by their reader: a tree of
 * affine, affine2, add and convolutions by channel over at most WELD_MAX_TERMS tensors, with an
 * activation at the end, becomes one `combine`. A tensor that stands in the tree twice is one term,
 * whose factor is the sum of both. The factors are computed on vectors.
 *
 * An activation and an activation_grad of the same value in the same level (levels.h) become one
 * activation_pair, which also does the affine map that they share if nobody else reads it.
 *
 * Unlike compose_affine.h this computes nothing twice, and so belongs after recompute.h, which
 * makes values that were read more than once have one reader each.
 */
#ifndef WELD_PASSES_FOLD_LINEAR_H
#define WELD_PASSES_FOLD_LINEAR_H

#include "graph/graph.h"

/* A copy of g, which must have its gradients already. It computes what g computes, within rounding;
 * in bf16 with fewer roundings. */
weld_status weld_fold_linear(const weld_graph *g, weld_graph **out, weld_error *err);

#endif
