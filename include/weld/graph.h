/* Graphs: building, differentiating, printing, running.
 *
 * A graph holds values and nodes. Leaves are inputs, parameters (trained) and buffers (running
 * statistics); every other value is the output of one node. The functions below add a node and
 * return its output. On an error (shapes that do not fit, memory) they return NULL and the graph
 * keeps the first error, naming the node; given a NULL value they return NULL in silence. So a
 * network is written without checks and weld_graph_status is asked once at the end.
 *
 * Values belong to their graph and live as long as it does.
 *
 * Structs that callers fill have reserved room, which stays zero, so that later versions can add
 * members.
 */
#ifndef WELD_GRAPH_H
#define WELD_GRAPH_H

#include <stdio.h>

#include "weld/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weld_graph weld_graph;
typedef struct weld_value weld_value;

/* An empty graph whose floating-point values are of `dtype`: WELD_F32, or WELD_F64 for checking
 * gradients. */
WELD_API weld_status weld_graph_create(weld_dtype dtype, weld_graph **out, weld_error *err);
WELD_API void weld_graph_free(weld_graph *g);
/* WELD_OK, or the first error that a building function met. */
WELD_API weld_status weld_graph_status(const weld_graph *g, weld_error *err);

/* How a parameter or buffer starts (weld_graph_init_weights). */
typedef enum weld_init_kind {
    WELD_INIT_CONSTANT,    /* a */
    WELD_INIT_UNIFORM,     /* in [a, b) */
    WELD_INIT_TRUNC_NORMAL /* mean 0, standard deviation a, cut at +-b */
} weld_init_kind;
typedef struct weld_init {
    weld_init_kind kind;
    double a, b;
} weld_init;

/* Leaves. dim[0] of an input is the batch: weld_session_create may change it. Asking again for a
 * parameter or buffer of the same name gives the same value. */
WELD_API weld_value *weld_input(weld_graph *g, const char *name, weld_shape shape);
WELD_API weld_value *weld_parameter(weld_graph *g, const char *name, weld_shape shape,
                                    weld_init init);
WELD_API weld_value *weld_buffer(weld_graph *g, const char *name, weld_dtype dtype,
                                 weld_shape shape, weld_init init);
/* Make a value an output, to be read after a run. The name must be new. */
WELD_API void weld_output(weld_graph *g, const char *name, weld_value *v);
WELD_API weld_value *weld_graph_output(const weld_graph *g, const char *name);
WELD_API weld_shape weld_value_shape(const weld_value *v);
WELD_API const char *weld_value_name(const weld_value *v); /* leaves; "" for others */

/* --- Operators. x is [n, h, w, c] unless said otherwise. ------------------------------------- */

typedef struct weld_conv2d_options {
    int stride[2], padding[2]; /* height, width; stride 0 means 1 */
    int groups;                /* 0 means 1 */
    int dilation[2];           /* from one tap to the next; 0 means 1 */
    /* Pad as TensorFlow's "SAME" does, in the place of `padding`: so that the output is as large as
     * the input over the stride, rounded up, with one more behind the input than before it where
     * that is an odd number. */
    bool same;
    int reserved[5];
} weld_conv2d_options;
/* Cross-correlation; weight [out, in / groups, kh, kw], bias [out] or NULL -> [n, oh, ow, out]. */
WELD_API weld_value *weld_conv2d(weld_graph *g, weld_value *x, weld_value *weight, weld_value *bias,
                                 weld_conv2d_options options);

/* Batch norm over all dimensions but the last, as PyTorch's BatchNorm (Ioffe and Szegedy, "Batch
 * normalization", ICML 2015, algorithms 1 and 2). */
typedef struct weld_batch_norm_leaves {
    weld_value *weight, *bias;              /* parameters [c] */
    weld_value *running_mean, *running_var; /* buffers [c] */
    weld_value *num_batches_tracked;        /* buffer [] of WELD_I64 */
} weld_batch_norm_leaves;
/* training: normalise by the batch's mean and biased variance, and update the buffers (running =
 * (1 - momentum) running + momentum batch, with the unbiased variance) whenever a session runs the
 * node, or in a weld_step (weld/step.h) after every run whose loss is finite; otherwise normalise
 * by the running statistics. */
