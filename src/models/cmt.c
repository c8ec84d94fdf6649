/* CMT: Convolutional Neural Networks Meet Vision Transformers (Guo, Han, Wu, Tang, Chen, Wang, Xu;
 * arXiv 2107.06263, CVPR 2022), with the names of the published checkpoints.
 *
 * It is the network that was published as code, which differs from the paper's formulas: one
 * depthwise convolution reduces what keys and values are both made of, and positions have a table
 * of their own for every pair of a query and a key. In the stem and the feed-forward, activations
 * come before batch norms.
 *
 * The compound scaling of the paper's section 3.4, for a factor phi: depths by 1.2^phi, widths by
 * 1.3^phi, the input by 1.15^phi. Here depths are rounded, widths of a head and of the stem rounded
 * to even numbers, and the input to a multiple of 32. (The published Ti, XS and B are near to it,
 * not made by it.)
 */
#include "models/cmt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/text.h"
#include "models/layers.h"

enum { STAGES = WELD_CMT_STAGES, MOST_DEPTH = 1 << 8 };

/* By stage: heads, and by what keys and values are fewer in each direction. */
static const int heads[STAGES] = {1, 2, 4, 8};
static const int reductions[STAGES] = {8, 4, 2, 1};

_Static_assert(sizeof(weld_cmt) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

#define SIZES(...)                                                                                 \
    &(const weld_cmt) {                                                                            \
        __VA_ARGS__, .stem_stride = 2                                                              \
    }

static const weld_model_variant variants[] = {
    {"cmt_ti", SIZES(16, 1280, {46, 92, 184, 368}, {2, 2, 10, 2}, 3.6)},
    {"cmt_xs", SIZES(16, 1280, {52, 104, 208, 416}, {3, 3, 12, 3}, 3.77)},
    {"cmt_s", SIZES(32, 1280, {64, 128, 256, 512}, {3, 3, 16, 3}, 4)},
    {"cmt_b", SIZES(38, 1280, {76, 152, 304, 608}, {4, 4, 20, 4}, 4)},
};
enum { VARIANTS = sizeof variants / sizeof *variants };
/* Of their images. */
static const int sizes[VARIANTS] = {160, 192, 224, 256};
enum { USUAL_SIZE = 224 };

static const weld_key keys[] = {
    {"stem_channels", WELD_KEY_INTEGER, WELD_KEY_ONE(weld_cmt, stem_channels), .min = 1,
     .max = 1 << 14, .flags = WELD_KEY_SIZE, .help = "channels of the stem"},
    {"head_channels", WELD_KEY_INTEGER, WELD_KEY_ONE(weld_cmt, head_channels), .min = 1,
     .max = 1 << 14, .flags = WELD_KEY_SIZE,
     .help = "channels before the mean over the map; they are not scaled"},
    {"channels", WELD_KEY_INTEGER, WELD_KEY_ALL(weld_cmt, channels), .min = 1, .max = 1 << 14,
     .flags = WELD_KEY_SIZE,
     .help = "channels of each of the four stages, multiples of 1, 2, 4 and 8: their heads"},
    {"depths", WELD_KEY_INTEGER, WELD_KEY_ALL(weld_cmt, depths), .min = 1, .max = MOST_DEPTH,
     .flags = WELD_KEY_SIZE, .help = "blocks in each stage"},
    {"mlp_ratio", WELD_KEY_REAL, WELD_KEY_ONE(weld_cmt, mlp_ratio), .min = 0.25, .max = 16,
     .flags = WELD_KEY_SIZE, .help = "how many times wider the feed-forward is inside"},
    {"phi", WELD_KEY_REAL, WELD_KEY_ONE(weld_cmt, phi), .min = -4, .max = 4, .label = "scaled",
     .standard = "0",
     .help = "compound scaling: depths by 1.2^phi, widths by 1.3^phi and, where no size is given, "
             "the input by 1.15^phi"},
    {"stem_stride", WELD_KEY_INTEGER, WELD_KEY_ONE(weld_cmt, stem_stride), .min = 1, .max = 2,
     .flags = WELD_KEY_UNTOLD, .standard = "2",
     .help = "by what the stem shrinks the image: 2; 1 for small images"},
    {"without_lpu", WELD_KEY_BOOL, WELD_KEY_ONE(weld_cmt, without_lpu),
     .label = "no local perception unit", .help = "leave out each block's local perception unit"},
    {"plain_mlp", WELD_KEY_BOOL, WELD_KEY_ONE(weld_cmt, plain_mlp), .label = "plain feed-forward",
     .help = "two linear layers with a GELU between them for the inverted residual feed-forward"},
    {"patch_stem", WELD_KEY_BOOL, WELD_KEY_ONE(weld_cmt, patch_stem), .label = "patch stem",
     .help = "patches of 4 x 4 pixels (with `stem_stride` 1: 2 x 2) for the stem of three "
             "convolutions"},
    {"batch_norm", WELD_KEY_BOOL, WELD_KEY_ONE(weld_cmt, batch_norm),
     .label = "batch norm for layer norm", .help = "batch norms in the place of layer norms"},
};

static weld_cmt values_of(const weld_model_config *config) {
    weld_cmt c;
    memcpy(&c, config->values, sizeof c);
    return c;
}

/* The nearest multiple of `unit`, at least one. */
static int rounded(double number, int unit) {
    const double units = round(number / unit);
    return units < 1 ? unit : (int)units * unit;
}

weld_cmt weld_cmt_of(const weld_model_config *config) {
    weld_cmt c = values_of(config);
    if (c.phi != 0) {
        const double wider = pow(1.3, c.phi), deeper = pow(1.2, c.phi);
        c.stem_channels = rounded(c.stem_channels * wider, 2);
        for (int i = 0; i < STAGES; i++) {
            c.channels[i] = heads[i] * rounded(c.channels[i] * wider / heads[i], 2);
            c.depths[i] = rounded(c.depths[i] * deeper, 1);
        }
    }
    return c;
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const weld_cmt c = values_of(config);
    for (int i = 0; i < STAGES; i++) {
        if (c.channels[i] % heads[i] != 0) {
            *key = "channels";
            return weld_fail(err, WELD_ERROR_ARGUMENT, "[%d] is %d: no multiple of its %d heads", i,
                             c.channels[i], heads[i]);
        }
        if (c.channels[i] * c.mlp_ratio < 1) {
            *key = "mlp_ratio";
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "is %g: the feed-forward of %d %s would have none inside", c.mlp_ratio,
                             c.channels[i], weld_plural(c.channels[i], "channel", "channels"));
        }
    }
    return WELD_OK;
}

