/* Reparameterization: merging the branches of a trained network for deployment. */
#ifndef WELD_PASSES_REPARAMETERIZE_H
#define WELD_PASSES_REPARAMETERIZE_H

#include "weld/graph.h"

/* Apply the rules of passes/rules.h to an evaluation graph until none fits. *out_graph computes the
 * same outputs from the same inputs; *out_weights holds exactly its parameters and buffers, all
 * new; both are the caller's to free, and g and w are not touched. Every leaf of g must be in w
 * with its shape. Arithmetic is in double; results are rounded once.
 *
 * A merged layer is called after the innermost module that holds nothing but its parts:
 * "features.3.token_mixer.0.conv.c.weight" and its companions become
 * "features.3.token_mixer.0.weight" and ".bias".
 *
 * WELD_ERROR_NUMERIC where a merged weight would not be finite, naming the leaf at fault. Merging
 * the result again gives an equal graph with equal weights. */
weld_status weld_reparameterize(const weld_graph *g, const weld_weights *w, weld_graph **out_graph,
                                weld_weights **out_weights, weld_error *err);
/* The graph alone, which does not depend on the weights. */
weld_status weld_reparameterize_graph(const weld_graph *g, weld_graph **out, weld_error *err);

/* Has g batch norms of maps? After merging: such as could not be merged. */
bool weld_has_norms(const weld_graph *g);
/* The same with convolutions of single pixels in their place, which have an integer form, called as
 * they are. */
weld_status weld_norms_as_layers(const weld_graph *g, const weld_weights *w, weld_graph **out_graph,
                                 weld_weights **out_weights, weld_error *err);
weld_status weld_norms_as_layers_graph(const weld_graph *g, weld_graph **out, weld_error *err);
/* And back: weights of g, which has the norms, of those of the graph with layers in their place.
 * WELD_ERROR_SHAPE: they are not that. */
weld_status weld_layers_as_norms(const weld_graph *g, const weld_weights *layers,
                                 weld_weights **out, weld_error *err);

#endif
