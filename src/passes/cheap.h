/* What the passes over training graphs know of single nodes. */
#ifndef WELD_PASSES_CHEAP_H
#define WELD_PASSES_CHEAP_H

#include "graph/graph.h"

/* A map of more than one position, which is worth thought; vectors are not. */
bool weld_is_map(const weld_value *v);
/* A convolution that is a factor for each channel, or one of its gradients. */
bool weld_is_channel_wise(const weld_node *node);
/* Does the node cost little more than reading its inputs does? Its output has their shape. */
bool weld_is_cheap(const weld_node *node);
/* kept[v], by value id, for values that must exist as a whole: outputs, and what nodes read that
 * want other rows with each row, or all of them at once. The others are read row by row. */
void weld_find_kept(const weld_graph *g, bool *kept);

#endif
