/* Layer norm and its gradient along rows of n.
 *
 * As many rows as a vector has lanes are taken together, in passes over which they stay in the
 * first-level cache: so their sums come of vectors that are transposed, a third of what a row's own
 * would cost. */
#include "kernels/simd/rows.h"
#include "kernels/simd/simd.h"

/* A group of rows. What is known of a row: its first element, which all are taken relative to (with
 * a mean far larger than the deviation, the rounding of the mean alone would show in every result),
 * the mean of these, and the inverse of the deviation. */
typedef struct group {
    int64_t rows, n;
    const tvalue *x;
    float first[V_LANES], mean[V_LANES], rstd[V_LANES];
} group;

V_INLINE vpair keep_pair(vspan span, vpair x) {
    return (vpair){v_keep(span.a, x.a, v_zero()),
                   span.one ? v_zero() : v_keep(span.b, x.b, v_zero())};
}

/* x - first - mean; zero past the row. */
V_INLINE vpair centered(const group *g, int64_t r, int64_t j, vspan span, vfloat mean) {
    const vfloat first = v_set(g->first[r]);
    const vpair x = t_load_pair(g->x + r * g->n + j, span);
    return keep_pair(span, (vpair){x.a - first - mean, x.b - first - mean});
}

/* sum + d or, squared, d^2 */
V_INLINE vpair mean_step(bool squared, vpair d, vpair sum) {
    return squared ? v_fma_pair(d, d, sum) : v_add_pair(sum, d);
}

/* The mean of each row of centered values, squared or not. */
V_INLINE vfloat means_of(const group *g, bool squared, const float *mean) {
    vfloat row[V_LANES];
    for (int64_t r = 0; r < V_LANES; r++) {
        vpair sum = v_set_pair(0);
        if (r < g->rows) {
            const vfloat from = v_set(mean[r]);
            V_EACH_PAIR(g->n, sum = mean_step(squared, centered(g, r, j, span, from), sum));
        }
        row[r] = sum.a + sum.b;
    }
    return v_divide(v_row_sums(row), v_set((float)g->n));
}

static group group_of(int64_t rows, int64_t n, const tvalue *x, double eps) {
    group g = {.rows = least(V_LANES, rows), .n = n, .x = x};
    for (int64_t r = 0; r < g.rows; r++) {
        float start[V_LANES];
        v_store_all(start, t_load(x + r * n, v_first(1)));
        g.first[r] = start[0];
    }
    v_store_all(g.mean, means_of(&g, false, g.mean));
    const vfloat variance = means_of(&g, true, g.mean) + v_set((float)eps);
    v_store_all(g.rstd, v_divide(v_set(1), v_sqrt(variance)));
    return g;
}

/* Where a row's elements are as x[j] = z[j] deviation + mean */
V_INLINE vpair normal(const group *g, int64_t r, int64_t j, vspan span) {
    const vpair d = centered(g, r, j, span, v_set(g->mean[r]));
    const vfloat factor = v_set(g->rstd[r]);
    return (vpair){d.a * factor, d.b * factor};
}

void SIMD(layer_norm)(int64_t rows, int64_t n, const void *x_, const void *weight_,
                      const void *bias_, double eps, void *y_) {
    const tvalue *x = x_;
    const float *weight = weight_, *bias = bias_;
    tvalue *y = y_;
    for (int64_t row = 0; row < rows; row += V_LANES) {
        const group g = group_of(rows - row, n, x + row * n, eps);
        for (int64_t r = 0; r < g.rows; r++) {
            tvalue *to = y + (row + r) * n;
            V_EACH_PAIR(
                n, t_store_pair(to + j, span,
                                v_fma_pair(normal(&g, r, j, span), v_load_pair(weight + j, span),
                                           v_load_pair(bias + j, span))));
        }
    }
}

/* The gradients of a group, and the means along its rows of g = dy weight and of g z. */
typedef struct group_grad {
    const tvalue *dy;
    const float *weight;
    tvalue *dx;
    double *dweight, *dbias;
    float mean_g[V_LANES], mean_gz[V_LANES];
} group_grad;

V_INLINE void means_step(const group *g, const group_grad *d, int64_t r, int64_t j, vspan span,
                         vpair *sum_g, vpair *sum_gz) {
    const vpair dy = t_load_pair(d->dy + r * g->n + j, span);
    const vpair w = v_load_pair(d->weight + j, span), out = {dy.a * w.a, dy.b * w.b};
    *sum_g = v_add_pair(*sum_g, out);
    *sum_gz = v_fma_pair(out, normal(g, r, j, span), *sum_gz);
}

static void find_means(const group *g, group_grad *d) {
    vfloat row_g[V_LANES], row_gz[V_LANES];
    for (int64_t r = 0; r < V_LANES; r++) {
        vpair sum_g = v_set_pair(0), sum_gz = v_set_pair(0);
        if (r < g->rows) {
            V_EACH_PAIR(g->n, means_step(g, d, r, j, span, &sum_g, &sum_gz));
        }
        row_g[r] = sum_g.a + sum_g.b;
        row_gz[r] = sum_gz.a + sum_gz.b;
    }
    const vfloat count = v_set((float)g->n);
    v_store_all(d->mean_g, v_divide(v_row_sums(row_g), count));
    v_store_all(d->mean_gz, v_divide(v_row_sums(row_gz), count));
}

/* One pair of vectors of columns: dx, and what the rows add to dweight and dbias, summed in float
 * over these few. */
V_INLINE void grad_columns(const group *g, const group_grad *d, int64_t j, vspan span) {
    const vpair w = v_load_pair(d->weight + j, span);
    vpair weight_sum = v_set_pair(0), bias_sum = v_set_pair(0);
    for (int64_t r = 0; r < g->rows; r++) {
        const vfloat mean_g = v_set(d->mean_g[r]), mean_gz = v_set(d->mean_gz[r]);
        const vfloat factor = v_set(g->rstd[r]);
        const vpair z = normal(g, r, j, span), dy = t_load_pair(d->dy + r * g->n + j, span);
        weight_sum = v_fma_pair(dy, z, weight_sum);
        bias_sum = v_add_pair(bias_sum, dy);
        t_store_pair(d->dx + r * g->n + j, span,
                     (vpair){factor * v_fnma(z.a, mean_gz, v_fma(dy.a, w.a, -mean_g)),
                             factor * v_fnma(z.b, mean_gz, v_fma(dy.b, w.b, -mean_g))});
    }
    w_add_pair_to(d->dweight + j, span, weight_sum);
    w_add_pair_to(d->dbias + j, span, bias_sum);
}

void SIMD(layer_norm_grad)(int64_t rows, int64_t n, const void *x_, const void *weight, double eps,
                           const void *dy_, void *dx_, double *dweight, double *dbias) {
    const tvalue *x = x_, *dy = dy_;
    tvalue *dx = dx_;
    for (int64_t j = 0; j < n; j++) {
        dweight[j] = dbias[j] = 0;
    }
    for (int64_t row = 0; row < rows; row += V_LANES) {
        const group g = group_of(rows - row, n, x + row * n, eps);
        group_grad d = {.dy = dy + row * n,
                        .weight = weight,
                        .dx = dx + row * n,
                        .dweight = dweight,
                        .dbias = dbias};
        find_means(&g, &d);
        V_EACH_PAIR(n, grad_columns(&g, &d, j, span));
    }
}