/* --- The figure ------------------------------------------------------------------------------ */

typedef struct network {
    weld_layers layers;
    weld_cmt sizes;
    int64_t height, width; /* of the images */
} network;

static const weld_init narrow = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.02, .b = 2};

/* Pixels of the image for a position in a stage, in each direction. */
static int stride_of(const weld_cmt *c, int stage) {
    return c->stem_stride * 2 << stage;
}

static weld_value *norm(const network *net, weld_path at, weld_value *x, int c, double eps) {
    return net->sizes.batch_norm ? weld_layer_batch_norm(&net->layers, at, x, c, 1)
                                 : weld_layer_norm_affine(&net->layers, at, x, c, eps);
}

static weld_value *conv(const network *net, weld_path at, weld_value *x, weld_conv_shape s) {
    return weld_layer_conv(&net->layers, at, x, s, true);
}

/* Over each channel of a map, with what it is given added. */
static weld_value *residual_3x3(const network *net, weld_path at, weld_value *x, int c) {
    return weld_add(net->layers.g, conv(net, at, x, (weld_conv_shape){c, c, 3, 1, c, false}), x);
}

static weld_value *gelu_bn(const network *net, weld_path at, weld_value *x, int c) {
    return weld_layer_batch_norm(&net->layers, at, weld_gelu(net->layers.g, x), c, 1);
}

