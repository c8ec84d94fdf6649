/* conv2d: y[n, oh, ow, out] = cross-correlation of x[n, h, w, in] with weight[out, in / groups, kh,
 * kw], plus bias[out] where there is one:
 *
 *     y[i, p, q, o] = bias[o] + sum over c, r, s of weight[o, c, r, s] *
 *                     x[i, p stride_h - pad_h + r, q stride_w - pad_w + s, first channel of group +
 * c]
 */
#include "ops/conv2d.h"

#include "base/threads.h"
#include "ops/products.h"

enum { X, WEIGHT, BIAS };

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
        out[0].dtype = in[X].dtype;
        out[0].shape = weld_conv2d_output_shape(&g);
    }
    return status;
}

static void grad(weld_graph *g, const weld_node *node, weld_value *const *dy, const bool *wanted,
                 weld_value **dx) {
    weld_value *x = node->inputs[X], *weight = node->inputs[WEIGHT];
    if (wanted[X]) {
        dx[X] = weld_conv2d_input_grad(g, dy[0], weight, &node->attributes, x->shape);
    }
    if (wanted[WEIGHT]) {
        dx[WEIGHT] = weld_conv2d_weight_grad(g, x, dy[0], &node->attributes, weight->shape);
    }
    if (node->input_count > BIAS && wanted[BIAS]) {
        dx[BIAS] = weld_channel_sum(g, dy[0]);
    }
}

/* Where things lie: patches in the workspace, the others in what is prepared. */
typedef struct layout {
    weld_conv2d_geometry geometry;
    weld_split blocks;                  /* of positions, or of rows for depthwise */
    size_t packed, reordered, prepared; /* prepared: bytes of all */
    size_t packed_bytes, patch_bytes;   /* of one group; of one thread */
} layout;

static layout lay_out(const weld_node *node, const weld_tensor *in, const weld_kernels *kernels) {
    layout l = {.geometry =
                    weld_conv2d_geometry_of(&node->attributes, in[X].shape, in[WEIGHT].shape)};
    const weld_conv2d_geometry *g = &l.geometry;
    size_t size = weld_activation_size(kernels);
    size_t weight_bytes = (size_t)(g->out * g->patch) * weld_dtype_size(in[WEIGHT].dtype);
    if (g->path == WELD_CONV2D_POINTWISE) {
        l.prepared = weld_row_product_prepared(kernels, g->window.c, g->out);
    } else if (g->path == WELD_CONV2D_DEPTHWISE) {
        l.blocks = weld_conv2d_bands(g, g->window.oh, g->window.ow);
        l.reordered = weld_reserve(&l.prepared, weight_bytes);
    } else if (g->path == WELD_CONV2D_PATCHES) {
        l.blocks = weld_conv2d_position_blocks(g);
        l.packed_bytes = kernels->packed_size(g->patch, g->out_group) * size;
        l.packed = weld_reserve(&l.prepared, l.packed_bytes * (size_t)g->groups);
        l.reordered = weld_reserve(&l.prepared, weight_bytes);
        l.patch_bytes = (size_t)(weld_split_largest(l.blocks) * g->patch) * size;
    }
    return l;
}

static size_t workspace(const weld_node *node, const weld_tensor *in, const weld_tensor *out,
                        const weld_kernels *kernels, int threads) {
    (void)out;
    return lay_out(node, in, kernels).patch_bytes * (size_t)threads;
}

static size_t prepared(const weld_node *node, const weld_tensor *in, const weld_tensor *out,
                       const weld_kernels *kernels) {
    (void)out;
    return lay_out(node, in, kernels).prepared;
}

typedef struct call {
    const weld_run *run;
    layout l;
} call;

static weld_row_product pointwise(const weld_run *run, const weld_conv2d_geometry *g) {
    return (weld_row_product){.rows = g->n * g->window.h * g->window.w,
                              .k = g->window.c,
                              .n = g->out,
                              .a = run->in[X].data,
                              .b = run->in[WEIGHT].data,
                              .row_stride = 1,
                              .column_stride = g->window.c,
                              .bias = weld_optional(run, BIAS),
                              .c = run->out[0].data};
}

static void channel_wise_rows(const weld_run *run, int64_t begin, int64_t end, int thread) {
    (void)thread;
    int64_t c = weld_channels(&run->in[X]);
    run->kernels->affine(end - begin, c, weld_at(&run->in[X], begin * c), run->in[WEIGHT].data,
                         weld_optional(run, BIAS), weld_at(&run->out[0], begin * c));
}

static void depthwise_band(void *arg, int64_t item, int thread) {
    (void)thread;
    const call *job = arg;
    const weld_run *run = job->run;
    const weld_window *w = &job->l.geometry.window;
    int64_t image = item / job->l.blocks.count, band = item % job->l.blocks.count;
    run->kernels->depthwise(w, weld_at(&run->in[X], image * w->h * w->w * w->c), run->prepared,
                            weld_optional(run, BIAS), weld_split_begin(job->l.blocks, band),
                            weld_split_begin(job->l.blocks, band + 1),
                            weld_at(&run->out[0], image * w->oh * w->ow * w->c));
}

