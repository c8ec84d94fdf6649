/* conv2d: y[n, oh, ow, out] = cross-correlation of x[n, h, w, in] with weight[out, in / groups, kh,
 * kw], plus bias[out] where there is one:
 *
 *     y[i, p, q, o] = bias[o] + sum over c, r, s of weight[o, c, r, s] *
 *         x[i, p stride_h - pad_h + r dilation_h, q stride_w - pad_w + s dilation_w,
 *           first channel of group + c]
 *
 * Where the padding is "same", pad_h and pad_w follow from the sizes, and there may be one more row
 * or column of it behind the input. y is of x's type, or `unrounded` of the weight's; then the
 * gradients of x and the weight are products with dy rounded to x's type.
 */
#include "ops/conv2d.h"

#include "base/error.h"
#include "ops/products.h"

enum { X, WEIGHT, BIAS };

static bool is_product(weld_conv2d_path path) {
    return path == WELD_CONV2D_POINTWISE || path == WELD_CONV2D_PATCHES;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    const weld_attributes *a = &node->attributes;
    weld_status status = weld_conv2d_check(a, in[X].shape, in[WEIGHT].shape, err);
    status = status ? status
                    : weld_expect(&in[WEIGHT], weld_parameter_dtype(in[X].dtype), in[WEIGHT].shape,
                                  "weight", err);
    if (!status && node->input_count > BIAS && node->inputs[BIAS]) {
        status = weld_expect(&in[BIAS], in[WEIGHT].dtype, WELD_SHAPE(in[WEIGHT].shape.dim[0]),
                             "bias", err);
    }
    if (!status) {
        weld_conv2d_geometry g = weld_conv2d_geometry_of(a, in[X].shape, in[WEIGHT].shape);
        if (a->unrounded && !is_product(g.path)) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "unrounded: convolutions with a group a channel round what they give");
        }
        out[0].dtype = a->unrounded ? in[WEIGHT].dtype : in[X].dtype;
        out[0].shape = weld_conv2d_output_shape(&g);
    }
    return status;
}

static void grad(const weld_gradient *of) {
    weld_value *x = of->node->inputs[X], *weight = of->node->inputs[WEIGHT];
    weld_value *dy = weld_cast(of->g, of->dy[0], x->dtype);
    weld_attributes a = of->node->attributes;
    a.unrounded = false;
    if (of->wanted[X]) {
        of->dx[X] = weld_conv2d_input_grad(of->g, dy, weight, &a, x->shape);
    }
    if (of->wanted[WEIGHT]) {
        of->dx[WEIGHT] = weld_conv2d_weight_grad(of->g, x, dy, &a, weight->shape);
    }
    if (of->node->input_count > BIAS && of->wanted[BIAS]) {
        of->dx[BIAS] = weld_channel_sum(of->g, of->dy[0]);
    }
}

static weld_conv2d_geometry geometry_of(const weld_node *node, const weld_tensor *in) {
    return weld_conv2d_geometry_of(&node->attributes, in[X].shape, in[WEIGHT].shape);
}

static weld_conv2d_call call_of(const weld_run *run) {
    return weld_conv2d_call_of(run, geometry_of(run->node, run->in), false);
}

static size_t workspace(const weld_run *run) {
    return call_of(run).workspace;
}

static size_t prepared(const weld_run *run) {
    return call_of(run).prepared;
}

static void prepare(const weld_run *run, void *prepared) {
    weld_conv2d_call call = call_of(run);
    weld_conv2d_prepare(&call, prepared);
}

static void depthwise_band(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_conv2d_call *call = arg;
    const weld_run *run = call->run;
    const weld_window *w = &call->geometry.window;
    const int64_t image = item / call->blocks.count, band = item % call->blocks.count;
    const int64_t begin = weld_split_begin(call->blocks, band);
    const int64_t end = weld_split_begin(call->blocks, band + 1);
    const int64_t row = w->ow * w->c, first = image * w->oh * row;
    run->kernels->depthwise(w, weld_at(&run->in[X], image * w->h * w->w * w->c), run->prepared,
                            weld_optional(run, BIAS), begin, end, weld_at(&run->out[0], first));
    weld_finish(run, end - begin, row, row, weld_at(&run->out[0], first + begin * row));
}

