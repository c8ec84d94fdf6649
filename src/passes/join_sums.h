/* Sums over a combination of two maps from sums over the two.
 *
 * Batch norm of t = a p + b q + d (by channel) needs the sums of t and t^2. They follow from the
 * sums of p, q, p^2, q^2 and p q, which can be taken where p is made from q: t need not be made for
 * them, nor wait for the vectors a, b, d. In the gradient, sums of y t, and of what becomes of y
 * behind that batch norm times p or q, follow from sums of y, y p and y q in the same way. In
 * RepViT's token mixer t is the sum of the three branches, q the mixer's input and p its depthwise
 * convolution: this saves one pass over them in each direction.
 */
#ifndef WELD_PASSES_JOIN_SUMS_H
#define WELD_PASSES_JOIN_SUMS_H

#include "graph/graph.h"

/* A copy of g, which weld_compose_affine has made. */
weld_status weld_join_sums(const weld_graph *g, weld_graph **out, weld_error *err);

#endif
