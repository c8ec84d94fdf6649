/* What the three operators of convolution share: geometry, ways to compute, splits of work. */
#ifndef WELD_OPS_CONV2D_H
#define WELD_OPS_CONV2D_H

#include "ops/ops.h"

typedef enum weld_conv2d_path {
    WELD_CONV2D_POINTWISE,    /* 1x1, one group, every position: a matrix product */
    WELD_CONV2D_CHANNEL_WISE, /* 1x1 with a group a channel: a factor a channel */
    WELD_CONV2D_DEPTHWISE,    /* a group a channel */
    WELD_CONV2D_PATCHES /* all others: patches (im2col) of blocks of positions, then products */
} weld_conv2d_path;

typedef struct weld_conv2d_geometry {
    weld_conv2d_path path;
    weld_window window;                  /* c: input channels */
    int64_t n, out;                      /* images; output channels */
    int64_t groups, in_group, out_group; /* channels of one group */
    int64_t taps, patch;                 /* kh kw; kh kw in_group */
    weld_slicing slicing;                /* rows where every position is on its own, else images */
} weld_conv2d_geometry;

/* Of x [n, h, w, c] and a weight [out, in_group, kh, kw], which must fit each other. */
weld_conv2d_geometry weld_conv2d_geometry_of(const weld_attributes *attributes, weld_shape x,
                                             weld_shape weight);
/* Of a node of the three operators. */
weld_conv2d_path weld_conv2d_path_of(const weld_node *node);
unsigned weld_conv2d_traits(const weld_node *node);
weld_linear_form weld_conv2d_linear(const weld_node *node); /* of conv2d and its input_grad */
/* Whether they fit: otherwise an error that says why. */
weld_status weld_conv2d_check(const weld_attributes *attributes, weld_shape x, weld_shape weight,
                              weld_error *err);
weld_shape weld_conv2d_output_shape(const weld_conv2d_geometry *g);

/* Output positions of one image, in blocks whose patches stay in the second-level cache. */
weld_split weld_conv2d_position_blocks(const weld_conv2d_geometry *g);
/* Rows of an image of `width` positions, in bands of the same kind. */
weld_split weld_conv2d_bands(const weld_conv2d_geometry *g, int64_t rows, int64_t width);

/* to[outer, b, a] = from[outer, a, b], of elements of `dtype`. Weights: [out, in, taps] to
 * [out, taps, in] and back. */
void weld_swap_inner(weld_dtype dtype, int64_t outer, int64_t a, int64_t b, const void *from,
                     void *to);

weld_value *weld_conv2d_input_grad(weld_graph *g, weld_value *dy, weld_value *weight,
                                   const weld_attributes *conv, weld_shape x);
weld_value *weld_conv2d_weight_grad(weld_graph *g, weld_value *x, weld_value *dy,
                                    const weld_attributes *conv, weld_shape weight);

#endif
