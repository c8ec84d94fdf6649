/* Layer norm over the last dimension (Ba, Kiros, Hinton 2016), and its gradient.
 *
 *     layer_norm       x [..., c], weight [c], bias [c] -> y [..., c]
 *     layer_norm_grad  x, weight, dy -> dx [..., c], dweight [c], dbias [c]
 *
 * The gradient takes mean and deviation of each row anew: nothing but x is kept for it. */
#include "ops/ops.h"

#include "base/error.h"

enum { X, WEIGHT, BIAS };

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

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    static const char *const names[] = {"x", "weight", "bias"};
    WELD_TRY(expect_channels_last(&in[X], err));
    WELD_TRY(weld_expect_channels(node, in, WEIGHT, BIAS, names, err));
    return weld_infer_same(node, in, out, err);
}

static void forward_rows(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *in = run->in;
    int64_t c = weld_channels(&in[X]);
    run->kernels->layer_norm(end - begin, c, weld_at(&in[X], begin * c), in[WEIGHT].data,
                             in[BIAS].data, run->node->attributes.eps,
                             weld_at(&run->out[0], begin * c));
}

static void run(const weld_run *run) {
    weld_run_rows(run, forward_rows);
}

static void grad(const weld_gradient *of) {
    weld_value *in[] = {of->node->inputs[X], of->node->inputs[WEIGHT], of->dy[0]};
    weld_attributes a = {.eps = of->node->attributes.eps};
    of->dx[X] = weld_graph_node(of->g, &weld_op_layer_norm_grad, &a, in, 3, 3);
    if (of->dx[X]) {
        of->dx[WEIGHT] = of->dx[X]->producer->outputs[1];
        of->dx[BIAS] = of->dx[X]->producer->outputs[2];
    }
}

const weld_op weld_op_layer_norm = {
    .name = "layer_norm",
    .inputs = {3, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_EPS,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .flops = 8,
    .cpu = {.inplace = 1 << X, .run = run, .slicing = weld_slice_rows, .sliced = 1 << X},
};

/* --- The gradient ----------------------------------------------------------------------------- */

enum { DY = 2 };
enum { DX, DWEIGHT, DBIAS };

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    static const char *const names[] = {"x", "weight"};
    WELD_TRY(expect_channels_last(&in[X], err));
    WELD_TRY(weld_expect_channels(node, in, WEIGHT, WEIGHT, names, err));
    out[DX] = (weld_tensor){in[X].dtype, in[X].shape, NULL};
    out[DWEIGHT] = out[DBIAS] = (weld_tensor){in[WEIGHT].dtype, in[WEIGHT].shape, NULL};
    return weld_expect(&in[DY], in[X].dtype, in[X].shape, "dy", err);
}

/* Every part keeps its own sums of dweight and dbias, so there are at most 64 of them. */
static weld_split grad_split(const weld_tensor *x) {
    int64_t rows = weld_rows(x);
    return weld_split_make(rows, max64(WELD_PIECE_ELEMENTS / weld_channels(x), (rows + 63) / 64), 1,
                           1);
}

static size_t grad_workspace(const weld_run *run) {
    return (size_t)(grad_split(&run->in[X]).count * 2 * weld_channels(&run->in[X])) *
           sizeof(double);
}

static void backward_part(void *arg, int64_t part, int thread) {
    (void)thread;
    const weld_run *run = arg;
    const weld_tensor *in = run->in;
    weld_split split = grad_split(&in[X]);
    int64_t c = weld_channels(&in[X]), begin = weld_split_begin(split, part);
    double *sums = (double *)run->workspace + part * 2 * c;
    run->kernels->layer_norm_grad(weld_split_begin(split, part + 1) - begin, c,
                                  weld_at(&in[X], begin * c), in[WEIGHT].data,
                                  run->node->attributes.eps, weld_at(&in[DY], begin * c),
                                  weld_at(&run->out[DX], begin * c), sums, sums + c);
}

static void put_sum(const weld_run *run, int output, int64_t i, double sum) {
    const weld_tensor *to = &run->out[output];
    weld_set(to->dtype, to->data, i,
             run->accumulate ? weld_get(to->dtype, to->data, i) + sum : sum);
}

static void grad_run(const weld_run *run) {
    int64_t parts = grad_split(&run->in[X]).count, c = weld_channels(&run->in[X]);
    weld_run_items(run, parts, backward_part);
    double *sums = run->workspace; /* [parts, 2, c], added up into the first */
    for (int64_t part = 1; part < parts; part++) {
        for (int64_t i = 0; i < 2 * c; i++) {
            sums[i] += sums[part * 2 * c + i];
        }
    }
    for (int64_t i = 0; i < c; i++) {
        put_sum(run, DWEIGHT, i, sums[i]);
        put_sum(run, DBIAS, i, sums[c + i]);
    }
}

const weld_op weld_op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .inputs = {3, 3},
    .outputs = 3,
    .attributes = WELD_ATTR_EPS,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW,
    .infer = grad_infer,
    .flops = 16,
    .cpu = {.inplace = 1 << X | 1 << DY,
            .workspace = grad_workspace,
            .run = grad_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << X | 1 << DY,
            .sums = 1 << DWEIGHT | 1 << DBIAS},
};

weld_value *weld_layer_norm(weld_graph *g, weld_value *x, weld_value *weight, weld_value *bias,
                            double eps) {
    weld_value *in[] = {x, weight, bias};
    return weld_graph_node(g, &weld_op_layer_norm, &(weld_attributes){.eps = eps}, in, 3, 3);
}
