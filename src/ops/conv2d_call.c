/* What conv2d and conv2d_input_grad do alike; see conv2d.h. */
#include "ops/conv2d.h"
#include "ops/products.h"

enum { INPUT, WEIGHT, BIAS };

weld_conv2d_call weld_conv2d_call_of(const weld_run *run, weld_conv2d_geometry of,
                                     bool transposed) {
    weld_conv2d_call call = {.run = run, .geometry = of, .transposed = transposed};
    const weld_conv2d_geometry *g = &call.geometry;
    const weld_window *w = &g->window;
    const weld_kernels *kernels = run->kernels;
    if (!transposed && weld_conv2d_winograd_suits(run, g)) {
        call.winograd = true;
        weld_conv2d_winograd_plan(&call);
        return call;
    }
    if (!transposed && weld_conv2d_wide_suits(g)) {
        call.wide = true;
        weld_conv2d_wide_plan(&call);
        return call;
    }
    if (!transposed && weld_conv2d_direct_suits(run, g)) {
        call.direct = true; /* prepared as patches are */
        weld_conv2d_direct_plan(&call);
        return call;
    }
    size_t size = weld_activation_size(kernels);
    size_t weight_bytes = (size_t)(g->out * g->patch) * weld_dtype_size(run->in[WEIGHT].dtype);
    if (g->path == WELD_CONV2D_POINTWISE) {
        call.prepared = transposed ? weld_row_product_prepared(kernels, g->out, w->c)
                                   : weld_row_product_prepared(kernels, w->c, g->out);
    } else if (g->path == WELD_CONV2D_DEPTHWISE) {
        call.blocks =
            transposed ? weld_conv2d_bands(g, w->h, w->w) : weld_conv2d_bands(g, w->oh, w->ow);
        call.reordered = weld_reserve(&call.prepared, weight_bytes);
    } else if (g->path == WELD_CONV2D_PATCHES) {
        call.blocks = weld_conv2d_position_blocks(g);
        call.packed_bytes = size * (transposed ? kernels->packed_size(g->out_group, g->patch)
                                               : kernels->packed_size(g->patch, g->out_group));
        call.packed = weld_reserve(&call.prepared, call.packed_bytes * (size_t)g->groups);
        call.reordered = weld_reserve(&call.prepared, weight_bytes);
        call.patch_bytes = (size_t)(weld_split_largest(call.blocks) * g->patch) * size;
        call.workspace = call.patch_bytes * (size_t)run->threads;
    }
    return call;
}

static weld_row_product pointwise(const weld_conv2d_call *call) {
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_run *run = call->run;
    const bool transposed = call->transposed;
    return (weld_row_product){.rows = g->n * g->window.h * g->window.w,
                              .k = transposed ? g->out : g->window.c,
                              .n = transposed ? g->window.c : g->out,
                              .a = run->in[INPUT].data,
                              .b = run->in[WEIGHT].data,
                              .row_stride = transposed ? g->window.c : 1,
                              .column_stride = transposed ? 1 : g->window.c,
                              .bias = weld_optional(run, BIAS),
                              .c = run->out[0].data};
}

static void pack_groups(const weld_conv2d_call *call, char *prepared) {
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_tensor *weight = &call->run->in[WEIGHT];
    const weld_kernels *kernels = call->run->kernels;
    char *reordered = prepared + call->reordered, *packed = prepared + call->packed;
    size_t group_bytes = (size_t)(g->out_group * g->patch) * weld_dtype_size(weight->dtype);
    weld_swap_inner(weight->dtype, g->out, g->in_group, g->taps, weight->data, reordered);
    for (int64_t i = 0; i < g->groups; i++) {
        const char *from = reordered + (size_t)i * group_bytes;
        char *to = packed + (size_t)i * call->packed_bytes;
        if (call->transposed) {
            kernels->pack(g->out_group, g->patch, from, g->patch, 1, to);
        } else {
            kernels->pack(g->patch, g->out_group, from, 1, g->patch, to);
        }
    }
}

void weld_conv2d_prepare(const weld_conv2d_call *call, void *prepared) {
    const weld_conv2d_geometry *g = &call->geometry;
    const weld_tensor *weight = &call->run->in[WEIGHT];
    if (g->path == WELD_CONV2D_POINTWISE) {
        weld_row_product_prepare(pointwise(call), call->run, prepared);
    } else if (g->path == WELD_CONV2D_DEPTHWISE) {
        weld_swap_inner(weight->dtype, 1, g->out, g->taps, weight->data, prepared);
    } else if (call->winograd) {
        weld_conv2d_winograd_prepare(call, prepared);
    } else if (call->wide) {
        weld_conv2d_wide_prepare(call, prepared);
    } else if (g->path == WELD_CONV2D_PATCHES) {
        pack_groups(call, prepared);
    }
}

static void channel_wise_rows(const weld_run *run, int64_t begin, int64_t end) {
    int64_t c = weld_channels(&run->in[INPUT]);
    run->kernels->affine(end - begin, c, weld_at(&run->in[INPUT], begin * c), run->in[WEIGHT].data,
                         weld_optional(run, BIAS), weld_at(&run->out[0], begin * c));
    weld_finish(run, end - begin, c, c, weld_at(&run->out[0], begin * c));
}

void weld_conv2d_run(weld_conv2d_call *call, weld_parallel_body band, weld_parallel_body patches,
                     int64_t patch_items) {
    const weld_run *run = call->run;
    const weld_conv2d_geometry *g = &call->geometry;
    switch (g->path) {
    case WELD_CONV2D_POINTWISE:
        weld_row_product_run(pointwise(call), run);
        break;
    case WELD_CONV2D_CHANNEL_WISE:
        weld_run_rows(run, channel_wise_rows);
        break;
    case WELD_CONV2D_DEPTHWISE:
        weld_parallel(run->threads, g->n * call->blocks.count, band, call);
        break;
    case WELD_CONV2D_PATCHES:
        if (call->winograd) {
            weld_conv2d_winograd_run(call);
        } else if (call->wide) {
            weld_conv2d_wide_run(call);
        } else if (call->direct) {
            weld_conv2d_direct_run(call);
        } else {
            weld_parallel(run->threads, patch_items, patches, call);
        }
        break;
    }
}
