/* General matrix products by OpenBLAS; see blas.h. */
#include "kernels/blas.h"

#include <cblas.h>
#include <limits.h>
#include <pthread.h>

#include "kernels/kernels.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void use_one_thread(void) {
    openblas_set_num_threads(1);
}

static bool fits(int64_t size) {
    return size <= INT_MAX;
}

void weld_blas_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                    double alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                    double beta, void *c, int64_t ldc) {
    if (m == 0 || n == 0) {
        return;
    }
    if (!fits(m) || !fits(n) || !fits(k) || !fits(lda) || !fits(ldb) || !fits(ldc)) {
        weld_kernels_ref_f32()->gemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta,
                                     c, ldc);
        return;
    }
    pthread_once(&once, use_one_thread);
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, (float)alpha, a,
                (int)lda, b, (int)ldb, (float)beta, c, (int)ldc);
}

const char *weld_blas_core(void) {
    return openblas_get_corename();
}

int weld_blas_threads(void) {
    pthread_once(&once, use_one_thread);
    return openblas_get_num_threads();
}