static void patches_block(void *arg, int64_t item, int thread) {
    const weld_conv2d_call *call = arg;
    const weld_run *run = call->run;
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_window *w = &g->window;
    int64_t image = item / call->blocks.count, block = item % call->blocks.count;
    int64_t begin = weld_split_begin(call->blocks, block);
    int64_t end = weld_split_begin(call->blocks, block + 1);
    const void *x = weld_at(&run->in[X], image * w->h * w->w * w->c);
    const int64_t at = image * w->oh * w->ow + begin;
    char *patches = (char *)run->workspace + call->patch_bytes * (size_t)thread;
    const char *packed = (const char *)run->prepared + call->packed;
    for (int64_t i = 0; i < g->groups; i++) {
        int64_t channel = i * g->out_group;
        const void *bias = weld_optional(run, BIAS) ? weld_at(&run->in[BIAS], channel) : NULL;
        run->kernels->im2col(w, x, i * g->in_group, g->in_group, begin, end, patches);
        weld_multiply_packed(run, end - begin, g->out_group, g->patch, patches, g->patch,
                             packed + (size_t)i * call->packed_bytes, bias,
                             weld_at(&run->out[0], at * g->out + channel), g->out);
    }
    weld_finish(run, end - begin, g->out, g->out, weld_at(&run->out[0], at * g->out));
}

static void run(const weld_run *run) {
    weld_conv2d_call call = call_of(run);
    weld_conv2d_run(&call, depthwise_band, patches_block, call.geometry.n * call.blocks.count);
}

static weld_conv2d_path path_of(const weld_node *node) {
    const weld_shape x = node->inputs[X]->shape, weight = node->inputs[WEIGHT]->shape;
    return weld_conv2d_geometry_of(&node->attributes, x, weight).path;
}

static unsigned traits(const weld_node *node) {
    return weld_conv2d_traits(path_of(node), true);
}

static weld_linear_form linear(const weld_node *node) {
    return weld_conv2d_linear(node, path_of(node));
}

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    return geometry_of(node, in).slicing;
}

/* In bf16 products are as fast as the function that is taken of them, and gain nothing; single
 * positions (squeeze-and-excitation) are spared a node. */
static bool finishes(const weld_node *node, const weld_kernels *kernels) {
    const int64_t *y = node->outputs[0]->shape.dim;
    return weld_finishes_floats(node, kernels) || path_of(node) == WELD_CONV2D_DEPTHWISE ||
           y[1] * y[2] == 1;
}

static void count_cost(const weld_run *run, weld_cost *cost) {
    weld_conv2d_geometry g = geometry_of(run->node, run->in);
    cost->flops = 2.0 * (double)g.patch * (double)weld_shape_count(&run->out[0].shape);
}

const weld_op weld_op_conv2d = {
    .name = "conv2d",
    .inputs = {2, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_STRIDE | WELD_ATTR_PADDING | WELD_ATTR_GROUPS | WELD_ATTR_DILATION |
                  WELD_ATTR_SAME | WELD_ATTR_UNROUNDED,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CONVOLUTION,
    .infer = infer,
    .grad = grad,
    .cost = count_cost,
    .macs = weld_weight_macs,
    .node_traits = traits,
    .linear = linear,
    .cpu = {.workspace = workspace,
            .run = run,
            .prepared = prepared,
            .prepare = prepare,
            .prepares = 1u << WEIGHT,
            .slicing = slicing,
            .sliced = 1 << X,
            .finishes = finishes},
};

weld_value *weld_conv2d(weld_graph *g, weld_value *x, weld_value *weight, weld_value *bias,
                        weld_conv2d_options options) {
    weld_attributes a = {.groups = options.groups ? options.groups : 1, .same = options.same};
    for (int i = 0; i < 2; i++) {
        a.stride[i] = options.stride[i] ? options.stride[i] : 1;
        a.padding[i] = options.padding[i];
        a.dilation[i] = options.dilation[i] == 1 ? 0 : options.dilation[i];
    }
    return weld_graph_node(g, &weld_op_conv2d, &a, (weld_value *[]){x, weight, bias}, bias ? 3 : 2,
                           2);
}
