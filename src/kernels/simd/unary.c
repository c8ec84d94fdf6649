/* Activation functions and their derivatives over n elements.
 *
 * Those made of exp are accurate to a few units in the last place of the result everywhere. */
#include "kernels/simd/functions.h"
#include "kernels/simd/simd.h"
#ifdef WELD_SIMD_BF16
#include "kernels/simd/gelu_bf16.h"
#else
#include "kernels/simd/gelu.h"
#endif

V_INLINE vfloat clamp_to_six(vfloat x) { /* NaN stays NaN */
    return v_min(v_set(6), v_max(v_zero(), x));
}

V_INLINE vfloat value(const weld_unary f, vfloat x) {
    vfloat unused;
    switch (f) {
    case WELD_GELU:
        return v_gelu(x);
    case WELD_RELU:
        return v_select(v_greater(x, v_zero()), x, v_zero());
    case WELD_SILU:
        return x * v_sigmoid(x, &unused);
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

V_INLINE vfloat slope(const weld_unary f, vfloat x) {
    const vfloat zero = v_zero(), three = v_set(3);
    switch (f) {
    case WELD_GELU:
        return v_gelu_slope(x);
    case WELD_RELU:
        return v_select(v_greater(x, zero), v_set(1), zero);
    case WELD_SILU: {
        vfloat complement;
        const vfloat sigmoid = v_sigmoid(x, &complement);
        return v_fma(x * complement, sigmoid, sigmoid);
    }
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

V_INLINE void value_step(const weld_unary f, const tvalue *x, vspan span, tvalue *y) {
    const vpair in = t_load_pair(x, span);
    fetch_to_write(y + FETCH_AHEAD);
    t_store_pair(y, span, (vpair){value(f, in.a), value(f, in.b)});
}

V_INLINE void values(const weld_unary f, int64_t n, const tvalue *x, tvalue *y) {
    V_EACH_PAIR(n, value_step(f, x + j, span, y + j));
}

V_INLINE void slope_step(const weld_unary f, const tvalue *x, const tvalue *dy, vspan span,
                         tvalue *dx) {
    const vpair in = t_load_pair(x, span), g = t_load_pair(dy, span);
    fetch_to_write(dx + FETCH_AHEAD);
    t_store_pair(dx, span, (vpair){slope(f, in.a) * g.a, slope(f, in.b) * g.b});
}

V_INLINE void slopes(const weld_unary f, int64_t n, const tvalue *x, const tvalue *dy, tvalue *dx) {
    V_EACH_PAIR(n, slope_step(f, x + j, dy + j, span, dx + j));
}

void SIMD(unary)(weld_unary f, int64_t n, const void *x, void *y) {
    switch (f) { /* one loop for each, compiled apart */
    case WELD_GELU:
        values(WELD_GELU, n, x, y);
        break;
    case WELD_RELU:
        values(WELD_RELU, n, x, y);
        break;
    case WELD_SILU:
        values(WELD_SILU, n, x, y);
        break;
    case WELD_HARD_SWISH:
        values(WELD_HARD_SWISH, n, x, y);
        break;
    case WELD_HARD_SIGMOID:
        values(WELD_HARD_SIGMOID, n, x, y);
        break;
    case WELD_SIGMOID:
        values(WELD_SIGMOID, n, x, y);
        break;
    case WELD_UNARY_COUNT:
        break;
    }
}

void SIMD(unary_grad)(weld_unary f, int64_t n, const void *x, const void *dy, void *dx) {
    switch (f) {
    case WELD_GELU:
        slopes(WELD_GELU, n, x, dy, dx);
        break;
    case WELD_RELU:
        slopes(WELD_RELU, n, x, dy, dx);
        break;
    case WELD_SILU:
        slopes(WELD_SILU, n, x, dy, dx);
        break;
    case WELD_HARD_SWISH:
        slopes(WELD_HARD_SWISH, n, x, dy, dx);
        break;
    case WELD_HARD_SIGMOID:
        slopes(WELD_HARD_SIGMOID, n, x, dy, dx);
        break;
    case WELD_SIGMOID:
        slopes(WELD_SIGMOID, n, x, dy, dx);
        break;
    case WELD_UNARY_COUNT:
        break;
    }
}
