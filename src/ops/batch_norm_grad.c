/* batch_norm_grad(x, dy, weight, mean, rstd) -> dx, dweight, dbias; batch_norm.c says the formula.
 * As a function of dy and x, dx = a dy + b x + d with, per channel,
 *
 *     a = weight rstd,   b = -a rstd dweight / n,   d = -a dbias / n - b mean
 */
#include "ops/channel_sums.h"

enum { X, DY, WEIGHT, MEAN, RSTD };
enum { DX, DWEIGHT, DBIAS };

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    static const char *const names[] = {"x", "dy", "weight", "mean", "rstd"};
    (void)node;
    weld_status status = weld_expect(&in[DY], in[X].dtype, in[X].shape, "dy", err);
    if (!status) {
        status = weld_expect_channels(in, WEIGHT, RSTD, names, err);
    }
    out[DX] = (weld_tensor){in[X].dtype, in[X].shape, NULL};
    out[DWEIGHT] = out[DBIAS] = (weld_tensor){in[WEIGHT].dtype, in[WEIGHT].shape, NULL};
    return status;
}

typedef struct layout {
    size_t sums, a, b, d, total;
} layout;

static layout lay_out(const weld_tensor *x) {
    layout l = {0};
    size_t bytes = (size_t)weld_channels(x) * weld_dtype_size(weld_parameter_dtype(x->dtype));
    l.sums = weld_reserve(&l.total, weld_channel_sums_bytes(x));
    l.a = weld_reserve(&l.total, bytes);
    l.b = weld_reserve(&l.total, bytes);
    l.d = weld_reserve(&l.total, bytes);
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

static void make_coefficients(const weld_channel_sums *sums, const layout *l) {
    const weld_run *run = sums->run;
    const weld_tensor *in = run->in;
    weld_dtype dtype = in[WEIGHT].dtype;
    char *workspace = run->workspace;
    double rows = (double)weld_rows(&in[X]);
    for (int64_t j = 0; j < weld_channels(&in[X]); j++) {
        double mean = weld_get(dtype, in[MEAN].data, j), rstd = weld_get(dtype, in[RSTD].data, j);
        double dbias = weld_channel_sums_dy(sums, j);
        double dweight = weld_channel_sums_dy_x(sums, j) * rstd;
        double a = weld_get(dtype, in[WEIGHT].data, j) * rstd;
        double b = -a * rstd * dweight / rows;
        weld_set(dtype, run->out[DWEIGHT].data, j, dweight);
        weld_set(dtype, run->out[DBIAS].data, j, dbias);
        weld_set(dtype, workspace + l->a, j, a);
        weld_set(dtype, workspace + l->b, j, b);
        weld_set(dtype, workspace + l->d, j, -a * dbias / rows - b * mean);
    }
}

static void affine_rows(const weld_run *run, int64_t begin, int64_t end, int thread) {
    (void)thread;
    layout l = lay_out(&run->in[X]);
    const char *workspace = run->workspace;
    int64_t c = weld_channels(&run->in[X]);
    run->kernels->affine2(end - begin, c, weld_at(&run->in[DY], begin * c),
                          weld_at(&run->in[X], begin * c), workspace + l.a, workspace + l.b,
                          workspace + l.d, weld_at(&run->out[DX], begin * c));
}

static void run(const weld_run *run) {
    layout l = lay_out(&run->in[X]);
    weld_channel_sums sums = {.run = run,
                              .dy = &run->in[DY],
                              .x = &run->in[X],
                              .center = run->in[MEAN].data,
                              .sums = (double *)((char *)run->workspace + l.sums)};
    weld_channel_sums_run(&sums);
    make_coefficients(&sums, &l);
    weld_run_pieces(run, weld_rows(&run->in[X]), weld_piece_rows(weld_channels(&run->in[X])),
                    affine_rows);
}

static void cost(const weld_node *node, const weld_tensor *in, const weld_tensor *out,
                 double *flops, double *bytes) {
    double size = (double)weld_shape_count(&in[X].shape);
    *flops = 8 * size; /* sums 4, affine 4 */
    *bytes = weld_operand_bytes(node, in, out) + 2 * size * (double)weld_dtype_size(in[X].dtype);
}

const weld_op weld_op_batch_norm_grad = {
    .name = "batch_norm_grad",
    .min_inputs = 5,
    .max_inputs = 5,
    .outputs = 3,
    .inplace = 1 << X | 1 << DY,
    .evaluates_only = true,
    .bf16 = true,
    .infer = infer,
    .workspace = workspace,
    .run = run,
    .cost = cost,
};