static weld_value *stem(const network *net, weld_value *x) {
    const weld_path root = {""};
    for (int i = 1; i <= 3; i++) {
        const int c = net->sizes.stem_channels;
        x = conv(
            net, weld_under(root, "stem_conv%d", i), x,
            (weld_conv_shape){i == 1 ? 3 : c, c, 3, i == 1 ? net->sizes.stem_stride : 1, 1, false});
        x = gelu_bn(net, weld_under(root, "stem_norm%d", i), x, c);
    }
    return x;
}

/* Keys and values are of the positions of y, or of fewer, reduced ones. */
static weld_value *reduce(const network *net, weld_path at, weld_value *y, int c, int k) {
    if (k == 1) {
        return y;
    }
    y = conv(net, weld_under(at, "sr.0"), y, (weld_conv_shape){c, c, k, k, c, true});
    return weld_layer_batch_norm(&net->layers, weld_under(at, "sr.1"), y, c, 1);
}

/* A linear layer of a map [n, h, w, c], as tokens [n, h w, c]. */
static weld_value *tokens(const network *net, weld_path at, weld_value *x, int c) {
    weld_value *y = weld_layer_linear(&net->layers, at, x, c, c, narrow);
    const weld_shape s = y ? y->shape : WELD_SHAPE(1, 1, 1, c);
    return weld_reshape(net->layers.g, y, WELD_SHAPE(s.dim[0], s.dim[1] * s.dim[2], c));
}

/* "LMHSA" of the map x [n, h, w, c]. */
static weld_value *attention(const network *net, weld_path at, weld_value *x, int stage,
                             weld_value *positions) {
    const weld_layers *l = &net->layers;
    const int c = net->sizes.channels[stage];
    weld_value *few = reduce(net, at, x, c, reductions[stage]);
    weld_value *q = tokens(net, weld_under(at, "q"), x, c);
    weld_value *k = tokens(net, weld_under(at, "k"), few, c);
    weld_value *v = tokens(net, weld_under(at, "v"), few, c);
    weld_value *y = weld_attention(l->g, q, k, v, positions, heads[stage], 0);
    y = weld_reshape(l->g, y, x ? x->shape : WELD_SHAPE(1, 1, 1, c));
    return weld_layer_linear(l, weld_under(at, "proj"), y, c, c, narrow);
}

/* "IRFFN" of a map */
static weld_value *feed_forward(const network *net, weld_path at, weld_value *x, int c) {
    const int hidden = (int)(c * net->sizes.mlp_ratio);
    if (net->sizes.plain_mlp) {
        return weld_layer_feed_forward(&net->layers, at, x,
                                       (weld_feed_forward_shape){c, hidden, weld_gelu}, narrow);
    }
    x = conv(net, weld_under(at, "conv1.0"), x, (weld_conv_shape){c, hidden, 1, 1, 1, false});
    x = gelu_bn(net, weld_under(at, "conv1.2"), x, hidden);
    x = residual_3x3(net, weld_under(at, "proj"), x, hidden);
    x = gelu_bn(net, weld_under(at, "proj_bn"), x, hidden);
    x = conv(net, weld_under(at, "conv2.0"), x, (weld_conv_shape){hidden, c, 1, 1, 1, false});
    return weld_layer_batch_norm(&net->layers, weld_under(at, "conv2.1"), x, c, 1);
}

