/* Sums over the rows of t = a p + b q + d (a, b, d [c]), from sums over those of p and q alone: so
 * that they can be taken where p and q are at hand, and t need not be made for them. All are nodes
 * on vectors; passes/join_sums.c makes them. Sums are double [3, c], as in batch_norm_steps.c:
 * moments(x) = (sum x, sum x^2, rows), sums(y, x, m) = (sum y, sum y (x - m), rows).
 *
 *     moments_of_affine2(moments(p), moments(q), sums(p, q, 0), a, b, d)
 *         -> moments(t), mean of p, mean of q
 *     sums_of_affine2(sums(y, p, cp), sums(y, q, cq), a, b, d, cp, cq, m) -> sums(y, t, m)
 *     grad_sums_of_affine2(sums(y, p, cp), moments(p), moments(q), sums(p, q, 0), a, b, d,
 *                          A, B, D, cp, m)
 *         -> sums(u, p, m) of u = A y + B t + D; m may be absent: 0
 *     sums_row(sums, like; begin, shape) -> row `begin` of sums, in this shape and the type of like
 *
 * Of t the sum of squares about the mean is a^2 vp + 2 a b v + b^2 vq, where vp, v, vq are those of
 * p, of p times q, and of q; likewise sum t (p - mean p) = a vp + b v.
 */
#include "base/error.h"
#include "ops/ops.h"

enum { FIRST, SECOND, ROWS, SUMS_ROWS }; /* rows of sums */
enum { MOST_INPUTS = 12 };

/* What the inputs say of channel j. */
typedef struct channel {
    double in[MOST_INPUTS]; /* vectors */
    double first[MOST_INPUTS], second[MOST_INPUTS], rows;
} channel;

static channel channel_of(const weld_run *run, int64_t j) {
    channel v = {0};
    for (int i = 0; i < run->node->input_count; i++) {
        const weld_tensor *t = &run->in[i];
        if (t->data && t->shape.rank == 2) {
            int64_t c = weld_channels(t);
            const double *sums = t->data;
            v.first[i] = sums[FIRST * c + j];
            v.second[i] = sums[SECOND * c + j];
            v.rows = sums[ROWS * c + j];
        } else if (t->data) {
            v.in[i] = weld_get(t->dtype, t->data, j);
        }
    }
    return v;
}

static void set_sums(const weld_run *run, int64_t j, double first, double second, double rows) {
    int64_t c = weld_channels(&run->out[0]);
    double *sums = run->out[0].data;
    sums[FIRST * c + j] = first;
    sums[SECOND * c + j] = second;
    sums[ROWS * c + j] = rows;
}

/* An error unless the first `count` inputs are sums and the others vectors of one type. */
static weld_status infer(const weld_node *node, const weld_tensor *in, int count, weld_tensor *out,
                         weld_error *err) {
    int64_t c = weld_channels(&in[0]);
    weld_status status = WELD_OK;
    for (int i = 0; i < node->input_count && !status; i++) {
        if (i < count) {
            status = weld_expect(&in[i], WELD_F64, WELD_SHAPE(SUMS_ROWS, c), "sums", err);
        } else if (node->inputs[i]) {
            status = weld_expect(&in[i], in[count].dtype, WELD_SHAPE(c), "a vector", err);
        }
    }
    out[0] = (weld_tensor){WELD_F64, WELD_SHAPE(SUMS_ROWS, c), NULL};
    return status;
}

/* Of moments: the sum of squares about the mean, which rounding may not make negative. */
static double centred(const channel *v, int input) {
    double m2 = v->second[input] - v->first[input] * v->first[input] / v->rows;
    return m2 > 0 ? m2 : 0;
}

/* Sum of (p - mean p)(q - mean q). */
static double centred_product(const channel *v, int p, int q, int product) {
    return v->second[product] - v->first[p] * v->first[q] / v->rows;
}

/* --- moments_of_affine2 --- */

enum { M_P, M_Q, M_PQ, M_SUMS, M_A = M_SUMS, M_B, M_D, M_INPUTS };

static weld_status moments_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                 weld_error *err) {
    out[1] = out[2] = (weld_tensor){in[M_A].dtype, in[M_A].shape, NULL};
    return infer(node, in, M_SUMS, out, err);
}

