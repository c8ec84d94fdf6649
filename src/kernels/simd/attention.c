/* The softmax within attention, and its gradient. Scores are floats, probabilities T.
 *
 * As many rows as a vector has lanes are taken together, in three passes: their maxima and sums
 * come of vectors that are transposed, which costs a third of what a row's own would, and what a
 * pass has stored is in the cache when the next one loads it. (To load by mask what has just been
 * stored by mask costs more than all the rest.) */
#include <math.h>

#include "kernels/simd/rows.h"
#include "kernels/simd/simd.h"

/* Some rows: `bias` may be NULL. */
typedef struct block {
    int64_t rows, n, ld;
    vfloat factor;
    const float *bias;
    float *x;
    tvalue *y;
} block;

V_INLINE vfloat score(const block *b, int64_t r, int64_t j, vlanes lanes) {
    const vfloat from = b->bias ? v_load(b->bias + r * b->n + j, lanes) : v_zero();
    return v_fma(v_load(b->x + r * b->ld + j, lanes), b->factor, from);
}

V_INLINE vfloat greater_of(vlanes lanes, vfloat a, vfloat b) {
    return v_keep(lanes, v_max(a, b), b);
}

/* The maximum of each row. */
V_INLINE vfloat row_maxima(const block *b) {
    vfloat row[V_LANES];
    for (int64_t r = 0; r < V_LANES; r++) {
        vfloat m = v_set(-INFINITY);
        if (r < b->rows) {
            V_EACH_VECTOR(b->n, m = greater_of(span.a, score(b, r, j, span.a), m));
        }
        row[r] = m;
    }
    v_transpose(row);
    vfloat m = row[0];
    V_UNROLL
    for (int i = 1; i < V_LANES; i++) {
        m = v_max(m, row[i]);
    }
    return m;
}

/* x = exp(score - top); returns the vector added to the sum. */
V_INLINE vfloat exp_step(const block *b, int64_t r, int64_t j, vlanes lanes, vfloat top) {
    const vfloat e = v_exp_bounded(score(b, r, j, lanes) - top, v_zero());
    v_store(b->x + r * b->ld + j, lanes, e);
    return v_keep(lanes, e, v_zero());
}

/* x = exp(score - maximum), and 1 / the sum of each row. */
V_INLINE vfloat row_shares(const block *b, const float *maxima) {
    vfloat row[V_LANES];
    for (int64_t r = 0; r < V_LANES; r++) {
        vfloat sum = v_zero();
        if (r < b->rows) {
            const vfloat top = v_set(maxima[r]);
            V_EACH_VECTOR(b->n, sum = sum + exp_step(b, r, j, span.a, top));
        }
        row[r] = sum;
    }
    return v_divide(v_set(1), v_row_sums(row));
}

V_INLINE void softmax_block(const block *b) {
    float each[V_LANES];
    v_store_all(each, row_maxima(b));
    v_store_all(each, row_shares(b, each));
    for (int64_t r = 0; r < b->rows; r++) {
        const vfloat share = v_set(each[r]);
        const float *x = b->x + r * b->ld;
        tvalue *y = b->y + r * b->ld;
        V_EACH_VECTOR(b->n, t_store(y + j, span.a, v_load(x + j, span.a) * share));
    }
}

void SIMD(attention_softmax)(int64_t rows, int64_t n, int64_t ld, double factor, void *x,
                             const void *bias, void *y) {
    for (int64_t row = 0; row < rows; row += V_LANES) {
        block b = {.rows = least(V_LANES, rows - row),
                   .n = n,
                   .ld = ld,
                   .factor = v_set((float)factor),
                   .bias = NULL,
                   .x = (float *)x + row * ld,
                   .y = (tvalue *)y + row * ld};
        if (bias) {
            b.bias = (const float *)bias + row * n;
            softmax_block(&b);
        } else {
            softmax_block(&b);
        }
    }
}

V_INLINE vfloat dot_step(vlanes lanes, const tvalue *y, const float *dy, vfloat sum) {
    return v_fma(t_load(y, lanes), v_load(dy, lanes), sum);
}

V_INLINE void grad_step(vlanes lanes, vfloat dot, vfloat factor, const tvalue *y, const float *dy,
                        tvalue *dx, float *dbias) {
    const vfloat g = t_load(y, lanes) * (v_load(dy, lanes) - dot);
    if (dbias) {
        v_store(dbias, lanes, v_load(dbias, lanes) + g);
    }
    t_store(dx, lanes, factor * g);
}

V_INLINE void grad_row(int64_t n, vfloat factor, const tvalue *y, const float *dy, tvalue *dx,
                       float *dbias) {
    vfloat sum = v_zero();
    V_EACH_VECTOR(n, sum = dot_step(span.a, y + j, dy + j, sum));
    const vfloat dot = v_set(v_sum(sum));
    V_EACH_VECTOR(n,
                  grad_step(span.a, dot, factor, y + j, dy + j, dx + j, dbias ? dbias + j : NULL));
}

void SIMD(attention_softmax_grad)(int64_t rows, int64_t n, int64_t ld, double factor,
                                  const void *y_, const void *dy_, void *dx_, void *dbias_) {
    const tvalue *y = y_;
    const float *dy = dy_;
    tvalue *dx = dx_;
    float *dbias = dbias_;
    for (int64_t r = 0; r < rows; r++, y += ld, dy += ld, dx += ld) {
        if (dbias) {
            grad_row(n, v_set((float)factor), y, dy, dx, dbias + r * n);
        } else {
            grad_row(n, v_set((float)factor), y, dy, dx, NULL);
        }
    }
}