WELD_API weld_value *weld_batch_norm(weld_graph *g, weld_value *x, weld_batch_norm_leaves leaves,
                                     double eps, double momentum, bool training);

/* Layer norm over the last dimension; weight and bias [c]: weight (x - mean) / sqrt(var + eps) +
 * bias (Ba, Kiros, Hinton, "Layer normalization", 2016, eq. 3 and 4). */
WELD_API weld_value *weld_layer_norm(weld_graph *g, weld_value *x, weld_value *weight,
                                     weld_value *bias, double eps);
/* x [..., in], weight [out, in], bias [out] or NULL -> [..., out]. */
WELD_API weld_value *weld_linear(weld_graph *g, weld_value *x, weld_value *weight,
                                 weld_value *bias);

/* Exact: x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, "Gaussian error
 * linear units", 2016, section 2). */
WELD_API weld_value *weld_gelu(weld_graph *g, weld_value *x);
WELD_API weld_value *weld_relu(weld_graph *g, weld_value *x); /* max(x, 0) */
/* SiLU, also called swish (Ramachandran, Zoph, Le, "Searching for activation functions", 2017); its
 * hard form is of Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2. */
WELD_API weld_value *weld_silu(weld_graph *g, weld_value *x);         /* x sigmoid(x) */
WELD_API weld_value *weld_hard_swish(weld_graph *g, weld_value *x);   /* x clamp(x + 3, 0, 6) / 6 */
WELD_API weld_value *weld_hard_sigmoid(weld_graph *g, weld_value *x); /* clamp(x + 3, 0, 6) / 6 */
WELD_API weld_value *weld_sigmoid(weld_graph *g, weld_value *x);

WELD_API weld_value *weld_global_avg_pool(weld_graph *g, weld_value *x); /* -> [n, 1, 1, c] */
/* Padding counts as minus infinity. */
WELD_API weld_value *weld_max_pool(weld_graph *g, weld_value *x, const int kernel[2],
                                   const int stride[2], const int padding[2]);
/* -> [n, height, width, c]. Bilinear is with the corners' pixels inside the corners of the image
 * and without smoothing; both as PyTorch's interpolate with align_corners=False. */
typedef enum weld_resize_mode { WELD_RESIZE_NEAREST, WELD_RESIZE_BILINEAR } weld_resize_mode;
WELD_API weld_value *weld_resize(weld_graph *g, weld_value *x, int64_t height, int64_t width,
                                 weld_resize_mode mode);
WELD_API weld_value *weld_add(weld_graph *g, weld_value *a, weld_value *b); /* equal shapes */
WELD_API weld_value *weld_mul(weld_graph *g, weld_value *a, weld_value *b); /* likewise */
WELD_API weld_value *weld_scale(weld_graph *g, weld_value *x, double factor);
/* The nearest number within [low, high], which are rounded to f32 in networks of f32; the gradient
 * is that of what is strictly within. */
WELD_API weld_value *weld_clamp(weld_graph *g, weld_value *x, double low, double high);
/* x scale[c] + shift[c] over the last dimension of x [..., c]; shift may be NULL. A scale alone is
 * LayerScale (Touvron et al., "Going deeper with image transformers", ICCV 2021). */
WELD_API weld_value *weld_affine(weld_graph *g, weld_value *x, weld_value *scale,
                                 weld_value *shift);
/* x [n, h, w, c] times s [n, 1, 1, c]. */
WELD_API weld_value *weld_channel_scale(weld_graph *g, weld_value *x, weld_value *s);
/* x * sigmoid(fc2(relu(fc1(mean over h, w)))); fc1 [r, c, 1, 1], fc2 [c, r, 1, 1], with biases (Hu,
 * Shen, Sun, "Squeeze-and-excitation networks", CVPR 2018, eq. 2 to 4). */
WELD_API weld_value *weld_squeeze_excite(weld_graph *g, weld_value *x, weld_value *fc1_weight,
                                         weld_value *fc1_bias, weld_value *fc2_weight,
                                         weld_value *fc2_bias);
/* The same with another function in the place of the sigmoid: the hard one is that of Howard et
 * al., section 5.3. */
