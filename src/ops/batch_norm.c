/* Batch norm in training (Ioffe and Szegedy 2015, as PyTorch's BatchNorm): with mean and biased
 * variance of each channel over the n rows of the batch,
 *
 *     y = (x - mean) rstd weight + bias,    rstd = 1 / sqrt(var + eps)
 *     running = (1 - momentum) running + momentum {mean, var n / (n - 1)};   num_batches_tracked++
 *
 * Outputs y, mean[c], rstd[c]. Of a single row the variance is zero (so y is bias) and stands for
 * the unbiased one too.
 *
 * Gradient, with xhat = (x - mean) rstd (batch_norm_grad):
 *
 *     dbias = sum dy,   dweight = sum dy xhat
 *     dx = weight rstd (dy - dbias / n - xhat dweight / n)
 */
#include <math.h>

#include "base/threads.h"
#include "ops/channel_sums.h"

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, BATCHES };
enum { Y, MEAN, RSTD };
static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    static const char *const names[] = {"x", "weight", "bias", "running_mean", "running_var"};
    (void)node;
    weld_status status = weld_expect_channels(in, WEIGHT, RUNNING_VAR, names, err);
    if (!status) {
        weld_shape scalar = {.rank = 0};
        status = weld_expect(&in[BATCHES], WELD_I64, scalar, "num_batches_tracked", err);
    }
    out[Y] = (weld_tensor){in[X].dtype, in[X].shape, NULL};
    out[MEAN] = out[RSTD] = (weld_tensor){in[WEIGHT].dtype, in[WEIGHT].shape, NULL};
    return status;
}

/* The workspace: sums of each chunk (mean and m2, double), then scale and shift. */
typedef struct layout {
    weld_split chunks;
    size_t sums, scale, shift, total;
} layout;

static layout lay_out(const weld_tensor *x) {
    layout l = {.chunks = weld_channel_chunks(x)};
    size_t c = (size_t)weld_channels(x), size = weld_dtype_size(weld_parameter_dtype(x->dtype));
    l.sums = weld_reserve(&l.total, (size_t)l.chunks.count * 2 * c * sizeof(double));
    l.scale = weld_reserve(&l.total, c * size);
    l.shift = weld_reserve(&l.total, c * size);
    return l;
}

static size_t workspace(const weld_node *node, const weld_tensor *in, const weld_tensor *out,
                        const weld_kernels *kernels, int threads) {
    (void)node;
    (void)out;
    (void)kernels;
    (void)threads;
    return lay_out(&in[X]).total;
}

typedef struct call {
    const weld_run *run;
    layout l;
} call;

static double *chunk_sums(const call *job, int64_t chunk) {
    return (double *)((char *)job->run->workspace + job->l.sums) +
           chunk * 2 * weld_channels(&job->run->in[X]);
}

static void chunk_moments(void *arg, int64_t chunk, int thread) {
    (void)thread;
    const call *job = arg;
    const weld_run *run = job->run;
    int64_t c = weld_channels(&run->in[X]);
    int64_t begin = weld_split_begin(job->l.chunks, chunk);
    int64_t end = weld_split_begin(job->l.chunks, chunk + 1);
    double *sums = chunk_sums(job, chunk);
    run->kernels->moments(end - begin, c, weld_at(&run->in[X], begin * c), sums, sums + c);
}

/* Join the chunks' moments in order (Chan, Golub, LeVeque 1979): of two sets,
 * m2 = m2_a + m2_b + (mean_b - mean_a)^2 n_a n_b / n. */
static void join_moments(const call *job, int64_t j, double *mean, double *m2) {
    int64_t c = weld_channels(&job->run->in[X]);
    double count = 0;
    *mean = *m2 = 0;
    for (int64_t i = 0; i < job->l.chunks.count; i++) {
        const double *sums = chunk_sums(job, i);
        double rows =
            (double)(weld_split_begin(job->l.chunks, i + 1) - weld_split_begin(job->l.chunks, i));
        double delta = sums[j] - *mean, total = count + rows;
        *mean += delta * rows / total;
        *m2 += sums[c + j] + delta * delta * count * rows / total;
        count = total;
    }
}

