/* The reference table: the definition of every kernel, in plain C.
 *
 * Included once by each of ref_f32.c, ref_f64.c and ref_bf16.c, which first define T and P of
 * kernels.h as `real` and `param`, T's name as REAL_DTYPE, whether the two are one type as P_IS_T,
 * and `get` and `put`, which take a `real` to double and a double to the nearest `real`.
 * Sums run in double for all types, so the other tables differ from the double one by the rounding
 * of their inputs and outputs alone. Readable before fast. */
#include <math.h>

#include "kernels/kernels.h"

#include "kernels/ref/gemm.inc.h"
#include "kernels/ref/depthwise.inc.h"
#include "kernels/ref/channels.inc.h"
#include "kernels/ref/elementwise.inc.h"
#include "kernels/ref/combine.inc.h"
#include "kernels/ref/windows.inc.h"
#include "kernels/ref/rows.inc.h"
#if P_IS_T
#include "kernels/ref/winograd.inc.h"
#endif

static const weld_kernels table = {
    .name = "ref",
    .dtype = REAL_DTYPE,
    .packed_size = packed_size,
    .pack = pack,
    .pack_activations = pack_activations,
    .gemm_packed = gemm_packed,
    .gemm_at_b = gemm_at_b,
    .gemm_unrounded = gemm_unrounded,
    .convolve = convolve,
    .depthwise = depthwise,
    .depthwise_input_grad = depthwise_input_grad,
    .depthwise_weight_grad = depthwise_weight_grad,
    .moments = moments,
    .affine = affine,
    .channel_sum = channel_sum,
    .channel_dot = channel_dot,
    .affine2 = affine2,
    .combine = combine,
    .unary_pair = unary_pair,
    .unary = unary,
    .unary_rows = unary_rows,
    .unary_grad = unary_grad,
    .add = add,
    .mul = mul,
    .scale = scale,
    .dropout = dropout,
    .clamp = clamp_to,
    .clamp_grad = clamp_grad,
    .first_not_finite = first_not_finite,
    .max_pool = max_pool,
    .max_pool_grad = max_pool_grad,
    .im2col = im2col,
    .col2im = col2im,
    .resample = resample,
    .softmax = softmax,
    .softmax_grad = softmax_grad,
    .expectation = expectation,
    .expectation_grad = expectation_grad,
    .attention_softmax = attention_softmax,
    .attention_softmax_grad = attention_softmax_grad,
    .layer_norm = layer_norm,
    .layer_norm_grad = layer_norm_grad,
#if P_IS_T
    .adamw = adamw,
    .square_sum = square_sum,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .softplus_sum = softplus_sum,
    .cross_entropy = cross_entropy,
    .cross_entropy_grad = cross_entropy_grad,
    .binary_cross_entropy = binary_cross_entropy,
    .binary_cross_entropy_grad = binary_cross_entropy_grad,
#else
    .from_f32 = from_f32,
    .to_f32 = to_f32,
#endif
};
