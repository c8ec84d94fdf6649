/* Statistics of, and transforms along, the channels of x[rows, c].
 *
 * Rows are taken in groups: within a group one vector of channels at a time goes down the rows in
 * registers, in float; groups are combined in double. */
#include "kernels/simd/simd.h"

enum {
    AHEAD = 1024,
    GROUP = 16,        /* rows summed in float */
    TRANSFORM_ROWS = 4 /* rows that use a channel's factors while they are in registers */
};

/* How far ahead to fetch, in elements. */
V_INLINE int64_t ahead(int64_t c) {
    return greatest(GROUP * c, AHEAD);
}

/* Sums of one vector of channels over some rows, and of squares or products. Even and odd rows go
 * apart, so that an addition need not wait for the one before it. */
typedef struct partial {
    vfloat sum, products;
} partial;

V_INLINE void add_deviation(partial *p, const tvalue *x, vfloat from, int64_t c, vlanes lanes) {
    __builtin_prefetch(x + ahead(c));
    const vfloat d = t_load(x, lanes) - from;
    p->sum = p->sum + d;
    p->products = v_fma(d, d, p->products);
}

/* Adds one group of `rows` to mean[c] and m2[c] of the `before` rows seen so far.
 *
 * Deviations are taken from the group's first row: as a member of the group it cannot lie so far
 * off that squares lose more than the group's own size in rounding, whatever the mean. Groups are
 * merged by Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample
 * variances", 1979. */
V_INLINE void moments_group(int64_t rows, int64_t before, int64_t c, const tvalue *x, vlanes lanes,
                            double *mean, double *m2) {
    const vfloat first = t_load(x, lanes);
    partial even = {v_zero(), v_zero()}, odd = {v_zero(), v_zero()};
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
        add_deviation(&even, x + r * c, first, c, lanes);
        add_deviation(&odd, x + (r + 1) * c, first, c, lanes);
    }
    if (r < rows) {
        add_deviation(&even, x + r * c, first, c, lanes);
    }
    const vdouble total = w_widen(even.sum + odd.sum);
    const vdouble offset = w_mul(total, w_set(1.0 / (double)rows));
    const vdouble group_mean = w_add(w_widen(first), offset);
    const vdouble group_m2 = w_sub(w_widen(even.products + odd.products), w_mul(total, offset));
    const vdouble old = w_load(mean, lanes), delta = w_sub(group_mean, old);
    const double share = (double)rows / (double)(before + rows);
    w_store(mean, lanes, w_add(old, w_mul(delta, w_set(share))));
    const vdouble between = w_mul(w_mul(delta, delta), w_set(share * (double)before));
    w_store(m2, lanes, w_add(w_load(m2, lanes), w_add(group_m2, between)));
}

V_INLINE void moments_rows(int64_t rows, int64_t before, int64_t c, const tvalue *x, double *mean,
                           double *m2) {
    for (int64_t j = 0; j < c; j += V_LANES) {
        if (j + V_LANES <= c) {
            moments_group(rows, before, c, x + j, v_all(), mean + j, m2 + j);
        } else {
            moments_group(rows, before, c, x + j, v_first(c - j), mean + j, m2 + j);
        }
    }
}

static void clear(int64_t c, double *sum) {
    for (int64_t j = 0; j < c; j++) {
        sum[j] = 0;
    }
}

void SIMD(moments)(int64_t rows, int64_t c, const void *x_, double *mean, double *m2) {
    const tvalue *x = x_;
    clear(c, mean);
    clear(c, m2);
    int64_t row = 0;
    for (; row + GROUP <= rows; row += GROUP) {
        moments_rows(GROUP, row, c, x + row * c, mean, m2);
    }
    if (row < rows) {
        moments_rows(rows - row, row, c, x + row * c, mean, m2);
    }
}

V_INLINE void sum_group(int64_t rows, int64_t c, const tvalue *x, vlanes lanes, double *sum) {
    vfloat even = v_zero(), odd = v_zero();
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
        __builtin_prefetch(x + r * c + ahead(c));
        __builtin_prefetch(x + (r + 1) * c + ahead(c));
        even = even + t_load(x + r * c, lanes);
        odd = odd + t_load(x + (r + 1) * c, lanes);
    }
    if (r < rows) {
        even = even + t_load(x + r * c, lanes);
    }
    w_add_to(sum, lanes, even + odd);
}

V_INLINE void sum_rows(int64_t rows, int64_t c, const tvalue *x, double *sum) {
    for (int64_t j = 0; j < c; j += V_LANES) {
        if (j + V_LANES <= c) {
            sum_group(rows, c, x + j, v_all(), sum + j);
        } else {
            sum_group(rows, c, x + j, v_first(c - j), sum + j);
        }
    }
}

void SIMD(channel_sum)(int64_t rows, int64_t c, const void *x_, double *sum) {
    const tvalue *x = x_;
    clear(c, sum);
    int64_t row = 0;
    for (; row + GROUP <= rows; row += GROUP) {
        sum_rows(GROUP, c, x + row * c, sum);
    }
    if (row < rows) {
        sum_rows(rows - row, c, x + row * c, sum);
    }
}

V_INLINE void add_product(partial *p, const tvalue *dy, const tvalue *x, vfloat center, int64_t c,
                          vlanes lanes) {
    __builtin_prefetch(x + ahead(c));
    __builtin_prefetch(dy + ahead(c));
    const vfloat g = t_load(dy, lanes);
    p->sum = p->sum + g;
    p->products = v_fma(g, t_load(x, lanes) - center, p->products);
}

