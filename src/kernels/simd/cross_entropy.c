/* Cross entropy of rows of n logits, and its gradient. */
#include "kernels/simd/rows.h"
#include "kernels/simd/simd.h"

/* (1 - smoothing) target + smoothing / n, 0 in lanes that are not there */
V_INLINE vfloat smoothed(const float *target, vlanes lanes, double smoothing, int64_t n) {
    const vfloat share = v_set((float)(smoothing / (double)n));
    const vfloat t = v_fma(v_set((float)(1 - smoothing)), v_load(target, lanes), share);
    return v_keep(lanes, t, v_zero());
}

void SIMD(cross_entropy)(int64_t rows, int64_t n, const void *x_, const void *target_,
                         double smoothing, void *loss_) {
    const float *x = x_, *target = target_;
    float *loss = loss_;
    for (int64_t r = 0; r < rows; r++, x += n, target += n) {
        const float maximum = row_maximum(n, x);
        const vfloat top = v_set(maximum);
        const vfloat log_sum = v_set(logf(row_exp_sum(n, x, maximum)));
        vfloat sum = v_zero();
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            const vfloat log_share = log_sum - (v_load(x + j, lanes) - top);
            sum = v_fma(smoothed(target + j, lanes, smoothing, n), log_share, sum);
        }
        loss[r] = v_sum(sum);
    }
}

void SIMD(cross_entropy_grad)(int64_t rows, int64_t n, const void *x_, const void *target_,
                              double smoothing, const void *dloss_, void *dx_) {
    const float *x = x_, *target = target_, *dloss = dloss_;
    float *dx = dx_;
    for (int64_t r = 0; r < rows; r++, x += n, target += n, dx += n) {
        const float maximum = row_maximum(n, x);
        vfloat total = v_zero();
        for (int64_t j = 0; j < n; j += V_LANES) {
            total = total + smoothed(target + j, v_lanes_at(j, n), smoothing, n);
        }
        const vfloat top = v_set(maximum), factor = v_set(dloss[r]);
        const vfloat share = v_set(v_sum(total) / row_exp_sum(n, x, maximum));
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            const vfloat e = v_exp(v_load(x + j, lanes) - top);
            const vfloat t = smoothed(target + j, lanes, smoothing, n);
            v_store(dx + j, lanes, factor * v_fma(e, share, v_zero() - t));
        }
    }
}
