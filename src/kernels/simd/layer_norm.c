/* Layer norm and its gradient along rows of n. */
#include <math.h>

#include "kernels/simd/simd.h"

/* The mean of a row, as a float and what that leaves over: with a mean far larger than the
 * deviation, the rounding of the mean alone would show in every result. */
typedef struct row_mean {
    vfloat high, low;
} row_mean;

V_INLINE vfloat centered(const float *x, vlanes lanes, const row_mean *mean) {
    return v_keep(lanes, v_load(x, lanes) - mean->high - mean->low, v_zero());
}

static double mean_of(int64_t n, const float *x) {
    const vfloat first = v_set(x[0]);
    vfloat sum = v_zero();
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        sum = sum + v_keep(lanes, v_load(x + j, lanes) - first, v_zero());
    }
    return (double)x[0] + (double)v_sum(sum) / (double)n;
}

void SIMD(layer_norm)(int64_t rows, int64_t n, const void *x_, const void *weight_,
                      const void *bias_, double eps, void *y_, void *mean_, void *rstd_) {
    const float *x = x_, *weight = weight_, *bias = bias_;
    float *y = y_, *mean = mean_, *rstd = rstd_;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        const double center = mean_of(n, x);
        mean[r] = (float)center;
        const row_mean m = {v_set(mean[r]), v_set((float)(center - (double)mean[r]))};
        vfloat squares = v_zero();
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vfloat d = centered(x + j, v_lanes_at(j, n), &m);
            squares = v_fma(d, d, squares);
        }
        rstd[r] = (float)(1 / sqrt((double)v_sum(squares) / (double)n + eps));
        const vfloat factor = v_set(rstd[r]);
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            const vfloat z = centered(x + j, lanes, &m) * factor;
            v_store(y + j, lanes, v_fma(z, v_load(weight + j, lanes), v_load(bias + j, lanes)));
        }
    }
}

void SIMD(layer_norm_grad)(int64_t rows, int64_t n, const void *x_, const void *weight_,
                           const void *mean_, const void *rstd_, const void *dy_, void *dx_,
                           double *dweight, double *dbias) {
    const float *x = x_, *weight = weight_, *mean = mean_, *rstd = rstd_, *dy = dy_;
    float *dx = dx_;
    for (int64_t j = 0; j < n; j++) {
        dweight[j] = dbias[j] = 0;
    }
    for (int64_t r = 0; r < rows; r++, x += n, dy += n, dx += n) {
        const row_mean m = {v_set(mean[r]), v_zero()};
        const vfloat factor = v_set(rstd[r]);
        vfloat sum_g = v_zero(), sum_gz = v_zero();
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            const vfloat z = centered(x + j, lanes, &m) * factor, out = v_load(dy + j, lanes);
            const vfloat g = out * v_load(weight + j, lanes);
            sum_g = sum_g + g;
            sum_gz = v_fma(g, z, sum_gz);
            w_add_to(dweight + j, lanes, out * z);
            w_add_to(dbias + j, lanes, out);
        }
        const vfloat mean_g = v_set(v_sum(sum_g) / (float)n);
        const vfloat mean_gz = v_set(v_sum(sum_gz) / (float)n);
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            const vfloat z = centered(x + j, lanes, &m) * factor;
            const vfloat g = v_load(dy + j, lanes) * v_load(weight + j, lanes);
            v_store(dx + j, lanes, factor * v_fnma(z, mean_gz, g - mean_g));
        }
    }
}
