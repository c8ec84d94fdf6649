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
 * itself and then 2^-36), the derivative by less than 2^-15: scripts/make_gelu_coefficients. */
#ifndef WELD_KERNELS_SIMD_GELU_BF16_H
#define WELD_KERNELS_SIMD_GELU_BF16_H

#include "kernels/simd/pieces.h"
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

#ifdef V_TABLE

enum { SLOPE_DEGREE = 3 };

static const float gelu_slope[SLOPE_DEGREE + 1][PIECES] = {
    {0.5f,
     0.796334743f,
     1.01235366f,
     1.11464787f,
     1.12482035f,
     1.090294f,
     1.05043864f,
     1.02283049f,
     1.00855517f,
     1.00268424f,
     1.00070989f,
     1.00015891f,
     1.00003016f,
     1.00000489f,
     1.00000072f,
     1.00000012f,
     0.0f,
     -7.91107766e-08f,
     -6.73242994e-07f,
     -4.88653359e-06f,
     -3.0216981e-05f,
     -0.000158959374f,
     -0.000709950633f,
     -0.00268427422f,
     -0.00855513383f,
     -0.0228304677f,
     -0.0504386127f,
     -0.0902939811f,
     -0.124820329f,
     -0.11464791f,
     -0.0123537164f,
     0.203665227f},
    {0.797857583f,
     0.682849288f,
     0.408594608f,
     0.125855163f,
     -0.051934123f,
     -0.107488982f,
     -0.0894014388f,
     -0.0519904643f,
     -0.0234718062f,
     -0.00855821744f,
     -0.00256976997f,
     -0.000642571191f,
     -0.000134745293f,
     -2.38081066e-05f,
     -3.55637053e-06f,
     -4.50220256e-07f,
     0.0f,
     -4.50220256e-07f,
     -3.55637053e-06f,
     -2.38081066e-05f,
     -0.000134745293f,
     -0.000642571191f,
     -0.00256976997f,
     -0.00855821744f,
     -0.0234718062f,
     -0.0519904643f,
     -0.0894014388f,
     -0.107488982f,
     -0.051934123f,
     0.125855163f,
     0.408594608f,
     0.682849288f},
    {1.11872946e-15f,
     -0.274042606f,
     -0.385073751f,
     -0.307222068f,
     -0.144141361f,
     -0.0124365008f,
     0.0436130464f,
     0.0447709598f,
     0.0273127016f,
     0.0122994827f,
     0.00436308375f,
     0.00125540514f,
     0.000297713297f,
     5.87635332e-05f,
     9.71758982e-06f,
     1.35255993e-06f,
     0.0f,
     -1.35255993e-06f,
     -9.71758982e-06f,
     -5.87635332e-05f,
     -0.000297713297f,
     -0.00125540514f,
     -0.00436308375f,
     -0.0122994827f,
     -0.0273127016f,
     -0.0447709598f,
     -0.0436130464f,
     0.0124365008f,
     0.144141361f,
     0.307222068f,
     0.385073751f,
     0.274042606f},
    {-0.263126761f,
     -0.180202469f,
     -0.00592701742f,
     0.122395255f,
     0.138417959f,
     0.0804819614f,
     0.018906923f,
     -0.0114566805f,
     -0.0154536515f,
     -0.00969274715f,
     -0.00425506849f,
     -0.00143659639f,
     -0.000387799635f,
     -8.54251921e-05f,
     -1.55456873e-05f,
     -2.35611014e-06f,
     0.0f,
     -2.35611014e-06f,
     -1.55456873e-05f,
     -8.54251921e-05f,
     -0.000387799635f,
     -0.00143659639f,
     -0.00425506849f,
     -0.00969274715f,
     -0.0154536515f,
     -0.0114566805f,
     0.018906923f,
     0.0804819614f,
     0.138417959f,
     0.122395255f,
     -0.00592701742f,
     -0.180202469f},
};

V_INLINE vfloat v_gelu_slope(vfloat x) {
    return v_pieces(SLOPE_DEGREE, gelu_slope, x);
}

#else

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

#endif
