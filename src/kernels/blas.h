/* General matrix products in float, by OpenBLAS run with one thread.
 *
 * Parallelism is weld's own: blocks of work run in its OpenMP team and each calls BLAS serially, so
 * OpenBLAS is set to one thread at the first use, process-wide.
 *
 * OpenBLAS chooses its code for the cpu when the library is loaded, and old versions do not know
 * new processors: 0.3.21 takes a Sapphire Rapids for a Haswell and runs at half its width. What
 * helps is the environment variable OPENBLAS_CORETYPE (here SkylakeX), but only if it is set before
 * the process starts, and whether to set it is the program's business: the library never changes
 * the environment. A program that cares compares weld_blas_core (kernels.h) with the cpu's features
 * and executes itself again with the variable set.
 */
#ifndef WELD_KERNELS_BLAS_H
#define WELD_KERNELS_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* The table's `gemm` for float: C[m, n] = alpha op(A) op(B) + beta C; beta 0 never reads C. */
void weld_blas_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                    double alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                    double beta, void *c, int64_t ldc);

#endif
