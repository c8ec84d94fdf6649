/* conv2d_input_grad(dy, weight) -> dx of the shape in the attribute (dim 0 is dy's); conv2d.c says
 * the formula.
 *
 * In the general case each position's dy times the weight gives a patch of dx; patches overlap, so
 * an image is the unit of work there. */
#include "ops/conv2d.h"

#include <string.h>

#include "base/threads.h"
#include "ops/products.h"

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

/* Where things lie: patches in the workspace, the others in what is prepared. */
typedef struct layout {
    weld_conv2d_geometry geometry;
    weld_split blocks;                  /* of one image: positions, or rows for depthwise */
    size_t packed, reordered, prepared; /* prepared: bytes of all */
    size_t packed_bytes, patch_bytes;   /* of one group; of one thread */
} layout;

typedef struct call {
    const weld_run *run;
    layout l;
} call;

static layout lay_out(const weld_node *node, const weld_tensor *in, const weld_kernels *kernels) {
    layout l = {.geometry = geometry_of(node, in)};
    const weld_conv2d_geometry *g = &l.geometry;
    size_t size = weld_activation_size(kernels);
    size_t weight_bytes = (size_t)(g->out * g->patch) * weld_dtype_size(in[WEIGHT].dtype);
    if (g->path == WELD_CONV2D_POINTWISE) {
        l.prepared = weld_row_product_prepared(kernels, g->out, g->window.c);
    } else if (g->path == WELD_CONV2D_DEPTHWISE) {
        l.blocks = weld_conv2d_bands(g, g->window.h, g->window.w);
        l.reordered = weld_reserve(&l.prepared, weight_bytes);
    } else if (g->path == WELD_CONV2D_PATCHES) {
        l.blocks = weld_conv2d_position_blocks(g);
        l.packed_bytes = kernels->packed_size(g->out_group, g->patch) * size;
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

static void channel_wise(const weld_run *run, int64_t begin, int64_t end, int thread) {
    (void)thread;
    int64_t c = weld_channels(&run->out[0]);
    run->kernels->affine(end - begin, c, weld_at(&run->in[DY], begin * c), run->in[WEIGHT].data,
                         NULL, weld_at(&run->out[0], begin * c));
}

static void band(void *arg, int64_t item, int thread) {
    (void)thread;
    const call *job = arg;
    const weld_run *run = job->run;
    const weld_window *w = &job->l.geometry.window;
    int64_t image = item / job->l.blocks.count, band = item % job->l.blocks.count;
    run->kernels->depthwise_input_grad(w, weld_at(&run->in[DY], image * w->oh * w->ow * w->c),
                                       run->prepared, weld_split_begin(job->l.blocks, band),
                                       weld_split_begin(job->l.blocks, band + 1),
                                       weld_at(&run->out[0], image * w->h * w->w * w->c));
}

static void pack_groups(const weld_run *run, const layout *l, char *prepared) {
    const weld_conv2d_geometry *g = &l->geometry;
    const weld_tensor *weight = &run->in[WEIGHT];
    char *reordered = prepared + l->reordered, *packed = prepared + l->packed;
    size_t group_bytes = (size_t)(g->out_group * g->patch) * weld_dtype_size(weight->dtype);
    weld_swap_inner(weight->dtype, g->out, g->in_group, g->taps, weight->data, reordered);
    for (int64_t i = 0; i < g->groups; i++) {
        run->kernels->pack(g->out_group, g->patch, reordered + (size_t)i * group_bytes, g->patch, 1,
                           packed + (size_t)i * l->packed_bytes);
    }
}

/* One image: patches of dx, each the product of a position's dy and the weight, added up. */
static void patches_of_image(void *arg, int64_t image, int thread) {
    const call *job = arg;
    const weld_run *run = job->run;
    const weld_kernels *kernels = run->kernels;
    const weld_conv2d_geometry *g = &job->l.geometry;
    const weld_window *w = &g->window;
    int64_t image_elements = w->h * w->w * w->c;
    char *dx = weld_at(&run->out[0], image * image_elements);
    char *patches = (char *)run->workspace + job->l.patch_bytes * (size_t)thread;
    const char *packed = (const char *)run->prepared + job->l.packed;
    memset(dx, 0, (size_t)image_elements * weld_activation_size(kernels));
    for (int64_t block = 0; block < job->l.blocks.count; block++) {
        int64_t begin = weld_split_begin(job->l.blocks, block);
        int64_t end = weld_split_begin(job->l.blocks, block + 1);
        int64_t row = image * w->oh * w->ow + begin;
        for (int64_t i = 0; i < g->groups; i++) {
            kernels->gemm_packed(end - begin, g->patch, g->out_group,
                                 weld_at(&run->in[DY], row * g->out + i * g->out_group), g->out,
                                 packed + (size_t)i * job->l.packed_bytes, NULL, false, patches,
                                 g->patch);
            kernels->col2im(w, patches, i * g->in_group, g->in_group, begin, end, dx);
        }
    }
}

static weld_row_product pointwise(const weld_run *run, const weld_conv2d_geometry *g) {
    return (weld_row_product){.rows = g->n * g->window.h * g->window.w,
                              .k = g->out,
                              .n = g->window.c,
                              .a = run->in[DY].data,
                              .b = run->in[WEIGHT].data,
                              .row_stride = g->window.c,
                              .column_stride = 1,
                              .c = run->out[0].data};
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
        weld_run_pieces(run, weld_rows(&run->out[0]), weld_piece_rows(g->out), channel_wise);
        break;
    case WELD_CONV2D_DEPTHWISE:
        weld_parallel(run->threads, g->n * job.l.blocks.count, band, &job);
        break;
    case WELD_CONV2D_PATCHES:
        weld_parallel(run->threads, g->n, patches_of_image, &job);
        break;
    }
}

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    return geometry_of(node, in).slicing;
}

static void cost(const weld_node *node, const weld_tensor *in, const weld_tensor *out,
                 double *flops, double *bytes) {
    weld_conv2d_geometry g = geometry_of(node, in);
    *flops = 2.0 * (double)g.patch * (double)weld_shape_count(&in[DY].shape);
    *bytes = weld_operand_bytes(node, in, out);
}

const weld_op weld_op_conv2d_input_grad = {
    .name = "conv2d_input_grad",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .attributes = WELD_ATTR_STRIDE | WELD_ATTR_PADDING | WELD_ATTR_GROUPS | WELD_ATTR_SHAPE,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .cost = cost,
    .node_traits = weld_conv2d_traits,
    .linear = weld_conv2d_linear,
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
