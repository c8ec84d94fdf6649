/* The int8 kernels of one instruction set, as kernels/int8.h specifies them. */
#ifndef WELD_KERNELS_INT8_SIMD_H
#define WELD_KERNELS_INT8_SIMD_H

#include "kernels/int8.h"
#include "kernels/int8/vector.h"

size_t INT8(packed_size)(int64_t k, int64_t n);
void INT8(pack)(int64_t k, int64_t n, const int8_t *b, int64_t row_stride, int64_t column_stride,
                void *packed);
void INT8(gemm)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda, const void *packed,
                const weld_int8_finish *f, uint8_t *c, int64_t ldc);
void INT8(gemm_f32)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda,
                    const void *packed, const int32_t *bias, const float *scale, float *c,
                    int64_t ldc);
size_t INT8(depthwise_packed_size)(const weld_window *g);
void INT8(depthwise_pack)(const weld_window *g, const int8_t *weight, void *packed);
void INT8(depthwise)(const weld_window *g, const uint8_t *x, uint8_t padding, const void *packed,
                     const weld_int8_finish *f, int64_t row_begin, int64_t row_end, uint8_t *y);
void INT8(im2col)(const weld_window *g, const uint8_t *x, uint8_t padding, int64_t channel,
                  int64_t count, int64_t begin, int64_t end, uint8_t *out);
void INT8(max_pool)(const weld_window *g, const uint8_t *x, int64_t row_begin, int64_t row_end,
                    uint8_t *y);
void INT8(channel_sum)(int64_t rows, int64_t c, const uint8_t *x, int32_t *sum);
void INT8(scale_sums)(int64_t n, const int32_t *sum, int32_t offset, float multiplier, int32_t zero,
                      uint8_t *y);
void INT8(mul_channels)(int64_t rows, int64_t c, const uint8_t *x, int32_t x_zero,
                        const uint8_t *gate, int32_t gate_zero, float multiplier, int32_t zero,
                        uint8_t *y);
void INT8(quantize)(int64_t n, const float *x, float scale, int32_t zero, uint8_t *y);
void INT8(dequantize)(int64_t n, const uint8_t *x, float scale, int32_t zero, float *y);
void INT8(add)(int64_t n, const uint8_t *a, const uint8_t *b, const weld_int8_sum *s, uint8_t *y);
void INT8(lookup)(int64_t n, const uint8_t *x, const uint8_t *table, uint8_t *y);
double INT8(multiply_adds)(int64_t rounds, int32_t *sum);

#endif
