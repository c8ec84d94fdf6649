/* conv2d_input_grad(dy, weight) -> dx of the shape in the attribute (dim 0 is dy's); conv2d.c says
 * the formula.
 *
 * In the general case each position's dy times the weight gives a patch of dx; patches overlap, so
 * an image is the unit of work there. */
#include "ops/conv2d.h"

#include <string.h>

enum { DY, WEIGHT };

static weld_shape input_shape(const weld_node *node, const weld_tensor *in) {
    weld_shape x = node->attributes.shape;
    x.dim[0] = in[DY].shape.dim[0];
    return x;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    weld_shape x = input_shape(node, in), weight = in[WEIGHT].shape;
    weld_status status = weld_conv2d_check(&node->attributes, x, weight, err);
    if (!status) {
        weld_conv2d_geometry g = weld_conv2d_geometry_of(&node->attributes, x, weight);
        status = weld_expect(&in[DY], in[DY].dtype, weld_conv2d_output_shape(&g), "dy", err);
    }
    status = status ? status
                    : weld_expect(&in[WEIGHT], weld_parameter_dtype(in[DY].dtype), weight, "weight",
                                  err);
    out[0].dtype = in[DY].dtype;
    out[0].shape = x;
    return status;
}

/* Of the tensors at hand, which may be slices: where every position is on its own, x has the
 * positions of dy. */
static weld_conv2d_geometry geometry_of(const weld_node *node, const weld_tensor *in) {
    weld_shape x = input_shape(node, in);
    weld_conv2d_geometry g = weld_conv2d_geometry_of(&node->attributes, x, in[WEIGHT].shape);
    if (g.slicing == WELD_SLICE_ROWS) {
        x.dim[1] = in[DY].shape.dim[1];
        x.dim[2] = in[DY].shape.dim[2];
        g = weld_conv2d_geometry_of(&node->attributes, x, in[WEIGHT].shape);
    }
    return g;
}

static weld_conv2d_call call_of(const weld_run *run) {
    return weld_conv2d_call_of(run, geometry_of(run->node, run->in), true);
}

static size_t workspace(const weld_run *run) {
    return call_of(run).patch_bytes * (size_t)run->threads;
}

static size_t prepared(const weld_run *run) {
    return call_of(run).prepared;
}

static void prepare(const weld_run *run, void *prepared) {
    weld_conv2d_call call = call_of(run);
    weld_conv2d_prepare(&call, prepared);
}

static void band(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_conv2d_call *call = arg;
    const weld_run *run = call->run;
    const weld_window *w = &call->geometry.window;
    int64_t image = item / call->blocks.count, band = item % call->blocks.count;
    run->kernels->depthwise_input_grad(w, weld_at(&run->in[DY], image * w->oh * w->ow * w->c),
                                       run->prepared, weld_split_begin(call->blocks, band),
                                       weld_split_begin(call->blocks, band + 1),
                                       weld_at(&run->out[0], image * w->h * w->w * w->c));
}

/* One image: patches of dx, each the product of a position's dy and the weight, added up. */
static void patches_of_image(void *arg, int64_t image, int thread) {
    const weld_conv2d_call *call = arg;
    const weld_run *run = call->run;
    const weld_kernels *kernels = run->kernels;
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_window *w = &g->window;
    int64_t image_elements = w->h * w->w * w->c;
    char *dx = weld_at(&run->out[0], image * image_elements);
    char *patches = (char *)run->workspace + call->patch_bytes * (size_t)thread;
    const char *packed = (const char *)run->prepared + call->packed;
    memset(dx, 0, (size_t)image_elements * weld_activation_size(kernels));
    for (int64_t block = 0; block < call->blocks.count; block++) {
        int64_t begin = weld_split_begin(call->blocks, block);
        int64_t end = weld_split_begin(call->blocks, block + 1);
        int64_t row = image * w->oh * w->ow + begin;
        for (int64_t i = 0; i < g->groups; i++) {
            kernels->gemm_packed(end - begin, g->patch, g->out_group,
                                 weld_at(&run->in[DY], row * g->out + i * g->out_group), g->out,
                                 packed + (size_t)i * call->packed_bytes, NULL, false, patches,
                                 g->patch);
            kernels->col2im(w, patches, i * g->in_group, g->in_group, begin, end, dx);
        }
    }
}

static void run(const weld_run *run) {
    weld_conv2d_call call = call_of(run);
    weld_conv2d_run(&call, band, patches_of_image, call.geometry.n);
}

static weld_conv2d_path path_of(const weld_node *node) {
    const weld_shape x = node->outputs[0]->shape, weight = node->inputs[WEIGHT]->shape;
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

static void count_cost(const weld_run *run, weld_cost *cost) {
    weld_conv2d_geometry g = geometry_of(run->node, run->in);
    cost->flops = 2.0 * (double)g.patch * (double)weld_shape_count(&run->in[DY].shape);
}

const weld_op weld_op_conv2d_input_grad = {
    .name = "conv2d_input_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_STRIDE | WELD_ATTR_PADDING | WELD_ATTR_GROUPS | WELD_ATTR_SHAPE |
                  WELD_ATTR_DILATION | WELD_ATTR_SAME,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .cost = count_cost,
    .node_traits = traits,
    .linear = linear,
    .cpu = {.workspace = workspace,
            .run = run,
            .prepared = prepared,
            .prepare = prepare,
            .prepares = 1u << WEIGHT,
            .slicing = slicing,
            .sliced = 1 << DY},
};

weld_value *weld_conv2d_input_grad(weld_graph *g, weld_value *dy, weld_value *weight,
                                   const weld_attributes *conv, weld_shape x) {
    weld_attributes a = *conv;
    a.shape = x;
    return weld_graph_node(g, &weld_op_conv2d_input_grad, &a, (weld_value *[]){dy, weight}, 2, 2);
}
