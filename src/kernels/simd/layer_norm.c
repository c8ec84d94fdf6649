/* Layer norm and its gradient along rows of n. */
#include <math.h>

#include "kernels/simd/simd.h"

enum { GROUP = 16 }; /* rows whose terms of dweight and dbias are summed in float */

/* The mean of a row, as a float and what that leaves over: with a mean far larger than the
 * deviation, the rounding of the mean alone would show in every result. */
typedef struct row_moments {
    float high, low, rstd;
} row_moments;

V_INLINE vfloat centered(const tvalue *x, vlanes lanes, const row_moments *m) {
    return v_keep(lanes, t_load(x, lanes) - v_set(m->high) - v_set(m->low), v_zero());
}

static row_moments moments_of(int64_t n, const tvalue *x, double eps) {
    float start[V_LANES];
    v_store_all(start, t_load(x, v_first(1)));
    const vfloat first = v_set(start[0]);
    vfloat sum = v_zero(), squares = v_zero();
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        sum = sum + v_keep(lanes, t_load(x + j, lanes) - first, v_zero());
    }
    const double mean = (double)start[0] + (double)v_sum(sum) / (double)n;
    row_moments m = {.high = (float)mean};
    m.low = (float)(mean - (double)m.high);
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vfloat d = centered(x + j, v_lanes_at(j, n), &m);
        squares = v_fma(d, d, squares);
    }
    m.rstd = (float)(1 / sqrt((double)v_sum(squares) / (double)n + eps));
    return m;
}

void SIMD(layer_norm)(int64_t rows, int64_t n, const void *x_, const void *weight_,
                      const void *bias_, double eps, void *y_) {
    const tvalue *x = x_;
    const float *weight = weight_, *bias = bias_;
    tvalue *y = y_;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        const row_moments m = moments_of(n, x, eps);
        const vfloat factor = v_set(m.rstd);
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            const vfloat z = centered(x + j, lanes, &m) * factor;
            t_store(y + j, lanes, v_fma(z, v_load(weight + j, lanes), v_load(bias + j, lanes)));
        }
    }
}

/* Add to dweight and dbias what some rows contribute to one vector of columns. */
V_INLINE void add_columns(int64_t rows, int64_t n, const tvalue *x, const tvalue *dy,
                          const row_moments *m, vlanes lanes, double *dweight, double *dbias) {
    vfloat weight_sum = v_zero(), bias_sum = v_zero();
    for (int64_t r = 0; r < rows; r++, x += n, dy += n) {
        const vfloat out = t_load(dy, lanes);
        weight_sum = v_fma(out, centered(x, lanes, &m[r]) * v_set(m[r].rstd), weight_sum);
        bias_sum = bias_sum + out;
    }
    w_add_to(dweight, lanes, weight_sum);
    w_add_to(dbias, lanes, bias_sum);
}

static void input_grad(int64_t n, const tvalue *x, const float *weight, const row_moments *m,
                       const tvalue *dy, tvalue *dx) {
    const vfloat factor = v_set(m->rstd);
    vfloat sum_g = v_zero(), sum_gz = v_zero();
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        const vfloat g = t_load(dy + j, lanes) * v_load(weight + j, lanes);
        sum_g = sum_g + g;
        sum_gz = v_fma(g, centered(x + j, lanes, m) * factor, sum_gz);
    }
    const vfloat mean_g = v_set(v_sum(sum_g) / (float)n);
    const vfloat mean_gz = v_set(v_sum(sum_gz) / (float)n);
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        const vfloat z = centered(x + j, lanes, m) * factor;
        const vfloat g = t_load(dy + j, lanes) * v_load(weight + j, lanes);
        t_store(dx + j, lanes, factor * v_fnma(z, mean_gz, g - mean_g));
    }
}

/* By groups of rows, which stay in the first-level cache over the passes. */
void SIMD(layer_norm_grad)(int64_t rows, int64_t n, const void *x_, const void *weight_, double eps,
                           const void *dy_, void *dx_, double *dweight, double *dbias) {
    const tvalue *x = x_, *dy = dy_;
    const float *weight = weight_;
    tvalue *dx = dx_;
    for (int64_t j = 0; j < n; j++) {
        dweight[j] = dbias[j] = 0;
    }
    for (int64_t row = 0; row < rows; row += GROUP) {
        const int64_t count = least(GROUP, rows - row), begin = row * n;
        row_moments m[GROUP];
        for (int64_t r = 0; r < count; r++) {
            m[r] = moments_of(n, x + begin + r * n, eps);
        }
        for (int64_t j = 0; j < n; j += V_LANES) {
            add_columns(count, n, x + begin + j, dy + begin + j, m, v_lanes_at(j, n), dweight + j,
                        dbias + j);
        }
        for (int64_t r = 0; r < count; r++) {
            const int64_t at = begin + r * n;
            input_grad(n, x + at, weight, &m[r], dy + at, dx + at);
        }
    }
}