/* Adds a group to both sums; center may be NULL, sum_dy too. */
V_INLINE void dot_group(int64_t rows, int64_t c, const tvalue *dy, const tvalue *x,
                        const float *center, vlanes lanes, double *sum_dy, double *sum_dy_x) {
    const vfloat middle = center ? v_load(center, lanes) : v_zero();
    partial even = {v_zero(), v_zero()}, odd = {v_zero(), v_zero()};
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
        add_product(&even, dy + r * c, x + r * c, middle, c, lanes);
        add_product(&odd, dy + (r + 1) * c, x + (r + 1) * c, middle, c, lanes);
    }
    if (r < rows) {
        add_product(&even, dy + r * c, x + r * c, middle, c, lanes);
    }
    if (sum_dy) {
        w_add_to(sum_dy, lanes, even.sum + odd.sum);
    }
    w_add_to(sum_dy_x, lanes, even.products + odd.products);
}

V_INLINE void dot_rows(int64_t rows, int64_t c, const tvalue *dy, const tvalue *x,
                       const float *center, double *sum_dy, double *sum_dy_x) {
    for (int64_t j = 0; j < c; j += V_LANES) {
        const float *middle = center ? center + j : NULL;
        double *sum = sum_dy ? sum_dy + j : NULL;
        if (j + V_LANES <= c) {
            dot_group(rows, c, dy + j, x + j, middle, v_all(), sum, sum_dy_x + j);
        } else {
            dot_group(rows, c, dy + j, x + j, middle, v_first(c - j), sum, sum_dy_x + j);
        }
    }
}

void SIMD(channel_dot)(int64_t rows, int64_t c, const void *dy_, const void *x_, const void *center,
                       double *sum_dy, double *sum_dy_x) {
    const tvalue *dy = dy_, *x = x_;
    if (!sum_dy_x) {
        if (sum_dy) {
            SIMD(channel_sum)(rows, c, dy, sum_dy);
        }
        return;
    }
    clear(c, sum_dy_x);
    if (sum_dy) {
        clear(c, sum_dy);
    }
    int64_t row = 0;
    for (; row + GROUP <= rows; row += GROUP) {
        dot_rows(GROUP, c, dy + row * c, x + row * c, center, sum_dy, sum_dy_x);
    }
    if (row < rows) {
        dot_rows(rows - row, c, dy + row * c, x + row * c, center, sum_dy, sum_dy_x);
    }
}

V_INLINE void affine_group(int64_t rows, int64_t c, const tvalue *x, const float *scale,
                           const float *shift, vlanes lanes, tvalue *y) {
    const vfloat factor = scale ? v_load(scale, lanes) : v_set(1);
    const vfloat term = shift ? v_load(shift, lanes) : v_zero();
    for (int64_t r = 0; r < rows; r++) {
        fetch_to_write(y + r * c + FETCH_AHEAD);
        t_store(y + r * c, lanes, v_fma(t_load(x + r * c, lanes), factor, term));
    }
}

V_INLINE void affine_rows(int64_t rows, int64_t c, const tvalue *x, const float *scale,
                          const float *shift, tvalue *y) {
    for (int64_t j = 0; j < c; j += V_LANES) {
        const float *factor = scale ? scale + j : NULL, *term = shift ? shift + j : NULL;
        if (j + V_LANES <= c) {
            affine_group(rows, c, x + j, factor, term, v_all(), y + j);
        } else {
            affine_group(rows, c, x + j, factor, term, v_first(c - j), y + j);
        }
    }
}

void SIMD(affine)(int64_t rows, int64_t c, const void *x_, const void *scale, const void *shift,
                  void *y_) {
    const tvalue *x = x_;
    tvalue *y = y_;
    int64_t row = 0;
    for (; row + TRANSFORM_ROWS <= rows; row += TRANSFORM_ROWS) {
        affine_rows(TRANSFORM_ROWS, c, x + row * c, scale, shift, y + row * c);
    }
    if (row < rows) {
        affine_rows(rows - row, c, x + row * c, scale, shift, y + row * c);
    }
}

V_INLINE void affine2_group(int64_t rows, int64_t c, const tvalue *dy, const tvalue *x,
                            const float *a, const float *b, const float *d, vlanes lanes,
                            tvalue *dx) {
    const vfloat va = v_load(a, lanes), vb = v_load(b, lanes), vd = v_load(d, lanes);
    for (int64_t r = 0; r < rows; r++) {
        const vfloat inner = v_fma(vb, t_load(x + r * c, lanes), vd);
        fetch_to_write(dx + r * c + FETCH_AHEAD);
        t_store(dx + r * c, lanes, v_fma(va, t_load(dy + r * c, lanes), inner));
    }
}

V_INLINE void affine2_rows(int64_t rows, int64_t c, const tvalue *dy, const tvalue *x,
                           const float *a, const float *b, const float *d, tvalue *dx) {
    for (int64_t j = 0; j < c; j += V_LANES) {
        if (j + V_LANES <= c) {
            affine2_group(rows, c, dy + j, x + j, a + j, b + j, d + j, v_all(), dx + j);
        } else {
            affine2_group(rows, c, dy + j, x + j, a + j, b + j, d + j, v_first(c - j), dx + j);
        }
    }
}

void SIMD(affine2)(int64_t rows, int64_t c, const void *dy_, const void *x_, const void *a,
                   const void *b, const void *d, void *dx_) {
    const tvalue *dy = dy_, *x = x_;
    tvalue *dx = dx_;
    int64_t row = 0;
    for (; row + TRANSFORM_ROWS <= rows; row += TRANSFORM_ROWS) {
        const int64_t at = row * c;
        affine2_rows(TRANSFORM_ROWS, c, dy + at, x + at, a, b, d, dx + at);
    }
    if (row < rows) {
        affine2_rows(rows - row, c, dy + row * c, x + row * c, a, b, d, dx + row * c);
    }
}
