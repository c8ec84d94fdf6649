/* activation: y = f(x), elementwise, f one of weld_unary; activation_grad(x, dy) -> f'(x) dy. */
#include "base/error.h"
#include "ops/ops.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    int function = node->attributes.function;
    if (function < 0 || function >= WELD_UNARY_COUNT) {
        return weld_fail(err, WELD_ERROR_SHAPE, "there is no function %d, only 0 to %d", function,
                         WELD_UNARY_COUNT - 1);
    }
    return weld_infer_same(node, in, out, err);
}

static void grad(const weld_gradient *of) {
    weld_attributes a = {.function = of->node->attributes.function};
    weld_value *inputs[] = {of->node->inputs[0], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &weld_op_activation_grad, &a, inputs, 2, 2);
}

static void piece(const weld_run *run, int64_t begin, int64_t end) {
    run->kernels->unary((weld_unary)run->node->attributes.function, end - begin,
                        weld_at(&run->in[0], begin), weld_at(&run->out[0], begin));
}

static void run(const weld_run *run) {
    weld_run_elements(run, piece);
}

const weld_op weld_op_activation = {
    .name = "activation",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_FUNCTION,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cpu = {.inplace = 1 << 0,
            .run = run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0,
            .is_finish = true},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(weld_expect(&in[1], in[0].dtype, in[0].shape, "dy", err));
    return infer(node, in, out, err);
}

static void grad_piece(const weld_run *run, int64_t begin, int64_t end) {
    run->kernels->unary_grad((weld_unary)run->node->attributes.function, end - begin,
                             weld_at(&run->in[0], begin), weld_at(&run->in[1], begin),
                             weld_at(&run->out[0], begin));
}

static void grad_run(const weld_run *run) {
    weld_run_elements(run, grad_piece);
}

const weld_op weld_op_activation_grad = {
    .name = "activation_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_FUNCTION,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW,
    .infer = grad_infer,
    .cpu = {.inplace = 1 << 0 | 1 << 1,
            .run = grad_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0 | 1 << 1},
};

static weld_value *activation(weld_graph *g, weld_value *x, weld_unary function) {
    weld_attributes a = {.function = function};
    return weld_graph_node(g, &weld_op_activation, &a, (weld_value *[]){x}, 1, 1);
}

weld_value *weld_gelu(weld_graph *g, weld_value *x) {
    return activation(g, x, WELD_GELU);
}

weld_value *weld_relu(weld_graph *g, weld_value *x) {
    return activation(g, x, WELD_RELU);
}

weld_value *weld_silu(weld_graph *g, weld_value *x) {
    return activation(g, x, WELD_SILU);
}

weld_value *weld_hard_swish(weld_graph *g, weld_value *x) {
    return activation(g, x, WELD_HARD_SWISH);
}

weld_value *weld_hard_sigmoid(weld_graph *g, weld_value *x) {
    return activation(g, x, WELD_HARD_SIGMOID);
}

weld_value *weld_sigmoid(weld_graph *g, weld_value *x) {
    return activation(g, x, WELD_SIGMOID);
}
