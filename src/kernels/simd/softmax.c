/* Softmax along rows of n, and its gradient. */
#include "kernels/simd/rows.h"
#include "kernels/simd/simd.h"

/* In bf16 the terms are taken twice: what is stored is rounded, and only once. */
void SIMD(softmax)(int64_t rows, int64_t n, const void *x_, void *y_) {
    const tvalue *x = x_;
    tvalue *y = y_;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        const float maximum = row_maximum(n, x);
        const vfloat top = v_set(maximum), factor = v_set(1 / row_exp_sum(n, x, maximum));
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            t_store(y + j, lanes, v_exp(t_load(x + j, lanes) - top) * factor);
        }
    }
}

void SIMD(softmax_grad)(int64_t rows, int64_t n, const void *y_, const void *dy_, void *dx_) {
    const tvalue *y = y_, *dy = dy_;
    tvalue *dx = dx_;
    for (int64_t r = 0; r < rows; r++, y += n, dy += n, dx += n) {
        vfloat sum = v_zero();
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            sum = v_fma(t_load(y + j, lanes), t_load(dy + j, lanes), sum);
        }
        const vfloat dot = v_set(v_sum(sum));
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            t_store(dx + j, lanes, t_load(y + j, lanes) * (t_load(dy + j, lanes) - dot));
        }
    }
}
