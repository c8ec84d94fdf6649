/* What the passes over training graphs know of single nodes; see cheap.h. */
#include "passes/cheap.h"

#include "ops/conv2d.h"

bool weld_is_map(const weld_value *v) {
    return v->shape.rank == 4 && v->shape.dim[1] * v->shape.dim[2] > 1;
}

static bool is_one_of(const weld_op *op, const weld_op *const *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (op == list[i]) {
            return true;
        }
    }
    return false;
}

static bool is_conv2d(const weld_op *op) {
    return op == &weld_op_conv2d || op == &weld_op_conv2d_input_grad ||
           op == &weld_op_conv2d_weight_grad;
}

static weld_conv2d_path conv2d_path(const weld_node *node) {
    weld_shape x = node->inputs[0]->shape, weight = node->inputs[1]->shape;
    if (node->op == &weld_op_conv2d_input_grad) {
        x = node->outputs[0]->shape;
    } else if (node->op == &weld_op_conv2d_weight_grad) {
        weight = node->outputs[0]->shape;
    }
    return weld_conv2d_geometry_of(&node->attributes, x, weight).path;
}

bool weld_is_channel_wise(const weld_node *node) {
    return is_conv2d(node->op) && conv2d_path(node) == WELD_CONV2D_CHANNEL_WISE;
}

bool weld_is_cheap(const weld_node *node) {
    static const weld_op *const list[] = {&weld_op_activation, &weld_op_add,
                                          &weld_op_affine,     &weld_op_affine2,
                                          &weld_op_scale,      &weld_op_channel_scale};
    return is_one_of(node->op, list, sizeof list / sizeof *list) ||
           (node->op != &weld_op_conv2d_weight_grad && weld_is_channel_wise(node));
}

static bool reads_by_row(const weld_node *node) {
    static const weld_op *const list[] = {&weld_op_activation_grad,
                                          &weld_op_batch_norm,
                                          &weld_op_batch_norm_eval,
                                          &weld_op_batch_norm_grad,
                                          &weld_op_batch_norm_sums,
                                          &weld_op_batch_norm_eval_grad,
                                          &weld_op_cast,
                                          &weld_op_channel_dot,
                                          &weld_op_channel_sum,
                                          &weld_op_global_avg_pool,
                                          &weld_op_moments};
    if (is_conv2d(node->op)) {
        weld_conv2d_path path = conv2d_path(node);
        return path == WELD_CONV2D_POINTWISE || path == WELD_CONV2D_CHANNEL_WISE;
    }
    return weld_is_cheap(node) || is_one_of(node->op, list, sizeof list / sizeof *list);
}

void weld_find_kept(const weld_graph *g, bool *kept) {
    for (size_t i = 0; i < g->value_count; i++) {
        kept[i] = false;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        for (int k = 0; k < node->input_count && !reads_by_row(node); k++) {
            if (node->inputs[k]) {
                kept[node->inputs[k]->id] = true;
            }
        }
    }
    for (size_t i = 0; i < g->output_count; i++) {
        kept[g->outputs[i].value->id] = true;
    }
}
