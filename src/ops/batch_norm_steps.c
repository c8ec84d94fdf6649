/* Batch norm in training and its gradient, in steps (passes/split_batch_norm.c), so that the sums
 * can be taken where x is made and y made where it is read:
 *
 *     moments(x) -> sums [3, c]: of x, of x^2, and the number of rows
 *     batch_norm_statistics(sums, weight, bias, running_mean, running_var, num_batches_tracked)
 *         -> scale, shift, mean, rstd, statistics [2, c], which are batch_norm's
 *     affine(x, scale, shift) -> y                                                    (affine.c)
 *
 *     batch_norm_sums(dy, x, mean) -> sums [3, c]: of dy, of dy (x - mean), and the number of rows
 *         (mean may be absent: 0)
 *     batch_norm_coefficients(sums, weight, mean, rstd) -> a, b, d, dweight, dbias
 *     affine2(dy, x, a, b, d) -> dx                                                   (affine.c)
 *
 * Sums are double and add up over slices of rows, and so are statistics; the vectors [c] are of the
 * parameters' type. The sum of x^2 is made of each block's mean and centred sum of squares, so that
 * squares of single precision never are; the subtraction of n mean^2 then costs (mean /
 * deviation)^2 roundings of double, which is below one of float until that ratio is 1e4.
 */
#include "ops/batch_norm.h"
#include "ops/channel_sums.h"

enum { FIRST, SECOND, ROWS, SUMS_ROWS }; /* rows of sums */

static weld_tensor sums_spec(const weld_tensor *x) {
    return (weld_tensor){WELD_F64, WELD_SHAPE(SUMS_ROWS, weld_channels(x)), NULL};
}

/* An error unless `sums` are sums of the channels of `weight`, which goes with in[1..last]. */
static weld_status expect_sums(const weld_tensor *in, int last, const char *const *names,
                               weld_error *err) {
    int64_t c = weld_channels(&in[0]);
    weld_status status = weld_expect(&in[0], WELD_F64, WELD_SHAPE(SUMS_ROWS, c), "sums", err);
    for (int i = 1; i <= last && !status; i++) {
        status = weld_expect(&in[i], in[1].dtype, WELD_SHAPE(c), names[i], err);
    }
    return status;
}

static void set_vectors(weld_tensor *out, int count, const weld_tensor *like) {
    for (int i = 0; i < count; i++) {
        out[i] = (weld_tensor){like->dtype, like->shape, NULL};
    }
}

static size_t sums_workspace(const weld_run *run) {
    return weld_channel_sums_bytes(&run->in[0]);
}

static void clear_sums(const weld_run *run) {
    int64_t count = SUMS_ROWS * weld_channels(&run->in[0]);
    for (int64_t j = 0; !run->accumulate && j < count; j++) {
        ((double *)run->out[0].data)[j] = 0;
    }
}

/* --- Sums of the forward pass --- */

static weld_status moments_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                 weld_error *err) {
    (void)node;
    (void)err;
    out[0] = sums_spec(&in[0]);
    return WELD_OK;
}

static void add_moments(const weld_run *run, const double *mean, double rows) {
    int64_t c = weld_channels(&run->in[0]);
    double *sums = run->out[0].data;
    for (int64_t j = 0; j < c; j++) {
        double sum = rows * mean[j];
        sums[FIRST * c + j] += sum;
        sums[SECOND * c + j] += mean[c + j] + sum * mean[j];
        sums[ROWS * c + j] += rows;
    }
}

static void moments_run(const weld_run *run) {
    const weld_tensor *x = &run->in[0];
    int64_t c = weld_channels(x);
    double *mean = run->workspace;
    clear_sums(run);
    if (run->accumulate) { /* a slice: one block */
        run->kernels->moments(weld_rows(x), c, x->data, mean, mean + c);
        add_moments(run, mean, (double)weld_rows(x));
        return;
    }
    weld_channel_sums s = {.run = run, .dy = x, .sums = mean};
    weld_split chunks = weld_channel_chunks(x);
    weld_channel_moments_run(&s);
    for (int64_t i = 0; i < chunks.count; i++) {
        int64_t rows = weld_split_begin(chunks, i + 1) - weld_split_begin(chunks, i);
        add_moments(run, mean + i * 2 * c, (double)rows);
    }
}

const weld_op weld_op_moments = {
    .name = "moments",
    .inputs = {1, 1},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW | WELD_OP_REDUCES,
    .infer = moments_infer,
    .flops = 5,
    .cpu = {.workspace = sums_workspace,
            .run = moments_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0,
            .sums = 1 << 0},
};

/* --- Vectors of the forward pass --- */

enum { SUMS, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, BATCHES };
enum { SCALE, SHIFT, MEAN, RSTD, STATISTICS, STATISTICS_OUTPUTS };

static weld_status statistics_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                    weld_error *err) {
    static const char *const names[] = {"sums", "weight", "bias", "running_mean", "running_var"};
    (void)node;
    weld_status status = expect_sums(in, RUNNING_VAR, names, err);
    if (!status) {
        weld_shape scalar = {.rank = 0};
        status = weld_expect(&in[BATCHES], WELD_I64, scalar, "num_batches_tracked", err);
    }
    set_vectors(out, STATISTICS, &in[WEIGHT]);
    out[STATISTICS] = (weld_tensor){WELD_F64, WELD_SHAPE(2, weld_channels(&in[SUMS])), NULL};
    return status;
}

