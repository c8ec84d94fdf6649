/* binary_cross_entropy(logits[n, k], target[n, k]) -> [n]: the mean over the k classes, each a
 * question of its own, of log(1 + exp(x)) - t x, which is -(t log p + (1 - t) log(1 - p)) with p =
 * sigmoid(x); t = (1 - factor) target + factor / k, the attribute `factor` being the label
 * smoothing.
 * binary_cross_entropy_grad(logits, target, dloss[n]) -> dloss (sigmoid(logits) - t) / k. */
#include "ops/ops.h"

#include "base/error.h"

enum { LOGITS, TARGET, DLOSS };

static weld_status check(const weld_tensor *in, weld_error *err) {
    WELD_TRY(weld_expect_rank(&in[LOGITS], 2, "logits", "[n, classes]", err));
    return weld_expect(&in[TARGET], in[LOGITS].dtype, in[LOGITS].shape, "target", err);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    (void)node;
    out[0] = (weld_tensor){in[LOGITS].dtype, WELD_SHAPE(in[LOGITS].shape.dim[0]), NULL};
    return check(in, err);
}

static void grad(const weld_gradient *of) {
    if (of->wanted[TARGET]) {
        weld_graph_fail(of->g, WELD_ERROR_ARGUMENT,
                        "binary_cross_entropy#%d: the target has no gradient", of->node->id);
        return;
    }
    weld_attributes a = {.factor = of->node->attributes.factor};
    weld_value *inputs[] = {of->node->inputs[LOGITS], of->node->inputs[TARGET], of->dy[0]};
    of->dx[LOGITS] = weld_graph_node(of->g, &weld_op_binary_cross_entropy_grad, &a, inputs, 3, 3);
}

static void rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t k = weld_channels(&run->in[LOGITS]);
    run->kernels->binary_cross_entropy(end - begin, k, weld_at(&run->in[LOGITS], begin * k),
                                       weld_at(&run->in[TARGET], begin * k),
                                       run->node->attributes.factor, weld_at(&run->out[0], begin));
}

static void run_rows(const weld_run *run, weld_piece piece) {
    int64_t work = 16 * weld_channels(&run->in[LOGITS]); /* an exponential and a logarithm each */
    weld_run_pieces(run, weld_rows(&run->in[LOGITS]), work, piece);
}

static void run(const weld_run *run) {
    run_rows(run, rows);
}

const weld_op weld_op_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run},
};

weld_value *weld_binary_cross_entropy(weld_graph *g, weld_value *logits, weld_value *target,
                                      double smoothing) {
    weld_attributes a = {.factor = smoothing};
    return weld_graph_node(g, &weld_op_binary_cross_entropy, &a, (weld_value *[]){logits, target},
                           2, 2);
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    weld_status status = check(in, err);
    if (!status) {
        weld_shape loss = WELD_SHAPE(in[LOGITS].shape.dim[0]);
        status = weld_expect(&in[DLOSS], in[LOGITS].dtype, loss, "dloss", err);
    }
    return status ? status : weld_infer_same(node, in, out, err);
}

static void grad_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t k = weld_channels(&run->in[LOGITS]);
    run->kernels->binary_cross_entropy_grad(
        end - begin, k, weld_at(&run->in[LOGITS], begin * k), weld_at(&run->in[TARGET], begin * k),
        run->node->attributes.factor, weld_at(&run->in[DLOSS], begin),
        weld_at(&run->out[0], begin * k));
}

static void grad_run(const weld_run *run) {
    run_rows(run, grad_rows);
}

const weld_op weld_op_binary_cross_entropy_grad = {
    .name = "binary_cross_entropy_grad",
    .inputs = {3, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.run = grad_run},
};