static void update_running(const weld_tensor *running, int64_t j, double momentum, double value) {
    double old = weld_get(running->dtype, running->data, j);
    weld_set(running->dtype, running->data, j, (1 - momentum) * old + momentum * value);
}

static void make_affine(const call *job) {
    const weld_run *run = job->run;
    const weld_tensor *in = run->in;
    const weld_attributes *a = &run->node->attributes;
    weld_dtype dtype = in[WEIGHT].dtype;
    double rows = (double)weld_rows(&in[X]);
    for (int64_t j = 0; j < weld_channels(&in[X]); j++) {
        double mean, m2;
        join_moments(job, j, &mean, &m2);
        double rstd = 1 / sqrt(m2 / rows + a->eps);
        double scale = weld_get(dtype, in[WEIGHT].data, j) * rstd;
        weld_set(dtype, run->out[MEAN].data, j, mean);
        weld_set(dtype, run->out[RSTD].data, j, rstd);
        weld_set(dtype, (char *)run->workspace + job->l.scale, j, scale);
        weld_set(dtype, (char *)run->workspace + job->l.shift, j,
                 weld_get(dtype, in[BIAS].data, j) - mean * scale);
        update_running(&in[RUNNING_MEAN], j, a->momentum, mean);
        update_running(&in[RUNNING_VAR], j, a->momentum, m2 / (rows > 1 ? rows - 1 : 1));
    }
    ++*(int64_t *)in[BATCHES].data;
}

static void affine_rows(const weld_run *run, int64_t begin, int64_t end, int thread) {
    (void)thread;
    layout l = lay_out(&run->in[X]);
    int64_t c = weld_channels(&run->in[X]);
    run->kernels->affine(end - begin, c, weld_at(&run->in[X], begin * c),
                         (char *)run->workspace + l.scale, (char *)run->workspace + l.shift,
                         weld_at(&run->out[Y], begin * c));
}

static void run(const weld_run *run) {
    call job = {run, lay_out(&run->in[X])};
    weld_parallel(run->threads, job.l.chunks.count, chunk_moments, &job);
    make_affine(&job);
    weld_run_pieces(run, weld_rows(&run->in[X]), weld_piece_rows(weld_channels(&run->in[X])),
                    affine_rows);
}

static void grad(weld_graph *g, const weld_node *node, weld_value *const *dy, const bool *wanted,
                 weld_value **dx) {
    if (!dy[Y] || dy[MEAN] || dy[RSTD]) {
        weld_graph_fail(g, WELD_ERROR_ARGUMENT,
                        "batch_norm#%d: gradients flow through its first output alone", node->id);
        return;
    }
    weld_value *inputs[] = {node->inputs[X], dy[Y], node->inputs[WEIGHT], node->outputs[MEAN],
                            node->outputs[RSTD]};
    weld_value *made = weld_graph_node(g, &weld_op_batch_norm_grad, NULL, inputs, 5, 5);
    for (int i = X; made && i <= BIAS; i++) {
        dx[i] = wanted[i] ? made->producer->outputs[i] : NULL;
    }
}

static void cost(const weld_node *node, const weld_tensor *in, const weld_tensor *out,
                 double *flops, double *bytes) {
    double size = (double)weld_shape_count(&in[X].shape);
    *flops = 7 * size; /* moments 5, affine 2 */
    *bytes = weld_operand_bytes(node, in, out) + size * (double)weld_dtype_size(in[X].dtype);
}

const weld_op weld_op_batch_norm = {
    .name = "batch_norm",
    .min_inputs = 6,
    .max_inputs = 6,
    .outputs = 3,
    .attributes = WELD_ATTR_EPS | WELD_ATTR_MOMENTUM,
    .inplace = 1 << X,
    .mutates = 1 << RUNNING_MEAN | 1 << RUNNING_VAR | 1 << BATCHES,
    .bf16 = true,
    .infer = infer,
    .grad = grad,
    .workspace = workspace,
    .run = run,
    .cost = cost,
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
