/* RepViT: Revisiting Mobile CNN From ViT Perspective (Wang, Chen, Lin, Han, Ding; arXiv 2307.09283,
 * CVPR 2024), in its training form.
 *
 * Every function appends one part to the graph and creates its leaves under the name `at`, in the
 * order of the published checkpoints' state dicts. Branches are merged by passes/, not here: the
 * evaluation form differs from the training form only in its batch norms and in what becomes of the
 * two heads.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "models/models.h"
#include "ops/ops.h"

static const weld_model_config variants[] = {
    {"repvit_m0_6", 0, 4, {40, 80, 160, 320}, {1, 1, 8, 1}, 4, false, false},
    {"repvit_m0_9", 0, 4, {48, 96, 192, 384}, {2, 2, 14, 2}, 4, false, false},
    {"repvit_m1_0", 0, 4, {56, 112, 224, 448}, {2, 2, 14, 2}, 4, false, false},
    {"repvit_m1_1", 0, 4, {64, 128, 256, 512}, {2, 2, 12, 2}, 4, false, false},
    {"repvit_m1_5", 0, 4, {64, 128, 256, 512}, {4, 4, 24, 4}, 4, false, false},
    {"repvit_m2_3", 0, 4, {80, 160, 320, 640}, {6, 6, 34, 2}, 4, false, false},
    {"repvit_m1", 0, 4, {48, 96, 192, 384}, {2, 2, 14, 2}, 4, true, false},
    {"repvit_m2", 0, 4, {64, 128, 256, 512}, {2, 2, 12, 2}, 4, true, false},
    {"repvit_m3", 0, 4, {64, 128, 256, 512}, {4, 4, 18, 2}, 4, true, false},
};

/* Bounds that keep every size far from overflow, whatever file a config came from. */
enum { MAX_CHANNELS = 1 << 14, MAX_DEPTH = 1 << 10, MAX_CLASSES = 1 << 20 };

#define BATCH_NORM_EPS 1e-5
#define BATCH_NORM_MOMENTUM 0.1

typedef struct network {
    weld_graph *g;
    const weld_model_config *config;
    weld_build_mode mode;
} network;

/* A place in the tree of modules, "features.3.token_mixer.0". */
typedef struct path {
    char text[96];
} path;

static path under(path at, const char *format, ...) __attribute__((format(printf, 2, 3)));
static path under(path at, const char *format, ...) {
    char part[32];
    va_list args;
    va_start(args, format);
    vsnprintf(part, sizeof part, format, args);
    va_end(args);
    path out;
    snprintf(out.text, sizeof out.text, "%.60s.%s", at.text, part);
    return out;
}

/* --- Places ---------------------------------------------------------------------------------- */

/* "features.N..." by counting blocks. The block in front of a downsampling one belongs to the stage
 * that the latter begins, and both are one layer. */
static weld_model_place place(const weld_model_config *config, const char *name) {
    static const char features[] = "features.";
    bool in_features = strncmp(name, features, sizeof features - 1) == 0;
    int f = in_features ? atoi(name + sizeof features - 1) : -1, first = 1, layer = 1;
    if (f == 0) {
        return (weld_model_place){.part = 0};
    }
    for (int stage = 0; stage < config->stage_count; stage++) {
        int leading = stage > 0 ? 2 : 0, blocks = config->depths[stage];
        if (f >= first && f < first + leading) {
            return (weld_model_place){.part = stage + 1, .layer = layer};
        }
        first += leading;
        layer += leading / 2;
        if (f >= first && f < first + blocks) {
            return (weld_model_place){.part = stage + 1, .layer = layer + f - first};
        }
        first += blocks;
        layer += blocks;
    }
    return (weld_model_place){config->stage_count + 1, layer, strstr(name, ".l.") != NULL};
}

/* Does a batch norm use and update the batch's statistics? */
static bool uses_batch(const network *net, path at) {
    return net->mode.training && !net->mode.bn_eval &&
           place(net->config, at.text).part >= net->mode.frozen;
}

/* --- Layers ---------------------------------------------------------------------------------- */

