/* The table of one instruction set: the kernels of WELD_ISA_NAME with the matrix products of
 * WELD_PRODUCTS_NAME, which mostly is the same; its function is called by the latter. */
#include "kernels/int8/simd.h"

#define PRODUCT(name) INT8_GLUE(WELD_PRODUCTS_NAME, name)

void PRODUCT(gemm)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda,
                   const void *packed, const weld_int8_finish *f, uint8_t *c, int64_t ldc);
double PRODUCT(multiply_adds)(int64_t rounds, int32_t *sum);

static const weld_int8_kernels table = {
    .name = WELD_TABLE_NAME,
    .packed_size = INT8(packed_size),
    .pack = INT8(pack),
    .gemm = PRODUCT(gemm),
    .gemm_f32 = INT8(gemm_f32),
    .depthwise_packed_size = INT8(depthwise_packed_size),
    .depthwise_pack = INT8(depthwise_pack),
    .depthwise = INT8(depthwise),
    .im2col = INT8(im2col),
    .max_pool = INT8(max_pool),
    .channel_sum = INT8(channel_sum),
    .scale_sums = INT8(scale_sums),
    .mul_channels = INT8(mul_channels),
    .quantize = INT8(quantize),
    .dequantize = INT8(dequantize),
    .add = INT8(add),
    .lookup = INT8(lookup),
    .multiply_adds = PRODUCT(multiply_adds),
};

/* weld_int8_kernels_avx2, ... */
const weld_int8_kernels *INT8_GLUE(kernels, WELD_PRODUCTS_NAME)(void) {
    return &table;
}
