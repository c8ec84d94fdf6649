/* Statistics of, and transforms along, the channels of x[rows, c].
 *
 * Rows are taken in groups: within a group one pair of vectors of channels at a time goes down the
 * rows in registers, in float; groups are combined in double. */
#include "kernels/simd/simd.h"

enum {
    AHEAD = 4096 / sizeof(tvalue),
    ROWS_AHEAD = 16,
    GROUP = sizeof(tvalue) == sizeof(float) ? 16 : 32, /* rows summed in float */
    TRANSFORM_ROWS = sizeof(tvalue) == sizeof(float)
                         ? 4
                         : 16 /* rows that use a channel's factors while they are in registers */
};

/* How far ahead to fetch, in elements. */
V_INLINE int64_t ahead(int64_t c) {
    return greatest(ROWS_AHEAD * c, AHEAD);
}

/* Fetches what both vectors of a pair will want. */
V_INLINE void fetch_pair(const tvalue *p, vspan span) {
    __builtin_prefetch(p);
    if (sizeof(tvalue) == sizeof(float) && !span.one) {
        __builtin_prefetch(p + V_LANES);
    }
}

V_INLINE void fetch_pair_to_write(const tvalue *p, vspan span) {
    fetch_to_write(p);
    if (sizeof(tvalue) == sizeof(float) && !span.one) {
        fetch_to_write(p + V_LANES);
    }
}

/* Sums of a pair of vectors of channels over some rows, and of squares or products. */
typedef struct partial {
    vpair sum, products;
} partial;

V_INLINE partial no_sums(void) {
    return (partial){v_set_pair(0), v_set_pair(0)};
}

V_INLINE void add_deviation(partial *p, const tvalue *x, vpair from, int64_t c, vspan span) {
    fetch_pair(x + ahead(c), span);
    const vpair d = v_sub_pair(t_load_pair(x, span), from);
    p->sum = v_add_pair(p->sum, d);
    p->products = v_fma_pair(d, d, p->products);
}

/* Merges the sums of one vector over a group of `rows`, of deviations from `first`, into mean and
 * m2 of the `before` rows seen so far. */
V_INLINE void merge_moments(int64_t rows, int64_t before, vfloat first, vfloat sum, vfloat products,
                            vlanes lanes, double *mean, double *m2) {
    const vdouble total = w_widen(sum);
    const vdouble offset = w_mul(total, w_set(1.0 / (double)rows));
    const vdouble group_mean = w_add(w_widen(first), offset);
    const vdouble group_m2 = w_sub(w_widen(products), w_mul(total, offset));
    const vdouble old = w_load(mean, lanes), delta = w_sub(group_mean, old);
    const double share = (double)rows / (double)(before + rows);
    w_store(mean, lanes, w_add(old, w_mul(delta, w_set(share))));
    const vdouble between = w_mul(w_mul(delta, delta), w_set(share * (double)before));
    w_store(m2, lanes, w_add(w_load(m2, lanes), w_add(group_m2, between)));
}

/* Adds one group of `rows` to mean[c] and m2[c] of the `before` rows seen so far.
 *
 * Deviations are taken from the group's first row: as a member of the group it cannot lie so far
 * off that squares lose more than the group's own size in rounding, whatever the mean. Groups are
 * merged by Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample
 * variances", 1979. */
V_INLINE void moments_group(int64_t rows, int64_t before, int64_t c, const tvalue *x, vspan span,
                            double *mean, double *m2) {
    const vpair first = t_load_pair(x, span);
    partial p = no_sums();
    for (int64_t r = 0; r < rows; r++) {
        add_deviation(&p, x + r * c, first, c, span);
    }
    const vpair start = v_in_order(first, span), sum = v_in_order(p.sum, span);
    const vpair products = v_in_order(p.products, span);
    merge_moments(rows, before, start.a, sum.a, products.a, span.a, mean, m2);
    if (!span.one) {
        merge_moments(rows, before, start.b, sum.b, products.b, span.b, mean + V_LANES,
                      m2 + V_LANES);
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
    for (int64_t row = 0; row < rows; row += GROUP) {
        const int64_t count = least(GROUP, rows - row);
        V_EACH_PAIR(c, moments_group(count, row, c, x + row * c + j, span, mean + j, m2 + j));
    }
}

V_INLINE void sum_group(int64_t rows, int64_t c, const tvalue *x, vspan span, double *sum) {
    vpair even = v_set_pair(0), odd = v_set_pair(0);
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
        fetch_pair(x + r * c + ahead(c), span);
        fetch_pair(x + (r + 1) * c + ahead(c), span);
        even = v_add_pair(even, t_load_pair(x + r * c, span));
        odd = v_add_pair(odd, t_load_pair(x + (r + 1) * c, span));
    }
    if (r < rows) {
        even = v_add_pair(even, t_load_pair(x + r * c, span));
    }
    w_add_pair_to(sum, span, v_add_pair(even, odd));
}