static void pack_groups(const weld_run *run, const layout *l, char *prepared) {
    const weld_conv2d_geometry *g = &l->geometry;
    const weld_tensor *weight = &run->in[WEIGHT];
    char *reordered = prepared + l->reordered, *packed = prepared + l->packed;
    size_t group_bytes = (size_t)(g->out_group * g->patch) * weld_dtype_size(weight->dtype);
    weld_swap_inner(weight->dtype, g->out, g->in_group, g->taps, weight->data, reordered);
    for (int64_t i = 0; i < g->groups; i++) {
        run->kernels->pack(g->patch, g->out_group, reordered + (size_t)i * group_bytes, 1, g->patch,
                           packed + (size_t)i * l->packed_bytes);
    }
}

static void patches_block(void *arg, int64_t item, int thread) {
    const call *job = arg;
    const weld_run *run = job->run;
    const weld_conv2d_geometry *g = &job->l.geometry;
    const weld_window *w = &g->window;
    int64_t image = item / job->l.blocks.count, block = item % job->l.blocks.count;
    int64_t begin = weld_split_begin(job->l.blocks, block);
    int64_t end = weld_split_begin(job->l.blocks, block + 1);
    const void *x = weld_at(&run->in[X], image * w->h * w->w * w->c);
    char *patches = (char *)run->workspace + job->l.patch_bytes * (size_t)thread;
    const char *packed = (const char *)run->prepared + job->l.packed;
    for (int64_t i = 0; i < g->groups; i++) {
        int64_t channel = i * g->out_group;
        const void *bias = weld_optional(run, BIAS) ? weld_at(&run->in[BIAS], channel) : NULL;
        run->kernels->im2col(w, x, i * g->in_group, g->in_group, begin, end, patches);
        run->kernels->gemm_packed(
            end - begin, g->out_group, g->patch, patches, g->patch,
            packed + (size_t)i * job->l.packed_bytes, bias, false,
            weld_at(&run->out[0], (image * w->oh * w->ow + begin) * g->out + channel), g->out);
    }
}

static void prepare(const weld_run *run, void *prepared) {
    layout l = lay_out(run->node, run->in, run->kernels);
    const weld_conv2d_geometry *g = &l.geometry;
    if (g->path == WELD_CONV2D_POINTWISE) {
        weld_row_product product = pointwise(run, g);
        weld_row_product_prepare(&product, run, prepared);
    } else if (g->path == WELD_CONV2D_DEPTHWISE) {
        weld_swap_inner(run->in[WEIGHT].dtype, 1, g->out, g->taps, run->in[WEIGHT].data, prepared);
    } else if (g->path == WELD_CONV2D_PATCHES) {
        pack_groups(run, &l, prepared);
    }
}

static void run(const weld_run *run) {
    call job = {run, lay_out(run->node, run->in, run->kernels)};
    const weld_conv2d_geometry *g = &job.l.geometry;
    switch (g->path) {
    case WELD_CONV2D_POINTWISE: {
        weld_row_product product = pointwise(run, g);
        weld_row_product_run(&product, run);
        break;
    }
    case WELD_CONV2D_CHANNEL_WISE:
        weld_run_pieces(run, weld_rows(&run->in[X]), weld_piece_rows(g->out), channel_wise_rows);
        break;
    case WELD_CONV2D_DEPTHWISE:
        weld_parallel(run->threads, g->n * job.l.blocks.count, depthwise_band, &job);
        break;
    case WELD_CONV2D_PATCHES:
        weld_parallel(run->threads, g->n * job.l.blocks.count, patches_block, &job);
        break;
    }
}

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    return weld_conv2d_geometry_of(&node->attributes, in[X].shape, in[WEIGHT].shape).slicing;
}

static void cost(const weld_node *node, const weld_tensor *in, const weld_tensor *out,
                 double *flops, double *bytes) {
    weld_conv2d_geometry g =
        weld_conv2d_geometry_of(&node->attributes, in[X].shape, in[WEIGHT].shape);
    *flops = 2.0 * (double)g.patch * (double)weld_shape_count(&out[0].shape);
    *bytes = weld_operand_bytes(node, in, out);
}

const weld_op weld_op_conv2d = {
    .name = "conv2d",
    .min_inputs = 2,
    .max_inputs = 3,
    .outputs = 1,
    .attributes = WELD_ATTR_STRIDE | WELD_ATTR_PADDING | WELD_ATTR_GROUPS,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_CONVOLUTION,
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .macs = weld_weight_macs,
    .node_traits = weld_conv2d_traits,
    .linear = weld_conv2d_linear,
    .cpu = {.workspace = workspace,
            .run = run,
            .prepared = prepared,
            .prepare = prepare,
            .prepares = 1u << WEIGHT,
            .slicing = slicing,
            .sliced = 1 << X},
};

weld_value *weld_conv2d(weld_graph *g, weld_value *x, weld_value *weight, weld_value *bias,
                        weld_conv2d_options options) {
    weld_attributes a = {.groups = options.groups ? options.groups : 1};
    for (int i = 0; i < 2; i++) {
        a.stride[i] = options.stride[i] ? options.stride[i] : 1;
        a.padding[i] = options.padding[i];
    }
    return weld_graph_node(g, &weld_op_conv2d, &a, (weld_value *[]){x, weight, bias}, bias ? 3 : 2,
                           2);
}
