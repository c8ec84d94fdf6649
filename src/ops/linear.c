/* linear: y[..., out] = x[..., in] weight[out, in]^T + bias[out].
 *
 * matmul: op(a) op(b), each seen as a matrix of rows of its last dimension; for linear's gradients,
 *
 *     dx = dy weight,    dweight = dy^T x (transpose_a),    dbias = channel_sum(dy)
 *
 * without transpose_a the result has a's leading dimensions, with it [m, n]. */
#include "base/error.h"
#include "ops/ops.h"
#include "ops/products.h"

enum { X, WEIGHT, BIAS };

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    weld_status status = weld_expect_rank(&in[WEIGHT], 2, "weight", "[out, in]", err);
    if (!status && (in[X].shape.rank < 1 || weld_channels(&in[X]) != in[WEIGHT].shape.dim[1])) {
        char x[128], weight[128];
        return weld_fail(err, WELD_ERROR_SHAPE, "weight %s wants %lld inputs, x is %s",
                         weld_shape_text(&in[WEIGHT].shape, weight, sizeof weight),
                         (long long)in[WEIGHT].shape.dim[1],
                         weld_shape_text(&in[X].shape, x, sizeof x));
    }
    status =
        status ? status : weld_expect(&in[WEIGHT], in[X].dtype, in[WEIGHT].shape, "weight", err);
    if (!status && node->input_count > BIAS && node->inputs[BIAS]) {
        status =
            weld_expect(&in[BIAS], in[X].dtype, WELD_SHAPE(in[WEIGHT].shape.dim[0]), "bias", err);
    }
    if (!status) {
        out[0] = (weld_tensor){in[X].dtype, in[X].shape, NULL};
        out[0].shape.dim[in[X].shape.rank - 1] = in[WEIGHT].shape.dim[0];
    }
    return status;
}

/* op(a) op(b), both seen as matrices of rows of their last dimension; transpose_a: -> [m, n]. */
static weld_value *matmul(weld_graph *g, weld_value *a, weld_value *b, bool transpose_a) {
    weld_attributes attributes = {.transpose_a = transpose_a};
    return weld_graph_node(g, &weld_op_matmul, &attributes, (weld_value *[]){a, b}, 2, 2);
}

static void grad(const weld_gradient *of) {
    if (of->wanted[X]) {
        of->dx[X] = matmul(of->g, of->dy[0], of->node->inputs[WEIGHT], false);
    }
    if (of->wanted[WEIGHT]) {
        of->dx[WEIGHT] = matmul(of->g, of->dy[0], of->node->inputs[X], true);
    }
    if (of->node->input_count > BIAS && of->wanted[BIAS]) {
        of->dx[BIAS] = weld_channel_sum(of->g, of->dy[0]);
    }
}

static size_t prepared(const weld_run *run) {
    return weld_row_product_prepared(run->kernels, weld_channels(&run->in[X]),
                                     weld_channels(&run->out[0]));
}

static weld_row_product product_of(const weld_run *run) {
    int64_t k = weld_channels(&run->in[X]);
    return (weld_row_product){.rows = weld_rows(&run->in[X]),
                              .k = k,
                              .n = weld_channels(&run->out[0]),
                              .a = run->in[X].data,
                              .b = run->in[WEIGHT].data,
                              .row_stride = 1,
                              .column_stride = k,
                              .bias = weld_optional(run, BIAS),
                              .c = run->out[0].data};
}

static void prepare(const weld_run *run, void *prepared) {
    weld_row_product_prepare(product_of(run), run, prepared);
}

static void run(const weld_run *run) {
    weld_row_product_run(product_of(run), run);
}

static void count_cost(const weld_run *run, weld_cost *cost) {
    cost->flops =
        2.0 * (double)weld_shape_count(&run->out[0].shape) * (double)weld_channels(&run->in[X]);
}

const weld_op weld_op_linear = {
    .name = "linear",
    .inputs = {2, 3},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT,
    .infer = infer,
    .grad = grad,
    .cost = count_cost,
    .macs = weld_weight_macs,
    .cpu = {.run = run, .prepared = prepared, .prepare = prepare, .prepares = 1u << WEIGHT},
};

weld_value *weld_linear(weld_graph *g, weld_value *x, weld_value *weight, weld_value *bias) {
    weld_value *inputs[] = {x, weight, bias};
    return weld_graph_node(g, &weld_op_linear, NULL, inputs, bias ? 3 : 2, 2);
}