typedef enum weld_gate { WELD_GATE_SIGMOID, WELD_GATE_HARD_SIGMOID } weld_gate;
WELD_API weld_value *weld_squeeze_excite_gated(weld_graph *g, weld_value *x, weld_value *fc1_weight,
                                               weld_value *fc1_bias, weld_value *fc2_weight,
                                               weld_value *fc2_bias, weld_gate gate);

WELD_API weld_value *weld_softmax(weld_graph *g, weld_value *x); /* over the last dimension */
/* Boxes [n, h * w, 4] (x1, y1, x2, y2 in pixels) of x [n, h, w, 4 * bins]: for each position, which
 * stands for stride x stride pixels, `bins` logits of how many strides its centre is from the left,
 * top, right and bottom side, 0 to bins - 1; the distance is the mean (Li et al., "Generalized
 * focal loss", NeurIPS 2020, section 3.2). */
WELD_API weld_value *weld_box_decode(weld_graph *g, weld_value *x, int bins, int stride);
/* softmax(scale q k^T + bias) v for each of `heads` heads; q [n, lq, heads * d], k [n, lk, heads *
 * d], v [n, lk, heads * dv], bias [heads, lq, lk] or NULL -> [n, lq, heads * dv]; scale 0 means
 * 1 / sqrt(d) (Vaswani et al., "Attention is all you need", 2017, eq. 1; with the bias: Liu et
 * al., "Swin transformer", ICCV 2021, eq. 4). Scores are never kept. */
WELD_API weld_value *weld_attention(weld_graph *g, weld_value *q, weld_value *k, weld_value *v,
                                    weld_value *bias, int heads, double scale);
/* table [heads, (2 h - 1)(2 w - 1)] -> [heads, h w, h w]: entry (p, q) is the table's at the offset
 * of p's row and column from q's, row offset major (Liu et al., section 3.2; Guo et al., "CMT",
 * CVPR 2022). */
WELD_API weld_value *weld_relative_position_bias(weld_graph *g, weld_value *table, int height,
                                                 int width);

/* Training only: a node in the graph is a dropout that is on. Zero with `probability`, scale the
 * rest by 1 / (1 - probability); masks are drawn from (seed, step) of the session (Srivastava et
 * al., "Dropout", JMLR 2014). */
WELD_API weld_value *weld_dropout(weld_graph *g, weld_value *x, double probability);
/* The same, but for whole samples (dim 0): "drop path" (Huang et al., "Deep networks with
 * stochastic depth", ECCV 2016, eq. 2). */
WELD_API weld_value *weld_stochastic_depth(weld_graph *g, weld_value *x, double probability);

/* logits [n, k], target [n, k] of probabilities -> [n]: -sum_j t_j log softmax(logits)_j with
 * t = (1 - smoothing) target + smoothing / k (Szegedy et al., "Rethinking the Inception
 * architecture", CVPR 2016, section 7). */
WELD_API weld_value *weld_cross_entropy(weld_graph *g, weld_value *logits, weld_value *target,
                                        double smoothing);
/* logits [n, k], target [n, k] of probabilities -> [n]: the mean over the k classes, each a
 * question of its own, of -(t_j log p_j + (1 - t_j) log(1 - p_j)) with p = sigmoid(logits) and t as
 * above (Wightman, Touvron, Jégou: "ResNet strikes back", 2021; timm's BinaryCrossEntropy). */
WELD_API weld_value *weld_binary_cross_entropy(weld_graph *g, weld_value *logits,
                                               weld_value *target, double smoothing);
WELD_API weld_value *weld_mean(weld_graph *g, weld_value *x); /* of all elements -> [1] */

/* The loss of a detector without anchor boxes (YOLO11's): which of the A cells of an image, its
 * anchors, are to find which object is decided by how well they do already (task-aligned
 * assignment: Feng et al., "TOOD", ICCV 2021, section 3.3); the losses are complete IoU (Zheng et
 * al., "Distance-IoU loss", AAAI 2020, eq. 8 to 11) and distribution focal loss (Li et al.,
 * "Generalized focal loss", NeurIPS 2020, eq. 6) over the anchors that are to find one, weighted by
 * how sure of it each is to be, and binary cross entropy of all classes of all anchors with these
 * weights. Each is divided by the sum of the weights in the batch, or by 1 where that is less. */
