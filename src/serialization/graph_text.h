/* Graphs as JSON text, and back: how a deploy file carries its network as data.
 *
 *   {"weld_graph": 1, "dtype": "f32",
 *    "values": [{"leaf": "input", "name": "images", "dtype": "f32", "shape": [1, 64, 64, 3]},
 *               {"leaf": "parameter", "name": "...", "dtype": "f32", "shape": [8, 3, 3, 3],
 *                "init": ["uniform", -0.19, 0.19]},
 *               {"op": "conv2d", "inputs": [0, 1, null], "stride": [2, 2], ...}],
 *    "outputs": [{"name": "logits", "value": 57}]}
 *
 * Values are numbered from 0 in this order; an operator with several outputs takes as many numbers.
 * A node has exactly the attributes that its operator declares.
 */
#ifndef WELD_SERIALIZATION_GRAPH_TEXT_H
#define WELD_SERIALIZATION_GRAPH_TEXT_H

#include "weld/graph.h"

/* The text is released with weld_free. */
weld_status weld_graph_to_text(const weld_graph *g, char **text, weld_error *err);

/* The graph of a text, equal to the one written, numbers included. Every shape rule is checked
 * again, so that a text from outside gives a sound graph or an error. `where` stands in front of
 * messages. */
weld_status weld_graph_from_text(const char *text, const char *where, weld_graph **out,
                                 weld_error *err);

#endif
