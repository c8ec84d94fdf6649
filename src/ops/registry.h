/* Every operator, one line each: NAME stands for weld_op_NAME. */
#ifndef WELD_OPS_REGISTRY_H
#define WELD_OPS_REGISTRY_H

/* clang-format off */
#define WELD_OPERATORS(X) \
    X(activation) \
    X(activation_grad) \
    X(activation_pair) \
    X(add) \
    X(affine) \
    X(affine2) \
    X(attention) \
    X(attention_grad) \
    X(batch_norm) \
    X(batch_norm_coefficients) \
    X(batch_norm_eval) \
    X(batch_norm_eval_grad) \
    X(batch_norm_grad) \
    X(batch_norm_statistics) \
    X(batch_norm_sums) \
    X(binary_cross_entropy) \
    X(binary_cross_entropy_grad) \
    X(box_decode) \
    X(box_decode_grad) \
    X(cast) \
    X(channel_dot) \
    X(channel_scale) \
    X(channel_sum) \
    X(clamp) \
    X(clamp_grad) \
    X(combine) \
    X(concat) \
    X(conv2d) \
    X(conv2d_input_grad) \
    X(conv2d_weight_grad) \
    X(cross_entropy) \
    X(cross_entropy_grad) \
    X(detection_assign) \
    X(detection_box_loss) \
    X(detection_box_loss_grad) \
    X(detection_class_loss) \
    X(detection_class_loss_grad) \
    X(detection_dfl_loss) \
    X(detection_dfl_loss_grad) \
    X(dropout) \
    X(fill) \
    X(global_avg_pool) \
    X(global_avg_pool_grad) \
    X(grad_sums_of_affine2) \
    X(layer_norm) \
    X(layer_norm_grad) \
    X(linear) \
    X(linear_input_grad) \
    X(linear_weight_grad) \
    X(max_pool) \
    X(max_pool_grad) \
    X(mean) \
    X(mean_grad) \
    X(moments) \
    X(moments_of_affine2) \
    X(mul) \
    X(permute) \
    X(relative_position_bias) \
    X(relative_position_bias_grad) \
    X(reshape) \
    X(resize) \
    X(resize_grad) \
    X(scale) \
    X(slice) \
    X(slice_grad) \
    X(softmax) \
    X(softmax_grad) \
    X(stochastic_depth) \
    X(sums_of_affine2) \
    X(sums_row)
/* clang-format on */

#endif
