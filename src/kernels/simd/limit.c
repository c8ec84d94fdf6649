/* The limit of arithmetic; see multiply_adds in kernels.h. */
#include "kernels/simd/simd.h"

/* Two units with a latency of four want eight at once; twelve and two factors fit 16 registers. */
enum { CHAINS = 12 };

double SIMD(multiply_adds)(int64_t rounds, void *sum) {
    const vfloat factor = v_set(0.5F), term = v_set(1);
    vfloat chain[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        chain[i] = v_set((float)i);
    }
    for (int64_t round = 0; round < rounds; round++) {
        V_UNROLL
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = v_fma(chain[i], factor, term);
        }
    }
    vfloat total = v_zero();
    for (int i = 0; i < CHAINS; i++) {
        total = total + chain[i];
    }
    *(float *)sum = v_sum(total);
    return 2.0 * V_LANES * CHAINS * (double)rounds;
}
