/* Geometry of convolutions; see conv2d.h. */
#include "ops/conv2d.h"

#include "base/error.h"

enum {
    PATCH_ELEMENTS = 64 * 1024, /* of one block of patches */
    BAND_ELEMENTS = 16 * 1024,  /* of one band of rows */
    MIN_PARTS = 8               /* so that a few threads are evenly loaded by a single image */
};

static weld_conv2d_path path_of(const weld_conv2d_geometry *g) {
    const weld_window *w = &g->window;
    bool every_position =
        g->taps == 1 && w->stride_h == 1 && w->stride_w == 1 && w->pad_h == 0 && w->pad_w == 0;
    if (every_position && g->groups == 1) {
        return WELD_CONV2D_POINTWISE;
    }
    if (g->groups == w->c && g->groups == g->out) {
        return every_position ? WELD_CONV2D_CHANNEL_WISE : WELD_CONV2D_DEPTHWISE;
    }
    return WELD_CONV2D_PATCHES;
}

static weld_slicing slicing_of(weld_conv2d_path path) {
    bool by_position = path == WELD_CONV2D_POINTWISE || path == WELD_CONV2D_CHANNEL_WISE;
    return by_position ? WELD_SLICE_ROWS : WELD_SLICE_IMAGES;
}

weld_conv2d_geometry weld_conv2d_geometry_of(const weld_attributes *a, weld_shape x,
                                             weld_shape weight) {
    weld_conv2d_geometry g = {.n = x.dim[0], .out = weight.dim[0], .groups = a->groups};
    g.window = weld_window_of(a, weight.dim[2], weight.dim[3], x);
    g.in_group = weight.dim[1];
    g.out_group = g.out / g.groups;
    g.taps = weight.dim[2] * weight.dim[3];
    g.patch = g.taps * g.in_group;
    g.path = path_of(&g);
    g.slicing = slicing_of(g.path);
    return g;
}

unsigned weld_conv2d_traits(weld_conv2d_path path, bool keeps_shape) {
    const bool factors = path == WELD_CONV2D_CHANNEL_WISE;
    return (factors || path == WELD_CONV2D_POINTWISE ? WELD_OP_BY_ROW : 0u) |
           (factors && keeps_shape ? WELD_OP_CHEAP : 0u);
}

weld_linear_form weld_conv2d_linear(const weld_node *node, weld_conv2d_path path) {
    if (path != WELD_CONV2D_CHANNEL_WISE) {
        return (weld_linear_form){0};
    }
    return (weld_linear_form){.terms = 1,
                              .term = {node->inputs[0]},
                              .factor = {node->inputs[1]},
                              .shift = weld_optional_input(node, 2),
                              .is_weight = true};
}

static weld_status check_window(const weld_attributes *a, weld_shape x, weld_shape weight,
                                weld_error *err) {
    for (int i = 0; i < 2; i++) {
        if (a->stride[i] < 1 || a->padding[i] < 0 || a->dilation[i] < 0) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "stride %d, padding %d and dilation %d: stride must be at least 1, "
                             "padding and dilation 0",
                             a->stride[i], a->padding[i], a->dilation[i]);
        }
        if (a->same) {
            if (a->padding[i] != 0) {
                return weld_fail(err, WELD_ERROR_SHAPE,
                                 "padding %d and \"same\": only one of both says how to pad",
                                 a->padding[i]);
            }
            continue; /* whatever the kernel */
        }
        int64_t padded = x.dim[1 + i] + 2 * (int64_t)a->padding[i], dilation = weld_dilation(a, i);
        if (weight.dim[2 + i] - 1 > (padded - 1) / dilation) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "kernel of %lld with dilation %lld is larger than the padded input of "
                             "%lld",
                             (long long)weight.dim[2 + i], (long long)dilation, (long long)padded);
        }
    }
    return WELD_OK;
}

weld_status weld_conv2d_check(const weld_attributes *a, weld_shape x, weld_shape weight,
                              weld_error *err) {
    char x_text[128], weight_text[128];
    weld_shape_text(&x, x_text, sizeof x_text);
    weld_shape_text(&weight, weight_text, sizeof weight_text);
    if (x.rank != 4) {
        return weld_fail(err, WELD_ERROR_SHAPE, "x must be [n, h, w, c], is %s", x_text);
    }
    if (weight.rank != 4) {
        return weld_fail(err, WELD_ERROR_SHAPE, "weight must be [out, in / groups, kh, kw], is %s",
                         weight_text);
    }
    if (a->groups < 1 || x.dim[3] % a->groups != 0 || weight.dim[0] % a->groups != 0) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "%d groups do not divide the channels of x %s and weight %s", a->groups,
                         x_text, weight_text);
    }
    if (x.dim[3] / a->groups != weight.dim[1]) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "weight %s wants %lld input channels a group, x %s has %lld", weight_text,
                         (long long)weight.dim[1], x_text, (long long)(x.dim[3] / a->groups));
    }
    return check_window(a, x, weight, err);
}

weld_shape weld_conv2d_output_shape(const weld_conv2d_geometry *g) {
    return WELD_SHAPE(g->n, g->window.oh, g->window.ow, g->out);
}

static int64_t parts_per_image(const weld_conv2d_geometry *g) {
    return (MIN_PARTS + g->n - 1) / g->n;
}

weld_split weld_conv2d_position_blocks(const weld_conv2d_geometry *g) {
    int64_t size = PATCH_ELEMENTS / g->patch;
    size = size < 16 ? 16 : size > 1024 ? 1024 : size;
    return weld_split_make(g->window.oh * g->window.ow, size, parts_per_image(g), 8);
}

weld_split weld_conv2d_bands(const weld_conv2d_geometry *g, int64_t rows, int64_t width) {
    return weld_split_make(rows, BAND_ELEMENTS / (width * g->window.c), parts_per_image(g), 1);
}

void weld_swap_inner(weld_dtype dtype, int64_t outer, int64_t a, int64_t b, const void *from,
                     void *to) {
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < a; i++) {
            for (int64_t j = 0; j < b; j++) {
                weld_set(dtype, to, (o * b + j) * a + i,
                         weld_get(dtype, from, (o * a + i) * b + j));
            }
        }
    }
}
