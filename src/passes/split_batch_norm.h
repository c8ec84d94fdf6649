/* Batch norm in steps: sums, a node of vectors, and an affine map of the rows (ops/affine.c,
 * ops/batch_norm_steps.c), for training graphs with their gradients. */
#ifndef WELD_PASSES_SPLIT_BATCH_NORM_H
#define WELD_PASSES_SPLIT_BATCH_NORM_H

#include "graph/graph.h"

/* A copy of g, which must have its gradients already (the steps have none). It computes what g
 * computes, within rounding, statistics of the batch included. */
weld_status weld_split_batch_norm(const weld_graph *g, weld_graph **out, weld_error *err);

#endif
