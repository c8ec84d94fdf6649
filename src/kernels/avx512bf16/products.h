/* Matrix products of bf16 by instructions that take pairs: AVX512-BF16 and, with the same packed
 * layout, AMX.
 *
 * The right-hand matrix B[k, n] lies in panels of 32 columns; the last panel has 16 where no more
 * are needed. A panel is [k / 2][width] pairs: the elements (2p, j) and (2p + 1, j) beside each
 * other, zeros past k (padded to a multiple of 32) and past n.
 *
 * Unlike the reference these instructions count subnormal factors and sums as zero, and round to
 * nearest after each product, of even and odd k apart. */
#ifndef WELD_KERNELS_AVX512BF16_PRODUCTS_H
#define WELD_KERNELS_AVX512BF16_PRODUCTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* The entries of the table in kernels.h. */
size_t weld_bf16_avx512bf16_packed_size(int64_t k, int64_t n);
void weld_bf16_avx512bf16_pack(int64_t k, int64_t n, const void *b, int64_t row_stride,
                               int64_t column_stride, void *packed);
void weld_bf16_avx512bf16_gemm_packed(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                                      const void *packed, const void *bias, bool accumulate,
                                      void *c, int64_t ldc);
void weld_bf16_avx512bf16_pack_activations(int64_t k, int64_t n, const void *b, int64_t row_stride,
                                           int64_t column_stride, void *packed);
void weld_bf16_avx512bf16_gemm_unrounded(int64_t m, int64_t n, int64_t k, const void *a,
                                         int64_t lda, const void *packed, const void *bias, void *c,
                                         int64_t ldc);
void weld_bf16_avx512bf16_gemm_at_b(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                                    const void *b, int64_t ldb, bool accumulate, void *c,
                                    int64_t ldc);

void weld_bf16_avx512bf16_convolve(const weld_sweep *s, int64_t n, const void *x,
                                   const void *packed, const void *bias, void *y);

/* Pack B[k, n] that is bf16, with rows of ldb elements; for packed_size(k, n) elements. */
void weld_bf16_avx512bf16_interleave(int64_t k, int64_t n, const uint16_t *b, int64_t ldb,
                                     uint32_t *packed);

#endif
