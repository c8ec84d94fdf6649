/* mean: of all elements -> [1]. mean_grad(x, dy[1]) -> dy / count in x's shape; x's elements are
 * not read: it is there for its shape, which follows the batch. */
#include "ops/channel_sums.h"
#include "base/error.h"

/* All elements as rows of one channel. */
static weld_tensor as_column(const weld_tensor *x) {
    return (weld_tensor){x->dtype, WELD_SHAPE(weld_shape_count(&x->shape), 1), x->data};
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    (void)node;
    (void)err;
    out[0] = (weld_tensor){in[0].dtype, WELD_SHAPE(1), NULL};
    return WELD_OK;
}

static void grad(const weld_gradient *of) {
    weld_value *inputs[] = {of->node->inputs[0], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &weld_op_mean_grad, NULL, inputs, 2, 2);
}

static size_t workspace(const weld_run *run) {
    weld_tensor column = as_column(&run->in[0]);
    return weld_channel_sums_bytes(&column);
}

static void run(const weld_run *run) {
    weld_tensor column = as_column(&run->in[0]);
    weld_channel_sums sums = {.run = run, .dy = &column, .sums = run->workspace};
    weld_channel_sums_run(&sums);
    weld_set(run->out[0].dtype, run->out[0].data, 0,
             weld_channel_sums_dy(&sums, 0) / (double)weld_rows(&column));
}

const weld_op weld_op_mean = {
    .name = "mean",
    .inputs = {1, 1},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = grad,
    .cpu = {.workspace = workspace, .run = run},
};

weld_value *weld_mean(weld_graph *g, weld_value *x) {
    return weld_graph_node(g, &weld_op_mean, NULL, (weld_value *[]){x}, 1, 1);
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(weld_expect(&in[1], in[0].dtype, WELD_SHAPE(1), "dy", err));
    return weld_infer_same(node, in, out, err);
}

static void grad_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *out = &run->out[0];
    double share =
        weld_get(run->in[1].dtype, run->in[1].data, 0) / (double)weld_shape_count(&out->shape);
    for (int64_t i = begin; i < end; i++) {
        weld_set(out->dtype, out->data, i, share);
    }
}

static void grad_run(const weld_run *run) {
    weld_run_elements(run, grad_piece);
}

const weld_op weld_op_mean_grad = {
    .name = "mean_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.inplace = 1 << 0, .run = grad_run},
};
