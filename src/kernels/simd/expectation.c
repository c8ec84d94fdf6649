/* The mean place along rows of n, weighted by their softmax, and its gradient. */
#include "kernels/simd/rows.h"
#include "kernels/simd/simd.h"

/* The places of a vector's lanes. */
V_INLINE vfloat first_places(void) {
    float place[V_LANES];
    for (int i = 0; i < V_LANES; i++) {
        place[i] = (float)i;
    }
    return v_load_all(place);
}

/* Of a row: the sum of exp(x - maximum), and of each times its place. */
typedef struct row_sums {
    float maximum, sum, weighted;
} row_sums;

V_INLINE row_sums sums_of(int64_t n, const tvalue *x, vfloat places) {
    row_sums s = {.maximum = row_maximum(n, x)};
    const vfloat top = v_set(s.maximum);
    vfloat sum = v_zero(), weighted = v_zero();
    for (int64_t j = 0; j < n; j += V_LANES) {
        const vlanes lanes = v_lanes_at(j, n);
        const vfloat term = v_keep(lanes, v_exp(t_load(x + j, lanes) - top), v_zero());
        sum = sum + term;
        weighted = v_fma(term, places + v_set((float)j), weighted);
    }
    s.sum = v_sum(sum);
    s.weighted = v_sum(weighted);
    return s;
}

void SIMD(expectation)(int64_t rows, int64_t n, const void *x_, void *y_) {
    const tvalue *x = x_;
    float *y = y_;
    const vfloat places = first_places();
    for (int64_t r = 0; r < rows; r++, x += n) {
        const row_sums s = sums_of(n, x, places);
        y[r] = s.weighted / s.sum;
    }
}

void SIMD(expectation_grad)(int64_t rows, int64_t n, const void *x_, const void *dy_, void *dx_) {
    const tvalue *x = x_;
    const float *dy = dy_;
    tvalue *dx = dx_;
    const vfloat places = first_places();
    for (int64_t r = 0; r < rows; r++, x += n, dx += n) {
        const row_sums s = sums_of(n, x, places);
        const vfloat top = v_set(s.maximum), mean = v_set(s.weighted / s.sum);
        const vfloat factor = v_set(dy[r] / s.sum);
        for (int64_t j = 0; j < n; j += V_LANES) {
            const vlanes lanes = v_lanes_at(j, n);
            const vfloat off = places + v_set((float)j) - mean;
            t_store(dx + j, lanes, v_exp(t_load(x + j, lanes) - top) * factor * off);
        }
    }
}
