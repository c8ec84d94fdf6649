/* Computing cheap values anew where they are read again, rather than keeping them.
 *
 * A training graph reads most of its values twice: right after they are made, and in the backward
 * pass. What normalises, activates, scales or adds costs little more than reading its input does,
 * so such a value is computed again for its late readers if all that it comes from, through other
 * cheap nodes, is kept until then anyway. Of a RepViT block that leaves the outputs of
 * convolutions before their batch norm and the input of each depthwise convolution.
 */
#ifndef WELD_PASSES_RECOMPUTE_H
#define WELD_PASSES_RECOMPUTE_H

#include "graph/graph.h"

/* How many tensors of its own size a value may be computed anew from. */
#define WELD_RECOMPUTE_ROOTS 2
#define WELD_RECOMPUTE_MOST_ROOTS 4

/* A copy of g in which cheap nodes stand again before readers of another level (levels.h), once
 * for all readers of one level. roots: 1..WELD_RECOMPUTE_MOST_ROOTS. */
weld_status weld_recompute(const weld_graph *g, int roots, weld_graph **out, weld_error *err);

#endif
