/* conv2d_weight_grad(x, dy) -> dweight; conv2d.c says the formula.
 *
 * A sum over all positions of all images: split into fixed ranges of blocks, each with a partial
 * sum of its own, which are then added in order. */
#include "ops/conv2d.h"

#include <string.h>

#include "base/error.h"
#include "ops/products.h"

enum { X, DY };

static weld_shape weight_shape(const weld_node *node, const weld_tensor *in) {
    const weld_attributes *a = &node->attributes;
    return WELD_SHAPE(in[DY].shape.dim[3], in[X].shape.dim[3] / a->groups, a->kernel[0],
                      a->kernel[1]);
}

static weld_conv2d_geometry geometry_of(const weld_node *node, const weld_tensor *in) {
    return weld_conv2d_geometry_of(&node->attributes, in[X].shape, weight_shape(node, in));
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    const weld_attributes *a = &node->attributes;
    weld_status status = weld_expect_rank(&in[X], 4, "x", "[n, h, w, c]", err);
    status = status ? status : weld_expect_rank(&in[DY], 4, "dy", "[n, oh, ow, out]", err);
    if (!status && (a->groups < 1 || a->kernel[0] < 1 || a->kernel[1] < 1)) {
        status = weld_fail(err, WELD_ERROR_SHAPE, "groups %d and kernel %d x %d must be positive",
                           a->groups, a->kernel[0], a->kernel[1]);
    }
    if (status) {
        return status;
    }
    out[0].dtype = weld_parameter_dtype(in[X].dtype);
    out[0].shape = weight_shape(node, in);
    status = weld_conv2d_check(a, in[X].shape, out[0].shape, err);
    if (!status) {
        weld_conv2d_geometry g = weld_conv2d_geometry_of(a, in[X].shape, out[0].shape);
        status = weld_expect(&in[DY], in[X].dtype, weld_conv2d_output_shape(&g), "dy", err);
    }
    return status;
}

/* Where things lie in the workspace, and how the work is split. */
typedef struct layout {
    weld_conv2d_geometry geometry;
    weld_split blocks; /* of one image: positions, or rows for depthwise */
    weld_row_sum sum;  /* over all blocks of all images */
    size_t patches, partials, total;
    size_t patch_bytes; /* of one thread */
} layout;

typedef struct call {
    const weld_run *run;
    layout l;
} call;

static layout lay_out(const weld_run *run) {
    layout l = {.geometry = geometry_of(run->node, run->in)};
    const weld_kernels *kernels = run->kernels;
    const weld_conv2d_geometry *g = &l.geometry;
    const weld_window *w = &g->window;
    size_t size = weld_parameter_size(kernels);
    if (g->path == WELD_CONV2D_POINTWISE) {
        l.total = weld_transposed_product_workspace(kernels, g->n * w->h * w->w, g->out, w->c);
    } else if (g->path == WELD_CONV2D_CHANNEL_WISE) {
        l.sum = weld_row_sum_split(g->n * w->h * w->w, 1, 1, w->c);
        l.partials = weld_reserve(&l.total, (size_t)(l.sum.chunks.count * w->c) * sizeof(double));
    } else if (g->path == WELD_CONV2D_DEPTHWISE) {
        l.blocks = weld_conv2d_bands(g, w->oh, w->ow);
        l.sum = weld_row_sum_split(g->n * l.blocks.count, w->oh * w->ow / l.blocks.count, 1,
                                   g->taps * g->out);
        l.partials = weld_reserve(&l.total, (size_t)(l.sum.chunks.count * g->taps * g->out) * size);
    } else {
        l.blocks = weld_conv2d_position_blocks(g);
        l.sum = weld_row_sum_split(g->n * l.blocks.count, w->oh * w->ow / l.blocks.count,
                                   g->groups == 1 ? g->out : g->groups,
                                   g->groups == 1 ? g->patch : g->out_group * g->patch);
        l.patch_bytes =
            (size_t)(weld_split_largest(l.blocks) * g->patch) * weld_activation_size(kernels);
        l.patches = weld_reserve(&l.total, l.patch_bytes * (size_t)run->threads);
        l.partials =
            weld_reserve(&l.total, (size_t)(l.sum.chunks.count * g->out * g->patch) * size);
    }
    return l;
}

static size_t workspace(const weld_run *run) {
    return lay_out(run).total;
}

