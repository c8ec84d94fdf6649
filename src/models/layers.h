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

/* A network that is being built. */
typedef struct weld_layers {
    weld_graph *g;
    const weld_model_config *config;
    weld_build_mode mode;
    weld_model_place (*place)(const weld_model_config *config, const char *name);
    double bn_eps, bn_momentum;
} weld_layers;

/* A place in the tree of modules, "features.3.token_mixer.0". */
typedef struct weld_path {
    char text[96];
} weld_path;

weld_path weld_under(weld_path at, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The weight begins with `weight`, the bias with 0. */
weld_value *weld_layer_batch_norm(const weld_layers *net, weld_path at, weld_value *x, int channels,
                                  double weight);

typedef struct weld_conv_shape {
    int in, out, kernel, stride, groups;
} weld_conv_shape;

/* A convolution with padding kernel / 2; weight and bias start uniform in +-1 / sqrt(fan_in). */
weld_value *weld_layer_conv(const weld_layers *net, weld_path at, weld_value *x, weld_conv_shape s,
                            bool with_bias);

/* x * sigmoid(fc2(relu(fc1(mean of x over height and width)))), fc1 from c channels to `squeezed`;
 * fc1 and fc2 start as convolutions do. */
weld_value *weld_layer_squeeze_excite(const weld_layers *net, weld_path at, weld_value *x, int c,
                                      int squeezed);

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
