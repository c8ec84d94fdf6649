/* Matrix products of bf16 by AMX tiles, as kernels.h says; B is packed as avx512bf16/products.h
 * says. */
#ifndef WELD_KERNELS_AMX_AMX_H
#define WELD_KERNELS_AMX_AMX_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

void weld_bf16_amx_gemm_packed(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                               const void *packed, const void *bias, bool accumulate, void *c,
                               int64_t ldc);
void weld_bf16_amx_gemm_at_b(int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                             const void *b, int64_t ldb, bool accumulate, void *c, int64_t ldc);
void weld_bf16_amx_convolve(const weld_sweep *s, int64_t n, const void *x, const void *packed,
                            const void *bias, void *y);

#endif