static void channel_wise_chunk(void *arg, int64_t chunk, int thread) {
    (void)thread;
    const call *job = arg;
    const weld_run *run = job->run;
    int64_t c = job->l.geometry.out;
    int64_t begin = weld_split_begin(job->l.sum.chunks, chunk);
    int64_t end = weld_split_begin(job->l.sum.chunks, chunk + 1);
    double *partial = (double *)((char *)run->workspace + job->l.partials) + chunk * c;
    run->kernels->channel_dot(end - begin, c, weld_at(&run->in[DY], begin * c),
                              weld_at(&run->in[X], begin * c), NULL, NULL, partial);
}

static void depthwise_chunk(void *arg, int64_t chunk, int thread) {
    (void)thread;
    const call *job = arg;
    const weld_run *run = job->run;
    const weld_conv2d_geometry *g = &job->l.geometry;
    const weld_window *w = &g->window;
    size_t bytes = (size_t)(g->taps * g->out) * weld_parameter_size(run->kernels);
    char *partial = (char *)run->workspace + job->l.partials + (size_t)chunk * bytes;
    memset(partial, 0, bytes);
    int64_t end = weld_split_begin(job->l.sum.chunks, chunk + 1);
    for (int64_t unit = weld_split_begin(job->l.sum.chunks, chunk); unit < end; unit++) {
        int64_t image = unit / job->l.blocks.count, band = unit % job->l.blocks.count;
        run->kernels->depthwise_weight_grad(w, weld_at(&run->in[X], image * w->h * w->w * w->c),
                                            weld_at(&run->in[DY], image * w->oh * w->ow * w->c),
                                            weld_split_begin(job->l.blocks, band),
                                            weld_split_begin(job->l.blocks, band + 1), partial);
    }
}

/* What one block of positions gives to rows [begin, end) of one group's part of dweight. */
static void add_block(const call *job, int64_t unit, int64_t group, int64_t begin, int64_t end,
                      bool accumulate, char *patches, char *partial) {
    const weld_run *run = job->run;
    const weld_conv2d_geometry *g = &job->l.geometry;
    const weld_window *w = &g->window;
    int64_t image = unit / job->l.blocks.count, block = unit % job->l.blocks.count;
    int64_t first = weld_split_begin(job->l.blocks, block);
    int64_t last = weld_split_begin(job->l.blocks, block + 1);
    int64_t channel = group * g->out_group + begin;
    int64_t row = image * w->oh * w->ow + first;
    run->kernels->im2col(w, weld_at(&run->in[X], image * w->h * w->w * w->c), group * g->in_group,
                         g->in_group, first, last, patches);
    run->kernels->gemm_at_b(
        end - begin, g->patch, last - first, weld_at(&run->in[DY], row * g->out + channel), g->out,
        patches, g->patch, accumulate,
        partial + (size_t)(channel * g->patch) * weld_parameter_size(run->kernels), g->patch);
}

/* One range of blocks, for one range of output channels or, where there are groups, of groups. */
static void patches_item(void *arg, int64_t item, int thread) {
    const call *job = arg;
    const layout *l = &job->l;
    const weld_conv2d_geometry *g = &l->geometry;
    char *patches = (char *)job->run->workspace + l->patches + l->patch_bytes * (size_t)thread;
    int64_t chunk = item / l->sum.blocks.count, part = item % l->sum.blocks.count;
    size_t bytes = (size_t)(g->out * g->patch) * weld_parameter_size(job->run->kernels);
    char *partial = (char *)job->run->workspace + l->partials + (size_t)chunk * bytes;
    int64_t part_begin = weld_split_begin(l->sum.blocks, part);
    int64_t part_end = weld_split_begin(l->sum.blocks, part + 1);
    int64_t first = weld_split_begin(l->sum.chunks, chunk);
    int64_t last = weld_split_begin(l->sum.chunks, chunk + 1);
    for (int64_t unit = first; unit < last; unit++) {
        if (g->groups == 1) {
            add_block(job, unit, 0, part_begin, part_end, unit > first, patches, partial);
            continue;
        }
        for (int64_t group = part_begin; group < part_end; group++) {
            add_block(job, unit, group, 0, g->out_group, unit > first, patches, partial);
        }
    }
}

/* Sums of doubles, in order, into dweight[c, 1, 1, 1]. */
static void add_doubles(const weld_run *run, const layout *l) {
    const double *partials = (const double *)((const char *)run->workspace + l->partials);
    for (int64_t j = 0; j < l->geometry.out; j++) {
        double sum = 0;
        for (int64_t i = 0; i < l->sum.chunks.count; i++) {
            sum += partials[i * l->geometry.out + j];
        }
        if (run->accumulate) {
            sum += weld_get(run->out[0].dtype, run->out[0].data, j);
        }
        weld_set(run->out[0].dtype, run->out[0].data, j, sum);
    }
}