static void moments_run(const weld_run *run) {
    for (int64_t j = 0; j < weld_channels(&run->out[0]); j++) {
        channel v = channel_of(run, j);
        double a = v.in[M_A], b = v.in[M_B];
        double sum = a * v.first[M_P] + b * v.first[M_Q] + v.rows * v.in[M_D];
        double m2 = a * a * centred(&v, M_P) + b * b * centred(&v, M_Q) +
                    2 * a * b * centred_product(&v, M_P, M_Q, M_PQ);
        set_sums(run, j, sum, (m2 > 0 ? m2 : 0) + sum * sum / v.rows, v.rows);
        weld_set(run->out[1].dtype, run->out[1].data, j, v.first[M_P] / v.rows);
        weld_set(run->out[2].dtype, run->out[2].data, j, v.first[M_Q] / v.rows);
    }
}

const weld_op weld_op_moments_of_affine2 = {
    .name = "moments_of_affine2",
    .inputs = {M_INPUTS, M_INPUTS},
    .outputs = 3,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_REDUCES,
    .infer = moments_infer,
    .cpu = {.run = moments_run},
};

/* --- sums_of_affine2 --- */

enum { S_P, S_Q, S_SUMS, S_A = S_SUMS, S_B, S_D, S_CENTER_P, S_CENTER_Q, S_MEAN, S_INPUTS };

static weld_status sums_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    return infer(node, in, S_SUMS, out, err);
}

static void sums_run(const weld_run *run) {
    for (int64_t j = 0; j < weld_channels(&run->out[0]); j++) {
        channel v = channel_of(run, j);
        double a = v.in[S_A], b = v.in[S_B];
        double rest = a * v.in[S_CENTER_P] + b * v.in[S_CENTER_Q] + v.in[S_D] - v.in[S_MEAN];
        set_sums(run, j, v.first[S_P], a * v.second[S_P] + b * v.second[S_Q] + rest * v.first[S_P],
                 v.rows);
    }
}

const weld_op weld_op_sums_of_affine2 = {
    .name = "sums_of_affine2",
    .inputs = {S_INPUTS, S_INPUTS},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_REDUCES,
    .infer = sums_infer,
    .cpu = {.run = sums_run},
};

/* --- grad_sums_of_affine2 --- */

enum { G_YP, G_P, G_Q, G_PQ, G_SUMS, G_A = G_SUMS, G_B, G_D, G_AY, G_BT, G_DU, G_CENTER, G_MEAN };

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    return infer(node, in, G_SUMS, out, err);
}

static void grad_run(const weld_run *run) {
    for (int64_t j = 0; j < weld_channels(&run->out[0]); j++) {
        channel v = channel_of(run, j);
        double a = v.in[G_A], b = v.in[G_B], mean = v.first[G_P] / v.rows, center = v.in[G_MEAN];
        double t = a * v.first[G_P] + b * v.first[G_Q] + v.rows * v.in[G_D];
        double tp = a * centred(&v, G_P) + b * centred_product(&v, G_P, G_Q, G_PQ);
        double yp = v.second[G_YP] + (v.in[G_CENTER] - center) * v.first[G_YP];
        set_sums(run, j, v.in[G_AY] * v.first[G_YP] + v.in[G_BT] * t + v.in[G_DU] * v.rows,
                 v.in[G_AY] * yp + v.in[G_BT] * (tp + (mean - center) * t) +
                     v.in[G_DU] * (mean - center) * v.rows,
                 v.rows);
    }
}

const weld_op weld_op_grad_sums_of_affine2 = {
    .name = "grad_sums_of_affine2",
    .inputs = {G_MEAN, G_MEAN + 1},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_REDUCES,
    .infer = grad_infer,
    .cpu = {.run = grad_run},
};

/* --- sums_row --- */

static weld_status row_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                             weld_error *err) {
    int64_t c = weld_channels(&in[0]), row = node->attributes.begin;
    out[0] = (weld_tensor){in[1].dtype, node->attributes.shape, NULL};
    weld_status status = weld_expect(&in[0], WELD_F64, WELD_SHAPE(SUMS_ROWS, c), "sums", err);
    if (!status && (row < 0 || row >= SUMS_ROWS || weld_shape_count(&out[0].shape) != c)) {
        return weld_fail(err, WELD_ERROR_SHAPE, "sums have no row %lld of this shape",
                         (long long)row);
    }
    return status;
}

static void row_run(const weld_run *run) {
    int64_t c = weld_channels(&run->in[0]);
    const double *row = (const double *)run->in[0].data + run->node->attributes.begin * c;
    for (int64_t j = 0; j < c; j++) {
        weld_set(run->out[0].dtype, run->out[0].data, j, row[j]);
    }
}

const weld_op weld_op_sums_row = {
    .name = "sums_row",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_SHAPE,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_REDUCES,
    .infer = row_infer,
    .cpu = {.run = row_run},
};