static weld_init constant(double value) {
    return (weld_init){.kind = WELD_INIT_CONSTANT, .a = value};
}

static weld_value *batch_norm(const network *net, path at, weld_value *x, int channels,
                              double weight) {
    weld_graph *g = net->g;
    weld_shape c = WELD_SHAPE(channels), scalar = {.rank = 0};
    weld_batch_norm_leaves leaves;
    leaves.weight = weld_parameter(g, under(at, "weight").text, c, constant(weight));
    leaves.bias = weld_parameter(g, under(at, "bias").text, c, constant(0));
    leaves.running_mean = weld_buffer(g, under(at, "running_mean").text, g->dtype, c, constant(0));
    leaves.running_var = weld_buffer(g, under(at, "running_var").text, g->dtype, c, constant(1));
    leaves.num_batches_tracked =
        weld_buffer(g, under(at, "num_batches_tracked").text, WELD_I64, scalar, constant(0));
    return weld_batch_norm(g, x, leaves, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM, uses_batch(net, at));
}

typedef struct conv_shape {
    int in, out, kernel, stride, groups;
} conv_shape;

/* A convolution with padding kernel / 2; weight and bias start uniform in +-1 / sqrt(fan_in). */
static weld_value *conv(const network *net, path at, weld_value *x, conv_shape s, bool with_bias) {
    weld_graph *g = net->g;
    int in = s.in / s.groups, padding = s.kernel / 2;
    double bound = 1 / sqrt((double)s.kernel * s.kernel * in);
    weld_init uniform = {.kind = WELD_INIT_UNIFORM, .a = -bound, .b = bound};
    weld_value *weight = weld_parameter(g, under(at, "weight").text,
                                        WELD_SHAPE(s.out, in, s.kernel, s.kernel), uniform);
    weld_value *bias =
        with_bias ? weld_parameter(g, under(at, "bias").text, WELD_SHAPE(s.out), uniform) : NULL;
    return weld_conv2d(g, x, weight, bias,
                       (weld_conv2d_options){.stride = {s.stride, s.stride},
                                             .padding = {padding, padding},
                                             .groups = s.groups});
}

/* "ConvBN": bn_weight is what the batch norm's weight starts with. */
static weld_value *conv_bn_from(const network *net, path at, weld_value *x, conv_shape s,
                                double bn_weight) {
    weld_value *y = conv(net, under(at, "c"), x, s, false);
    return batch_norm(net, under(at, "bn"), y, s.out, bn_weight);
}

static weld_value *conv_bn(const network *net, path at, weld_value *x, conv_shape s) {
    return conv_bn_from(net, at, x, s, 1);
}

/* A quarter of the channels, to the nearest multiple of 8. */
static int squeezed_width(int c) {
    int width = (c / 4 + 4) / 8 * 8;
    return width < 8 ? 8 : width;
}

static weld_value *squeeze_excite(const network *net, path at, weld_value *x, int c) {
    weld_graph *g = net->g;
    int r = squeezed_width(c);
    double in = 1 / sqrt((double)c), out = 1 / sqrt((double)r);
    weld_init squeeze = {.kind = WELD_INIT_UNIFORM, .a = -in, .b = in};
    weld_init excite = {.kind = WELD_INIT_UNIFORM, .a = -out, .b = out};
    path fc1 = under(at, "fc1"), fc2 = under(at, "fc2");
    weld_value *w1 = weld_parameter(g, under(fc1, "weight").text, WELD_SHAPE(r, c, 1, 1), squeeze);
    weld_value *b1 = weld_parameter(g, under(fc1, "bias").text, WELD_SHAPE(r), squeeze);
    weld_value *w2 = weld_parameter(g, under(fc2, "weight").text, WELD_SHAPE(c, r, 1, 1), excite);
    weld_value *b2 = weld_parameter(g, under(fc2, "bias").text, WELD_SHAPE(c), excite);
    return weld_squeeze_excite(g, x, w1, b1, w2, b2);
}

/* --- The figure ------------------------------------------------------------------------------ */