/* dweight[out, in, taps] += sum[out, taps, in], or where the groups are channels sum[taps, out]. */
static void add_swapped(weld_dtype dtype, const weld_conv2d_geometry *g, const void *sum,
                        void *dweight) {
    const bool depthwise = g->path == WELD_CONV2D_DEPTHWISE;
    const int64_t outer = depthwise ? 1 : g->out, inner = depthwise ? g->out : g->in_group;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            for (int64_t t = 0; t < g->taps; t++) {
                const int64_t to = (o * inner + i) * g->taps + t,
                              from = (o * g->taps + t) * inner + i;
                if (dtype == WELD_F64) {
                    ((double *)dweight)[to] += ((const double *)sum)[from];
                } else {
                    ((float *)dweight)[to] += ((const float *)sum)[from];
                }
            }
        }
    }
}

/* Partial sums into dweight, out of the order of patches. */
static void finish(const weld_run *run, const layout *l) {
    const weld_conv2d_geometry *g = &l->geometry;
    weld_dtype dtype = run->out[0].dtype;
    int64_t count = g->out * g->patch;
    char *partials = (char *)run->workspace + l->partials;
    weld_add_partials(run, l->sum.chunks.count - 1, count,
                      partials + (size_t)count * weld_dtype_size(dtype), partials);
    if (run->accumulate) {
        add_swapped(dtype, g, partials, run->out[0].data);
    } else if (g->path == WELD_CONV2D_DEPTHWISE) {
        weld_swap_inner(dtype, 1, g->taps, g->out, partials, run->out[0].data);
    } else {
        weld_swap_inner(dtype, g->out, g->taps, g->in_group, partials, run->out[0].data);
    }
}

static void run(const weld_run *run) {
    call job = {run, lay_out(run)};
    const weld_conv2d_geometry *g = &job.l.geometry;
    int64_t chunks = job.l.sum.chunks.count;
    switch (g->path) {
    case WELD_CONV2D_POINTWISE: {
        weld_transposed_product product = {.rows = g->n * g->window.h * g->window.w,
                                           .m = g->out,
                                           .n = g->window.c,
                                           .a = run->in[DY].data,
                                           .b = run->in[X].data,
                                           .c = run->out[0].data};
        weld_transposed_product_run(&product, run);
        break;
    }
    case WELD_CONV2D_CHANNEL_WISE:
        weld_parallel(run->threads, chunks, channel_wise_chunk, &job);
        add_doubles(run, &job.l);
        break;
    case WELD_CONV2D_DEPTHWISE:
        weld_parallel(run->threads, chunks, depthwise_chunk, &job);
        finish(run, &job.l);
        break;
    case WELD_CONV2D_PATCHES:
        weld_parallel(run->threads, chunks * job.l.sum.blocks.count, patches_item, &job);
        finish(run, &job.l);
        break;
    }
}

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    return geometry_of(node, in).slicing;
}

static bool sums_by_rows(const weld_node *node, const weld_tensor *in) {
    return geometry_of(node, in).path == WELD_CONV2D_POINTWISE;
}

static unsigned traits(const weld_node *node) {
    const weld_shape x = node->inputs[X]->shape, weight = node->outputs[0]->shape;
    return weld_conv2d_traits(weld_conv2d_geometry_of(&node->attributes, x, weight).path, false);
}

static void count_cost(const weld_run *run, weld_cost *cost) {
    int64_t patch = weld_shape_count(&run->out[0].shape) / run->out[0].shape.dim[0];
    cost->flops = 2.0 * (double)patch * (double)weld_shape_count(&run->in[DY].shape);
}

const weld_op weld_op_conv2d_weight_grad = {
    .name = "conv2d_weight_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_KERNEL | WELD_ATTR_STRIDE | WELD_ATTR_PADDING | WELD_ATTR_GROUPS |
                  WELD_ATTR_DILATION | WELD_ATTR_SAME,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_REDUCES,
    .infer = infer,
    .cost = count_cost,
    .node_traits = traits,
    .cpu = {.workspace = workspace,
            .run = run,
            .slicing = slicing,
            .sliced = 1 << X | 1 << DY,
            .sums = 1 << 0,
            .sums_by_rows = sums_by_rows},
};

weld_value *weld_conv2d_weight_grad(weld_graph *g, weld_value *x, weld_value *dy,
                                    const weld_attributes *conv, weld_shape weight) {
    weld_attributes a = *conv;
    a.kernel[0] = (int)weight.dim[2];
    a.kernel[1] = (int)weight.dim[3];
    return weld_graph_node(g, &weld_op_conv2d_weight_grad, &a, (weld_value *[]){x, dy}, 2, 2);
}
