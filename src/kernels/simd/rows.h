/* What kernels along rows share: sums of rows, the maximum of a row and its sum of exponentials. */
#ifndef WELD_KERNELS_SIMD_ROWS_H
#define WELD_KERNELS_SIMD_ROWS_H

#include <math.h>

#include "kernels/simd/functions.h"

/* The sum of each of V_LANES vectors, which are lost. */
V_INLINE vfloat v_row_sums(vfloat row[V_LANES]) {
    v_transpose(row);
    vfloat sum = row[0];
    V_UNROLL
    for (int i = 1; i < V_LANES; i++) {
        sum = sum + row[i];
    }
    return sum;
}

V_INLINE float row_maximum(int64_t n, const tvalue *x) {
    const vfloat lowest = v_set(-INFINITY);
    vfloat maximum = lowest;
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        maximum = v_max(maximum, v_keep(lanes, t_load(x + j, lanes), lowest));
    }
    return v_maximum(maximum);
}

/* sum over j of exp(x[j] - maximum) */
V_INLINE float row_exp_sum(int64_t n, const tvalue *x, float maximum) {
    const vfloat top = v_set(maximum);
    vfloat sum = v_zero();
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        sum = sum + v_keep(lanes, v_exp(t_load(x + j, lanes) - top), v_zero());
    }
    return v_sum(sum);
}

#endif
