/* batch_norm_grad(x, dy, weight, mean, rstd) -> dx, dweight, dbias; batch_norm.c says the formula,
 * batch_norm.h how dx is computed: as a dy + b x + d.
 */
#include "ops/batch_norm.h"
#include "ops/channel_sums.h"

enum { X, DY, WEIGHT, MEAN, RSTD };
enum { DX, DWEIGHT, DBIAS };

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    static const char *const names[] = {"x", "dy", "weight", "mean", "rstd"};
    weld_status status = weld_expect(&in[DY], in[X].dtype, in[X].shape, "dy", err);
    status = status ? status : weld_expect_channels(node, in, WEIGHT, RSTD, names, err);
    out[DX] = (weld_tensor){in[X].dtype, in[X].shape, NULL};
    out[DWEIGHT] = out[DBIAS] = (weld_tensor){in[WEIGHT].dtype, in[WEIGHT].shape, NULL};
    return status;
}

/* Vectors of the workspace. */
enum { A, B, D, VECTORS };

static size_t workspace(const weld_run *run) {
    return weld_channel_workspace(&run->in[X], VECTORS);
}

static void *vector(const weld_run *run, int i) {
    return weld_channel_vector(run, &run->in[X], i);
}

void weld_batch_norm_grad_channel(const weld_batch_norm_grad_vectors *v, int64_t j, double rows,
                                  double sum_dy, double sum_dy_x) {
    double mean = weld_get(v->dtype, v->mean, j), rstd = weld_get(v->dtype, v->rstd, j);
    double dweight = sum_dy_x * rstd;
    double a = weld_get(v->dtype, v->weight, j) * rstd;
    double b = -a * rstd * dweight / rows;
    weld_set(v->dtype, v->dweight, j, dweight);
    weld_set(v->dtype, v->dbias, j, sum_dy);
    weld_set(v->dtype, v->a, j, a);
    weld_set(v->dtype, v->b, j, b);
    weld_set(v->dtype, v->d, j, -a * sum_dy / rows - b * mean);
}

static void make_coefficients(const weld_channel_sums *sums) {
    const weld_run *run = sums->run;
    const weld_tensor *in = run->in;
    weld_batch_norm_grad_vectors v = {.dtype = in[WEIGHT].dtype,
                                      .weight = in[WEIGHT].data,
                                      .mean = in[MEAN].data,
                                      .rstd = in[RSTD].data,
                                      .a = vector(run, A),
                                      .b = vector(run, B),
                                      .d = vector(run, D),
                                      .dweight = run->out[DWEIGHT].data,
                                      .dbias = run->out[DBIAS].data};
    for (int64_t j = 0; j < weld_channels(&in[X]); j++) {
        weld_batch_norm_grad_channel(&v, j, (double)weld_rows(&in[X]),
                                     weld_channel_sums_dy(sums, j),
                                     weld_channel_sums_dy_x(sums, j));
    }
}

static void affine_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[X]);
    run->kernels->affine2(end - begin, c, weld_at(&run->in[DY], begin * c),
                          weld_at(&run->in[X], begin * c), vector(run, A), vector(run, B),
                          vector(run, D), weld_at(&run->out[DX], begin * c));
}

static void run(const weld_run *run) {
    weld_channel_sums sums = {.run = run,
                              .dy = &run->in[DY],
                              .x = &run->in[X],
                              .center = run->in[MEAN].data,
                              .sums = run->workspace};
    weld_channel_sums_run(&sums);
    make_coefficients(&sums);
    weld_run_rows(run, affine_rows);
}

const weld_op weld_op_batch_norm_grad = {
    .name = "batch_norm_grad",
    .inputs = {5, 5},
    .outputs = 3,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW | WELD_OP_REDUCES,
    .infer = infer,
    .flops = 8, /* sums 4, affine 4 */
    .extra_passes = 2,
    .cpu = {.inplace = 1 << X | 1 << DY, .workspace = workspace, .run = run},
};
