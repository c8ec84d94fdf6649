/* linear: y[..., out] = x[..., in] weight[out, in]^T + bias[out], and its gradients
 *
 *     linear_input_grad   dy [..., out], weight -> dx [..., in] = dy weight
 *     linear_weight_grad  dy, x -> dweight [out, in] = dy^T x, over all rows
 *
 * (dbias is channel_sum(dy)). The same products as a convolution's of 1 x 1; `unrounded` as there.
 */
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
    weld_dtype parameter = weld_parameter_dtype(in[X].dtype);
    status = status ? status : weld_expect(&in[WEIGHT], parameter, in[WEIGHT].shape, "weight", err);
    if (!status && node->input_count > BIAS && node->inputs[BIAS]) {
        status =
            weld_expect(&in[BIAS], parameter, WELD_SHAPE(in[WEIGHT].shape.dim[0]), "bias", err);
    }
    if (!status) {
        out[0].dtype = node->attributes.unrounded ? parameter : in[X].dtype;
        out[0].shape = in[X].shape;
        out[0].shape.dim[in[X].shape.rank - 1] = in[WEIGHT].shape.dim[0];
    }
    return status;
}

static void grad(const weld_gradient *of) {
    const weld_node *node = of->node;
    weld_value *dy = weld_cast(of->g, of->dy[0], node->inputs[X]->dtype);
    if (of->wanted[X]) {
        of->dx[X] = weld_graph_node(of->g, &weld_op_linear_input_grad, NULL,
                                    (weld_value *[]){dy, node->inputs[WEIGHT]}, 2, 2);
    }
    if (of->wanted[WEIGHT]) {
        of->dx[WEIGHT] = weld_graph_node(of->g, &weld_op_linear_weight_grad, NULL,
                                         (weld_value *[]){dy, node->inputs[X]}, 2, 2);
    }
    if (node->input_count > BIAS && of->wanted[BIAS]) {
        of->dx[BIAS] = weld_channel_sum(of->g, of->dy[0]);
    }
}

/* y = x B + bias, with B the weight transposed. */
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

/* Of the product of either linear or its input_grad. */
static size_t prepared(const weld_run *run) {
    return weld_row_product_prepared(run->kernels, weld_channels(&run->in[X]),
                                     weld_channels(&run->out[0]));
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
    .attributes = WELD_ATTR_UNROUNDED,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cost = count_cost,
    .macs = weld_weight_macs,
    .cpu = {.run = run,
            .prepared = prepared,
            .prepare = prepare,
            .prepares = 1u << WEIGHT,
            .slicing = weld_slice_rows,
            .sliced = 1 << X,
            .finishes = weld_finishes_floats},
};

weld_value *weld_linear(weld_graph *g, weld_value *x, weld_value *weight, weld_value *bias) {
    weld_value *inputs[] = {x, weight, bias};
    return weld_graph_node(g, &weld_op_linear, NULL, inputs, bias ? 3 : 2, 2);
}

/* --- The gradients ---------------------------------------------------------------------------- */

enum { DY }; /* in the place of X */

static weld_status input_grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                    weld_error *err) {
    (void)node;
    WELD_TRY(weld_expect_rank(&in[WEIGHT], 2, "weight", "[out, in]", err));
    weld_shape dy = in[DY].shape;
    if (dy.rank < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE, "dy must be [..., out], is []");
    }
    dy.dim[dy.rank - 1] = in[WEIGHT].shape.dim[0];
    WELD_TRY(weld_expect(&in[DY], in[DY].dtype, dy, "dy", err));
    out[0] = (weld_tensor){in[DY].dtype, dy, NULL};
    out[0].shape.dim[dy.rank - 1] = in[WEIGHT].shape.dim[1];
    return weld_expect(&in[WEIGHT], weld_parameter_dtype(in[DY].dtype), in[WEIGHT].shape, "weight",
                       err);
}

static weld_row_product input_grad_of(const weld_run *run) {
    int64_t n = weld_channels(&run->out[0]);
    return (weld_row_product){.rows = weld_rows(&run->in[DY]),
                              .k = weld_channels(&run->in[DY]),
                              .n = n,
                              .a = run->in[DY].data,
                              .b = run->in[WEIGHT].data,
                              .row_stride = n,
                              .column_stride = 1,
                              .c = run->out[0].data};
}

static void input_grad_prepare(const weld_run *run, void *prepared) {
    weld_row_product_prepare(input_grad_of(run), run, prepared);
}

static void input_grad_run(const weld_run *run) {
    weld_row_product_run(input_grad_of(run), run);
}

const weld_op weld_op_linear_input_grad = {
    .name = "linear_input_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW,
    .infer = input_grad_infer,
    .cost = count_cost,
    .cpu = {.run = input_grad_run,
            .prepared = prepared,
            .prepare = input_grad_prepare,
            .prepares = 1u << WEIGHT,
            .slicing = weld_slice_rows,
            .sliced = 1 << DY},
};

enum { OF_X = 1 };

static weld_status weight_grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                     weld_error *err) {
    (void)node;
    weld_shape dy = in[OF_X].shape;
    if (dy.rank < 1 || in[DY].shape.rank < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE, "dy and x must be [..., channels], one is []");
    }
    dy.dim[dy.rank - 1] = weld_channels(&in[DY]);
    out[0].dtype = weld_parameter_dtype(in[DY].dtype);
    out[0].shape = WELD_SHAPE(weld_channels(&in[DY]), weld_channels(&in[OF_X]));
    return weld_expect(&in[DY], in[OF_X].dtype, dy, "dy", err);
}

static size_t weight_grad_workspace(const weld_run *run) {
    return weld_transposed_product_workspace(run->kernels, weld_rows(&run->in[DY]),
                                             weld_channels(&run->in[DY]),
                                             weld_channels(&run->in[OF_X]));
}

static void weight_grad_run(const weld_run *run) {
    weld_transposed_product product = {.rows = weld_rows(&run->in[DY]),
                                       .m = weld_channels(&run->in[DY]),
                                       .n = weld_channels(&run->in[OF_X]),
                                       .a = run->in[DY].data,
                                       .b = run->in[OF_X].data,
                                       .c = run->out[0].data};
    weld_transposed_product_run(&product, run);
}

static void weight_grad_cost(const weld_run *run, weld_cost *cost) {
    cost->flops =
        2.0 * (double)weld_shape_count(&run->out[0].shape) * (double)weld_rows(&run->in[DY]);
}

static bool weight_grad_by_rows(const weld_node *node, const weld_tensor *in) {
    (void)node;
    (void)in;
    return true;
}

const weld_op weld_op_linear_weight_grad = {
    .name = "linear_weight_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW | WELD_OP_REDUCES,
    .infer = weight_grad_infer,
    .cost = weight_grad_cost,
    .cpu = {.workspace = weight_grad_workspace,
            .run = weight_grad_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << DY | 1 << OF_X,
            .sums = 1 << 0,
            .sums_by_rows = weight_grad_by_rows},
};
