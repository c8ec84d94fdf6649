/* cross_entropy(logits[n, k], target[n, k]) -> [n]: -sum_j t_j log softmax(logits)_j with
 * t = (1 - factor) target + factor / k, the attribute `factor` being the label smoothing.
 * cross_entropy_grad(logits, target, dloss[n]) -> dloss (softmax(logits) sum_j t_j - t).
 * binary_cross_entropy(logits[n, k], target[n, k]) -> [n]: the mean over the k classes, each a
 * question of its own, of log(1 + exp(x)) - t x, which is -(t log p + (1 - t) log(1 - p)) with p =
 * sigmoid(x), and t as above.
 * binary_cross_entropy_grad(logits, target, dloss[n]) -> dloss (sigmoid(logits) - t) / k. */
#include "ops/ops.h"

#include "base/error.h"

enum { LOGITS, TARGET, DLOSS };

static weld_status check(const weld_node *node, const weld_tensor *in, weld_error *err) {
    (void)node;
    WELD_TRY(weld_expect_rank(&in[LOGITS], 2, "logits", "[n, classes]", err));
    return weld_expect(&in[TARGET], in[LOGITS].dtype, in[LOGITS].shape, "target", err);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    out[0] = (weld_tensor){in[LOGITS].dtype, WELD_SHAPE(in[LOGITS].shape.dim[0]), NULL};
    return check(node, in, err);
}

static void grad(const weld_gradient *of) {
    const weld_op *op = of->node->op;
    if (of->wanted[TARGET]) {
        weld_graph_fail(of->g, WELD_ERROR_ARGUMENT, "%s#%d: the target has no gradient", op->name,
                        of->node->id);
        return;
    }
    weld_attributes a = {.factor = of->node->attributes.factor};
    weld_value *inputs[] = {of->node->inputs[LOGITS], of->node->inputs[TARGET], of->dy[0]};
    of->dx[LOGITS] =
        weld_graph_node(of->g,
                        op == &weld_op_binary_cross_entropy ? &weld_op_binary_cross_entropy_grad
                                                            : &weld_op_cross_entropy_grad,
                        &a, inputs, 3, 3);
}

/* An exponential for each logit, in the binary one a logarithm too. */
enum { WORK = 8, BINARY_WORK = 16 };

static void run_rows(const weld_run *run, int64_t work, weld_piece piece) {
    weld_run_pieces(run, weld_rows(&run->in[LOGITS]), work * weld_channels(&run->in[LOGITS]),
                    piece);
}

typedef void loss_kernel(int64_t rows, int64_t n, const void *x, const void *target,
                         double smoothing, void *loss);

static void loss_rows(const weld_run *run, int64_t begin, int64_t end, loss_kernel *kernel) {
    int64_t k = weld_channels(&run->in[LOGITS]);
    kernel(end - begin, k, weld_at(&run->in[LOGITS], begin * k),
           weld_at(&run->in[TARGET], begin * k), run->node->attributes.factor,
           weld_at(&run->out[0], begin));
}

static void rows(const weld_run *run, int64_t begin, int64_t end) {
    loss_rows(run, begin, end, run->kernels->cross_entropy);
}

static void binary_rows(const weld_run *run, int64_t begin, int64_t end) {
    loss_rows(run, begin, end, run->kernels->binary_cross_entropy);
}

static void run(const weld_run *run) {
    run_rows(run, WORK, rows);
}

static void binary_run(const weld_run *run) {
    run_rows(run, BINARY_WORK, binary_rows);
}

const weld_op weld_op_cross_entropy = {
    .name = "cross_entropy",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run},
};

const weld_op weld_op_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = binary_run},
};

weld_value *weld_cross_entropy(weld_graph *g, weld_value *logits, weld_value *target,
                               double smoothing) {
    weld_attributes a = {.factor = smoothing};
    return weld_graph_node(g, &weld_op_cross_entropy, &a, (weld_value *[]){logits, target}, 2, 2);
}

weld_value *weld_binary_cross_entropy(weld_graph *g, weld_value *logits, weld_value *target,
                                      double smoothing) {
    weld_attributes a = {.factor = smoothing};
    return weld_graph_node(g, &weld_op_binary_cross_entropy, &a, (weld_value *[]){logits, target},
                           2, 2);
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    weld_status status = check(node, in, err);
    if (!status) {
        weld_shape loss = WELD_SHAPE(in[LOGITS].shape.dim[0]);
        status = weld_expect(&in[DLOSS], in[LOGITS].dtype, loss, "dloss", err);
    }
    return status ? status : weld_infer_same(node, in, out, err);
}

typedef void grad_kernel(int64_t rows, int64_t n, const void *x, const void *target,
                         double smoothing, const void *dloss, void *dx);

static void any_grad_rows(const weld_run *run, int64_t begin, int64_t end, grad_kernel *kernel) {
    int64_t k = weld_channels(&run->in[LOGITS]);
    kernel(end - begin, k, weld_at(&run->in[LOGITS], begin * k),
           weld_at(&run->in[TARGET], begin * k), run->node->attributes.factor,
           weld_at(&run->in[DLOSS], begin), weld_at(&run->out[0], begin * k));
}

static void grad_rows(const weld_run *run, int64_t begin, int64_t end) {
    any_grad_rows(run, begin, end, run->kernels->cross_entropy_grad);
}

static void binary_grad_rows(const weld_run *run, int64_t begin, int64_t end) {
    any_grad_rows(run, begin, end, run->kernels->binary_cross_entropy_grad);
}

static void grad_run(const weld_run *run) {
    run_rows(run, WORK, grad_rows);
}

static void binary_grad_run(const weld_run *run) {
    run_rows(run, BINARY_WORK, binary_grad_rows);
}

const weld_op weld_op_cross_entropy_grad = {
    .name = "cross_entropy_grad",
    .inputs = {3, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.run = grad_run},
};

const weld_op weld_op_binary_cross_entropy_grad = {
    .name = "binary_cross_entropy_grad",
    .inputs = {3, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.run = binary_grad_run},
};