static void statistics_run(const weld_run *run) {
    const weld_tensor *in = run->in, *out = run->out;
    int64_t c = weld_channels(&in[WEIGHT]);
    weld_batch_norm_vectors v = {.dtype = in[WEIGHT].dtype,
                                 .c = c,
                                 .eps = run->node->attributes.eps,
                                 .weight = in[WEIGHT].data,
                                 .bias = in[BIAS].data,
                                 .scale = out[SCALE].data,
                                 .shift = out[SHIFT].data,
                                 .mean = out[MEAN].data,
                                 .rstd = out[RSTD].data,
                                 .statistics = out[STATISTICS].data};
    const double *sums = in[SUMS].data;
    for (int64_t j = 0; j < c; j++) {
        double rows = sums[ROWS * c + j], mean = sums[FIRST * c + j] / rows;
        double m2 = sums[SECOND * c + j] - sums[FIRST * c + j] * mean;
        weld_batch_norm_channel(&v, j, rows, mean, m2 < 0 ? 0 : m2);
    }
}

const weld_op weld_op_batch_norm_statistics = {
    .name = "batch_norm_statistics",
    .inputs = {6, 6},
    .outputs = STATISTICS_OUTPUTS,
    .attributes = WELD_ATTR_EPS | WELD_ATTR_MOMENTUM,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_REDUCES,
    .infer = statistics_infer,
    .cpu = {.run = statistics_run, .running = {.first = RUNNING_MEAN, .count = 2}},
};

/* --- Sums of the gradient --- */

enum { SUMS_DY, SUMS_X, SUMS_MEAN };

static weld_status sums_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    out[0] = sums_spec(&in[SUMS_DY]);
    weld_status status = weld_expect(&in[SUMS_X], in[SUMS_DY].dtype, in[SUMS_DY].shape, "x", err);
    return status || node->input_count <= SUMS_MEAN
               ? status
               : weld_expect(&in[SUMS_MEAN], weld_parameter_dtype(in[SUMS_DY].dtype),
                             WELD_SHAPE(weld_channels(&in[SUMS_DY])), "mean", err);
}

static void sums_run(const weld_run *run) {
    const weld_tensor *dy = &run->in[SUMS_DY], *x = &run->in[SUMS_X];
    int64_t c = weld_channels(dy);
    double *part = run->workspace, *sums = run->out[0].data;
    weld_channel_sums s = {
        .run = run, .dy = dy, .x = x, .center = weld_optional(run, SUMS_MEAN), .sums = part};
    clear_sums(run);
    if (run->accumulate) { /* a slice: one block */
        run->kernels->channel_dot(weld_rows(dy), c, dy->data, x->data, s.center, part, part + c);
    } else {
        weld_channel_sums_run(&s);
    }
    for (int64_t j = 0; j < c; j++) {
        bool whole = !run->accumulate;
        sums[FIRST * c + j] += whole ? weld_channel_sums_dy(&s, j) : part[j];
        sums[SECOND * c + j] += whole ? weld_channel_sums_dy_x(&s, j) : part[c + j];
        sums[ROWS * c + j] += (double)weld_rows(dy);
    }
}

const weld_op weld_op_batch_norm_sums = {
    .name = "batch_norm_sums",
    .inputs = {2, 3},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW | WELD_OP_REDUCES,
    .infer = sums_infer,
    .flops = 4,
    .cpu = {.workspace = sums_workspace,
            .run = sums_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << SUMS_DY | 1 << SUMS_X,
            .sums = 1 << 0},
};

/* --- Vectors of the gradient --- */

enum { COEFFICIENTS_MEAN = 2, COEFFICIENTS_RSTD };
enum { A, B, D, DWEIGHT, DBIAS, COEFFICIENTS };

static weld_status coefficients_infer(const weld_node *node, const weld_tensor *in,
                                      weld_tensor *out, weld_error *err) {
    static const char *const names[] = {"sums", "weight", "mean", "rstd"};
    (void)node;
    set_vectors(out, COEFFICIENTS, &in[WEIGHT]);
    return expect_sums(in, COEFFICIENTS_RSTD, names, err);
}

static void coefficients_run(const weld_run *run) {
    const weld_tensor *in = run->in, *out = run->out;
    weld_batch_norm_grad_vectors v = {.dtype = in[WEIGHT].dtype,
                                      .weight = in[WEIGHT].data,
                                      .mean = in[COEFFICIENTS_MEAN].data,
                                      .rstd = in[COEFFICIENTS_RSTD].data,
                                      .a = out[A].data,
                                      .b = out[B].data,
                                      .d = out[D].data,
                                      .dweight = out[DWEIGHT].data,
                                      .dbias = out[DBIAS].data};
    const double *sums = in[SUMS].data;
    int64_t c = weld_channels(&in[WEIGHT]);
    for (int64_t j = 0; j < c; j++) {
        weld_batch_norm_grad_channel(&v, j, sums[ROWS * c + j], sums[FIRST * c + j],
                                     sums[SECOND * c + j]);
    }
}

const weld_op weld_op_batch_norm_coefficients = {
    .name = "batch_norm_coefficients",
    .inputs = {4, 4},
    .outputs = COEFFICIENTS,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_REDUCES,
    .infer = coefficients_infer,
    .cpu = {.run = coefficients_run},
};
