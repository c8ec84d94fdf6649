/* General matrix products by OpenBLAS; see blas.h. */
#include "kernels/blas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "kernels/kernels.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char problem[512]; /* why it cannot be had; empty: it is there */
static __typeof__(&cblas_sgemm) sgemm;
static __typeof__(&openblas_get_corename) get_core;
static __typeof__(&openblas_get_num_threads) get_threads;
static __typeof__(&openblas_set_num_threads) set_threads;

static bool find(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found;
}

/* It stays until the process ends: nobody can say who else uses it by then. */
static void load(void) {
    void *library = dlopen(WELD_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
    if (library && find(library, "cblas_sgemm", &sgemm) &&
        find(library, "openblas_get_corename", &get_core) &&
        find(library, "openblas_get_num_threads", &get_threads) &&
        find(library, "openblas_set_num_threads", &set_threads)) {
        set_threads(1);
    } else {
        snprintf(problem, sizeof problem, "%s", dlerror());
    }
}

weld_status weld_blas_load(weld_error *err) {
    pthread_once(&once, load);
    return !*problem ? WELD_OK
                     : weld_fail(err, WELD_ERROR_NOT_FOUND,
                                 "OpenBLAS cannot be loaded: %s: install it (Debian: libopenblas0)",
                                 problem);
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
    sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
          transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, (float)alpha, a,
          (int)lda, b, (int)ldb, (float)beta, c, (int)ldc);
}

const char *weld_blas_core(void) {
    return get_core();
}

int weld_blas_threads(void) {
    return get_threads();
}
