/* Sums and products of vectors; see vectors.h. */
#include "passes/vectors.h"

#include "ops/ops.h"

weld_value *weld_vector_plus(weld_graph *g, weld_value *a, weld_value *b) {
    return !a ? b : !b ? a : weld_add(g, a, b);
}

weld_value *weld_vector_times(weld_graph *g, weld_value *a, weld_value *b) {
    return !a ? b : !b ? a : weld_affine(g, a, b, NULL);
}

weld_value *weld_vector_times_plus(weld_graph *g, weld_value *a, weld_value *b, weld_value *c) {
    return a && b ? weld_affine(g, a, b, c) : weld_vector_plus(g, a, c);
}

weld_value *weld_vector_sum_of_factors(weld_graph *g, weld_value *a, weld_value *b) {
    return weld_add(g, a ? a : weld_fill_like(g, b, 1), b ? b : weld_fill_like(g, a, 1));
}

weld_value *weld_vector_of_weight(weld_graph *g, weld_value *weight) {
    return weight ? weld_reshape(g, weight, WELD_SHAPE(weight->shape.dim[0])) : NULL;
}
