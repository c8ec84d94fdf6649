/* channel_scale: y[n, h, w, c] = x[n, h, w, c] s[n, 1, 1, c]; s is f32 where x is bf16.
 * channel_dot(dy, x) -> ds[n, 1, 1, c] = sum over h, w of dy x; dx is channel_scale(dy, s). */
#include "ops/ops.h"
#include "base/error.h"

static weld_shape scale_shape(const weld_tensor *x) {
    return WELD_SHAPE(x->shape.dim[0], 1, 1, x->shape.dim[3]);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    WELD_TRY(weld_expect_rank(&in[0], 4, "x", "[n, h, w, c]", err));
    WELD_TRY(weld_expect(&in[1], weld_parameter_dtype(in[0].dtype), scale_shape(&in[0]), "s", err));
    return weld_infer_same(node, in, out, err);
}

static void grad(const weld_gradient *of) {
    if (of->wanted[0]) {
        of->dx[0] = weld_channel_scale(of->g, of->dy[0], of->node->inputs[1]);
    }
    if (of->wanted[1]) {
        weld_value *inputs[] = {of->dy[0], of->node->inputs[0]};
        of->dx[1] = weld_graph_node(of->g, &weld_op_channel_dot, NULL, inputs, 2, 2);
    }
}

static void image(void *arg, int64_t i, int thread) {
    (void)thread;
    const weld_run *run = arg;
    const weld_shape *x = &run->in[0].shape;
    int64_t positions = x->dim[1] * x->dim[2], c = x->dim[3];
    run->kernels->affine(positions, c, weld_at(&run->in[0], i * positions * c),
                         weld_at(&run->in[1], i * c), NULL,
                         weld_at(&run->out[0], i * positions * c));
}

static void run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], image);
}

const weld_op weld_op_channel_scale = {
    .name = "channel_scale",
    .inputs = {2, 2},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cpu = {.inplace = 1 << 0, .run = run, .slicing = weld_slice_images, .sliced = 1 << 0 | 1 << 1},
};

weld_value *weld_channel_scale(weld_graph *g, weld_value *x, weld_value *s) {
    return weld_graph_node(g, &weld_op_channel_scale, NULL, (weld_value *[]){x, s}, 2, 2);
}

static weld_status dot_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                             weld_error *err) {
    (void)node;
    out[0] = (weld_tensor){weld_parameter_dtype(in[0].dtype), scale_shape(&in[0]), NULL};
    WELD_TRY(weld_expect_rank(&in[0], 4, "dy", "[n, h, w, c]", err));
    return weld_expect(&in[1], in[0].dtype, in[0].shape, "x", err);
}

/* A vector of sums for each thread. */
static size_t dot_workspace(const weld_run *run) {
    return (size_t)run->threads * (size_t)weld_channels(&run->in[0]) * sizeof(double);
}

static void dot_image(void *arg, int64_t i, int thread) {
    const weld_run *run = arg;
    const weld_shape *x = &run->in[0].shape;
    int64_t positions = x->dim[1] * x->dim[2], c = x->dim[3];
    double *sum = (double *)run->workspace + thread * c;
    run->kernels->channel_dot(positions, c, weld_at(&run->in[0], i * positions * c),
                              weld_at(&run->in[1], i * positions * c), NULL, NULL, sum);
    for (int64_t j = 0; j < c; j++) {
        weld_set(run->out[0].dtype, run->out[0].data, i * c + j, sum[j]);
    }
}

static void dot_run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], dot_image);
}

const weld_op weld_op_channel_dot = {
    .name = "channel_dot",
    .inputs = {2, 2},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW,
    .infer = dot_infer,
    .cpu = {.workspace = dot_workspace,
            .run = dot_run,
            .slicing = weld_slice_images,
            .sliced = 1 << 0 | 1 << 1},
};