void SIMD(channel_sum)(int64_t rows, int64_t c, const void *x_, double *sum) {
    const tvalue *x = x_;
    clear(c, sum);
    for (int64_t row = 0; row < rows; row += GROUP) {
        const int64_t count = least(GROUP, rows - row);
        V_EACH_PAIR(c, sum_group(count, c, x + row * c + j, span, sum + j));
    }
}

V_INLINE void add_product(partial *p, const tvalue *dy, const tvalue *x, vpair center, int64_t c,
                          vspan span) {
    fetch_pair(x + ahead(c), span);
    fetch_pair(dy + ahead(c), span);
    const vpair g = t_load_pair(dy, span);
    p->sum = v_add_pair(p->sum, g);
    p->products = v_fma_pair(g, v_sub_pair(t_load_pair(x, span), center), p->products);
}

/* Adds a group to both sums; center may be NULL, sum_dy too. */
V_INLINE void dot_group(int64_t rows, int64_t c, const tvalue *dy, const tvalue *x,
                        const float *center, vspan span, double *sum_dy, double *sum_dy_x) {
    const vpair middle = center ? v_load_pair(center, span) : v_set_pair(0);
    partial p = no_sums();
    for (int64_t r = 0; r < rows; r++) {
        add_product(&p, dy + r * c, x + r * c, middle, c, span);
    }
    if (sum_dy) {
        w_add_pair_to(sum_dy, span, p.sum);
    }
    w_add_pair_to(sum_dy_x, span, p.products);
}

void SIMD(channel_dot)(int64_t rows, int64_t c, const void *dy_, const void *x_,
                       const void *center_, double *sum_dy, double *sum_dy_x) {
    const tvalue *dy = dy_, *x = x_;
    const float *center = center_;
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
    for (int64_t row = 0; row < rows; row += GROUP) {
        const int64_t count = least(GROUP, rows - row), at = row * c;
        V_EACH_PAIR(c, dot_group(count, c, dy + at + j, x + at + j, center ? center + j : NULL,
                                 span, sum_dy ? sum_dy + j : NULL, sum_dy_x + j));
    }
}

V_INLINE void affine_group(int64_t rows, int64_t c, const tvalue *x, const float *scale,
                           const float *shift, vspan span, tvalue *y) {
    const vpair factor = scale ? v_load_pair(scale, span) : v_set_pair(1);
    const vpair term = shift ? v_load_pair(shift, span) : v_set_pair(0);
    V_ROLLED
    for (int64_t r = 0; r < rows; r++, x += c, y += c) {
        const vpair in = t_load_pair(x, span);
        fetch_far(x + TRANSFORM_ROWS * c);
        fetch_pair_to_write(y + FETCH_AHEAD, span);
        t_store_pair(y, span, v_fma_pair(in, factor, term));
    }
}

void SIMD(affine)(int64_t rows, int64_t c, const void *x_, const void *scale_, const void *shift_,
                  void *y_) {
    const tvalue *x = x_;
    const float *scale = scale_, *shift = shift_;
    tvalue *y = y_;
    for (int64_t row = 0; row < rows; row += TRANSFORM_ROWS) {
        const int64_t count = least(TRANSFORM_ROWS, rows - row), at = row * c;
        V_EACH_PAIR(c, affine_group(count, c, x + at + j, scale ? scale + j : NULL,
                                    shift ? shift + j : NULL, span, y + at + j));
    }
}

V_INLINE void affine2_group(int64_t rows, int64_t c, const tvalue *dy, const tvalue *x,
                            const float *a, const float *b, const float *d, vspan span,
                            tvalue *dx) {
    const vpair va = v_load_pair(a, span), vb = v_load_pair(b, span), vd = v_load_pair(d, span);
    V_ROLLED
    for (int64_t r = 0; r < rows; r++, dy += c, x += c, dx += c) {
        fetch_far(x + TRANSFORM_ROWS * c);
        fetch_far(dy + TRANSFORM_ROWS * c);
        const vpair inner = v_fma_pair(vb, t_load_pair(x, span), vd);
        const vpair result = v_fma_pair(va, t_load_pair(dy, span), inner);
        fetch_pair_to_write(dx + FETCH_AHEAD, span);
        t_store_pair(dx, span, result);
    }
}

void SIMD(affine2)(int64_t rows, int64_t c, const void *dy_, const void *x_, const void *a_,
                   const void *b_, const void *d_, void *dx_) {
    const tvalue *dy = dy_, *x = x_;
    const float *a = a_, *b = b_, *d = d_;
    tvalue *dx = dx_;
    for (int64_t row = 0; row < rows; row += TRANSFORM_ROWS) {
        const int64_t count = least(TRANSFORM_ROWS, rows - row), at = row * c;
        V_EACH_PAIR(c, affine2_group(count, c, dy + at + j, x + at + j, a + j, b + j, d + j, span,
                                     dx + at + j));
    }
}
