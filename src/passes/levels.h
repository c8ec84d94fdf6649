/* Levels of a graph's nodes: what may run together, slice by slice.
 *
 * A reduction over rows (sums, a pooled map) must have seen all rows before anything that reads its
 * result can start, and so must a node on vectors of channels. The level of a node is the number of
 * such results on the longest path to it; nodes of one level can work on the same slices in turn.
 *
 * A node that nobody of its own level reads is put to the level of its first readers: what is
 * computed anew for them (recompute.h) belongs to them.
 */
#ifndef WELD_PASSES_LEVELS_H
#define WELD_PASSES_LEVELS_H

#include "graph/graph.h"

/* levels[0 .. g->node_count), by node id. */
weld_status weld_node_levels(const weld_graph *g, int *levels, weld_error *err);

#endif
