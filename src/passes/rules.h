/* The rules of reparameterization. Each is for evaluation graphs and leaves alone whatever has
 * other readers or shares its weights.
 */
#ifndef WELD_PASSES_RULES_H
#define WELD_PASSES_RULES_H

#include "passes/rewrite.h"

/* A batch norm (by running statistics) after a convolution or linear layer, and one before a linear
 * layer, fold into it. */
extern const weld_rule weld_rule_fold_batch_norm;
/* A batch norm before a convolution without padding folds into it. Only where no other rule fits:
 * one that can fold into what is before it does. */
extern const weld_rule weld_rule_fold_batch_norm_before;
/* Convolutions of one input that are added up, with equal stride, dilation and groups, kernels of
 * odd sizes and the same centre, become one; so do linear layers of one input. The input itself,
 * added too, is a branch whose kernel is a one in the centre. */
extern const weld_rule weld_rule_merge_branches;
/* A constant factor after a convolution or linear layer, or an affine map of each channel, folds
 * into it. */
extern const weld_rule weld_rule_fold_scale;
/* A batch norm of maps becomes a convolution of single pixels, each channel by itself. None of
 * those that are applied until none fits: for integers (weld_norms_as_layers). */
extern const weld_rule weld_rule_norm_as_layer;

/* The rules, applied until none fits, to a graph without tensors: *g becomes another, with a graph
 * of its own; the one that it had is only borrowed. What else it has is taken, on errors too. */
weld_status weld_reparameterize_weighted(weld_weighted_graph *g, weld_error *err);

#endif
