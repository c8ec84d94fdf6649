/* What merging does to the weights of layers, as operators: so that the weights of a merged layer
 * are computed in the graph, of the branches that are trained (passes/merged_nodes.h). All are of
 * f64: merged weights are rounded once. A weight w is [out, in, kh, kw] or [out, in], its rows are
 * one for each output; of a convolution in groups, row o has the columns of its group.
 *
 *     norm_map       weight, bias, mean, var [c] -> scale = weight / sqrt(var + eps),
 *                    shift = bias - mean scale, rstd = 1 / sqrt(var + eps): of a batch norm by
 *                    running statistics, which have no gradient
 *     scale_rows     w, s [out] -> w[o, ..] s[o]
 *     scale_columns  w, s [groups in] -> w[o, i, ..] s[i of o's group]
 *     sum_rows       w -> [out];  sum_columns  w -> [groups in]
 *     widen_kernel   w -> the same in the centre of a larger kernel of zeros
 *     add_identity   w, s [out] -> w and s[o] where output o reads channel o at the centre: a
 *                    branch that passes its input on; take_identity  w -> [out], what is there
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "ops/ops.h"

#define F64_ALONE (1u << WELD_F64)

/* --- Weights as rows of columns of taps --- */

typedef struct rows {
    int64_t out, in, taps;
} rows;

static rows rows_of(const weld_tensor *w) {
    const weld_shape *s = &w->shape;
    return (rows){s->dim[0], s->dim[1], weld_shape_count(s) / s->dim[0] / s->dim[1]};
}

static int64_t groups_of(const weld_run *run) {
    const int groups = run->node->attributes.groups;
    return groups ? groups : 1;
}

/* The column that the first of row o is. */
static int64_t first_column(const weld_run *run, const rows *r, int64_t o) {
    return o / (r->out / groups_of(run)) * r->in;
}

static weld_status expect_weight(const weld_node *node, const weld_tensor *w, weld_error *err) {
    const int64_t groups = node->attributes.groups ? node->attributes.groups : 1;
    return (w->shape.rank == 4 || w->shape.rank == 2) && w->shape.dim[0] % groups == 0
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_SHAPE,
                           "w: is no weight [out, in, kh, kw] or [out, in] "
                           "of so many groups");
}

static weld_shape vector_of(const weld_node *node, const weld_tensor *w, bool columns) {
    const int64_t groups = node->attributes.groups ? node->attributes.groups : 1;
    return columns ? WELD_SHAPE(groups * w->shape.dim[1]) : WELD_SHAPE(w->shape.dim[0]);
}

static void run_rows(const weld_run *run, weld_piece piece) {
    const rows r = rows_of(&run->in[0]);
    weld_run_pieces(run, r.out, r.in * r.taps, piece);
}

static const double *values(const weld_tensor *t) {
    return t->data;
}

/* --- A batch norm as a map --- */

enum { WEIGHT, BIAS, MEAN, VAR, SCALE = 0, SHIFT, RSTD };

static weld_status norm_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    (void)node;
    WELD_TRY(weld_expect_rank(&in[WEIGHT], 1, "weight", "[c]", err));
    for (int i = BIAS; i <= VAR; i++) {
        WELD_TRY(weld_expect(&in[i], WELD_F64, in[WEIGHT].shape, "bias, mean or var", err));
    }
    for (int i = SCALE; i <= RSTD; i++) {
        out[i] = (weld_tensor){WELD_F64, in[WEIGHT].shape, NULL};
    }
    return WELD_OK;
}

static void norm_run(const weld_run *run) {
    const double *weight = values(&run->in[WEIGHT]), *bias = values(&run->in[BIAS]);
    const double *mean = values(&run->in[MEAN]), *var = values(&run->in[VAR]);
    double *scale = run->out[SCALE].data, *shift = run->out[SHIFT].data;
    double *rstd = run->out[RSTD].data;
    const int64_t count = weld_shape_count(&run->in[WEIGHT].shape);
    for (int64_t c = 0; c < count; c++) { /* in the order of weld_norm_affine */
        const double deviation = sqrt(var[c] + run->node->attributes.eps);
        scale[c] = weight[c] / deviation;
        shift[c] = bias[c] - mean[c] * scale[c];
        rstd[c] = 1 / deviation;
    }
}

static void norm_grad(const weld_gradient *of) {
    const weld_node *node = of->node;
    weld_graph *g = of->g;
    weld_value *dscale = of->dy[SCALE], *dshift = of->dy[SHIFT];
    if (dshift) {
        weld_value *back = weld_scale(g, weld_mul(g, dshift, node->inputs[MEAN]), -1);
        dscale = dscale ? weld_add(g, dscale, back) : back;
    }
    of->dx[WEIGHT] = of->wanted[WEIGHT] && dscale ? weld_mul(g, dscale, node->outputs[RSTD]) : NULL;
    of->dx[BIAS] = dshift;
}

