/* What the operators share: their declarations and the way they split work.
 *
 * An operator is one `const weld_op` in its own file (a family may share one) and one line in
 * registry.h. Its `run` splits its work into pieces whose bounds depend on shapes alone and hands
 * each to a kernel, so that results do not depend on the number of threads. Where pieces add up to
 * one result each has its own partial sum in the workspace, and these are added in order.
 */
#ifndef WELD_OPS_OPS_H
#define WELD_OPS_OPS_H

#include "base/memory.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "ops/registry.h"

#define WELD_DECLARE_OPERATOR(name) extern const weld_op weld_op_##name;
WELD_OPERATORS(WELD_DECLARE_OPERATOR)

/* Any of these by name, for those who read graphs from files, and all one by one: registry.c. */
const weld_op *weld_op_find(const char *name);
const weld_op *weld_op_at(size_t i); /* NULL past the end */

/* A value of like's shape filled with `value`: where gradients start. */
weld_value *weld_fill_like(weld_graph *g, weld_value *like, double value);

/* Call piece(run, begin, end) for the parts of [0, total), in parallel: as even as they can be, of
 * at most WELD_PIECE_ELEMENTS elements where each of the total has `elements`. */
typedef void (*weld_piece)(const weld_run *run, int64_t begin, int64_t end);
void weld_run_pieces(const weld_run *run, int64_t total, int64_t elements, weld_piece piece);
/* For the rows of input 0; for the elements of output 0. */
void weld_run_rows(const weld_run *run, weld_piece piece);
void weld_run_elements(const weld_run *run, weld_piece piece);
/* Call body(run, item, thread) for all items, in parallel. */
void weld_run_items(const weld_run *run, int64_t count, weld_parallel_body body);

/* What a run that `finishes` (graph/graph.h) calls with each part of output 0 that it has made:
 * y[rows, n], rows ld elements apart. Where there is nothing to do nothing is done. */
void weld_finish(const weld_run *run, int64_t rows, int64_t n, int64_t ld, void *y);
/* For `finishes`: not in bf16, where it gains nothing. */
bool weld_finishes_floats(const weld_node *node, const weld_kernels *kernels);

/* Parts of [0, total), as even as they can be in units of `grain`. */
typedef struct weld_split {
    int64_t total, grain, count; /* count: number of parts; 0 where total is 0 */
} weld_split;
/* In parts of at most `size`, but in at least `parts` where there are so many units. */
weld_split weld_split_make(int64_t total, int64_t size, int64_t parts, int64_t grain);
int64_t weld_split_begin(weld_split s, int64_t part);
int64_t weld_split_largest(weld_split s); /* size of the largest part */

/* Elements to a piece of an elementwise operator: a few tensors of them fit the second-level cache.
 */
#define WELD_PIECE_ELEMENTS 16384

/* For laying out a workspace: take `bytes`, aligned, from its end; returns their offset. */
static inline size_t weld_reserve(size_t *total, size_t bytes) {
    size_t offset = *total;
    *total = weld_round_up(offset + bytes, WELD_ALIGNMENT);
    return offset;
}

/* Address of element i. */
static inline void *weld_at(const weld_tensor *t, int64_t i) {
    return (char *)t->data + (size_t)i * weld_dtype_size(t->dtype);
}

/* Bytes of an element of activations ("T" in kernels.h), and of parameters and vectors ("P"). */
static inline size_t weld_activation_size(const weld_kernels *kernels) {
    return weld_dtype_size(kernels->dtype);
}
static inline size_t weld_parameter_size(const weld_kernels *kernels) {
    return weld_dtype_size(weld_parameter_dtype(kernels->dtype));
}

/* Data of an input that may be absent: NULL where it is. */
static inline void *weld_optional(const weld_run *run, int input) {
    return input < run->node->input_count ? run->in[input].data : NULL;
}

/* An input that may be absent: NULL where it is. */
static inline weld_value *weld_optional_input(const weld_node *node, int input) {
    return input < node->input_count ? node->inputs[input] : NULL;
}

/* Element i of a small array of f32 or f64 as double, and back. For vectors of channels; the large
 * tensors are the kernels' business. */
static inline double weld_get(weld_dtype dtype, const void *data, int64_t i) {
    return dtype == WELD_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}
static inline void weld_set(weld_dtype dtype, void *data, int64_t i, double value) {
    if (dtype == WELD_F64) {
        ((double *)data)[i] = value;
    } else {
        ((float *)data)[i] = (float)value;
    }
}

/* The last dimension, and the product of the others: a tensor seen as rows of channels. */
int64_t weld_channels(const weld_tensor *t);
int64_t weld_rows(const weld_tensor *t);

/* Elements of dimension `axis` and all after it: a tensor seen as strips, one for each index of the
 * dimensions before. */
int64_t weld_strip(const weld_tensor *t, int axis);

/* For `macs`: each element of the output is a product over one row of the weight, input 1 of shape
 * [out, ...]. */
int64_t weld_weight_macs(const weld_node *node);

/* x as `dtype`: f32, bf16 or f64. The gradient is cast back. Itself where it is of this type. */
weld_value *weld_cast(weld_graph *g, weld_value *x, weld_dtype dtype);

/* For `slicing`: any slice will do. */
weld_slicing weld_slice_rows(const weld_node *node, const weld_tensor *in);
weld_slicing weld_slice_images(const weld_node *node, const weld_tensor *in);

/* For `slicing` and `node_traits` of operators that work along one axis of x: row by row along the
 * last, image by image along those between it and the first. */
weld_slicing weld_axis_slicing(const weld_tensor *x, int axis);
unsigned weld_axis_traits(const weld_node *node, int axis);

/* Which of the inputs along an axis a resize to the nearest takes for output p; resize.c. */
int64_t weld_resize_nearest(int64_t p, int64_t inputs, int64_t outputs);

/* Nodes that only gradients need. */
weld_value *weld_channel_sum(weld_graph *g, weld_value *x); /* over all but the last dim -> [c] */

/* Of a window along an axis, 0 for the height. */
int weld_dilation(const weld_attributes *a, int axis);
/* The window of a kernel of this size that slides over x [n, h, w, c]. Fits: the padded x is no
 * smaller than the kernel. */
weld_window weld_window_of(const weld_attributes *a, int64_t kernel_h, int64_t kernel_w,
                           weld_shape x);

/* Shape rules in common. */
weld_status weld_infer_same(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                            weld_error *err); /* out[0] is like in[0] */
/* An error unless `t` is of this type and shape; `what` names it. */
weld_status weld_expect(const weld_tensor *t, weld_dtype dtype, weld_shape shape, const char *what,
                        weld_error *err);
/* An error unless in[first..last], where there are such, are [c] and of the type of parameters
 * beside in[0], c its last dimension. */
weld_status weld_expect_channels(const weld_node *node, const weld_tensor *in, int first, int last,
                                 const char *const *names, weld_error *err);
/* An error unless t has this rank; `what` names it, `layout` says what was hoped for. */
weld_status weld_expect_rank(const weld_tensor *t, int rank, const char *what, const char *layout,
                             weld_error *err);
/* An error unless x has this axis. */
weld_status weld_expect_axis(const weld_tensor *x, int axis, weld_error *err);

#endif
