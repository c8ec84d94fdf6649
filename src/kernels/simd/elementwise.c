/* Elementwise kernels over n that are not functions of one variable. */
#include "kernels/simd/simd.h"

V_INLINE void add_step(const tvalue *a, const tvalue *b, vspan span, tvalue *y) {
    const vpair sum = v_add_pair(t_load_pair(a, span), t_load_pair(b, span));
    fetch_to_write(y + FETCH_AHEAD);
    t_store_pair(y, span, sum);
}

void SIMD(add)(int64_t n, const void *a_, const void *b_, void *y_) {
    const tvalue *a = a_, *b = b_;
    tvalue *y = y_;
    V_EACH_PAIR(n, add_step(a + j, b + j, span, y + j));
}

V_INLINE void mul_step(const tvalue *a, const tvalue *b, vspan span, tvalue *y) {
    const vpair u = t_load_pair(a, span), v = t_load_pair(b, span);
    fetch_to_write(y + FETCH_AHEAD);
    t_store_pair(y, span, (vpair){u.a * v.a, u.b * v.b});
}

void SIMD(mul)(int64_t n, const void *a_, const void *b_, void *y_) {
    const tvalue *a = a_, *b = b_;
    tvalue *y = y_;
    V_EACH_PAIR(n, mul_step(a + j, b + j, span, y + j));
}

V_INLINE void scale_step(vfloat factor, const tvalue *x, vspan span, tvalue *y) {
    const vpair in = t_load_pair(x, span);
    fetch_to_write(y + FETCH_AHEAD);
    t_store_pair(y, span, (vpair){factor * in.a, factor * in.b});
}

void SIMD(scale)(int64_t n, double factor, const void *x_, void *y_) {
    const tvalue *x = x_;
    tvalue *y = y_;
    const vfloat f = v_set((float)factor);
    V_EACH_PAIR(n, scale_step(f, x + j, span, y + j));
}

V_INLINE void clamp_step(vfloat low, vfloat high, const tvalue *x, vspan span, tvalue *y) {
    const vpair in = t_load_pair(x, span); /* NaN stays NaN: the second of either */
    fetch_to_write(y + FETCH_AHEAD);
    t_store_pair(y, span, (vpair){v_min(high, v_max(low, in.a)), v_min(high, v_max(low, in.b))});
}

void SIMD(clamp)(int64_t n, double low, double high, const void *x_, void *y_) {
    const tvalue *x = x_;
    tvalue *y = y_;
    const vfloat from = v_set((float)low), to = v_set((float)high);
    V_EACH_PAIR(n, clamp_step(from, to, x + j, span, y + j));
}

V_INLINE vfloat where_within(vfloat low, vfloat high, vfloat x, vfloat dy) {
    const vfloat below = v_select(v_greater(high, x), dy, v_zero());
    return v_select(v_greater(x, low), below, v_zero());
}

V_INLINE void clamp_grad_step(vfloat low, vfloat high, const tvalue *x, const tvalue *dy,
                              vspan span, tvalue *dx) {
    const vpair in = t_load_pair(x, span), g = t_load_pair(dy, span);
    fetch_to_write(dx + FETCH_AHEAD);
    t_store_pair(dx, span,
                 (vpair){where_within(low, high, in.a, g.a), where_within(low, high, in.b, g.b)});
}

void SIMD(clamp_grad)(int64_t n, double low, double high, const void *x_, const void *dy_,
                      void *dx_) {
    const tvalue *x = x_, *dy = dy_;
    tvalue *dx = dx_;
    const vfloat from = v_set((float)low), to = v_set((float)high);
    V_EACH_PAIR(n, clamp_grad_step(from, to, x + j, dy + j, span, dx + j));
}

#ifdef WELD_SIMD_BF16
void SIMD(from_f32)(int64_t n, const float *x, void *y_) {
    tvalue *y = y_;
    V_EACH_PAIR(n, t_store_pair(y + j, span, v_load_pair(x + j, span)));
}

void SIMD(to_f32)(int64_t n, const void *x_, float *y) {
    const tvalue *x = x_;
    int64_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES) {
        v_store_all(y + i, t_load(x + i, v_all()));
    }
    if (i < n) {
        v_store(y + i, v_first(n - i), t_load(x + i, v_first(n - i)));
    }
}
#endif

int64_t SIMD(first_not_finite)(int64_t n, const void *x_) {
    const tvalue *x = x_;
    int64_t i = 0;
    for (; i < n; i += V_LANES) {
        const vlanes lanes = i + V_LANES <= n ? v_all() : v_first(n - i);
        const unsigned bits = v_bits_not_finite(t_load(x + i, lanes));
        if (bits) {
            return i + __builtin_ctz(bits);
        }
    }
    return -1;
}