static weld_value *stem(const network *net, path at, weld_value *x, int c, int stride) {
    conv_shape first = {.in = 3, .out = c / 2, .kernel = 3, .stride = stride > 1 ? 2 : 1, 1};
    conv_shape second = {.in = c / 2, .out = c, .kernel = 3, .stride = stride > 2 ? 2 : 1, 1};
    weld_value *y = conv_bn(net, under(at, "0"), x, first);
    return conv_bn(net, under(at, "2"), weld_gelu(net->g, y), second);
}

/* "RepVGGDW": three branches over each channel, 3x3, 1x1 and none. */
static weld_value *token_mixer(const network *net, path at, weld_value *x, int c) {
    conv_shape wide = {.in = c, .out = c, .kernel = 3, .stride = 1, .groups = c};
    conv_shape point = {.in = c, .out = c, .kernel = 1, .stride = 1, .groups = c};
    weld_value *a = conv_bn(net, under(at, "conv"), x, wide);
    bool legacy = net->config->legacy;
    weld_value *b = legacy ? conv_bn(net, under(at, "conv1"), x, point)
                           : conv(net, under(at, "conv1"), x, point, true);
    weld_value *sum = weld_add(net->g, weld_add(net->g, a, b), x);
    return legacy ? sum : batch_norm(net, under(at, "bn"), sum, c, 1);
}

static weld_value *channel_mixer(const network *net, path at, weld_value *x, int c) {
    conv_shape expand = {.in = c, .out = 2 * c, .kernel = 1, .stride = 1, .groups = 1};
    conv_shape project = {.in = 2 * c, .out = c, .kernel = 1, .stride = 1, .groups = 1};
    weld_value *y = conv_bn(net, under(at, "m.0"), x, expand);
    y = conv_bn_from(net, under(at, "m.2"), weld_gelu(net->g, y), project, 0);
    return weld_add(net->g, x, y);
}

static weld_value *block(const network *net, path at, weld_value *x, int c, bool excite) {
    x = token_mixer(net, under(at, "token_mixer.0"), x, c);
    x = excite ? squeeze_excite(net, under(at, "token_mixer.1"), x, c) : x;
    return channel_mixer(net, under(at, "channel_mixer"), x, c);
}

static weld_value *downsample(const network *net, path at, weld_value *x, int c, int out) {
    conv_shape spatial = {.in = c, .out = c, .kernel = 3, .stride = 2, .groups = c};
    conv_shape channel = {.in = c, .out = out, .kernel = 1, .stride = 1, .groups = 1};
    x = conv_bn(net, under(at, "token_mixer.0"), x, spatial);
    x = conv_bn(net, under(at, "token_mixer.2"), x, channel);
    return channel_mixer(net, under(at, "channel_mixer"), x, out);
}

static weld_value *head(const network *net, path at, weld_value *x, int c, int classes) {
    weld_graph *g = net->g;
    weld_init narrow = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.02, .b = 2};
    path l = under(at, "l");
    x = batch_norm(net, under(at, "bn"), x, c, 1);
    weld_value *weight = weld_parameter(g, under(l, "weight").text, WELD_SHAPE(classes, c), narrow);
    weld_value *bias = weld_parameter(g, under(l, "bias").text, WELD_SHAPE(classes), constant(0));
    return weld_linear(g, x, weight, bias);
}

static void classifier(const network *net, weld_value *x, int c) {
    weld_graph *g = net->g;
    const weld_model_config *config = net->config;
    path at = {"classifier"};
    weld_value *logits = head(net, under(at, "classifier"), x, c, config->num_classes);
    if (config->distillation_head) {
        weld_value *dist = head(net, under(at, "classifier_dist"), x, c, config->num_classes);
        if (net->mode.training) {
            weld_output(g, "logits_dist", dist);
        } else {
            logits = weld_scale(g, weld_add(g, logits, dist), 0.5);
        }
    }
    weld_output(g, "logits", logits);
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const network net = {.g = g, .config = config, .mode = mode};
    const path features = {"features"};
    int c = config->channels[0], f = 0;
    weld_value *x = stem(&net, under(features, "%d", f++), images, c, config->stem_stride);
    for (int stage = 0; stage < config->stage_count; stage++) {
        int width = config->channels[stage];
        if (stage > 0) {
            x = block(&net, under(features, "%d", f++), x, c, false);
            x = downsample(&net, under(features, "%d", f++), x, c, width);
            c = width;
        }
        for (int i = 0; i < config->depths[stage]; i++) {
            x = block(&net, under(features, "%d", f++), x, c, i % 2 == 0);
        }
    }
    x = weld_global_avg_pool(g, x);
    x = weld_reshape(g, x, WELD_SHAPE(weld_value_shape(images).dim[0], c));
    classifier(&net, x, c);
}

