/* SiLU and its derivative as far as bf16 can tell: 1 / (1 + e), e = exp(-x) = 2^n 2^r with |r| <=
 * 1/2 and 2^r by a polynomial that is off by at most 2^-18 of it, and a short reciprocal. Before
 * rounding to bf16 SiLU is off by less than 2^-13 of itself, the derivative by less than 2^-13. */
#ifndef WELD_KERNELS_SIMD_SILU_BF16_H
#define WELD_KERNELS_SIMD_SILU_BF16_H

#include "kernels/simd/vector.h"

/* 1 / (1 + exp(-x)), 0 where it would be subnormal; e is between 2^-126 and 2^126. */
V_INLINE vfloat short_sigmoid(vfloat x, vfloat *e) {
    const vfloat t =
        v_max(v_set(-126), v_min(v_set(126), x * v_set(-1.44269504f))); /* NaN stays NaN */
    const vfloat n = v_round(t), r = t - n;
    vfloat p = v_set(0.00957010191f);
    p = v_fma(p, r, v_set(0.0559178603f));
    p = v_fma(p, r, v_set(0.240247448f));
    p = v_fma(p, r, v_set(0.693121815f));
    p = v_fma(p, r, v_set(0.999999261f));
    *e = v_scale_by_power(p, n);
    const vmask vanishes = v_greater(v_set(-87.33f), x);
    return v_select(vanishes, v_zero(), v_reciprocal_short(v_set(1) + *e));
}

V_INLINE vfloat v_silu(vfloat x) {
    vfloat e;
    return x * short_sigmoid(x, &e);
}

/* s (1 + x (1 - s)), with 1 - s = e s, which has all its digits. */
V_INLINE vfloat v_silu_slope(vfloat x) {
    vfloat e;
    const vfloat s = short_sigmoid(x, &e);
    const vfloat complement = v_select(v_greater(x, v_set(87.33f)), v_zero(), e * s);
    return v_fma(x * complement, s, s);
}

#endif
