/* Binary cross entropy of rows of n logits, and its gradient. */
#include <math.h>

#include "kernels/simd/functions.h"
#include "kernels/simd/simd.h"

/* One logarithm an element, of the C library: there is one row an image of it. */
void SIMD(binary_cross_entropy)(int64_t rows, int64_t n, const void *x_, const void *target_,
                                double smoothing, void *loss_) {
    const float *x = x_, *target = target_;
    const double kept = 1 - smoothing, share = smoothing / (double)n;
    float *loss = loss_;
    for (int64_t r = 0; r < rows; r++, x += n, target += n) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++) {
            const double t = kept * (double)target[j] + share, larger = x[j] > 0 ? x[j] : 0;
            sum += larger - t * (double)x[j] + (double)log1pf(expf(-fabsf(x[j])));
        }
        loss[r] = (float)(sum / (double)n);
    }
}

void SIMD(binary_cross_entropy_grad)(int64_t rows, int64_t n, const void *x_, const void *target_,
                                     double smoothing, const void *dloss_, void *dx_) {
    const float *x = x_, *target = target_, *dloss = dloss_;
    const vfloat kept = v_set((float)(1 - smoothing)),
                 share = v_set((float)(smoothing / (double)n));
    float *dx = dx_;
    for (int64_t r = 0; r < rows; r++, x += n, target += n, dx += n) {
        const vfloat factor = v_set((float)((double)dloss[r] / (double)n));
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            vfloat complement;
            const vfloat p = v_sigmoid(v_load(x + j, lanes), &complement);
            const vfloat t = v_fma(kept, v_load(target + j, lanes), share);
            v_store(dx + j, lanes, factor * (p - t));
        }
    }
}