/* --- matmul ----------------------------------------------------------------------------------- */

enum { A, B };

typedef struct matrix_sizes {
    int64_t m, k, n;
} matrix_sizes;

static matrix_sizes sizes_of(const weld_attributes *a, const weld_tensor *in) {
    return (matrix_sizes){.m = a->transpose_a ? weld_channels(&in[A]) : weld_rows(&in[A]),
                          .k = a->transpose_a ? weld_rows(&in[A]) : weld_channels(&in[A]),
                          .n = a->transpose_b ? weld_rows(&in[B]) : weld_channels(&in[B])};
}

static weld_status matmul_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                weld_error *err) {
    const weld_attributes *a = &node->attributes;
    matrix_sizes s = sizes_of(a, in);
    char a_text[128], b_text[128];
    weld_shape_text(&in[A].shape, a_text, sizeof a_text);
    weld_shape_text(&in[B].shape, b_text, sizeof b_text);
    if (a->transpose_a && a->transpose_b) {
        return weld_fail(err, WELD_ERROR_SHAPE, "one of the two may be transposed, not both");
    }
    if (in[A].shape.rank < 1 || in[B].shape.rank < 1 || in[A].dtype != in[B].dtype ||
        s.k != (a->transpose_b ? weld_channels(&in[B]) : weld_rows(&in[B]))) {
        return weld_fail(err, WELD_ERROR_SHAPE, "a %s%s and b %s%s do not make a product", a_text,
                         a->transpose_a ? " transposed" : "", b_text,
                         a->transpose_b ? " transposed" : "");
    }
    out[0] = (weld_tensor){in[A].dtype, WELD_SHAPE(s.m, s.n), NULL};
    if (!a->transpose_a) {
        out[0].shape = in[A].shape;
        out[0].shape.dim[in[A].shape.rank - 1] = s.n;
    }
    return WELD_OK;
}

static size_t matmul_workspace(const weld_run *run) {
    matrix_sizes s = sizes_of(&run->node->attributes, run->in);
    return run->node->attributes.transpose_a
               ? weld_transposed_product_workspace(run->kernels, s.k, s.m, s.n)
               : 0;
}

static size_t matmul_prepared(const weld_run *run) {
    matrix_sizes s = sizes_of(&run->node->attributes, run->in);
    return run->node->attributes.transpose_a ? 0
                                             : weld_row_product_prepared(run->kernels, s.k, s.n);
}

/* Not transpose_a. */
static weld_row_product matmul_product(const weld_run *run) {
    bool transpose_b = run->node->attributes.transpose_b;
    matrix_sizes s = sizes_of(&run->node->attributes, run->in);
    return (weld_row_product){.rows = s.m,
                              .k = s.k,
                              .n = s.n,
                              .a = run->in[A].data,
                              .b = run->in[B].data,
                              .row_stride = transpose_b ? 1 : s.n,
                              .column_stride = transpose_b ? s.k : 1,
                              .c = run->out[0].data};
}

static void matmul_prepare(const weld_run *run, void *prepared) {
    weld_row_product_prepare(matmul_product(run), run, prepared);
}

static void matmul_run(const weld_run *run) {
    if (run->node->attributes.transpose_a) {
        matrix_sizes s = sizes_of(&run->node->attributes, run->in);
        weld_transposed_product product = {.rows = s.k,
                                           .m = s.m,
                                           .n = s.n,
                                           .a = run->in[A].data,
                                           .b = run->in[B].data,
                                           .c = run->out[0].data};
        weld_transposed_product_run(&product, run);
        return;
    }
    weld_row_product_run(matmul_product(run), run);
}

static void matmul_cost(const weld_run *run, weld_cost *cost) {
    matrix_sizes s = sizes_of(&run->node->attributes, run->in);
    cost->flops = 2.0 * (double)s.m * (double)s.k * (double)s.n;
}

const weld_op weld_op_matmul = {
    .name = "matmul",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_TRANSPOSE_A | WELD_ATTR_TRANSPOSE_B,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = matmul_infer,
    .cost = matmul_cost,
    .cpu = {.workspace = matmul_workspace,
            .run = matmul_run,
            .prepared = matmul_prepared,
            .prepare = matmul_prepare,
            .prepares = 1u << B},
};
