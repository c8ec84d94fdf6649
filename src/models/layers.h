/* What networks are made of, for the files of families: weld/layers.h, and how layers are found
 * again in a graph, which may come from a file. */
#ifndef WELD_MODELS_LAYERS_H
#define WELD_MODELS_LAYERS_H

#include "graph/graph.h"
#include "models/models.h"

/* The convolution whose weight has one of two names; NULL where there is none. */
const weld_node *weld_find_conv(const weld_graph *g, weld_path weight, weld_path or_weight);
/* What the first node of operator `op` that reads v makes of it; NULL where there is none. */
weld_value *weld_read_by(const weld_op *op, const weld_value *v);

#endif
