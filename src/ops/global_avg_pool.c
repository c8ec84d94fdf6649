/* global_avg_pool: x[n, h, w, c] -> [n, 1, 1, c], the mean over h and w, in f32 where x is bf16.
 * global_avg_pool_grad(dy)
 * -> dy / (h w) at every position; the attribute holds x's shape, dim 0 is dy's. */
#include <string.h>

#include "base/error.h"
#include "ops/ops.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    (void)node;
    const weld_shape *x = &in[0].shape;
    out[0] = (weld_tensor){weld_parameter_dtype(in[0].dtype),
                           WELD_SHAPE(x->dim[0], 1, 1, x->dim[3]), NULL};
    return weld_expect_rank(&in[0], 4, "x", "[n, h, w, c]", err);
}

static void grad(const weld_gradient *of) {
    weld_attributes a = {.shape = of->node->inputs[0]->shape};
    weld_value *small = weld_cast(of->g, of->dy[0], of->node->inputs[0]->dtype);
    of->dx[0] = weld_graph_node(of->g, &weld_op_global_avg_pool_grad, &a, &small, 1, 1);
}

/* A vector of sums for each thread. */
static size_t workspace(const weld_run *run) {
    return (size_t)run->threads * (size_t)weld_channels(&run->in[0]) * sizeof(double);
}

static void image(void *arg, int64_t i, int thread) {
    const weld_run *run = arg;
    const weld_shape *x = &run->in[0].shape;
    int64_t positions = x->dim[1] * x->dim[2], c = x->dim[3];
    double *sum = (double *)run->workspace + thread * c;
    run->kernels->channel_sum(positions, c, weld_at(&run->in[0], i * positions * c), sum);
    for (int64_t j = 0; j < c; j++) {
        weld_set(run->out[0].dtype, run->out[0].data, i * c + j, sum[j] / (double)positions);
    }
}

static void run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], image);
}

const weld_op weld_op_global_avg_pool = {
    .name = "global_avg_pool",
    .inputs = {1, 1},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cpu = {.workspace = workspace, .run = run, .slicing = weld_slice_images, .sliced = 1 << 0},
};

weld_value *weld_global_avg_pool(weld_graph *g, weld_value *x) {
    return weld_graph_node(g, &weld_op_global_avg_pool, NULL, (weld_value *[]){x}, 1, 1);
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    weld_shape x = node->attributes.shape;
    x.dim[0] = in[0].shape.dim[0];
    out[0] = (weld_tensor){in[0].dtype, x, NULL};
    WELD_TRY(weld_expect_rank(&out[0], 4, "the shape of x", "[n, h, w, c]", err));
    return weld_expect(&in[0], in[0].dtype, WELD_SHAPE(x.dim[0], 1, 1, x.dim[3]), "dy", err);
}

/* The first row is made, the others are copies. */
static void grad_image(void *arg, int64_t i, int thread) {
    (void)thread;
    const weld_run *run = arg;
    const weld_shape *x = &run->out[0].shape;
    int64_t positions = x->dim[1] * x->dim[2], c = x->dim[3];
    char *first = weld_at(&run->out[0], i * positions * c);
    run->kernels->scale(c, 1 / (double)positions, weld_at(&run->in[0], i * c), first);
    size_t bytes = (size_t)c * weld_dtype_size(run->out[0].dtype);
    for (int64_t p = 1; p < positions; p++) {
        memcpy(first + (size_t)p * bytes, first, bytes);
    }
}

static void grad_run(const weld_run *run) {
    weld_run_items(run, run->out[0].shape.dim[0], grad_image);
}

const weld_op weld_op_global_avg_pool_grad = {
    .name = "global_avg_pool_grad",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_SHAPE,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.run = grad_run, .slicing = weld_slice_images, .sliced = 1 << 0},
};
