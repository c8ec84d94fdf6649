/* What a network costs: scalars, tensors and multiply-adds, read off its graph. */
#include "models/models.h"
#include "ops/ops.h"

/* Elements of one image of a value (all but the batch). */
static int64_t elements_per_image(const weld_value *v) {
    weld_shape shape = v->shape;
    if (shape.rank > 0) {
        shape.dim[0] = 1;
    }
    return weld_shape_count(&shape);
}

/* Each output element of a convolution or a linear layer is a product over one row of the weight,
 * [out, ...]. */
static int64_t macs_per_image(const weld_node *node) {
    const weld_shape *weight = &node->inputs[1]->shape;
    return elements_per_image(node->outputs[0]) * (weld_shape_count(weight) / weight->dim[0]);
}

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
        counts.convolutions += op == &weld_op_conv2d;
        if (op == &weld_op_conv2d || op == &weld_op_linear) {
            counts.macs += macs_per_image(g->nodes[i]);
        }
    }
    return counts;
}
