/* What a network costs: scalars, tensors and multiply-adds, read off its graph. */
#include "models/models.h"
#include "graph/graph.h"
#include "ops/ops.h"

/* Each query meets each key, and then each of its values, in every head. */
static int64_t attention_macs(const weld_node *node) {
    const int64_t *q = node->inputs[0]->shape.dim, *v = node->inputs[2]->shape.dim;
    return q[0] * q[1] * v[1] * (q[2] + v[2]);
}

/* Of the batch that the graph was built for. */
static int64_t image_count(const weld_graph *g) {
    const weld_value *images = weld_graph_find_leaf(g, "images");
    return images ? images->shape.dim[0] : 1;
}

weld_model_counts weld_graph_counts(const weld_graph *g) {
    weld_model_counts counts = {0};
    const int64_t images = image_count(g);
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        bool parameter = v->kind == WELD_VALUE_PARAMETER;
        counts.tensors += parameter || v->kind == WELD_VALUE_BUFFER;
        counts.parameters += parameter ? weld_shape_count(&v->shape) : 0;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_op *op = g->nodes[i]->op;
        counts.batch_norms += op == &weld_op_batch_norm_eval || op == &weld_op_batch_norm ? 1 : 0;
        counts.convolutions += op->traits & WELD_OP_CONVOLUTION ? 1 : 0;
        counts.macs += op->macs ? op->macs(g->nodes[i]) / images : 0;
        counts.attention_macs +=
            op == &weld_op_attention ? attention_macs(g->nodes[i]) / images : 0;
    }
    return counts;
}