const weld_op weld_op_norm_map = {
    .name = "norm_map",
    .inputs = {4, 4},
    .outputs = 3,
    .attributes = WELD_ATTR_EPS,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = norm_infer,
    .grad = norm_grad,
    .cpu = {.run = norm_run},
};

/* --- A factor for each row or column --- */

static weld_status scale_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                               weld_error *err) {
    WELD_TRY(expect_weight(node, &in[0], err));
    const bool columns = node->op == &weld_op_scale_columns;
    WELD_TRY(weld_expect(&in[1], WELD_F64, vector_of(node, &in[0], columns), "s", err));
    return weld_infer_same(node, in, out, err);
}

static weld_value *sum(weld_graph *g, const weld_op *op, const weld_node *like, weld_value *x) {
    return weld_graph_node(g, op, &like->attributes, &x, 1, 1);
}

static weld_value *scaled(weld_graph *g, const weld_op *op, const weld_node *like, weld_value *x,
                          weld_value *s) {
    return weld_graph_node(g, op, &like->attributes, (weld_value *[]){x, s}, 2, 2);
}

static void scale_grad(const weld_gradient *of) {
    const weld_node *node = of->node;
    const weld_op *add_up =
        node->op == &weld_op_scale_columns ? &weld_op_sum_columns : &weld_op_sum_rows;
    if (of->wanted[0]) {
        of->dx[0] = scaled(of->g, node->op, node, of->dy[0], node->inputs[1]);
    }
    if (of->wanted[1]) {
        of->dx[1] = sum(of->g, add_up, node, weld_mul(of->g, of->dy[0], node->inputs[0]));
    }
}

static void scale_rows_piece(const weld_run *run, int64_t begin, int64_t end) {
    const rows r = rows_of(&run->in[0]);
    const int64_t row = r.in * r.taps;
    const double *w = values(&run->in[0]), *s = values(&run->in[1]);
    double *y = run->out[0].data;
    for (int64_t o = begin; o < end; o++) {
        for (int64_t i = o * row; i < (o + 1) * row; i++) {
            y[i] = w[i] * s[o];
        }
    }
}

static void scale_rows_run(const weld_run *run) {
    run_rows(run, scale_rows_piece);
}

static void scale_columns_piece(const weld_run *run, int64_t begin, int64_t end) {
    const rows r = rows_of(&run->in[0]);
    const double *w = values(&run->in[0]), *s = values(&run->in[1]);
    double *y = run->out[0].data;
    for (int64_t o = begin; o < end; o++) {
        const double *factor = s + first_column(run, &r, o);
        for (int64_t i = 0; i < r.in * r.taps; i++) {
            y[o * r.in * r.taps + i] = w[o * r.in * r.taps + i] * factor[i / r.taps];
        }
    }
}

static void scale_columns_run(const weld_run *run) {
    run_rows(run, scale_columns_piece);
}

const weld_op weld_op_scale_rows = {
    .name = "scale_rows",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_GROUPS,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = scale_infer,
    .grad = scale_grad,
    .cpu = {.inplace = 1 << 0, .run = scale_rows_run},
};

const weld_op weld_op_scale_columns = {
    .name = "scale_columns",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_GROUPS,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = scale_infer,
    .grad = scale_grad,
    .cpu = {.inplace = 1 << 0, .run = scale_columns_run},
};

/* --- Sums of rows or columns --- */

static weld_status sum_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                             weld_error *err) {
    WELD_TRY(expect_weight(node, &in[0], err));
    const bool columns = node->op == &weld_op_sum_columns;
    out[0] = (weld_tensor){WELD_F64, vector_of(node, &in[0], columns), NULL};
    return WELD_OK;
}

static void sum_grad(const weld_gradient *of) {
    const weld_node *node = of->node;
    const weld_op *spread =
        node->op == &weld_op_sum_columns ? &weld_op_scale_columns : &weld_op_scale_rows;
    weld_value *ones = weld_fill_like(of->g, node->inputs[0], 1);
    of->dx[0] = scaled(of->g, spread, node, ones, of->dy[0]);
}

static void sum_rows_piece(const weld_run *run, int64_t begin, int64_t end) {
    const rows r = rows_of(&run->in[0]);
    const int64_t row = r.in * r.taps;
    double *y = run->out[0].data;
    for (int64_t o = begin; o < end; o++) {
        const double *w = values(&run->in[0]) + o * row;
        y[o] = 0;
        for (int64_t i = 0; i < row; i++) {
            y[o] += w[i];
        }
    }
}

static void sum_rows_run(const weld_run *run) {
    run_rows(run, sum_rows_piece);
}

static void sum_columns_piece(const weld_run *run, int64_t begin, int64_t end) {
    const rows r = rows_of(&run->in[0]);
    const int64_t row = r.in * r.taps, outs = r.out / groups_of(run); /* of a group */
    double *y = run->out[0].data;
    for (int64_t c = begin; c < end; c++) {
        const double *w = values(&run->in[0]) + c / r.in * outs * row + c % r.in * r.taps;
        y[c] = 0;
        for (int64_t o = 0; o < outs; o++) {
            for (int64_t t = 0; t < r.taps; t++) {
                y[c] += w[o * row + t];
            }
        }
    }
}