enum { WELD_DETECTION_LEVELS = 4 };
typedef struct weld_detection_loss_options {
    int64_t height, width; /* of the images: multiples of each stride */
    /* Pixels from one anchor to the next, of each map of anchors in their order; 0 ends the list.
     * A is the sum of height / stride * width / stride. 8, 16, 32. */
    int strides[WELD_DETECTION_LEVELS];
    int topk; /* 10: anchors that an object gets at most */
    /* 0.5, 6: the best are those of largest probability^alpha * CIoU^beta, of equal ones the first
     */
    double alpha, beta;
    /* 16 pixels: anchors can find an object if their centre is within its box, of which each side
     * counts as at least so long. With twice the finest stride every object in the image has such
     * anchors, however small; 0: its box as it is. */
    double least_side;
    double box_gain, class_gain, dfl_gain; /* 7.5, 0.5, 1.5: factors of the three losses */
    void *reserved[8];                     /* NULL */
} weld_detection_loss_options;
/* For images of this size in pixels. */
WELD_API weld_detection_loss_options weld_detection_loss_defaults(int64_t height, int64_t width);

typedef struct weld_detection_parts { /* of one element each */
    weld_value *box, *classes, *dfl;  /* the three losses, times their gains */
    /* In the batch: anchors that are to find an object, objects, and those that none is to find. */
    weld_value *positives, *objects, *missed;
    weld_value *reserved[4];
} weld_detection_parts;

/* boxes [n, A, 4]: predictions as x1 y1 x2 y2 in pixels; distances [n, A, 4 bins]: logits of which
 * left, top, right and bottom edge are how many strides from the anchor's centre, 0 to bins - 1;
 * classes [n, A, classes]: logits. targets [n, rows, 6]: class, x1, y1, x2, y2 in pixels, and 0; or
 * 1 for a crowd, which no anchor is to find and which makes anchors with their centre in its box,
 * unless they are to find an object, count for none of the losses; 2 for a part of an object that
 * is cut off, which the losses take as one and the counts do not; 3 for one that is left to no
 * anchor and only counted, as missed. Rows with a class below 0 and boxes without area are passed
 * over. All are of the graph's type.
 *
 * -> [1]: the sum of the three losses. As published it is also multiplied by n, as rates for SGD
 * and limits of gradients may presume; without, the gradient of a batch that is another one twice
 * is that of the other, and of updates over several batches their mean. The divisor is each batch's
 * own. Extreme logits and boxes without area make the loss large, never NaN; a class that there is
 * not, or boxes that are not finite, make it NaN. */
WELD_API weld_value *weld_detection_loss(weld_graph *g, weld_value *boxes, weld_value *distances,
                                         weld_value *classes, weld_value *targets,
                                         const weld_detection_loss_options *options,
                                         weld_detection_parts *parts);

/* One dim may be -1; dim[0] that is a multiple or a part of x's dim 0 follows the batch. */
WELD_API weld_value *weld_reshape(weld_graph *g, weld_value *x, weld_shape shape);
WELD_API weld_value *weld_permute(weld_graph *g, weld_value *x, const int *order);
WELD_API weld_value *weld_concat(weld_graph *g, weld_value *const *x, size_t count, int axis);
/* Elements begin..end-1 along axis. */
WELD_API weld_value *weld_slice(weld_graph *g, weld_value *x, int axis, int64_t begin, int64_t end);

/* How the activations of a network are kept; leaves and outputs are f32 in either. */
typedef enum weld_precision { WELD_PRECISION_FP32, WELD_PRECISION_BF16 } weld_precision;

/* --- Differentiation --------------------------------------------------------------------------
 * Append to g the nodes that compute d(loss)/d(wrt[i]) and store them in grads[i]; loss has one
 * element. A wrt that the loss does not depend on is an error. */
WELD_API weld_status weld_differentiate(weld_graph *g, weld_value *loss, weld_value *const *wrt,
                                        size_t count, weld_value **grads, weld_error *err);

/* Leaves in order of creation. */
WELD_API size_t weld_graph_parameter_count(const weld_graph *g);
WELD_API weld_value *weld_graph_parameter(const weld_graph *g, size_t i);

