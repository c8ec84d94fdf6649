/* What networks are made of, for the files of families.
 *
 * Every function appends one layer to the graph and creates its leaves below the place `at` in the
 * tree of modules, in the order in which PyTorch's state dicts have them. Branches are merged by
 * passes/, not here: the evaluation form differs from the training form only in its batch norms and
 * in what the family makes of its heads.
 */
#ifndef WELD_MODELS_LAYERS_H
#define WELD_MODELS_LAYERS_H

#include "graph/graph.h"
#include "models/models.h"

/* What convolutions start with. */
typedef enum weld_conv_start {
    WELD_CONV_UNIFORM, /* weight and bias uniform in +-1 / sqrt(fan_in): PyTorch's default */
    /* normal of variance 2 / fan_out, bias 0; fan_out = kernel height x width x outputs: */
    WELD_CONV_FAN_OUT,          /* of one group (timm) */
    WELD_CONV_FAN_OUT_OF_GROUPS /* of all (torch.nn.init.kaiming_normal_) */
} weld_conv_start;

/* A network that is being built. */
typedef struct weld_layers {
    weld_graph *g;
    const weld_model_config *config;
    weld_build_mode mode;
    weld_model_place (*place)(const weld_model_config *config, const char *name);
    double bn_eps, bn_momentum;
    weld_conv_start conv_start;
} weld_layers;

/* weld_relu and the like */
typedef weld_value *weld_activation(weld_graph *g, weld_value *x);

/* A place in the tree of modules, "features.3.token_mixer.0"; "" is its root. */
typedef struct weld_path {
    char text[96];
} weld_path;

weld_path weld_under(weld_path at, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The weight begins with `weight`, the bias with 0. */
weld_value *weld_layer_batch_norm(const weld_layers *net, weld_path at, weld_value *x, int channels,
                                  double weight);

typedef struct weld_conv_shape {
    int in, out, kernel, stride, groups;
    bool unpadded; /* the padding is 0, else kernel / 2 */
} weld_conv_shape;

weld_value *weld_layer_conv(const weld_layers *net, weld_path at, weld_value *x, weld_conv_shape s,
                            bool with_bias);
/* Without bias, and a batch norm after it, whose weight begins with 1. */
weld_value *weld_layer_conv_bn(const weld_layers *net, weld_path conv, weld_path bn, weld_value *x,
                               weld_conv_shape s);

typedef struct weld_squeeze_shape {
    int channels, squeezed;
    const char *reduce, *expand; /* modules; NULL: "fc1", "fc2" */
    weld_activation *gate;       /* NULL: weld_sigmoid */
} weld_squeeze_shape;

/* x * gate(expand(relu(reduce(mean of x over height and width)))), both being 1x1 convolutions. */
weld_value *weld_layer_squeeze_excite(const weld_layers *net, weld_path at, weld_value *x,
                                      weld_squeeze_shape s);

/* Multiples of 8 for numbers of channels: the nearest, upwards from the middle, but not below 8 nor
 * 90 % of what is asked for (make_divisible of the MobileNets' code). */
int weld_round_channels(double channels);

/* Over the last dimension; the weight begins with 1, the bias with 0. */
weld_value *weld_layer_norm_affine(const weld_layers *net, weld_path at, weld_value *x, int c,
                                   double eps);

/* What is left out in training where the mode says so; else x itself. `depth`: how deep in the
 * network the residual branch x is, from 0 to 1 for the last: its share of mode.drop_path (Huang et
 * al. 2016, eq. 4). */
weld_value *weld_layer_drop_path(const weld_layers *net, weld_value *x, double depth);
/* Of the features that the head reads, by mode.dropout. */
weld_value *weld_layer_dropout(const weld_layers *net, weld_value *x);

/* [n, c] of [n, height, width, c] */
weld_value *weld_layer_global_mean(const weld_layers *net, weld_value *x, int c);

/* The bias starts with 0. */
weld_value *weld_layer_linear(const weld_layers *net, weld_path at, weld_value *x, int in, int out,
                              weld_init weight);

/* --- Looking for layers in a graph, which may come from a file ----------------------------------
 */

/* The convolution whose weight has one of two names; NULL where there is none. */
const weld_node *weld_find_conv(const weld_graph *g, weld_path weight, weld_path or_weight);
/* What the first node of operator `op` that reads v makes of it; NULL where there is none. */
weld_value *weld_read_by(const weld_op *op, const weld_value *v);

#endif
