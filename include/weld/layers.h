/* What networks are made of: layers with their parameters, of which weld's own families are built
 * too.
 *
 *     weld_layers net = weld_layers_of(g, training);
 *     weld_path at = {"stem"};
 *     weld_conv_shape patches = {.in = 3, .out = 32, .kernel = 4, .stride = 4, .unpadded = true};
 *     x = weld_layer_conv(&net, weld_under(at, "conv"), images, patches, true);
 *     x = weld_layer_norm_affine(&net, weld_under(at, "norm"), x, 32, 1e-6);
 *
 * Every function appends one layer to the graph, creates its leaves below the place `at` in the
 * tree of modules ("stem.conv.weight", "stem.conv.bias"), in the order and shapes in which
 * PyTorch's state dicts have them, and returns its output. Two layers at the same place share their
 * leaves. Errors stay in the graph, as those of weld/graph.h do: weld_graph_status is asked once at
 * the end.
 *
 * A graph for training and one for evaluation differ in `mode` alone: batch norms, and what is left
 * out by chance. Parallel branches are built as they are: merging finds them in the graph.
 */
#ifndef WELD_LAYERS_H
#define WELD_LAYERS_H

#include "weld/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a network is built. */
typedef struct weld_build_mode {
    bool training; /* batch norms use and update the batch's statistics, two heads stay apart... */
    bool bn_eval;  /* ...but batch norms use their running statistics and leave them alone... */
    int frozen;    /* ...or those of the first parts of weld's own families do */
    double drop_path; /* training: probability that a sample passes by the last residual branch; */
    double dropout;   /* ...that a feature of a sample does not reach the head */
} weld_build_mode;

/* What convolutions start with. */
typedef enum weld_conv_start {
    WELD_CONV_UNIFORM, /* weight and bias uniform in +-1 / sqrt(fan_in): PyTorch's default */
    /* normal of variance 2 / fan_out, bias 0; fan_out = kernel height x width x outputs: */
    WELD_CONV_FAN_OUT,          /* of one group (timm) */
    WELD_CONV_FAN_OUT_OF_GROUPS /* of all (torch.nn.init.kaiming_normal_) */
} weld_conv_start;

struct weld_model_place;

/* A network that is being built; made by weld_layers_of. */
typedef struct weld_layers {
    weld_graph *g;
    const weld_model_config *config; /* of weld's own families, as is `place`: NULL */
    weld_build_mode mode;
    struct weld_model_place (*place)(const weld_model_config *config, const char *name);
    double bn_eps, bn_momentum; /* 1e-5, 0.1 */
    weld_conv_start conv_start; /* WELD_CONV_UNIFORM */
    void *reserved[4];          /* NULL */
} weld_layers;

WELD_API weld_layers weld_layers_of(weld_graph *g, bool training);

/* weld_relu and the like */
typedef weld_value *weld_activation(weld_graph *g, weld_value *x);

/* A place in the tree of modules, "features.3.token_mixer.0"; "" is its root. One that is too long
 * is an error of the graph where it is used. */
#define WELD_PATH_SIZE 120
typedef struct weld_path {
    char text[WELD_PATH_SIZE];
} weld_path;

WELD_API weld_path weld_under(weld_path at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* x [.., channels]; the weight begins with `weight` (1 is usual; 0 lets a residual branch begin
 * with nothing), the bias with 0. */
WELD_API weld_value *weld_layer_batch_norm(const weld_layers *net, weld_path at, weld_value *x,
                                           int channels, double weight);

typedef struct weld_conv_shape {
    int in, out, kernel, stride, groups; /* stride and groups 0 mean 1 */
    bool unpadded;                       /* the padding is 0, else kernel / 2 */
    bool same;                           /* or that of weld_conv2d_options */
} weld_conv_shape;

/* x [n, h, w, in] -> [n, oh, ow, out]; with groups = in = out it is depthwise. */
WELD_API weld_value *weld_layer_conv(const weld_layers *net, weld_path at, weld_value *x,
                                     weld_conv_shape s, bool with_bias);
/* Without bias, and a batch norm after it, whose weight begins with 1. */
WELD_API weld_value *weld_layer_conv_bn(const weld_layers *net, weld_path conv, weld_path bn,
                                        weld_value *x, weld_conv_shape s);

typedef struct weld_squeeze_shape {
    int channels, squeezed;
    const char *reduce, *expand; /* modules; NULL: "fc1", "fc2" */
    weld_activation *gate;       /* NULL: weld_sigmoid */
} weld_squeeze_shape;

/* x * gate(expand(relu(reduce(mean of x over height and width)))), both being 1x1 convolutions. */
WELD_API weld_value *weld_layer_squeeze_excite(const weld_layers *net, weld_path at, weld_value *x,
                                               weld_squeeze_shape s);

/* Multiples of 8 for numbers of channels: the nearest, upwards from the middle, but not below 8 nor
 * 90 % of what is asked for (make_divisible of the MobileNets' code). */
WELD_API int weld_round_channels(double channels);

/* Layer norm over the last dimension, c; the weight begins with 1, the bias with 0. */
WELD_API weld_value *weld_layer_norm_affine(const weld_layers *net, weld_path at, weld_value *x,
                                            int c, double eps);

/* A factor for each channel, x [.., c]: LayerScale (Touvron et al., "Going deeper with image
 * transformers", ICCV 2021). The parameter is called `at` itself ("block.gamma") and begins with
 * `factor`; merging folds it into a layer before it. */
WELD_API weld_value *weld_layer_scale_channels(const weld_layers *net, weld_path at, weld_value *x,
                                               int c, double factor);

/* x [.., in] -> [.., out]; the bias starts with 0. */
WELD_API weld_value *weld_layer_linear(const weld_layers *net, weld_path at, weld_value *x, int in,
                                       int out, weld_init weight);

/* Attention of x [sequences, length, width] to itself: modules "qkv", whose outputs are all
 * queries, all keys and all values, and "proj". `weight`: what both begin with. */
WELD_API weld_value *weld_layer_self_attention(const weld_layers *net, weld_path at, weld_value *x,
                                               int width, int heads, weld_init weight);

typedef struct weld_feed_forward_shape {
    int width, hidden;
    weld_activation *activation; /* NULL: weld_gelu */
} weld_feed_forward_shape;

/* x [.., width]: modules "fc1" and "fc2" with the activation between them. */
WELD_API weld_value *weld_layer_feed_forward(const weld_layers *net, weld_path at, weld_value *x,
                                             weld_feed_forward_shape s, weld_init weight);

/* [n, c] of [n, height, width, c] */
WELD_API weld_value *weld_layer_global_mean(const weld_layers *net, weld_value *x, int c);

/* What is left out in training where the mode says so; else x itself. `depth`: how deep in the
 * network the residual branch x is, from 0 to 1 for the last: its share of mode.drop_path (Huang et
 * al. 2016, eq. 4). */
WELD_API weld_value *weld_layer_drop_path(const weld_layers *net, weld_value *x, double depth);
/* Of the features that the head reads, by mode.dropout. */
WELD_API weld_value *weld_layer_dropout(const weld_layers *net, weld_value *x);

#ifdef __cplusplus
}
#endif
#endif
