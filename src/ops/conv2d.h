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
/* Traits that follow from the way; all but the weight's gradient keep the shape. */
unsigned weld_conv2d_traits(weld_conv2d_path path, bool keeps_shape);
/* Of conv2d and its input_grad: a factor a channel is linear. */
weld_linear_form weld_conv2d_linear(const weld_node *node, weld_conv2d_path path);
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

/* --- What conv2d and conv2d_input_grad do alike, one with the weight, the other with the weight
 * transposed: input 0 is x or dy, 1 the weight, 2 the bias where there is one. ---
 *
 * What lies where: patches in the workspace, the others in what is prepared. */
typedef struct weld_conv2d_call {
    const weld_run *run;
    weld_conv2d_geometry geometry;
    bool transposed;
    /* In place of blocks of patches: conv2d_winograd.c, conv2d_wide.c, conv2d_direct.c. */
    bool winograd, wide, direct;
    weld_split blocks; /* of one image: positions, or rows for depthwise; of all: squares */
    size_t packed, reordered, prepared; /* prepared: bytes of all */
    size_t packed_bytes, patch_bytes;   /* of one group; of one thread */
    size_t workspace;                   /* of all threads */
} weld_conv2d_call;

/* May this call be computed so? The rest is for calls that are. */
bool weld_conv2d_winograd_suits(const weld_run *run, const weld_conv2d_geometry *g);
void weld_conv2d_winograd_plan(weld_conv2d_call *call); /* what lies where */
void weld_conv2d_winograd_prepare(const weld_conv2d_call *call, char *prepared);
void weld_conv2d_winograd_run(weld_conv2d_call *call);

bool weld_conv2d_direct_suits(const weld_run *run, const weld_conv2d_geometry *g);
void weld_conv2d_direct_plan(weld_conv2d_call *call);
void weld_conv2d_direct_run(const weld_conv2d_call *call);

bool weld_conv2d_wide_suits(const weld_conv2d_geometry *g);
void weld_conv2d_wide_plan(weld_conv2d_call *call);
void weld_conv2d_wide_prepare(const weld_conv2d_call *call, char *prepared);
void weld_conv2d_wide_run(const weld_conv2d_call *call);

weld_conv2d_call weld_conv2d_call_of(const weld_run *run, weld_conv2d_geometry g, bool transposed);
void weld_conv2d_prepare(const weld_conv2d_call *call, void *prepared);
/* `band` is called, with the call, for each band of each image where the way is depthwise;
 * `patches` for each of patch_items where it is by patches. */
void weld_conv2d_run(weld_conv2d_call *call, weld_parallel_body band, weld_parallel_body patches,
                     int64_t patch_items);

weld_value *weld_conv2d_input_grad(weld_graph *g, weld_value *dy, weld_value *weight,
                                   const weld_attributes *conv, weld_shape x);
weld_value *weld_conv2d_weight_grad(weld_graph *g, weld_value *x, weld_value *dy,
                                    const weld_attributes *conv, weld_shape weight);

#endif
