/* Functions of vectors: exp, the normal distribution, sigmoid. Polynomials are least-squares fits
 * reweighted towards the least greatest relative error, made for these ranges. */
#ifndef WELD_KERNELS_SIMD_FUNCTIONS_H
#define WELD_KERNELS_SIMD_FUNCTIONS_H

#include "kernels/simd/vector.h"

/* exp(x + low) for |low| far below 1: 2^n exp(r), |r| <= ln 2 / 2, exp(r) by a polynomial of
 * relative error 3e-9. For x up to 90, where it is infinite; 0 where the result would be subnormal:
 * processors take a hundred times as long over those. */
V_INLINE vfloat v_exp_bounded(vfloat x, vfloat low) {
    const vfloat least_normal = v_set(-87.33f);
    const vmask vanishes = v_greater(least_normal, x);
    x = v_max(least_normal, x);
    const vfloat n = v_round(x * v_set(1.44269504f));
    vfloat r =
        v_fnma(n, v_set(0x1.62e4p-1f), x); /* ln 2 in two parts; n times the first is exact */
    r = v_fnma(n, v_set(0x1.7f7d1cp-20f), r) + low;
    vfloat p = v_set(0.00138142212f);
    p = v_fma(p, r, v_set(0.00836889874f));
    p = v_fma(p, r, v_set(0.0416684057f));
    p = v_fma(p, r, v_set(0.166665191f));
    p = v_fma(p, r, v_set(0.499999933f));
    p = v_fma(p, r, v_set(1));
    p = v_fma(p, r, v_set(1));
    return v_select(vanishes, v_zero(), v_scale_by_power(p, n));
}

/* The same over the whole range. NaN gives NaN. */
V_INLINE vfloat v_exp_sum(vfloat x, vfloat low) {
    return v_exp_bounded(v_min(v_set(90), x), low);
}

V_INLINE vfloat v_exp(vfloat x) {
    return v_exp_sum(x, v_zero());
}

/* exp(-x^2 / 2), to rounding even where x^2 is large: its low half is carried along. */
V_INLINE vfloat v_exp_half_square(vfloat a) {
    const vfloat square = a * a;
    const vfloat low = v_fma(a, a, v_zero() - square);
    return v_exp_sum(square * v_set(-0.5f), low * v_set(-0.5f));
}

/* Phi(-a) exp(a^2 / 2) for 0 <= a <= 14.5, relative error 6e-9: a ratio of polynomials with
 * positive coefficients, so nothing cancels. */
V_INLINE vfloat v_mills_ratio(vfloat a) {
    vfloat p = v_set(0.00411662733f);
    p = v_fma(p, a, v_set(0.0406353997f));
    p = v_fma(p, a, v_set(0.183241588f));
    p = v_fma(p, a, v_set(0.438303627f));
    p = v_fma(p, a, v_set(0.5f));
    vfloat q = v_set(0.0103187348f);
    q = v_fma(q, a, v_set(0.101864286f));
    q = v_fma(q, a, v_set(0.469487639f));
    q = v_fma(q, a, v_set(1.20252989f));
    q = v_fma(q, a, v_set(1.67449224f));
    q = v_fma(q, a, v_set(1));
    return p * v_reciprocal(q);
}

/* Phi(x), the standard normal distribution function, and its density times sqrt(2 pi). */
V_INLINE vfloat v_normal(vfloat x, vfloat *density) {
    const vfloat a = v_min(v_set(14.5f), v_abs(x)); /* exp is 0 from there on */
    *density = v_exp_half_square(a);
    const vfloat below = *density * v_mills_ratio(a); /* Phi(-|x|) */
    return v_select(v_greater(x, v_zero()), v_set(1) - below, below);
}

/* 1 / (1 + exp(-x)), and *complement = 1 / (1 + exp(x)), both with all their digits. */
V_INLINE vfloat v_sigmoid(vfloat x, vfloat *complement) {
    const vfloat e = v_exp(v_zero() - v_abs(x));
    const vfloat larger = v_reciprocal(v_set(1) + e), smaller = e * larger;
    const vmask positive = v_greater(x, v_zero());
    *complement = v_select(positive, smaller, larger);
    return v_select(positive, larger, smaller);
}

#endif
