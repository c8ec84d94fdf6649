/* The bf16 tables of processors that multiply pairs of bf16: the products by AVX512-BF16 or by AMX,
 * all else as the fastest table below has it. */
#include <pthread.h>

#include "kernels/amx/amx.h"
#include "kernels/avx512bf16/products.h"
#include "kernels/kernels.h"

static weld_kernels avx512bf16, amx;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
    const weld_kernels *below = weld_kernels_bf16_avx512();
    avx512bf16 = below ? *below : *weld_kernels_ref_bf16();
    avx512bf16.name = "avx512bf16";
    avx512bf16.packed_size = weld_avx512bf16_packed_size;
    avx512bf16.pack = weld_avx512bf16_pack;
    avx512bf16.gemm_packed = weld_avx512bf16_gemm_packed;
    avx512bf16.gemm_at_b = weld_avx512bf16_gemm_at_b;
    amx = avx512bf16;
    amx.name = "amx";
    amx.gemm_packed = weld_amx_gemm_packed;
    amx.gemm_at_b = weld_amx_gemm_at_b;
}

const weld_kernels *weld_kernels_bf16_avx512bf16(void) {
    pthread_once(&once, make_tables);
    return &avx512bf16;
}

const weld_kernels *weld_kernels_bf16_amx(void) {
    pthread_once(&once, make_tables);
    return &amx;
}
