/* Layers of networks; see layers.h. */
#include "models/layers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/locale.h"
#include "ops/ops.h"

weld_layers weld_layers_of(weld_graph *g, bool training) {
    return (weld_layers){.g = g, .mode.training = training, .bn_eps = 1e-5, .bn_momentum = 0.1};
}

/* One that is too long fills all of it, which no other does. */
weld_path weld_under(weld_path at, const char *format, ...) {
    size_t used = strlen(at.text);
    weld_path out = at;
    va_list args;
    va_start(args, format);
    if (used && used + 1 < sizeof out.text) {
        out.text[used++] = '.';
        out.text[used] = 0;
    }
    weld_vsnprintf(out.text + used, sizeof out.text - used, format, args);
    va_end(args);
    return out;
}

static bool is_too_long(weld_path at) {
    return strlen(at.text) == sizeof at.text - 1;
}

static weld_value *fail_too_long(const weld_layers *net, weld_path at) {
    return weld_graph_fail(net->g, WELD_ERROR_ARGUMENT,
                           "%.60s...: a layer's name of %zu letters or more: shorten it", at.text,
                           sizeof at.text - 1);
}

static weld_value *parameter(const weld_layers *net, weld_path at, const char *name,
                             weld_shape shape, weld_init init) {
    const weld_path path = weld_under(at, "%s", name);
    return is_too_long(path) ? fail_too_long(net, path)
                             : weld_parameter(net->g, path.text, shape, init);
}

static weld_init constant(double value) {
    return (weld_init){.kind = WELD_INIT_CONSTANT, .a = value};
}

static weld_value *buffer(const weld_layers *net, weld_path at, const char *name, weld_dtype dtype,
                          weld_shape shape, double start) {
    const weld_path path = weld_under(at, "%s", name);
    return is_too_long(path) ? fail_too_long(net, path)
                             : weld_buffer(net->g, path.text, dtype, shape, constant(start));
}

/* PyTorch's default: kaiming_uniform_(a = sqrt(5)). */
static weld_init uniform(double fan_in) {
    double bound = 1 / sqrt(fan_in);
    return (weld_init){.kind = WELD_INIT_UNIFORM, .a = -bound, .b = bound};
}

static weld_init normal(double deviation) {
    return (weld_init){.kind = WELD_INIT_TRUNC_NORMAL, .a = deviation, .b = 0};
}

/* Does a batch norm use and update the batch's statistics? */
static bool uses_batch(const weld_layers *net, weld_path at) {
    return net->mode.training && !net->mode.bn_eval &&
           (!net->place || net->place(net->config, at.text).part >= net->mode.frozen);
}

weld_value *weld_layer_batch_norm(const weld_layers *net, weld_path at, weld_value *x, int channels,
                                  double weight) {
    weld_graph *g = net->g;
    weld_shape c = WELD_SHAPE(channels), scalar = {.rank = 0};
    weld_batch_norm_leaves leaves;
    leaves.weight = parameter(net, at, "weight", c, constant(weight));
    leaves.bias = parameter(net, at, "bias", c, constant(0));
    leaves.running_mean = buffer(net, at, "running_mean", g->dtype, c, 0);
    leaves.running_var = buffer(net, at, "running_var", g->dtype, c, 1);
    leaves.num_batches_tracked = buffer(net, at, "num_batches_tracked", WELD_I64, scalar, 0);
    return weld_batch_norm(g, x, leaves, net->bn_eps, net->bn_momentum, uses_batch(net, at));
}

static void start_conv(const weld_layers *net, weld_conv_shape s, weld_init *weight,
                       weld_init *bias) {
    const double window = (double)s.kernel * s.kernel;
    *bias = constant(0);
    switch (net->conv_start) {
    case WELD_CONV_UNIFORM:
        *weight = *bias = uniform(window * s.in / s.groups);
        break;
    case WELD_CONV_FAN_OUT:
        *weight = normal(sqrt(2 / (window * s.out / s.groups)));
        break;
    case WELD_CONV_FAN_OUT_OF_GROUPS:
        *weight = normal(sqrt(2 / (window * s.out)));
        break;
    }
}

weld_value *weld_layer_conv(const weld_layers *net, weld_path at, weld_value *x, weld_conv_shape s,
                            bool with_bias) {
    s.groups = s.groups ? s.groups : 1;
    int in = s.in / s.groups, padding = s.unpadded || s.same ? 0 : s.kernel / 2;
    weld_init w, b;
    start_conv(net, s, &w, &b);
    weld_value *weight = parameter(net, at, "weight", WELD_SHAPE(s.out, in, s.kernel, s.kernel), w);
    weld_value *bias = with_bias ? parameter(net, at, "bias", WELD_SHAPE(s.out), b) : NULL;
    return weld_conv2d(net->g, x, weight, bias,
                       (weld_conv2d_options){.stride = {s.stride, s.stride},
                                             .padding = {padding, padding},
                                             .groups = s.groups,
                                             .same = s.same});
}

