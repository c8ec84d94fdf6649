/* Merging a network into nodes: the weights of a merged layer as values of a graph, computed of the
 * branches that are trained (RepQ, Hou et al., BMVC 2023, puts quantisation on such). The rules are
 * those of reparameterize.h, whose numbers are the same to the bit once they are rounded.
 */
#ifndef WELD_PASSES_MERGED_NODES_H
#define WELD_PASSES_MERGED_NODES_H

#include "graph/graph.h"

/* What a graph becomes where its weights are made. */
typedef struct weld_merged_nodes {
    weld_graph *graph;  /* has the inputs, parameters and buffers of the network as leaves, and the
                         * nodes that make the merged weights */
    weld_graph *merged; /* what weld_reparameterize makes of the network... */
    weld_value **made;  /* ...by the id of a leaf of which: what it is in `graph`, of f64 */
} weld_merged_nodes;

/* Of an evaluation graph. Its batch norms' running statistics have no gradient. */
weld_status weld_merged_nodes_create(const weld_graph *g, weld_merged_nodes *out, weld_error *err);
void weld_merged_nodes_free(weld_merged_nodes *m); /* and zero it */

#endif
