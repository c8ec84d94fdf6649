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

#ifdef WELD_SIMD_BF16
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
