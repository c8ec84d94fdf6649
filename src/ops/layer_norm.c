/* Layer norm over the last dimension (Ba, Kiros, Hinton 2016), and its gradient.
 *
 *     layer_norm       x [..., c], weight [c], bias [c] -> y [..., c], mean [...], rstd [...]
 *     layer_norm_grad  x, weight, mean, rstd, dy -> dx [..., c], dweight [c], dbias [c]
 */
#include "ops/ops.h"

#include "base/error.h"

static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static weld_status expect_channels_last(const weld_tensor *x, weld_error *err) {
    char text[128];
    return x->shape.rank >= 2
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_SHAPE, "x must be [batch, ..., channels], is %s",
                           weld_shape_text(&x->shape, text, sizeof text));
}

/* The shape of a mean over channels. */
static weld_shape per_row(const weld_tensor *x) {
    weld_shape shape = x->shape;
    shape.dim[--shape.rank] = 0;
    return shape;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    (void)node;
    const weld_tensor *x = &in[0];
    WELD_TRY(expect_channels_last(x, err));
    weld_shape vector = WELD_SHAPE(weld_channels(x));
    weld_status status = weld_expect(&in[1], x->dtype, vector, "weight", err);
    status = status ? status : weld_expect(&in[2], x->dtype, vector, "bias", err);
    for (int i = 0; i < 3; i++) {
        out[i].dtype = x->dtype;
        out[i].shape = i == 0 ? x->shape : per_row(x);
    }
    return status;
}

static void forward_rows(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *in = run->in, *out = run->out;
    int64_t c = weld_channels(&in[0]);
    run->kernels->layer_norm(end - begin, c, weld_at(&in[0], begin * c), in[1].data, in[2].data,
                             run->node->attributes.eps, weld_at(&out[0], begin * c),
                             weld_at(&out[1], begin), weld_at(&out[2], begin));
}

static void run(const weld_run *run) {
    weld_run_rows(run, forward_rows);
}

static void grad(const weld_gradient *of) {
    weld_value *in[] = {of->node->inputs[0], of->node->inputs[1], of->node->outputs[1],
                        of->node->outputs[2], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &weld_op_layer_norm_grad, &(weld_attributes){0}, in, 5, 5);
    if (of->dx[0]) {
        of->dx[1] = of->dx[0]->producer->outputs[1];
        of->dx[2] = of->dx[0]->producer->outputs[2];
    }
}

const weld_op weld_op_layer_norm = {
    .name = "layer_norm",
    .inputs = {3, 3},
    .outputs = 3,
    .attributes = WELD_ATTR_EPS,
    .types = WELD_TYPES_FLOAT,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    (void)node;
    const weld_tensor *x = &in[0];
    weld_status status = expect_channels_last(x, err);
    static const char *const names[] = {"weight", "mean", "rstd", "dy"};
    for (int i = 1; !status && i < 5; i++) {
        weld_shape shape = i == 1 ? WELD_SHAPE(weld_channels(x)) : i == 4 ? x->shape : per_row(x);
        status = weld_expect(&in[i], x->dtype, shape, names[i - 1], err);
    }
    for (int i = 0; i < 3; i++) {
        out[i].dtype = x->dtype;
        out[i].shape = i == 0 ? x->shape : in[1].shape;
    }
    return status;
}

/* Every part keeps its own sums of dweight and dbias, so there are at most 64 of them. */
static weld_split grad_split(const weld_tensor *x) {
    int64_t rows = weld_rows(x);
    return weld_split_make(rows, max64(WELD_PIECE_ELEMENTS / weld_channels(x), (rows + 63) / 64), 1,
                           1);
}

static size_t grad_workspace(const weld_run *run) {
    return (size_t)(grad_split(&run->in[0]).count * 2 * weld_channels(&run->in[0])) *
           sizeof(double);
}

static void backward_part(void *arg, int64_t part, int thread) {
    (void)thread;
    const weld_run *run = arg;
    const weld_tensor *in = run->in;
    weld_split split = grad_split(&in[0]);
    int64_t c = weld_channels(&in[0]), begin = weld_split_begin(split, part);
    double *sums = (double *)run->workspace + part * 2 * c;
    run->kernels->layer_norm_grad(weld_split_begin(split, part + 1) - begin, c,
                                  weld_at(&in[0], begin * c), in[1].data, weld_at(&in[2], begin),
                                  weld_at(&in[3], begin), weld_at(&in[4], begin * c),
                                  weld_at(&run->out[0], begin * c), sums, sums + c);
}

static void grad_run(const weld_run *run) {
    int64_t parts = grad_split(&run->in[0]).count, c = weld_channels(&run->in[0]);
    weld_run_items(run, parts, backward_part);
    double *sums = run->workspace; /* [parts, 2, c], added up into the first */
    for (int64_t part = 1; part < parts; part++) {
        for (int64_t i = 0; i < 2 * c; i++) {
            sums[i] += sums[part * 2 * c + i];
        }
    }
    for (int64_t i = 0; i < c; i++) {
        weld_set(run->out[1].dtype, run->out[1].data, i, sums[i]);
        weld_set(run->out[2].dtype, run->out[2].data, i, sums[c + i]);
    }
}

const weld_op weld_op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .inputs = {5, 5},
    .outputs = 3,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.workspace = grad_workspace, .run = grad_run},
};

weld_value *weld_layer_norm(weld_graph *g, weld_value *x, weld_value *weight, weld_value *bias,
                            double eps) {
    weld_value *in[] = {x, weight, bias};
    return weld_graph_node(g, &weld_op_layer_norm, &(weld_attributes){.eps = eps}, in, 3, 3);
}