weld_value *weld_layer_conv_bn(const weld_layers *net, weld_path conv, weld_path bn, weld_value *x,
                               weld_conv_shape s) {
    return weld_layer_batch_norm(net, bn, weld_layer_conv(net, conv, x, s, false), s.out, 1);
}

weld_value *weld_layer_squeeze_excite(const weld_layers *net, weld_path at, weld_value *x,
                                      weld_squeeze_shape s) {
    const weld_path reduce = weld_under(at, "%s", s.reduce ? s.reduce : "fc1");
    const weld_path expand = weld_under(at, "%s", s.expand ? s.expand : "fc2");
    const weld_conv_shape in = {s.channels, s.squeezed, .kernel = 1, .stride = 1, .groups = 1};
    const weld_conv_shape out = {s.squeezed, s.channels, .kernel = 1, .stride = 1, .groups = 1};
    weld_value *y = weld_global_avg_pool(net->g, x);
    y = weld_relu(net->g, weld_layer_conv(net, reduce, y, in, true));
    y = weld_layer_conv(net, expand, y, out, true);
    return weld_channel_scale(net->g, x, s.gate ? s.gate(net->g, y) : weld_sigmoid(net->g, y));
}

int weld_round_channels(double channels) {
    int rounded = (int)(channels + 4) / 8 * 8;
    rounded = rounded < 8 ? 8 : rounded;
    return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

weld_value *weld_layer_norm_affine(const weld_layers *net, weld_path at, weld_value *x, int c,
                                   double eps) {
    weld_value *weight = parameter(net, at, "weight", WELD_SHAPE(c), constant(1));
    weld_value *bias = parameter(net, at, "bias", WELD_SHAPE(c), constant(0));
    return weld_layer_norm(net->g, x, weight, bias, eps);
}

weld_value *weld_layer_scale_channels(const weld_layers *net, weld_path at, weld_value *x, int c,
                                      double factor) {
    weld_value *gamma = is_too_long(at)
                            ? fail_too_long(net, at)
                            : weld_parameter(net->g, at.text, WELD_SHAPE(c), constant(factor));
    return weld_affine(net->g, x, gamma, NULL);
}

weld_value *weld_layer_drop_path(const weld_layers *net, weld_value *x, double depth) {
    const double probability = net->mode.training ? net->mode.drop_path * depth : 0;
    return probability > 0 ? weld_stochastic_depth(net->g, x, probability) : x;
}

weld_value *weld_layer_dropout(const weld_layers *net, weld_value *x) {
    const double probability = net->mode.training ? net->mode.dropout : 0;
    return probability > 0 ? weld_dropout(net->g, x, probability) : x;
}

weld_value *weld_layer_global_mean(const weld_layers *net, weld_value *x, int c) {
    int64_t images = x ? x->shape.dim[0] : 1; /* NULL: an error that the graph keeps */
    return weld_reshape(net->g, weld_global_avg_pool(net->g, x), WELD_SHAPE(images, c));
}

weld_value *weld_layer_linear(const weld_layers *net, weld_path at, weld_value *x, int in, int out,
                              weld_init weight) {
    weld_value *w = parameter(net, at, "weight", WELD_SHAPE(out, in), weight);
    weld_value *b = parameter(net, at, "bias", WELD_SHAPE(out), constant(0));
    return weld_linear(net->g, x, w, b);
}

/* --- Looking for layers ------------------------------------------------------------------------
 */

const weld_node *weld_find_conv(const weld_graph *g, weld_path weight, weld_path or_weight) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        const char *name = node->op == &weld_op_conv2d ? node->inputs[1]->name : "";
        if (strcmp(name, weight.text) == 0 || strcmp(name, or_weight.text) == 0) {
            return node;
        }
    }
    return NULL;
}

weld_value *weld_read_by(const weld_op *op, const weld_value *v) {
    const weld_graph *g = v->graph;
    for (size_t i = v->producer ? (size_t)v->producer->id + 1 : 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        for (int k = 0; node->op == op && k < node->input_count; k++) {
            if (node->inputs[k] == v) {
                return node->outputs[0];
            }
        }
    }
    return NULL;
}
