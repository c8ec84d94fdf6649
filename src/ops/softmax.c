/* Softmax over the last dimension, and its gradient from the result: dx = y (dy - sum_j dy_j y_j).
 */
#include "ops/ops.h"

#include "base/error.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    if (in[0].shape.rank < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE, "x must have at least one dimension, is []");
    }
    return weld_infer_same(node, in, out, err);
}

static void forward_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t n = weld_channels(&run->in[0]);
    run->kernels->softmax(end - begin, n, weld_at(&run->in[0], begin * n),
                          weld_at(&run->out[0], begin * n));
}

static void run(const weld_run *run) {
    weld_run_rows(run, forward_rows);
}

static void grad(const weld_gradient *of) {
    weld_value *in[] = {of->node->outputs[0], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &weld_op_softmax_grad, &(weld_attributes){0}, in, 2, 2);
}

const weld_op weld_op_softmax = {
    .name = "softmax",
    .inputs = {1, 1},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cpu = {.inplace = 1 << 0, .run = run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(weld_expect(&in[1], in[0].dtype, in[0].shape, "dy", err));
    return infer(node, in, out, err);
}

static void backward_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t n = weld_channels(&run->in[0]);
    run->kernels->softmax_grad(end - begin, n, weld_at(&run->in[0], begin * n),
                               weld_at(&run->in[1], begin * n), weld_at(&run->out[0], begin * n));
}

static void grad_run(const weld_run *run) {
    weld_run_rows(run, backward_rows);
}

const weld_op weld_op_softmax_grad = {
    .name = "softmax_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW,
    .infer = grad_infer,
    .cpu = {.inplace = 1 << 1,
            .run = grad_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0 | 1 << 1},
};

weld_value *weld_softmax(weld_graph *g, weld_value *x) {
    return weld_graph_node(g, &weld_op_softmax, &(weld_attributes){0}, &x, 1, 1);
}
