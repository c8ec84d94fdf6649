/* clamp: y = the nearest number to x within [low, high]; clamp_grad(x, dy) -> dy where low < x <
 * high, else 0. */
#include <math.h>

#include "base/error.h"
#include "ops/ops.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    const double low = node->attributes.low, high = node->attributes.high;
    if (!isfinite(low) || !isfinite(high) || low > high) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "limits %g and %g: they must be finite, the low one first", low, high);
    }
    return weld_infer_same(node, in, out, err);
}

static void grad(const weld_gradient *of) {
    weld_value *inputs[] = {of->node->inputs[0], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &weld_op_clamp_grad, &of->node->attributes, inputs, 2, 2);
}

static void piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_attributes *a = &run->node->attributes;
    run->kernels->clamp(end - begin, a->low, a->high, weld_at(&run->in[0], begin),
                        weld_at(&run->out[0], begin));
}

static void run(const weld_run *run) {
    weld_run_elements(run, piece);
}

const weld_op weld_op_clamp = {
    .name = "clamp",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_LOW | WELD_ATTR_HIGH,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cpu = {.inplace = 1 << 0, .run = run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(weld_expect(&in[1], in[0].dtype, in[0].shape, "dy", err));
    return infer(node, in, out, err);
}

static void grad_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_attributes *a = &run->node->attributes;
    run->kernels->clamp_grad(end - begin, a->low, a->high, weld_at(&run->in[0], begin),
                             weld_at(&run->in[1], begin), weld_at(&run->out[0], begin));
}

static void grad_run(const weld_run *run) {
    weld_run_elements(run, grad_piece);
}

const weld_op weld_op_clamp_grad = {
    .name = "clamp_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_LOW | WELD_ATTR_HIGH,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW,
    .infer = grad_infer,
    .cpu = {.inplace = 1 << 0 | 1 << 1,
            .run = grad_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0 | 1 << 1},
};

weld_value *weld_clamp(weld_graph *g, weld_value *x, double low, double high) {
    weld_attributes a = {.low = low, .high = high};
    return weld_graph_node(g, &weld_op_clamp, &a, &x, 1, 1);
}
