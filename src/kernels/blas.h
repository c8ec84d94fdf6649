/* General matrix products in float, by OpenBLAS run with one thread.
 *
 * OpenBLAS is not linked: it is loaded when something needs it (weld_blas_load, kernels.h), which
 * is attention alone. What has none starts sooner, takes less memory and runs where OpenBLAS is not
 * installed; what has is refused there when its plan is made, since other products would give other
 * bits. A host program that is linked with OpenBLAS, or loads it by the same name, has one with
 * weld.
 *
 * Parallelism is weld's own: blocks of work run side by side and each calls BLAS serially, so
 * OpenBLAS is set to one thread when it is loaded, process-wide.
 *
 * OpenBLAS chooses its code for the cpu at that time, by the cpu's model, and old versions do not
 * know new ones: 0.3.21 takes an Emerald Rapids for a Prescott, at a third of its speed, and a
 * Sapphire Rapids was seen to be taken for a Haswell. What helps is the environment variable
 * OPENBLAS_CORETYPE, but whether to set it is the program's business: the library never changes the
 * environment. The program weld sets it to SkylakeX on all cpus with AVX-512, while there are no
 * threads yet. OpenBLAS's cores for later ones of these (Cooperlake, SapphireRapids) multiply
 * floats by the same code, in blocks of another size.
 */
#ifndef WELD_KERNELS_BLAS_H
#define WELD_KERNELS_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* The table's `gemm` for float: C[m, n] = alpha op(A) op(B) + beta C; beta 0 never reads C. Only
 * where weld_blas_load has given WELD_OK. */
void weld_blas_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                    double alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                    double beta, void *c, int64_t ldc);

#endif