/* --- Stages ---------------------------------------------------------------------------------- */

/* The convolution called `at` (merged) or at.c; NULL where there is none. */
static const weld_node *find_conv(const weld_graph *g, path at) {
    path merged = under(at, "weight"), training = under(at, "c.weight");
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        const char *name = node->op == &weld_op_conv2d ? node->inputs[1]->name : "";
        if (strcmp(name, merged.text) == 0 || strcmp(name, training.text) == 0) {
            return node;
        }
    }
    return NULL;
}

/* What the first node of operator `op` that reads v makes of it; NULL where there is none. */
static weld_value *read_by(const weld_op *op, const weld_value *v) {
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

/* A block ends with the sum of its channel mixer. */
static weld_value *stage_end(const weld_graph *g, const weld_model_config *config, int stage,
                             int *stride) {
    int f = config->depths[0];
    for (int i = 1; i <= stage; i++) {
        f += 2 + config->depths[i]; /* 2: the block in front of the downsampling one, and that */
    }
    *stride = config->stem_stride << stage;
    path at = under((path){"features"}, "%d.channel_mixer.m.2", f);
    const weld_node *last = find_conv(g, at);
    if (!last) {
        return NULL;
    }
    weld_value *norm = read_by(&weld_op_batch_norm_eval, last->outputs[0]);
    norm = norm ? norm : read_by(&weld_op_batch_norm, last->outputs[0]);
    return read_by(&weld_op_add, norm ? norm : last->outputs[0]);
}

/* --- Configs --------------------------------------------------------------------------------- */

static weld_status check_range(const char *key, int value, int low, int high, weld_error *err) {
    if (value < low || value > high) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s is %d: it must be in %d..%d", key, value,
                         low, high);
    }
    return WELD_OK;
}

static weld_status check_stage(const weld_model_config *config, int stage, weld_error *err) {
    char key[32];
    snprintf(key, sizeof key, "channels[%d]", stage);
    weld_status status = check_range(key, config->channels[stage], 1, MAX_CHANNELS, err);
    if (status == WELD_OK) {
        snprintf(key, sizeof key, "depths[%d]", stage);
        status = check_range(key, config->depths[stage], 1, MAX_DEPTH, err);
    }
    return status;
}

static weld_status check(const weld_model_config *config, weld_error *err) {
    if (config->stage_count < 1 || config->stage_count > WELD_MAX_STAGES) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%d stages: give channels and depths of 1 to %d stages",
                         config->stage_count, WELD_MAX_STAGES);
    }
    weld_status status = check_range("num_classes", config->num_classes, 1, MAX_CLASSES, err);
    for (int i = 0; i < config->stage_count && status == WELD_OK; i++) {
        status = check_stage(config, i, err);
    }
    if (status != WELD_OK) {
        return status;
    }
    if (config->channels[0] % 2 != 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "channels[0] is %d: the stem needs an even number, as it begins with half "
                         "of them",
                         config->channels[0]);
    }
    if (config->stem_stride != 1 && config->stem_stride != 2 && config->stem_stride != 4) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "stem_stride is %d: it must be 1, 2 or 4",
                         config->stem_stride);
    }
    return WELD_OK;
}

const weld_model_family weld_family_repvit = {
    .name = "repvit",
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
    .check = check,
    .build = build,
    .place = place,
    .tensor_name = weld_repvit_tensor_name,
    .recognize = weld_repvit_recognize,
    .stage_end = stage_end,
};
