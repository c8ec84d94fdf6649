/* Sums and products of vectors of channels, as nodes of a graph, where NULL is the neutral vector:
 * 1 as a factor, 0 as a summand. Errors stay in the graph. */
#ifndef WELD_PASSES_VECTORS_H
#define WELD_PASSES_VECTORS_H

#include "graph/graph.h"

/* Of summands. */
weld_value *weld_vector_plus(weld_graph *g, weld_value *a, weld_value *b);
/* Of factors. */
weld_value *weld_vector_times(weld_graph *g, weld_value *a, weld_value *b);
/* a b + c of a factor b, and summands a and c. */
weld_value *weld_vector_times_plus(weld_graph *g, weld_value *a, weld_value *b, weld_value *c);
/* a + b of factors, of which at most one is NULL. */
weld_value *weld_vector_sum_of_factors(weld_graph *g, weld_value *a, weld_value *b);
/* The weight of a convolution by channel as a factor. */
weld_value *weld_vector_of_weight(weld_graph *g, weld_value *weight);

#endif
