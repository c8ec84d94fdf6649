/* Batch norm by running statistics: y = x scale + shift with, per channel,
 *
 *     rstd = 1 / sqrt(running_var + eps),  scale = weight rstd,  shift = bias - running_mean scale
 *
 * The statistics are constants, so batch_norm_eval_grad(x, dy, weight, running_mean, running_var)
 * -> dx = dy scale, dweight = rstd sum dy (x - running_mean), dbias = sum dy.
 */
#include <math.h>

#include "ops/channel_sums.h"
#include "base/error.h"

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };
enum { GRAD_X, GRAD_DY, GRAD_WEIGHT, GRAD_MEAN, GRAD_VAR };
enum { DX, DWEIGHT, DBIAS };

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    static const char *const names[] = {"x", "weight", "bias", "running_mean", "running_var"};
    WELD_TRY(weld_expect_channels(node, in, WEIGHT, RUNNING_VAR, names, err));
    return weld_infer_same(node, in, out, err);
}

static double rstd_of(const weld_run *run, const weld_tensor *var, int64_t j) {
    return 1 / sqrt(weld_get(var->dtype, var->data, j) + run->node->attributes.eps);
}

/* Two vectors of channels: scale and shift. */
static size_t workspace(const weld_run *run) {
    return 2 * (size_t)weld_channels(&run->in[X]) * weld_parameter_size(run->kernels);
}

static void affine_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[X]);
    const weld_tensor scale = {run->in[WEIGHT].dtype, WELD_SHAPE(2, c), run->workspace};
    run->kernels->affine(end - begin, c, weld_at(&run->in[X], begin * c), weld_at(&scale, 0),
                         weld_at(&scale, c), weld_at(&run->out[0], begin * c));
    weld_finish(run, end - begin, c, c, weld_at(&run->out[0], begin * c));
}

static void run(const weld_run *run) {
    const weld_tensor *in = run->in;
    weld_dtype dtype = in[WEIGHT].dtype;
    int64_t c = weld_channels(&in[X]);
    for (int64_t j = 0; j < c; j++) {
        double scale = weld_get(dtype, in[WEIGHT].data, j) * rstd_of(run, &in[RUNNING_VAR], j);
        double mean = weld_get(dtype, in[RUNNING_MEAN].data, j);
        weld_set(dtype, run->workspace, j, scale);
        weld_set(dtype, run->workspace, c + j, weld_get(dtype, in[BIAS].data, j) - mean * scale);
    }
    weld_run_rows(run, affine_rows);
}

static void grad(const weld_gradient *of) {
    if (of->wanted[RUNNING_MEAN] || of->wanted[RUNNING_VAR]) {
        weld_graph_fail(of->g, WELD_ERROR_ARGUMENT,
                        "batch_norm_eval#%d: running statistics have no gradient", of->node->id);
        return;
    }
    weld_value *inputs[] = {of->node->inputs[X], of->dy[0], of->node->inputs[WEIGHT],
                            of->node->inputs[RUNNING_MEAN], of->node->inputs[RUNNING_VAR]};
    weld_attributes a = {.eps = of->node->attributes.eps};
    weld_value *made = weld_graph_node(of->g, &weld_op_batch_norm_eval_grad, &a, inputs, 5, 5);
    for (int i = X; made && i <= BIAS; i++) {
        of->dx[i] = of->wanted[i] ? made->producer->outputs[i] : NULL;
    }
}

const weld_op weld_op_batch_norm_eval = {
    .name = "batch_norm_eval",
    .inputs = {5, 5},
    .outputs = 1,
    .attributes = WELD_ATTR_EPS,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .flops = 2,
    .cpu = {.inplace = 1 << X,
            .workspace = workspace,
            .run = run,
            .slicing = weld_slice_rows,
            .sliced = 1 << X,
            .finishes = weld_finishes_floats},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    static const char *const names[] = {"x", "dy", "weight", "running_mean", "running_var"};
    weld_status status = weld_expect(&in[GRAD_DY], in[X].dtype, in[X].shape, "dy", err);
    status = status ? status : weld_expect_channels(node, in, GRAD_WEIGHT, GRAD_VAR, names, err);
    out[DX] = (weld_tensor){in[X].dtype, in[X].shape, NULL};
    out[DWEIGHT] = out[DBIAS] = (weld_tensor){in[GRAD_WEIGHT].dtype, in[GRAD_WEIGHT].shape, NULL};
    return status;
}

/* Sums, then scale. */
static size_t grad_workspace(const weld_run *run) {
    return weld_channel_workspace(&run->in[GRAD_X], 1);
}

static void grad_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[GRAD_X]);
    run->kernels->affine(end - begin, c, weld_at(&run->in[GRAD_DY], begin * c),
                         weld_channel_vector(run, &run->in[GRAD_X], 0), NULL,
                         weld_at(&run->out[DX], begin * c));
}

static void grad_run(const weld_run *run) {
    const weld_tensor *in = run->in;
    weld_dtype dtype = in[GRAD_WEIGHT].dtype;
    int64_t c = weld_channels(&in[GRAD_X]);
    void *scale = weld_channel_vector(run, &in[GRAD_X], 0);
    weld_channel_sums sums = {.run = run,
                              .dy = &in[GRAD_DY],
                              .x = &in[GRAD_X],
                              .center = in[GRAD_MEAN].data,
                              .sums = run->workspace};
    weld_channel_sums_run(&sums);
    for (int64_t j = 0; j < c; j++) {
        double rstd = rstd_of(run, &in[GRAD_VAR], j);
        weld_set(dtype, scale, j, weld_get(dtype, in[GRAD_WEIGHT].data, j) * rstd);
        weld_set(dtype, run->out[DWEIGHT].data, j, weld_channel_sums_dy_x(&sums, j) * rstd);
        weld_set(dtype, run->out[DBIAS].data, j, weld_channel_sums_dy(&sums, j));
    }
    weld_run_rows(run, grad_rows);
}

const weld_op weld_op_batch_norm_eval_grad = {
    .name = "batch_norm_eval_grad",
    .inputs = {5, 5},
    .outputs = 3,
    .attributes = WELD_ATTR_EPS,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW | WELD_OP_REDUCES,
    .infer = grad_infer,
    .cpu = {.inplace = 1 << GRAD_X | 1 << GRAD_DY, .workspace = grad_workspace, .run = grad_run},
};
