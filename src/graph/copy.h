/* Copying a graph with some of its nodes replaced: the frame of the passes over training graphs
 * (rewrite.h is that of reparameterization, which carries weights along).
 *
 * All leaves are kept, in order, and so are the outputs; nodes that no output needs are left out.
 */
#ifndef WELD_GRAPH_COPY_H
#define WELD_GRAPH_COPY_H

#include "graph/graph.h"

typedef struct weld_copy {
    const weld_graph *from;
    weld_graph *to;
    bool *needed;     /* by value id in from */
    weld_value **map; /* by value id in from: its counterpart in to, or NULL so far */
} weld_copy;

/* Called for each needed node in order. To replace it: build what takes its place in c->to, give
 * those of its outputs that are needed their counterparts in c->map, return true. Errors are those
 * of the graph c->to. */
typedef bool (*weld_copy_replace)(weld_copy *c, const weld_node *node, void *context);

weld_status weld_copy_graph(const weld_graph *from, weld_copy_replace replace, void *context,
                            weld_graph **out, weld_error *err);

/* The node with these inputs (of c->to; NULL where the node's is); returns the copy. NULL after an
 * error. */
weld_node *weld_copy_node(weld_copy *c, const weld_node *node, weld_value *const *inputs);

#endif
