/* Which values are maps, and which must exist as a whole; see maps.h. */
#include "passes/maps.h"

bool weld_is_map(const weld_value *v) {
    const int rank = v->shape.rank;
    return rank >= 3 && weld_shape_count(&v->shape) > v->shape.dim[0] * v->shape.dim[rank - 1];
}

void weld_find_kept(const weld_graph *g, bool *kept) {
    for (size_t i = 0; i < g->value_count; i++) {
        kept[i] = false;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        const bool by_row = weld_node_traits(node) & WELD_OP_BY_ROW;
        for (int k = 0; k < node->input_count && !by_row; k++) {
            if (node->inputs[k]) {
                kept[node->inputs[k]->id] = true;
            }
        }
    }
    for (size_t i = 0; i < g->output_count; i++) {
        kept[g->outputs[i].value->id] = true;
    }
}