static weld_value *block(const network *net, weld_path at, weld_value *x, int stage,
                         weld_value *positions, double depth) {
    const weld_layers *l = &net->layers;
    const int c = net->sizes.channels[stage];
    x = net->sizes.without_lpu ? x : residual_3x3(net, weld_under(at, "proj"), x, c);
    weld_value *y = norm(net, weld_under(at, "norm1"), x, c, 1e-6);
    y = attention(net, weld_under(at, "attn"), y, stage, positions);
    x = weld_add(l->g, x, weld_layer_drop_path(l, y, depth));
    y = norm(net, weld_under(at, "norm2"), x, c, 1e-6);
    y = feed_forward(net, weld_under(at, "mlp"), y, c);
    return weld_add(l->g, x, weld_layer_drop_path(l, y, depth));
}

static int blocks_before(const weld_cmt *c, int stage) {
    int count = 0;
    for (int i = 0; i < stage; i++) {
        count += c->depths[i];
    }
    return count;
}

static weld_value *patch_embed(const network *net, weld_value *x, int stage) {
    const weld_path at = weld_under((weld_path){""}, "patch_embed_%c", 'a' + stage);
    const weld_cmt *s = &net->sizes;
    const bool pixels = stage == 0 && s->patch_stem;
    const int in = pixels ? 3 : stage == 0 ? s->stem_channels : s->channels[stage - 1];
    const int size = pixels ? stride_of(s, 0) : 2;
    x = conv(net, weld_under(at, "proj"), x,
             (weld_conv_shape){in, s->channels[stage], size, size, 1, .unpadded = true});
    return norm(net, weld_under(at, "norm"), x, s->channels[stage], 1e-5);
}

static weld_value *build_stage(const network *net, weld_value *x, int stage,
                               weld_value *positions) {
    const weld_cmt *s = &net->sizes;
    const double last = blocks_before(s, STAGES) - 1;
    x = patch_embed(net, x, stage);
    for (int i = 0; i < s->depths[stage]; i++) {
        const weld_path at = weld_under((weld_path){""}, "blocks_%c.%d", 'a' + stage, i);
        x = block(net, at, x, stage, positions, (blocks_before(s, stage) + i) / last);
    }
    return x;
}

static weld_value *classifier(const network *net, weld_value *x) {
    const weld_layers *l = &net->layers;
    const int c = net->sizes.channels[STAGES - 1], wide = net->sizes.head_channels;
    x = conv(net, (weld_path){"_fc"}, x, (weld_conv_shape){c, wide, 1, 1, 1, false});
    x = weld_silu(l->g, weld_layer_batch_norm(l, (weld_path){"_bn"}, x, wide, 1));
    x = weld_layer_dropout(l, weld_layer_global_mean(l, x, wide));
    return weld_layer_linear(l, (weld_path){"head"}, x, wide, l->config->num_classes, narrow);
}

static weld_model_place place(const weld_model_config *config, const char *name);
static bool position_grids(const weld_model_config *config, const char *name, int64_t height,
                           int64_t width, weld_position_grids *out);

/* A table of an entry for each head, query and key, of all blocks of a stage. */
static weld_value *positions_of(const network *net, int stage) {
    const weld_init standard = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 1, .b = 0};
    const weld_path at = weld_under((weld_path){""}, "relative_pos_%c", 'a' + stage);
    weld_position_grids grids;
    position_grids(net->layers.config, at.text, net->height, net->width, &grids);
    return weld_parameter(net->layers.g, at.text, weld_position_shape(&grids), standard);
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const network net = {.layers = {.g = g,
                                    .config = config,
                                    .mode = mode,
                                    .place = place,
                                    .bn_eps = 1e-5,
                                    .bn_momentum = 0.1,
                                    .conv_start = WELD_CONV_FAN_OUT_OF_GROUPS},
                         .sizes = weld_cmt_of(config),
                         .height = images->shape.dim[1],
                         .width = images->shape.dim[2]};
    const int unit = stride_of(&net.sizes, STAGES - 1);
    if (net.height % unit || net.width % unit) {
        weld_graph_fail(g, WELD_ERROR_SHAPE,
                        "images of %lld x %lld: CMT needs multiples of %d in each direction",
                        (long long)net.height, (long long)net.width, unit);
        return;
    }
    weld_value *positions[STAGES], *x = images;
    for (int stage = 0; stage < STAGES; stage++) { /* first, as the checkpoints have them */
        positions[stage] = positions_of(&net, stage);
    }
    x = net.sizes.patch_stem ? x : stem(&net, x);
    for (int stage = 0; stage < STAGES; stage++) {
        x = build_stage(&net, x, stage, positions[stage]);
    }
    weld_output(g, "logits", classifier(&net, x));
}

