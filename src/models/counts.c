/* What a network costs: scalars, tensors and multiply-adds, read off its graph. */
#include "models/models.h"
#include "graph/graph.h"

weld_model_counts weld_graph_counts(const weld_graph *g) {
    weld_model_counts counts = {0};
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        bool parameter = v->kind == WELD_VALUE_PARAMETER;
        counts.tensors += parameter || v->kind == WELD_VALUE_BUFFER;
        counts.parameters += parameter ? weld_shape_count(&v->shape) : 0;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_op *op = g->nodes[i]->op;
        counts.convolutions += op->traits & WELD_OP_CONVOLUTION ? 1 : 0;
        counts.macs += op->macs ? op->macs(g->nodes[i]) : 0;
    }
    return counts;
}
