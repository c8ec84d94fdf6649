/* GELU and its derivative as far as bf16 can tell.
 *
 * With a = |x| both are what they tend to for large |x|, bent by a bump that dies away like
 * exp(-a^2 / 2):
 *
 *   x Phi(x) = max(x, 0) - a g(a),   derivative(x) = [x > 0] -+ r(a),
 *   g(a) = Phi(-a),                  r(a) = Phi(-a) - a Phi'(a)
 *
 * A root of such a bump is so nearly a polynomial that a short one will do: g is w^32 and r is l
 * w^16 with polynomials w and l fitted to make the greatest error least. Before rounding to bf16
 * GELU is off by less than 2^-13 of itself (below -4, where it is less than 2^-12, by 2^-8 of
 * itself and then 2^-36), the derivative by less than 2^-15. */
#ifndef WELD_KERNELS_SIMD_GELU_BF16_H
#define WELD_KERNELS_SIMD_GELU_BF16_H

#include "kernels/simd/vector.h"

V_INLINE vfloat v_gelu(vfloat x) {
    const vfloat a = v_min(v_set(7), v_abs(x));
    vfloat w = v_set(-1.122282e-05f);
    w = v_fma(w, a, v_set(0.00023239889f));
    w = v_fma(w, a, v_set(-0.00083985995f));
    w = v_fma(w, a, v_set(-0.009495802f));
    w = v_fma(w, a, v_set(-0.024364648f));
    w = v_fma(w, a, v_set(0.9785692f));
    w = w * w;
    w = w * w;
    w = w * w;
    w = w * w;
    return v_fnma(a * w, w, v_max(v_zero(), x));
}

V_INLINE vfloat v_gelu_slope(vfloat x) {
    const vfloat a = v_min(v_set(6), v_abs(x));
    vfloat w = v_set(0.0032275296f);
    w = v_fma(w, a, v_set(-0.034159906f));
    w = v_fma(w, a, v_set(-0.030062368f));
    w = v_fma(w, a, v_set(1.0663626f));
    vfloat l = v_set(0.0075212917f);
    l = v_fma(l, a, v_set(-0.038959034f));
    l = v_fma(l, a, v_set(-0.019408798f));
    l = v_fma(l, a, v_set(-0.20447472f));
    l = v_fma(l, a, v_set(0.17884372f));
    w = w * w;
    w = w * w;
    w = w * w;
    const vfloat below = l * w * w;
    return v_select(v_greater(x, v_zero()), v_set(1) - below, below);
}

#endif