/* --- Places ---------------------------------------------------------------------------------- */

static int stage_count(const weld_model_config *config) {
    (void)config;
    return STAGES;
}

static int64_t block_count(const weld_model_config *config) {
    const weld_cmt c = weld_cmt_of(config);
    return blocks_before(&c, STAGES);
}

/* A stage's table of positions and what leads into it are of its first block's layer. */
static weld_model_place place(const weld_model_config *config, const char *name) {
    const weld_cmt c = weld_cmt_of(config);
    char letter = 0;
    int block = 0;
    if ((sscanf(name, "blocks_%c.%4d.", &letter, &block) == 2 ||
         sscanf(name, "patch_embed_%c.", &letter) == 1 ||
         sscanf(name, "relative_pos_%c", &letter) == 1) &&
        letter >= 'a' && letter < 'a' + STAGES) {
        const int s = letter - 'a';
        return (weld_model_place){.part = 1 + s, .layer = 1 + blocks_before(&c, s) + block};
    }
    if (strncmp(name, "stem_", 5) == 0) {
        return (weld_model_place){.part = 0};
    }
    return (weld_model_place){STAGES + 1, 1 + blocks_before(&c, STAGES),
                              strncmp(name, "head.", 5) == 0};
}

static bool position_grids(const weld_model_config *config, const char *name, int64_t height,
                           int64_t width, weld_position_grids *out) {
    const weld_cmt c = weld_cmt_of(config);
    char letter, end;
    if (sscanf(name, "relative_pos_%c%c", &letter, &end) != 1 || letter < 'a' ||
        letter >= 'a' + STAGES) {
        return false;
    }
    const int stage = letter - 'a', stride = stride_of(&c, stage);
    *out = (weld_position_grids){
        .heads = heads[stage],
        .queries = {height / stride, width / stride},
        .keys = {height / stride / reductions[stage], width / stride / reductions[stage]}};
    return true;
}

/* --- Names and files ------------------------------------------------------------------------- */

static const weld_naming namings[] = {
    {.name = "official", .whose = "official", .text = "the authors' name"}};

static bool tensor_name(const weld_model_config *config, const weld_naming *naming,
                        const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    (void)config, (void)naming;
    return snprintf(out, WELD_TENSOR_NAME_SIZE, "%s", name) < WELD_TENSOR_NAME_SIZE;
}

/* A variant's size, scaled. */
static int usual_size(const weld_cmt *c) {
    double size = USUAL_SIZE;
    for (int i = 0; i < VARIANTS; i++) {
        const weld_cmt *v = variants[i].values;
        if (memcmp(v->channels, c->channels, sizeof v->channels) == 0 &&
            memcmp(v->depths, c->depths, sizeof v->depths) == 0) {
            size = sizes[i];
        }
    }
    return c->phi == 0 ? (int)size : rounded(size * pow(1.15, c->phi), 32);
}

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    const weld_cmt c = values_of(config);
    (void)naming;
    return weld_preprocessing_of(usual_size(&c));
}

/* Of a block by the paper's formulas, for n positions of width d, hidden widths r times as large
 * and keys reduced by k: LPU 9 n d; LMHSA 2 n d^2 (1 + 1 / k^2) + 2 n^2 d / k^2; IRFFN 2 n d^2 r +
 * 9 n d r. The convolution that reduces, n d where there is one, is not among them. */