static void sum_columns_run(const weld_run *run) {
    const rows r = rows_of(&run->in[0]);
    weld_run_pieces(run, groups_of(run) * r.in, r.out / groups_of(run) * r.taps, sum_columns_piece);
}

const weld_op weld_op_sum_rows = {
    .name = "sum_rows",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_GROUPS,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = sum_infer,
    .grad = sum_grad,
    .cpu = {.run = sum_rows_run},
};

const weld_op weld_op_sum_columns = {
    .name = "sum_columns",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_GROUPS,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = sum_infer,
    .grad = sum_grad,
    .cpu = {.run = sum_columns_run},
};

/* --- Larger kernels --- */

static weld_status widen_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                               weld_error *err) {
    WELD_TRY(weld_expect_rank(&in[0], 4, "w", "[out, in, kh, kw]", err));
    out[0] = in[0];
    for (int axis = 0; axis < 2; axis++) {
        const int64_t more = node->attributes.kernel[axis] - in[0].shape.dim[2 + axis];
        if (more < 0 || more % 2) {
            return weld_fail(err, WELD_ERROR_SHAPE, "kernel: has not as much room on both sides");
        }
        out[0].shape.dim[2 + axis] += more;
    }
    return WELD_OK;
}

static void widen_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_shape *from = &run->in[0].shape, *to = &run->out[0].shape;
    const int64_t h = from->dim[2], w = from->dim[3], oh = to->dim[2], ow = to->dim[3];
    for (int64_t p = begin * from->dim[1]; p < end * from->dim[1]; p++) {
        double *y = (double *)run->out[0].data + p * oh * ow;
        memset(y, 0, (size_t)(oh * ow) * sizeof *y);
        for (int64_t i = 0; i < h; i++) {
            memcpy(y + (i + (oh - h) / 2) * ow + (ow - w) / 2,
                   values(&run->in[0]) + (p * h + i) * w, (size_t)w * sizeof *y);
        }
    }
}

static void widen_run(const weld_run *run) {
    run_rows(run, widen_piece);
}

static void widen_grad(const weld_gradient *of) {
    const weld_shape *x = &of->node->inputs[0]->shape, *y = &of->node->outputs[0]->shape;
    weld_value *dx = of->dy[0];
    for (int axis = 2; axis < 4; axis++) {
        const int64_t begin = (y->dim[axis] - x->dim[axis]) / 2;
        dx = weld_slice(of->g, dx, axis, begin, begin + x->dim[axis]);
    }
    of->dx[0] = dx;
}

const weld_op weld_op_widen_kernel = {
    .name = "widen_kernel",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_KERNEL,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = widen_infer,
    .grad = widen_grad,
    .cpu = {.run = widen_run},
};

/* --- The input as a branch --- */

/* Where output o reads channel o at the centre. */
static int64_t identity_at(const rows *r, int64_t o) {
    return (o * r->in + o % r->in) * r->taps + r->taps / 2;
}

static weld_status identity_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                  weld_error *err) {
    WELD_TRY(expect_weight(node, &in[0], err));
    WELD_TRY(weld_expect(&in[1], WELD_F64, vector_of(node, &in[0], false), "s", err));
    return weld_infer_same(node, in, out, err);
}

static void identity_run(const weld_run *run) {
    const rows r = rows_of(&run->in[0]);
    double *y = run->out[0].data;
    if (y != values(&run->in[0])) {
        memcpy(y, values(&run->in[0]), weld_tensor_bytes(&run->in[0]));
    }
    for (int64_t o = 0; o < r.out; o++) {
        y[identity_at(&r, o)] += values(&run->in[1])[o];
    }
}

static void identity_grad(const weld_gradient *of) {
    of->dx[0] = of->dy[0];
    if (of->wanted[1]) {
        of->dx[1] = weld_graph_node(of->g, &weld_op_take_identity, NULL, of->dy, 1, 1);
    }
}

const weld_op weld_op_add_identity = {
    .name = "add_identity",
    .inputs = {2, 2},
    .outputs = 1,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = identity_infer,
    .grad = identity_grad,
    .cpu = {.inplace = 1 << 0, .run = identity_run},
};

static weld_status take_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(expect_weight(node, &in[0], err));
    out[0] = (weld_tensor){WELD_F64, vector_of(node, &in[0], false), NULL};
    return WELD_OK;
}

static void take_run(const weld_run *run) {
    const rows r = rows_of(&run->in[0]);
    for (int64_t o = 0; o < r.out; o++) {
        ((double *)run->out[0].data)[o] = values(&run->in[0])[identity_at(&r, o)];
    }
}

const weld_op weld_op_take_identity = {
    .name = "take_identity",
    .inputs = {1, 1},
    .outputs = 1,
    .types = F64_ALONE,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = take_infer,
    .cpu = {.run = take_run},
};
