/* The table of one instruction set: the kernels of WELD_ISA_NAME with the matrix products of
 * WELD_PRODUCTS_NAME, which mostly is the same; its function is called by the latter. */
#include "kernels/simd/simd.h"

#define PRODUCT(name) WELD_SIMD_NAME(WELD_PRODUCTS_NAME, name)

/* In bf16 where there are instructions that take pairs. */
#ifdef WELD_CONVOLVES_BF16
#define CONVOLVE PRODUCT(convolve)
void PRODUCT(convolve)(const weld_sweep *s, int64_t n, const void *x, const void *packed,
                       const void *bias, void *y);
#else
#define CONVOLVE NULL
#endif

void PRODUCT(gemm_packed)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                          const void *packed, const void *bias, bool accumulate, void *c,
                          int64_t ldc);
void PRODUCT(gemm_at_b)(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
                        int64_t ldb, bool accumulate, void *c, int64_t ldc);

static const weld_kernels table = {
    .name = WELD_TABLE_NAME,
    .packed_size = SIMD(packed_size),
    .pack = SIMD(pack),
    .pack_activations = SIMD(pack_activations),
    .gemm_packed = PRODUCT(gemm_packed),
    .gemm_at_b = PRODUCT(gemm_at_b),
    .gemm_unrounded = SIMD(gemm_unrounded),
    .depthwise = SIMD(depthwise),
    .depthwise_input_grad = SIMD(depthwise_input_grad),
    .depthwise_weight_grad = SIMD(depthwise_weight_grad),
    .moments = SIMD(moments),
    .affine = SIMD(affine),
    .channel_sum = SIMD(channel_sum),
    .channel_dot = SIMD(channel_dot),
    .affine2 = SIMD(affine2),
    .combine = SIMD(combine),
    .unary_pair = SIMD(unary_pair),
    .unary = SIMD(unary),
    .unary_rows = SIMD(unary_rows),
    .unary_grad = SIMD(unary_grad),
    .add = SIMD(add),
    .mul = SIMD(mul),
    .scale = SIMD(scale),
    .dropout = SIMD(dropout),
    .clamp = SIMD(clamp),
    .clamp_grad = SIMD(clamp_grad),
    .first_not_finite = SIMD(first_not_finite),
    .max_pool = SIMD(max_pool),
    .max_pool_grad = SIMD(max_pool_grad),
    .im2col = SIMD(im2col),
    .col2im = SIMD(col2im),
    .resample = SIMD(resample),
    .softmax = SIMD(softmax),
    .softmax_grad = SIMD(softmax_grad),
    .expectation = SIMD(expectation),
    .expectation_grad = SIMD(expectation_grad),
    .attention_softmax = SIMD(attention_softmax),
    .attention_softmax_grad = SIMD(attention_softmax_grad),
    .layer_norm = SIMD(layer_norm),
    .layer_norm_grad = SIMD(layer_norm_grad),
#ifdef WELD_SIMD_BF16
    .dtype = WELD_BF16,
    .convolve = CONVOLVE,
    .from_f32 = SIMD(from_f32),
    .to_f32 = SIMD(to_f32),
#else
    .dtype = WELD_F32,
    .convolve = SIMD(convolve),
    .multiply_adds = SIMD(multiply_adds),
    .adamw = SIMD(adamw),
    .square_sum = SIMD(square_sum),
    .winograd_input = SIMD(winograd_input),
    .winograd_output = SIMD(winograd_output),
    .softplus_sum = SIMD(softplus_sum),
    .cross_entropy = SIMD(cross_entropy),
    .cross_entropy_grad = SIMD(cross_entropy_grad),
    .binary_cross_entropy = SIMD(binary_cross_entropy),
    .binary_cross_entropy_grad = SIMD(binary_cross_entropy_grad),
#endif
};

/* weld_kernels_avx2, weld_kernels_bf16_avx2, ... */
const weld_kernels *WELD_SIMD_NAME(kernels, WELD_PRODUCTS_NAME)(void) {
    return &table;
}
