/* The update of parameters, and what clipping it needs. */
#include "kernels/simd/simd.h"

typedef struct adamw_factors {
    vfloat scale, lowest, highest; /* of the gradient */
    vfloat beta1, beta2, rest1, rest2, decay, rate, eps, corrected;
    vfloat average, rest;
    bool averaging;
} adamw_factors;

/* The change of the weight is formed first and subtracted once: lr wd is far below the rounding of
 * 1 - lr wd. */
V_INLINE void adamw_step(const adamw_factors *f, const float *grad, vlanes lanes, float *weight,
                         float *m, float *v, float *average) {
    /* Where one is NaN, v_min and v_max give the second. */
    const vfloat scaled = f->scale * v_load(grad, lanes);
    const vfloat g = v_max(f->lowest, v_min(f->highest, scaled));
    const vfloat w = v_load(weight, lanes);
    const vfloat mean = v_fma(f->beta1, v_load(m, lanes), f->rest1 * g);
    const vfloat square = v_fma(f->beta2, v_load(v, lanes), f->rest2 * (g * g));
    const vfloat root = v_sqrt(square * f->corrected) + f->eps;
    const vfloat moved = w - v_fma(f->decay, w, v_divide(f->rate * mean, root));
    fetch_to_write(weight + FETCH_AHEAD);
    fetch_to_write(m + FETCH_AHEAD);
    fetch_to_write(v + FETCH_AHEAD);
    v_store(weight, lanes, moved);
    v_store(m, lanes, mean);
    v_store(v, lanes, square);
    if (f->averaging) {
        fetch_to_write(average + FETCH_AHEAD);
        v_store(average, lanes, v_fma(f->average, v_load(average, lanes), f->rest * moved));
    }
}

V_INLINE void adamw_all(const adamw_factors *f, int64_t n, const float *grad, float *weight,
                        float *m, float *v, float *average) {
    int64_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES) {
        adamw_step(f, grad + i, v_all(), weight + i, m + i, v + i,
                   f->averaging ? average + i : NULL);
    }
    if (i < n) {
        adamw_step(f, grad + i, v_first(n - i), weight + i, m + i, v + i,
                   f->averaging ? average + i : NULL);
    }
}

void SIMD(adamw)(const weld_adamw_step *s, int64_t n, const void *grad, void *weight, void *m,
                 void *v, void *average) {
    adamw_factors f = {
        .scale = v_set((float)s->gradient_scale),
        .lowest = v_set((float)-s->gradient_limit),
        .highest = v_set((float)s->gradient_limit),
        .beta1 = v_set((float)s->beta1),
        .beta2 = v_set((float)s->beta2),
        .rest1 = v_set((float)(1 - s->beta1)),
        .rest2 = v_set((float)(1 - s->beta2)),
        .decay = v_set((float)(s->lr * s->weight_decay)),
        .rate = v_set((float)(s->lr / s->correction1)),
        .eps = v_set((float)s->eps),
        .corrected = v_set((float)(1 / s->correction2)),
        .average = v_set((float)s->average_decay),
        .rest = v_set((float)(1 - s->average_decay)),
    };
    if (average) { /* known when compiling, in each of the two */
        f.averaging = true;
        adamw_all(&f, n, grad, weight, m, v, average);
    } else {
        f.averaging = false;
        adamw_all(&f, n, grad, weight, m, v, NULL);
    }
}

V_INLINE vdouble square(const float *x, vlanes lanes) {
    const vdouble wide = w_widen(v_load(x, lanes));
    return w_mul(wide, wide);
}

double SIMD(square_sum)(int64_t n, const void *x_) {
    const float *x = x_;
    vdouble even = w_set(0), odd = w_set(0);
    int64_t i = 0;
    for (; i + 2 * V_LANES <= n; i += 2 * V_LANES) {
        even = w_add(even, square(x + i, v_all()));
        odd = w_add(odd, square(x + i + V_LANES, v_all()));
    }
    for (; i < n; i += V_LANES) {
        even = w_add(even, square(x + i, v_lanes_at(i, n)));
    }
    double lane[V_LANES], sum = 0;
    w_store_all(lane, w_add(even, odd));
    for (int j = 0; j < V_LANES; j++) {
        sum += lane[j];
    }
    return sum;
}
