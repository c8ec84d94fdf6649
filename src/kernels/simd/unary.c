/* Activation functions and their derivatives over n elements.
 *
 * Those made of exp are accurate to a few units in the last place of the result everywhere. */
#include "kernels/simd/simd.h"
#include "kernels/simd/unary.h"

V_INLINE void value_step(const weld_unary f, const tvalue *x, vspan span, tvalue *y) {
    const vpair in = t_load_pair(x, span);
    fetch_to_write(y + FETCH_AHEAD);
    t_store_pair(y, span, (vpair){v_unary(f, in.a), v_unary(f, in.b)});
}

V_INLINE void values(const weld_unary f, int64_t n, const tvalue *x, tvalue *y) {
    V_EACH_PAIR(n, value_step(f, x + j, span, y + j));
}

V_INLINE void slope_step(const weld_unary f, const tvalue *x, const tvalue *dy, vspan span,
                         tvalue *dx) {
    const vpair in = t_load_pair(x, span), g = t_load_pair(dy, span);
    fetch_to_write(dx + FETCH_AHEAD);
    t_store_pair(dx, span, (vpair){v_unary_slope(f, in.a) * g.a, v_unary_slope(f, in.b) * g.b});
}

V_INLINE void slopes(const weld_unary f, int64_t n, const tvalue *x, const tvalue *dy, tvalue *dx) {
    V_EACH_PAIR(n, slope_step(f, x + j, dy + j, span, dx + j));
}

void SIMD(unary)(weld_unary f, int64_t n, const void *x, void *y) {
    V_BY_UNARY(f, values(F, n, x, y));
}

V_INLINE void in_rows(const weld_unary f, int64_t rows, int64_t n, int64_t ld, tvalue *y) {
    for (int64_t r = 0; r < rows; r++, y += ld) {
        values(f, n, y, y);
    }
}

void SIMD(unary_rows)(weld_unary f, int64_t rows, int64_t n, int64_t ld, void *y) {
    V_BY_UNARY(f, in_rows(F, rows, n, ld, y));
}

void SIMD(unary_grad)(weld_unary f, int64_t n, const void *x, const void *dy, void *dx) {
    V_BY_UNARY(f, slopes(F, n, x, dy, dx));
}
