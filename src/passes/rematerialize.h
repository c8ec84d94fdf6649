/* Computing what a part of a network has made again in the backward pass, so that it need not be
 * kept: gradient checkpointing (Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear
 * memory cost", 2016).
 *
 * The network is cut into segments. Of maps that are made and read in one segment alone only what
 * cannot be made again to the bit at little cost is kept from forward to backward: sums over the
 * batch (with the vectors that follow from them) and pooled maps. What the backward pass reads of
 * the others is computed again from these, and from what crosses into the segment, just before its
 * first reader. The nodes are the same, chance included, so the results are the same bits.
 */
#ifndef WELD_PASSES_REMATERIALIZE_H
#define WELD_PASSES_REMATERIALIZE_H

#include "graph/plan.h"

/* A copy of the plan's graph, one with gradients after all other passes, in which the segments
 * 0 .. below - 1 are computed again, but for that of the loss. loss: what the backward pass begins
 * with. segments, by node id: the same or higher than those of all that a node of the forward pass
 * reads; others' do not matter. The copy is to be run as the plan says (batch, threads, node by
 * node); copied once more it is a graph without order: nothing would say when to compute again. */
weld_status weld_rematerialize(const weld_plan *plan, const weld_value *loss, const int *segments,
                               int below, weld_graph **out, weld_error *err);

#endif