/* Print for people: one line a node with shapes, or Graphviz. Returns false when writing failed. */
WELD_API bool weld_graph_print(const weld_graph *g, FILE *out);
WELD_API bool weld_graph_print_dot(const weld_graph *g, FILE *out);

/* Named tensors: the parameters and buffers of a network. Owns its memory; keeps insertion order.
 */
typedef struct weld_weights weld_weights;

WELD_API weld_status weld_weights_create(weld_weights **out, weld_error *err);
WELD_API void weld_weights_free(weld_weights *w);
/* A zeroed tensor of that name, added at the end; an existing name is an error. */
WELD_API weld_status weld_weights_add(weld_weights *w, const char *name, weld_dtype dtype,
                                      const weld_shape *shape, weld_tensor *out, weld_error *err);
WELD_API size_t weld_weights_count(const weld_weights *w);
WELD_API const char *weld_weights_name(const weld_weights *w, size_t i);
WELD_API weld_tensor weld_weights_tensor(const weld_weights *w, size_t i);
/* false, and *out untouched, where there is no such name; out may be NULL. */
WELD_API bool weld_weights_find(const weld_weights *w, const char *name, weld_tensor *out);
WELD_API weld_status weld_weights_clone(const weld_weights *w, weld_weights **out, weld_error *err);

/* Make tensors for all parameters and buffers of g, started as their weld_init says; the draws are
 * a function of (seed, name). */
WELD_API weld_status weld_graph_init_weights(const weld_graph *g, uint64_t seed, weld_weights **out,
                                             weld_error *err);

/* --- Sessions: a plan of a graph and the memory to run it -------------------------------------
 * Graph and weights must outlive the session and may be shared by several sessions; a session is
 * used by one thread at a time. Sessions that only evaluate do not write to the weights. */
typedef struct weld_session weld_session;

typedef struct weld_session_options {
    int64_t batch;   /* dim 0 of every input; 0: as the graph was built */
    int threads;     /* 0: all that the process may use */
    uint64_t seed;   /* of dropout and stochastic depth */
    const char *isa; /* NULL: the best (or WELD_ISA); "ref", "avx2", "avx512", ... */
    /* The parameters do not change while the session lives. What their operators make of them
     * (packed weights) is then made when the session is, not in every run, and is kept with w for
     * all such sessions over w: of any batch, number of threads and graph. More may then be made of
     * them (conv2d: transformed kernels), so that results differ by rounding from those of a
     * session without. */
    bool constant_weights;
    /* Run every node over all of its tensor before the next: slower, more memory. */
    bool node_by_node;
    void *reserved[8];
} weld_session_options;

/* Say that elements of w have changed: sessions made with constant_weights from now on prepare
 * anew. Those made before must be freed, not run. Not while such a session is being made. */
WELD_API void weld_weights_changed(weld_weights *w);

/* Every leaf of g must be in w with the same shape. */
WELD_API weld_status weld_session_create(const weld_graph *g, weld_weights *w,
                                         const weld_session_options *options, weld_session **out,
                                         weld_error *err);
WELD_API void weld_session_free(weld_session *s);
/* Views into the session's memory, valid until it is freed: inputs to be filled before a run,
 * outputs to be read before the next. data is NULL where there is no such name. */
WELD_API weld_tensor weld_session_input(weld_session *s, const char *name);
WELD_API weld_tensor weld_session_output(weld_session *s, const char *name);
/* Run all nodes once. Allocates nothing and cannot fail. `step` numbers the run for the masks of
 * dropout. */
WELD_API void weld_session_run(weld_session *s, uint64_t step);
/* As weld_session_run, but look at every node's outputs: WELD_ERROR_NUMERIC with the name of the
 * first node that made a value that is not finite. For finding out, after the fact. */
WELD_API weld_status weld_session_run_checked(weld_session *s, uint64_t step, weld_error *err);
WELD_API size_t weld_session_arena_bytes(const weld_session *s);
/* Of prepared constant weights that the session uses, alone or with others. */
WELD_API size_t weld_session_prepared_bytes(const weld_session *s);

#ifdef __cplusplus
}
#endif
#endif
