/* Batch norm in training (Ioffe and Szegedy 2015, as PyTorch's BatchNorm): with mean and biased
 * variance of each channel over the n rows of the batch,
 *
 *     y = (x - mean) rstd weight + bias,    rstd = 1 / sqrt(var + eps)
 *
 * Outputs y, mean[c], rstd[c], and in double statistics[2, c] = {mean, var n / (n - 1)}, by which
 * whoever runs the node moves the running ones:
 *
 *     running = (1 - momentum) running + momentum statistics;   num_batches_tracked++
 *
 * Of a single row the variance is zero (so y is bias) and stands for the unbiased one too.
 *
 * Gradient, with xhat = (x - mean) rstd (batch_norm_grad):
 *
 *     dbias = sum dy,   dweight = sum dy xhat
 *     dx = weight rstd (dy - dbias / n - xhat dweight / n)
 */
#include <math.h>

#include "ops/batch_norm.h"
#include "ops/channel_sums.h"

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, BATCHES };
enum { Y, MEAN, RSTD, STATISTICS, OUTPUTS };

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    static const char *const names[] = {"x", "weight", "bias", "running_mean", "running_var"};
    weld_status status = weld_expect_channels(node, in, WEIGHT, RUNNING_VAR, names, err);
    if (!status) {
        weld_shape scalar = {.rank = 0};
        status = weld_expect(&in[BATCHES], WELD_I64, scalar, "num_batches_tracked", err);
    }
    out[Y] = (weld_tensor){in[X].dtype, in[X].shape, NULL};
    out[MEAN] = out[RSTD] = (weld_tensor){in[WEIGHT].dtype, in[WEIGHT].shape, NULL};
    out[STATISTICS] = (weld_tensor){WELD_F64, WELD_SHAPE(2, weld_channels(&in[X])), NULL};
    return status;
}

/* Vectors of the workspace; its sums are mean and m2 of each chunk. */
enum { SCALE, SHIFT, VECTORS };

static size_t workspace(const weld_run *run) {
    return weld_channel_workspace(&run->in[X], VECTORS);
}

static void *vector(const weld_run *run, int i) {
    return weld_channel_vector(run, &run->in[X], i);
}

/* Join the chunks' moments in order (Chan, Golub, LeVeque 1979): of two sets,
 * m2 = m2_a + m2_b + (mean_b - mean_a)^2 n_a n_b / n. */
static void join_moments(const weld_channel_sums *s, int64_t j, double *mean, double *m2) {
    weld_split chunks = weld_channel_chunks(s->dy);
    int64_t c = weld_channels(s->dy);
    double count = 0;
    *mean = *m2 = 0;
    for (int64_t i = 0; i < chunks.count; i++) {
        const double *part = s->sums + i * 2 * c;
        double rows = (double)(weld_split_begin(chunks, i + 1) - weld_split_begin(chunks, i));
        double delta = part[j] - *mean, total = count + rows;
        *mean += delta * rows / total;
        *m2 += part[c + j] + delta * delta * count * rows / total;
        count = total;
    }
}

void weld_batch_norm_channel(const weld_batch_norm_vectors *v, int64_t j, double rows, double mean,
                             double m2) {
    double rstd = 1 / sqrt(m2 / rows + v->eps);
    double scale = weld_get(v->dtype, v->weight, j) * rstd;
    weld_set(v->dtype, v->mean, j, mean);
    weld_set(v->dtype, v->rstd, j, rstd);
    weld_set(v->dtype, v->scale, j, scale);
    weld_set(v->dtype, v->shift, j, weld_get(v->dtype, v->bias, j) - mean * scale);
    v->statistics[j] = mean;
    v->statistics[v->c + j] = m2 / (rows > 1 ? rows - 1 : 1);
}

static void make_affine(const weld_channel_sums *sums) {
    const weld_run *run = sums->run;
    const weld_tensor *in = run->in;
    weld_batch_norm_vectors v = {.dtype = in[WEIGHT].dtype,
                                 .c = weld_channels(&in[X]),
                                 .eps = run->node->attributes.eps,
                                 .weight = in[WEIGHT].data,
                                 .bias = in[BIAS].data,
                                 .scale = vector(run, SCALE),
                                 .shift = vector(run, SHIFT),
                                 .mean = run->out[MEAN].data,
                                 .rstd = run->out[RSTD].data,
                                 .statistics = run->out[STATISTICS].data};
    for (int64_t j = 0; j < v.c; j++) {
        double mean, m2;
        join_moments(sums, j, &mean, &m2);
        weld_batch_norm_channel(&v, j, (double)weld_rows(&in[X]), mean, m2);
    }
}

static void affine_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[X]);
    run->kernels->affine(end - begin, c, weld_at(&run->in[X], begin * c), vector(run, SCALE),
                         vector(run, SHIFT), weld_at(&run->out[Y], begin * c));
}

static void run(const weld_run *run) {
    weld_channel_sums sums = {.run = run, .dy = &run->in[X], .sums = run->workspace};
    weld_channel_moments_run(&sums);
    make_affine(&sums);
    weld_run_rows(run, affine_rows);
}

static void grad(const weld_gradient *of) {
    if (!of->dy[Y] || of->dy[MEAN] || of->dy[RSTD] || of->dy[STATISTICS]) {
        weld_graph_fail(of->g, WELD_ERROR_ARGUMENT,
                        "batch_norm#%d: gradients flow through its first output alone",
                        of->node->id);
        return;
    }
    weld_value *inputs[] = {of->node->inputs[X], of->dy[Y], of->node->inputs[WEIGHT],
                            of->node->outputs[MEAN], of->node->outputs[RSTD]};
    weld_value *made = weld_graph_node(of->g, &weld_op_batch_norm_grad, NULL, inputs, 5, 5);
    for (int i = X; made && i <= BIAS; i++) {
        of->dx[i] = of->wanted[i] ? made->producer->outputs[i] : NULL;
    }
}

const weld_op weld_op_batch_norm = {
    .name = "batch_norm",
    .inputs = {6, 6},
    .outputs = OUTPUTS,
    .attributes = WELD_ATTR_EPS | WELD_ATTR_MOMENTUM,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW | WELD_OP_REDUCES,
    .infer = infer,
    .grad = grad,
    .flops = 7, /* moments 5, affine 2 */
    .extra_passes = 1,
    .cpu = {.inplace = 1 << X,
            .workspace = workspace,
            .run = run,
            .running = {.first = RUNNING_MEAN, .count = 2}},
};

weld_value *weld_batch_norm(weld_graph *g, weld_value *x, weld_batch_norm_leaves leaves, double eps,
                            double momentum, bool training) {
    weld_value *inputs[] = {x,
                            leaves.weight,
                            leaves.bias,
                            leaves.running_mean,
                            leaves.running_var,
                            leaves.num_batches_tracked};
    if (training) {
        weld_attributes a = {.eps = eps, .momentum = momentum};
        return weld_graph_node(g, &weld_op_batch_norm, &a, inputs, 6, 6);
    }
    return weld_graph_node(g, &weld_op_batch_norm_eval, &(weld_attributes){.eps = eps}, inputs, 5,
                           5);
}
