/* The activation functions and their derivatives, of vectors. */
#ifndef WELD_KERNELS_SIMD_UNARY_H
#define WELD_KERNELS_SIMD_UNARY_H

#include "kernels/kernels.h"
#include "kernels/simd/functions.h"
#ifdef WELD_SIMD_BF16
#include "kernels/simd/gelu_bf16.h"
#include "kernels/simd/silu_bf16.h"
#else
#include "kernels/simd/gelu.h"
#endif

/* Does `step` with F, which is f, known when compiling: one loop for each, compiled apart. */
#define V_BY_UNARY(f, step)                                                                        \
    do {                                                                                           \
        V_CASE_OF_UNARY(f, WELD_GELU, step)                                                        \
        V_CASE_OF_UNARY(f, WELD_RELU, step)                                                        \
        V_CASE_OF_UNARY(f, WELD_SILU, step)                                                        \
        V_CASE_OF_UNARY(f, WELD_HARD_SWISH, step)                                                  \
        V_CASE_OF_UNARY(f, WELD_HARD_SIGMOID, step)                                                \
        V_CASE_OF_UNARY(f, WELD_SIGMOID, step)                                                     \
    } while (0)
#define V_CASE_OF_UNARY(f, of, step)                                                               \
    if ((f) == (of)) {                                                                             \
        const weld_unary F = of;                                                                   \
        step;                                                                                      \
    }
_Static_assert(WELD_UNARY_COUNT == 6, "all of them");

#ifndef WELD_SIMD_BF16
V_INLINE vfloat v_silu(vfloat x) {
    vfloat unused;
    return x * v_sigmoid(x, &unused);
}

V_INLINE vfloat v_silu_slope(vfloat x) {
    vfloat complement;
    const vfloat sigmoid = v_sigmoid(x, &complement);
    return v_fma(x * complement, sigmoid, sigmoid);
}
#endif

V_INLINE vfloat clamp_to_six(vfloat x) { /* NaN stays NaN */
    return v_min(v_set(6), v_max(v_zero(), x));
}

/* f(x) and f'(x), f known when compiling; x and 0 for WELD_IDENTITY. */
V_INLINE vfloat v_unary(const weld_unary f, vfloat x) {
    vfloat unused;
    switch (f) {
    case WELD_GELU:
        return v_gelu(x);
    case WELD_RELU:
        return v_select(v_greater(x, v_zero()), x, v_zero());
    case WELD_SILU:
        return v_silu(x);
    case WELD_HARD_SWISH:
        return x * (clamp_to_six(x + v_set(3)) * v_set(1.0f / 6));
    case WELD_HARD_SIGMOID:
        return clamp_to_six(x + v_set(3)) * v_set(1.0f / 6);
    case WELD_SIGMOID:
        return v_sigmoid(x, &unused);
    case WELD_UNARY_COUNT:
        break;
    }
    return x;
}

V_INLINE vfloat v_unary_slope(const weld_unary f, vfloat x) {
    const vfloat zero = v_zero(), three = v_set(3);
    switch (f) {
    case WELD_GELU:
        return v_gelu_slope(x);
    case WELD_RELU:
        return v_select(v_greater(x, zero), v_set(1), zero);
    case WELD_SILU:
        return v_silu_slope(x);
    case WELD_HARD_SWISH: {
        const vfloat inside = v_fma(x, v_set(1.0f / 3), v_set(0.5f));
        const vfloat upper = v_select(v_greater(three, x), inside, v_set(1));
        return v_select(v_greater(x, zero - three), upper, zero);
    }
    case WELD_HARD_SIGMOID: {
        const vfloat below = v_select(v_greater(three, x), v_set(1.0f / 6), zero);
        return v_select(v_greater(x, zero - three), below, zero);
    }
    case WELD_SIGMOID: {
        vfloat complement;
        const vfloat sigmoid = v_sigmoid(x, &complement);
        return sigmoid * complement;
    }
    case WELD_UNARY_COUNT:
        break;
    }
    return zero;
}

#endif
