/* Elementwise kernels over n that are not functions of one variable. */
#include "kernels/simd/simd.h"

V_INLINE void add_step(const tvalue *a, const tvalue *b, vlanes lanes, tvalue *y) {
    fetch_to_write(y + FETCH_AHEAD);
    t_store(y, lanes, t_load(a, lanes) + t_load(b, lanes));
}

void SIMD(add)(int64_t n, const void *a_, const void *b_, void *y_) {
    const tvalue *a = a_, *b = b_;
    tvalue *y = y_;
    int64_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES) {
        add_step(a + i, b + i, v_all(), y + i);
    }
    if (i < n) {
        add_step(a + i, b + i, v_first(n - i), y + i);
    }
}

V_INLINE void scale_step(vfloat factor, const tvalue *x, vlanes lanes, tvalue *y) {
    fetch_to_write(y + FETCH_AHEAD);
    t_store(y, lanes, factor * t_load(x, lanes));
}

void SIMD(scale)(int64_t n, double factor, const void *x_, void *y_) {
    const tvalue *x = x_;
    tvalue *y = y_;
    const vfloat f = v_set((float)factor);
    int64_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES) {
        scale_step(f, x + i, v_all(), y + i);
    }
    if (i < n) {
        scale_step(f, x + i, v_first(n - i), y + i);
    }
}

#ifndef WELD_SIMD_BF16
typedef struct adamw_factors {
    vfloat beta1, beta2, rest1, rest2, decay, rate, eps, corrected;
} adamw_factors;

/* The change of the weight is formed first and subtracted once: lr wd is far below the rounding of
 * 1 - lr wd. */
V_INLINE void adamw_step(const adamw_factors *f, const float *grad, vlanes lanes, float *weight,
                         float *m, float *v) {
    const vfloat g = v_load(grad, lanes), w = v_load(weight, lanes);
    const vfloat mean = v_fma(f->beta1, v_load(m, lanes), f->rest1 * g);
    const vfloat square = v_fma(f->beta2, v_load(v, lanes), f->rest2 * (g * g));
    const vfloat root = v_sqrt(square * f->corrected) + f->eps;
    const vfloat change = v_fma(f->decay, w, v_divide(f->rate * mean, root));
    fetch_to_write(weight + FETCH_AHEAD);
    fetch_to_write(m + FETCH_AHEAD);
    fetch_to_write(v + FETCH_AHEAD);
    v_store(weight, lanes, w - change);
    v_store(m, lanes, mean);
    v_store(v, lanes, square);
}

void SIMD(adamw)(const weld_adamw_step *s, int64_t n, const void *grad_, void *weight_, void *m_,
                 void *v_) {
    const float *grad = grad_;
    float *weight = weight_, *m = m_, *v = v_;
    const adamw_factors f = {
        .beta1 = v_set((float)s->beta1),
        .beta2 = v_set((float)s->beta2),
        .rest1 = v_set((float)(1 - s->beta1)),
        .rest2 = v_set((float)(1 - s->beta2)),
        .decay = v_set((float)(s->lr * s->weight_decay)),
        .rate = v_set((float)(s->lr / s->correction1)),
        .eps = v_set((float)s->eps),
        .corrected = v_set((float)(1 / s->correction2)),
    };
    int64_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES) {
        adamw_step(&f, grad + i, v_all(), weight + i, m + i, v + i);
    }
    if (i < n) {
        adamw_step(&f, grad + i, v_first(n - i), weight + i, m + i, v + i);
    }
}
#else
void SIMD(from_f32)(int64_t n, const float *x, void *y_) {
    tvalue *y = y_;
    for (int64_t i = 0; i < n; i += V_LANES) {
        const vlanes lanes = i + V_LANES <= n ? v_all() : v_first(n - i);
        t_store(y + i, lanes, v_load(x + i, lanes));
    }
}

void SIMD(to_f32)(int64_t n, const void *x_, float *y) {
    const tvalue *x = x_;
    for (int64_t i = 0; i < n; i += V_LANES) {
        const vlanes lanes = i + V_LANES <= n ? v_all() : v_first(n - i);
        v_store(y + i, lanes, t_load(x + i, lanes));
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