static double paper_macs(double n, double d, double r, double k) {
    return 9 * n * d + 2 * n * d * d * (1 + 1 / (k * k)) + 2 * n * n * d / (k * k) +
           2 * n * d * d * r + 9 * n * d * r;
}

/* The multiply-adds of all blocks, by these formulas; with the reducing convolutions, as counted.
 */
static void describe(const weld_model_config *config, int size, char *text, size_t room) {
    const weld_cmt c = weld_cmt_of(config);
    double paper = 0, reducing = 0;
    for (int i = 0; i < STAGES; i++) {
        const double side = size / stride_of(&c, i), n = side * side, d = c.channels[i];
        paper += c.depths[i] * paper_macs(n, d, (int)(d * c.mlp_ratio) / d, reductions[i]);
        reducing += reductions[i] > 1 ? c.depths[i] * n * d : 0;
    }
    weld_snprintf(
        text, room,
        "stem %d, channels %d %d %d %d, depths %d %d %d %d\n"
        "blocks by the paper's formulas: %.1f M multiply-adds, and %.1f M of the convolutions "
        "that reduce keys and values\n",
        c.stem_channels, c.channels[0], c.channels[1], c.channels[2], c.channels[3], c.depths[0],
        c.depths[1], c.depths[2], c.depths[3], paper / 1e6, reducing / 1e6);
}

/* The roundest number by which all hidden widths are the stages' widths, rounded down; 0: none. */
static double ratio_seen(const weld_cmt *c, const weld_model_config *config,
                         const weld_shape_index *index) {
    double least = 0, below = 1e9;
    for (int i = 0; i < STAGES && c->channels[i] > 0; i++) {
        const int hidden =
            c->plain_mlp
                ? weld_model_outputs_seen(config, index, "", "blocks_%c.0.mlp.fc1", 'a' + i)
                : weld_model_outputs_seen(config, index, "0", "blocks_%c.0.mlp.conv1", 'a' + i);
        least = fmax(least, (double)hidden / c->channels[i]);
        below = fmin(below, (hidden + 1.0) / c->channels[i]);
    }
    const double round = ceil(least * 100) / 100;
    return round < below ? round : least;
}

static void see_sizes(const weld_shape_index *index, weld_model_config *config) {
    weld_cmt c = values_of(config);
    c.stem_channels = weld_model_outputs_seen(config, index, "", "stem_conv1");
    c.patch_stem = c.stem_channels == 0;
    c.stem_channels = c.patch_stem ? 1 : c.stem_channels;
    c.head_channels = weld_model_outputs_seen(config, index, "", "_fc");
    for (int i = 0; i < STAGES; i++) {
        const char stage = (char)('a' + i);
        c.channels[i] = weld_model_outputs_seen(config, index, "proj", "patch_embed_%c", stage);
        while (
            c.depths[i] < MOST_DEPTH &&
            weld_model_outputs_seen(config, index, "", "blocks_%c.%d.attn.q", stage, c.depths[i])) {
            c.depths[i]++;
        }
    }
    c.plain_mlp = weld_model_outputs_seen(config, index, "", "blocks_a.0.mlp.fc1") > 0;
    c.without_lpu = !weld_model_outputs_seen(config, index, "", "blocks_a.0.proj");
    c.batch_norm = weld_shape_index_find(index, "blocks_a.0.norm1.running_mean") != NULL;
    c.mlp_ratio = ratio_seen(&c, config, index);
    memcpy(config->values, &c, sizeof c);
}

const weld_model_family weld_family_cmt = {
    .name = "cmt",
    .task = "classification",
    .values_size = sizeof(weld_cmt),
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .variants = variants,
    .variant_count = VARIANTS,
    .namings = namings,
    .naming_count = sizeof namings / sizeof *namings,
    .check = check,
    .build = build,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .position_grids = position_grids,
    .tensor_name = tensor_name,
    .see_sizes = see_sizes,
    .describe = describe,
    .usual = usual,
};
