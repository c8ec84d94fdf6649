/* The registry: every operator by name, for those who read graphs from files. One line each. */
#include "ops/ops.h"

#include <string.h>

static const weld_op *const all[] = {
    &weld_op_activation,
    &weld_op_activation_grad,
    &weld_op_activation_pair,
    &weld_op_add,
    &weld_op_affine,
    &weld_op_affine2,
    &weld_op_attention,
    &weld_op_attention_grad,
    &weld_op_batch_norm,
    &weld_op_batch_norm_coefficients,
    &weld_op_batch_norm_eval,
    &weld_op_batch_norm_eval_grad,
    &weld_op_batch_norm_grad,
    &weld_op_batch_norm_statistics,
    &weld_op_batch_norm_sums,
    &weld_op_cast,
    &weld_op_channel_dot,
    &weld_op_channel_scale,
    &weld_op_channel_sum,
    &weld_op_combine,
    &weld_op_concat,
    &weld_op_conv2d,
    &weld_op_conv2d_input_grad,
    &weld_op_conv2d_weight_grad,
    &weld_op_cross_entropy,
    &weld_op_cross_entropy_grad,
    &weld_op_dropout,
    &weld_op_fill,
    &weld_op_global_avg_pool,
    &weld_op_global_avg_pool_grad,
    &weld_op_grad_sums_of_affine2,
    &weld_op_layer_norm,
    &weld_op_layer_norm_grad,
    &weld_op_linear,
    &weld_op_matmul,
    &weld_op_max_pool,
    &weld_op_max_pool_grad,
    &weld_op_mean,
    &weld_op_mean_grad,
    &weld_op_moments,
    &weld_op_moments_of_affine2,
    &weld_op_permute,
    &weld_op_relative_position_bias,
    &weld_op_relative_position_bias_grad,
    &weld_op_reshape,
    &weld_op_scale,
    &weld_op_slice,
    &weld_op_slice_grad,
    &weld_op_softmax,
    &weld_op_softmax_grad,
    &weld_op_stochastic_depth,
    &weld_op_sums_of_affine2,
    &weld_op_sums_row,
};

const weld_op *weld_op_at(size_t i) {
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

const weld_op *weld_op_find(const char *name) {
    size_t i = 0;
    while (weld_op_at(i) && strcmp(all[i]->name, name) != 0) {
        i++;
    }
    return weld_op_at(i);
}
