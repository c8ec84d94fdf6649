/* The passes that make a training step faster: all of them, in order. */
#ifndef WELD_PASSES_FUSE_TRAINING_H
#define WELD_PASSES_FUSE_TRAINING_H

#include "graph/graph.h"

/* Which passes are left out; zero is all on. */
typedef struct weld_fuse_options {
    bool off;              /* all of them */
    bool whole_batch_norm; /* batch norm stays one node (split_batch_norm.h) */
    bool keep_chains;      /* affine maps are not composed (compose_affine.h) */
    bool keep_sums;        /* sums are taken of what they are of (join_sums.h) */
    bool keep_all;         /* nothing is computed anew (recompute.h) */
    bool keep_elementwise; /* sums, factors and activations stay apart (fold_linear.h) */
    int recompute_roots;   /* from how many tensors it may be; 0: WELD_RECOMPUTE_ROOTS */
} weld_fuse_options;

/* A copy of g, a graph with its gradients, after the passes: the same leaves and outputs. options
 * NULL: all on. */
weld_status weld_fuse_training(const weld_graph *g, const weld_fuse_options *options,
                               weld_graph **out, weld_error *err);

#endif
