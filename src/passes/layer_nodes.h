/* What rules do to a layer's weights, as nodes (merged_nodes.h): in the same order as they do it to
 * numbers, in f64. Errors are those of r->to.
 */
#ifndef WELD_PASSES_LAYER_NODES_H
#define WELD_PASSES_LAYER_NODES_H

#include "passes/layer.h"

/* A factor and, unless it is NULL, a shift for each channel. */
typedef struct weld_nodes_map {
    weld_value *scale, *shift;
} weld_nodes_map;
weld_nodes_map weld_nodes_norm(weld_rewrite *r, const weld_node *norm);

/* The layer's weights, in a kernel of its shape; false after an error. */
bool weld_nodes_take(weld_rewrite *r, const weld_node *node, weld_layer *out);
/* Note what the leaves of the layer are. */
void weld_nodes_put(weld_rewrite *r, const weld_layer *layer, const weld_value *weight,
                    const weld_value *bias);
/* Map what the layer gives, or what it takes. */
void weld_nodes_scale(weld_rewrite *r, weld_layer *layer, weld_nodes_map map);
void weld_nodes_scale_before(weld_rewrite *r, weld_layer *layer, weld_nodes_map map);
void weld_nodes_multiply(weld_rewrite *r, weld_layer *layer, double factor);
/* Add a layer of equal shape; the input, itself or (norm not NULL) normalised. */
void weld_nodes_add(weld_rewrite *r, weld_layer *to, const weld_layer *from);
void weld_nodes_add_identity(weld_rewrite *r, weld_layer *to, const weld_node *norm);

#endif
