/* Sums of scaled rows with a function at the end, and functions with their gradients.
 *
 * A pair of vectors of channels goes down a few rows at a time, with its factors in registers; each
 * element is loaded once and stored once. The number of terms and the functions that networks use
 * most are known when compiling; the others have one loop each, whatever the count. */
#include "kernels/simd/simd.h"
#include "kernels/simd/unary.h"

/* Rows that use a channel's factors while they are in registers. */
enum { ROWS = sizeof(tvalue) == sizeof(float) ? 8 : 16 };

V_INLINE vpair load_or(const float *vector, int64_t j, vspan span, float absent) {
    return vector ? v_load_pair(vector + j, span) : v_set_pair(absent);
}

V_INLINE vpair unary_of_pair(const weld_unary f, vpair u) {
    return (vpair){v_unary(f, u.a), v_unary(f, u.b)};
}

typedef struct terms {
    const tvalue *x[WELD_MAX_TERMS];
    const float *scale[WELD_MAX_TERMS], *shift;
    tvalue *y;
} terms;

/* Channels from j on, of rows that start at element `at` - j. */
V_INLINE void combine_group(const weld_unary f, const int count, int64_t rows, int64_t c,
                            const terms *t, int64_t at, int64_t j, vspan span) {
    vpair factor[WELD_MAX_TERMS];
    const vpair shift = load_or(t->shift, j, span, 0);
    V_UNROLL
    for (int i = 0; i < WELD_MAX_TERMS; i++) {
        factor[i] = i < count ? load_or(t->scale[i], j, span, 1) : v_set_pair(0);
    }
    V_ROLLED
    for (int64_t r = 0; r < rows; r++, at += c) {
        vpair sum = shift;
        fetch_to_write(t->y + at + FETCH_AHEAD);
        V_UNROLL
        for (int i = 0; i < WELD_MAX_TERMS; i++) {
            if (i < count) {
                fetch_far(t->x[i] + at + ROWS * c);
            }
            sum = i < count ? v_fma_pair(factor[i], t_load_pair(t->x[i] + at, span), sum) : sum;
        }
        t_store_pair(t->y + at, span, unary_of_pair(f, sum));
    }
}

V_INLINE void combine_rows(const weld_unary f, const int count, int64_t rows, int64_t c,
                           const terms *t) {
    for (int64_t row = 0; row < rows; row += ROWS) {
        const int64_t group = least(ROWS, rows - row);
        V_EACH_PAIR(c, combine_group(f, count, group, c, t, row * c + j, j, span));
    }
}

V_INLINE void combine_count(const weld_unary f, int64_t rows, int64_t c, int count,
                            const terms *t) {
    switch (count) {
    case 1:
        combine_rows(f, 1, rows, c, t);
        break;
    case 2:
        combine_rows(f, 2, rows, c, t);
        break;
    case 3:
        combine_rows(f, 3, rows, c, t);
        break;
    default:
        combine_rows(f, WELD_MAX_TERMS, rows, c, t);
        break;
    }
}

void SIMD(combine)(weld_unary f, int64_t rows, int64_t c, int count, const void *const *x,
                   const void *const *scale, const void *shift, void *y) {
    terms t = {.shift = shift, .y = y};
    for (int i = 0; i < count; i++) {
        t.x[i] = x[i];
        t.scale[i] = scale[i];
    }
    if (f == WELD_IDENTITY) {
        combine_count(WELD_IDENTITY, rows, c, count, &t);
    }
    V_BY_UNARY(f, F == WELD_GELU ? combine_count(F, rows, c, count, &t)
                                 : combine_rows(F, count, rows, c, &t));
}

typedef struct pair {
    const tvalue *x, *dy;
    const float *scale, *shift;
    tvalue *y, *dx;
} pair;

V_INLINE void pair_group(const weld_unary f, int64_t rows, int64_t c, const pair *p, int64_t at,
                         int64_t j, vspan span) {
    const vpair scale = load_or(p->scale, j, span, 1), shift = load_or(p->shift, j, span, 0);
    V_ROLLED
    for (int64_t r = 0; r < rows; r++, at += c) {
        const vpair u = v_fma_pair(scale, t_load_pair(p->x + at, span), shift);
        const vpair dy = t_load_pair(p->dy + at, span);
        fetch_far(p->x + at + ROWS * c);
        fetch_to_write(p->dx + at + FETCH_AHEAD);
        if (p->y) { /* the compiler makes what the two have in common once */
            fetch_to_write(p->y + at + FETCH_AHEAD);
            t_store_pair(p->y + at, span, unary_of_pair(f, u));
        }
        t_store_pair(p->dx + at, span,
                     (vpair){v_unary_slope(f, u.a) * dy.a, v_unary_slope(f, u.b) * dy.b});
    }
}

V_INLINE void pair_rows(const weld_unary f, int64_t rows, int64_t c, const pair *p) {
    for (int64_t row = 0; row < rows; row += ROWS) {
        const int64_t group = least(ROWS, rows - row);
        V_EACH_PAIR(c, pair_group(f, group, c, p, row * c + j, j, span));
    }
}

void SIMD(unary_pair)(weld_unary f, int64_t rows, int64_t c, const void *x, const void *scale,
                      const void *shift, const void *dy, void *y, void *dx) {
    const pair p = {.x = x, .dy = dy, .scale = scale, .shift = shift, .y = y, .dx = dx};
    V_BY_UNARY(f, pair_rows(F, rows, c, &p));
}
