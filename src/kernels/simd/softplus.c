/* Sums of log(1 + exp(x)). */
#include "kernels/simd/functions.h"
#include "kernels/simd/simd.h"

/* log(1 + e) for 0 <= e <= 1, relative error 8e-9 and rounding: 2 atanh(s) with s = e / (2 + e),
 * which is s times a series in s^2 <= 1/9. */
V_INLINE vfloat log_of_one_and(vfloat e) {
    const vfloat s = v_divide(e, v_set(2) + e), square = s * s;
    vfloat p = v_set(0.140873283f);
    p = v_fma(p, square, v_set(0.13980709f));
    p = v_fma(p, square, v_set(0.200124264f));
    p = v_fma(p, square, v_set(0.333331585f));
    p = v_fma(p, square, v_set(1));
    return (s + s) * p;
}

/* max(x, 0) + log(1 + exp(-|x|)), 0 in lanes that are not there */
V_INLINE vdouble softplus(const float *p, vlanes lanes) {
    const vfloat x = v_load(p, lanes);
    const vfloat y = v_max(v_zero(), x) + log_of_one_and(v_exp(v_zero() - v_abs(x)));
    return w_widen(v_keep(lanes, y, v_zero()));
}

double SIMD(softplus_sum)(int64_t n, const void *x_) {
    const float *x = x_;
    vdouble even = w_set(0), odd = w_set(0);
    int64_t i = 0;
    for (; i + 2 * V_LANES <= n; i += 2 * V_LANES) {
        even = w_add(even, softplus(x + i, v_all()));
        odd = w_add(odd, softplus(x + i + V_LANES, v_all()));
    }
    for (; i < n; i += V_LANES) {
        even = w_add(even, softplus(x + i, v_lanes_at(i, n)));
    }
    double lane[V_LANES], sum = 0;
    w_store_all(lane, w_add(even, odd));
    for (int j = 0; j < V_LANES; j++) {
        sum += lane[j];
    }
    return sum;
}
