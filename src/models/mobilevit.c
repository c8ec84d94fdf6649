/* MobileViT: Light-weight, General-purpose, and Mobile-friendly Vision Transformer (Mehta,
 * Rastegari; arXiv 2110.02178, ICLR 2022), with timm's names.
 *
 * Five stages of inverted residuals; the last three end with a block in which a transformer mixes
 * what stands at the same place of all patches of 2 x 2 positions. Weights start as in the authors'
 * code (cvnets): convolutions by fan_out, linear layers with a deviation of 0.02.
 */
#include "models/mobilevit.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "models/layers.h"

/* Blocks with transformers stand at the end of stages FIRST_MIXED and following. */
enum { STAGES = 5, FIRST_MIXED = 2, MIXED = STAGES - FIRST_MIXED, PATCH = 2 };

enum { MOST_HEAD = 960, MOST_LAYERS = 256, MOST_EXPANSION = 16 };

/* Inverted residuals in each stage; the first of them has the stage's stride. */
static const int residuals[STAGES] = {1, 3, 1, 1, 1};
static const int strides[STAGES] = {1, 2, 2, 2, 2};

typedef struct mobilevit {
    int channels[1 + STAGES]; /* of the stem and of each stage */
    int transformer_channels[MIXED], depths[MIXED];
    int expansion, heads, stem_stride;
    double hidden_dropout;
} mobilevit;

_Static_assert(sizeof(mobilevit) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

#define SIZES(...)                                                                                 \
    &(const mobilevit) {                                                                           \
        __VA_ARGS__                                                                                \
    }

static const weld_model_variant variants[] = {
    {"mobilevit_xxs", SIZES({16, 16, 24, 48, 64, 80}, {64, 80, 96}, {2, 4, 3}, 2, 4, 2, 0.05)},
    {"mobilevit_xs", SIZES({16, 32, 48, 64, 80, 96}, {96, 120, 144}, {2, 4, 3}, 4, 4, 2, 0.1)},
    {"mobilevit_s", SIZES({16, 32, 64, 96, 128, 160}, {144, 192, 240}, {2, 4, 3}, 4, 4, 2, 0.1)},
};

static const weld_key keys[] = {
    {"channels", WELD_KEY_INTEGER, WELD_KEY_ALL(mobilevit, channels), .min = 1, .max = 1 << 14,
     .flags = WELD_KEY_SIZE, .help = "channels of the stem and of each of the five stages"},
    {"transformer_channels", WELD_KEY_INTEGER, WELD_KEY_ALL(mobilevit, transformer_channels),
     .min = 1, .max = 1 << 14, .flags = WELD_KEY_SIZE,
     .help = "width of the transformers in the last three stages, a multiple of `heads`"},
    {"depths", WELD_KEY_INTEGER, WELD_KEY_ALL(mobilevit, depths), .min = 1, .max = MOST_LAYERS,
     .flags = WELD_KEY_SIZE, .help = "layers of each of these transformers"},
    {"expansion", WELD_KEY_INTEGER, WELD_KEY_ONE(mobilevit, expansion), .min = 1,
     .max = MOST_EXPANSION, .flags = WELD_KEY_SIZE,
     .help = "how many times wider an inverted residual is inside"},
    {"heads", WELD_KEY_INTEGER, WELD_KEY_ONE(mobilevit, heads), .min = 1, .max = 64,
     .flags = WELD_KEY_UNTOLD, .standard = "4", .help = "heads of each attention"},
    {"stem_stride", WELD_KEY_INTEGER, WELD_KEY_ONE(mobilevit, stem_stride), .min = 1, .max = 2,
     .flags = WELD_KEY_UNTOLD, .standard = "2",
     .help = "by what the stem shrinks the image: 2; 1 for small images"},
    {"hidden_dropout", WELD_KEY_REAL, WELD_KEY_ONE(mobilevit, hidden_dropout), .max = 0.9,
     .flags = WELD_KEY_UNTOLD, .standard = "0.1",
     .manual_standard = "the variant's: 0.1, of `mobilevit_xxs` 0.05",
     .help = "probability with which a number that attention or feed-forward adds is left out in "
             "training"},
};

static mobilevit values_of(const weld_model_config *config) {
    mobilevit m;
    memcpy(&m, config->values, sizeof m);
    return m;
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const mobilevit m = values_of(config);
    for (int i = 0; i < MIXED; i++) {
        if (m.transformer_channels[i] % m.heads != 0) {
            *key = "transformer_channels";
            return weld_fail(err, WELD_ERROR_ARGUMENT, "[%d] is %d: no multiple of %d heads", i,
                             m.transformer_channels[i], m.heads);
        }
    }
    return WELD_OK;
}

/* --- The figure ------------------------------------------------------------------------------ */

typedef struct network {
    weld_layers layers;
    mobilevit sizes;
} network;

static weld_value *conv_bn(const network *net, weld_path at, weld_value *x, weld_conv_shape s) {
    return weld_layer_conv_bn(&net->layers, weld_under(at, "conv"), weld_under(at, "bn"), x, s);
}

static weld_value *conv_bn_silu(const network *net, weld_path at, weld_value *x,
                                weld_conv_shape s) {
    return weld_silu(net->layers.g, conv_bn(net, at, x, s));
}

/* Channels within an inverted residual of so many. */
static int expanded(const mobilevit *m, int channels) {
    return weld_round_channels((double)channels * m->expansion);
}

/* "MV2" */
static weld_value *inverted_residual(const network *net, weld_path at, weld_value *x, int in,
                                     int out, int stride, double depth) {
    const int wide = expanded(&net->sizes, in);
    weld_value *y = conv_bn_silu(net, weld_under(at, "conv1_1x1"), x,
                                 (weld_conv_shape){in, wide, 1, 1, .groups = 1});
    y = conv_bn_silu(net, weld_under(at, "conv2_kxk"), y,
                     (weld_conv_shape){wide, wide, 3, stride, .groups = wide});
    y = conv_bn(net, weld_under(at, "conv3_1x1"), y,
                (weld_conv_shape){wide, out, 1, 1, .groups = 1});
    return stride == 1 && in == out
               ? weld_add(net->layers.g, x, weld_layer_drop_path(&net->layers, y, depth))
               : y;
}

/* Numbers left out of x in training. */
static weld_value *drop(const network *net, weld_value *x) {
    const double probability = net->layers.mode.training ? net->sizes.hidden_dropout : 0;
    return probability > 0 ? weld_dropout(net->layers.g, x, probability) : x;
}

/* Pre-norm, on tokens [sequences, length, d]. */
static weld_value *transformer_layer(const network *net, weld_path at, weld_value *x, int d,
                                     double depth) {
    const weld_layers *l = &net->layers;
    const weld_init narrow = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.02, .b = 2};
    weld_value *y = weld_layer_norm_affine(l, weld_under(at, "norm1"), x, d, 1e-5);
    y = weld_layer_self_attention(l, weld_under(at, "attn"), y, d, net->sizes.heads, narrow);
    x = weld_add(l->g, x, weld_layer_drop_path(l, drop(net, y), depth));
    y = weld_layer_norm_affine(l, weld_under(at, "norm2"), x, d, 1e-5);
    y = weld_layer_feed_forward(
        l, weld_under(at, "mlp"), y,
        (weld_feed_forward_shape){.width = d, .hidden = 2 * d, .activation = weld_silu}, narrow);
    return weld_add(l->g, x, weld_layer_drop_path(l, drop(net, y), depth));
}

/* What stands at the same place of all patches of the map [n, h, w, d] becomes a sequence:
 * [n x 4 places, h / 2 x w / 2 patches, d]. */
static weld_value *unfold(weld_graph *g, weld_value *x, int64_t h, int64_t w, int d) {
    const int64_t n = x ? x->shape.dim[0] : 1;
    x = weld_reshape(g, x, WELD_SHAPE(n, h / PATCH, PATCH, w / PATCH, PATCH, d));
    x = weld_permute(g, x, (const int[]){0, 2, 4, 1, 3, 5});
    return weld_reshape(g, x, WELD_SHAPE(n * PATCH * PATCH, h * w / (PATCH * PATCH), d));
}

static weld_value *fold(weld_graph *g, weld_value *x, int64_t n, int64_t h, int64_t w, int d) {
    x = weld_reshape(g, x, WELD_SHAPE(n, PATCH, PATCH, h / PATCH, w / PATCH, d));
    x = weld_permute(g, x, (const int[]){0, 3, 1, 4, 2, 5});
    return weld_reshape(g, x, WELD_SHAPE(n, h, w, d));
}

/* A size that parts into patches. */
static int64_t even(int64_t size) {
    return (size + PATCH - 1) / PATCH * PATCH;
}

/* The transformer over the map x [n, h, w, d], which is made a little larger where its sizes are
 * odd. */
static weld_value *mix_patches(const network *net, weld_path at, weld_value *x, int i,
                               double depth) {
    weld_graph *g = net->layers.g;
    const int d = net->sizes.transformer_channels[i];
    const weld_shape map = x ? x->shape : WELD_SHAPE(1, PATCH, PATCH, d);
    const int64_t h = even(map.dim[1]), w = even(map.dim[2]);
    const bool odd = h != map.dim[1] || w != map.dim[2];
    x = odd ? weld_resize(g, x, h, w, WELD_RESIZE_BILINEAR) : x;
    x = unfold(g, x, h, w, d);
    for (int k = 0; k < net->sizes.depths[i]; k++) {
        x = transformer_layer(net, weld_under(at, "transformer.%d", k), x, d, depth);
    }
    x = weld_layer_norm_affine(&net->layers, weld_under(at, "norm"), x, d, 1e-5);
    x = fold(g, x, map.dim[0], h, w, d);
    return odd ? weld_resize(g, x, map.dim[1], map.dim[2], WELD_RESIZE_BILINEAR) : x;
}

static weld_value *mobilevit_block(const network *net, weld_path at, weld_value *x, int i,
                                   double depth) {
    const int c = net->sizes.channels[1 + FIRST_MIXED + i], d = net->sizes.transformer_channels[i];
    weld_value *y = conv_bn_silu(net, weld_under(at, "conv_kxk"), x,
                                 (weld_conv_shape){c, c, 3, 1, .groups = 1});
    y = weld_layer_conv(&net->layers, weld_under(at, "conv_1x1"), y,
                        (weld_conv_shape){c, d, 1, 1, .groups = 1}, false);
    y = mix_patches(net, at, y, i, depth);
    y = conv_bn_silu(net, weld_under(at, "conv_proj"), y,
                     (weld_conv_shape){d, c, 1, 1, .groups = 1});
    y = weld_concat(net->layers.g, (weld_value *[]){x, y}, 2, 3);
    return conv_bn_silu(net, weld_under(at, "conv_fusion"), y,
                        (weld_conv_shape){2 * c, c, 3, 1, .groups = 1});
}

/* Blocks before each stage, and all of them. */
static int blocks_before(int stage) {
    int count = 0;
    for (int i = 0; i < stage; i++) {
        count += residuals[i] + (i >= FIRST_MIXED);
    }
    return count;
}

static weld_value *build_stage(const network *net, weld_value *x, int stage) {
    const weld_path at = weld_under((weld_path){"stages"}, "%d", stage);
    const int *c = &net->sizes.channels[stage], before = blocks_before(stage);
    const double last = blocks_before(STAGES) - 1;
    int b = 0;
    for (; b < residuals[stage]; b++) {
        x = inverted_residual(net, weld_under(at, "%d", b), x, b ? c[1] : c[0], c[1],
                              b ? 1 : strides[stage], (before + b) / last);
    }
    return stage < FIRST_MIXED ? x
                               : mobilevit_block(net, weld_under(at, "%d", b), x,
                                                 stage - FIRST_MIXED, (before + b) / last);
}

static weld_model_place place(const weld_model_config *config, const char *name);

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const network net = {.layers = {g, config, mode, place, .bn_eps = 1e-5, .bn_momentum = 0.1,
                                    .conv_start = WELD_CONV_FAN_OUT_OF_GROUPS},
                         .sizes = values_of(config)};
    const weld_init narrow = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.02, .b = 2};
    const int *c = net.sizes.channels, wide = 4 * c[STAGES] < MOST_HEAD ? 4 * c[STAGES] : MOST_HEAD;
    weld_value *x = conv_bn_silu(&net, (weld_path){"stem"}, images,
                                 (weld_conv_shape){3, c[0], 3, net.sizes.stem_stride, .groups = 1});
    for (int stage = 0; stage < STAGES; stage++) {
        x = build_stage(&net, x, stage);
    }
    x = conv_bn_silu(&net, (weld_path){"final_conv"}, x,
                     (weld_conv_shape){c[STAGES], wide, 1, 1, .groups = 1});
    x = weld_layer_dropout(&net.layers, weld_layer_global_mean(&net.layers, x, wide));
    weld_output(g, "logits",
                weld_layer_linear(&net.layers, (weld_path){"head.fc"}, x, wide, config->num_classes,
                                  narrow));
}

/* --- Places ---------------------------------------------------------------------------------- */

static int stage_count(const weld_model_config *config) {
    (void)config;
    return STAGES;
}

static int64_t block_count(const weld_model_config *config) {
    const mobilevit m = values_of(config);
    int64_t count = blocks_before(STAGES);
    for (int i = 0; i < MIXED; i++) {
        count += m.depths[i];
    }
    return count;
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    int stage, block;
    (void)config;
    if (sscanf(name, "stages.%1d.%1d.", &stage, &block) == 2 && stage < STAGES) {
        return (weld_model_place){.part = 1 + stage, .layer = 1 + blocks_before(stage) + block};
    }
    if (strncmp(name, "stem.", 5) == 0) {
        return (weld_model_place){.part = 0};
    }
    return (weld_model_place){STAGES + 1, 1 + blocks_before(STAGES),
                              strncmp(name, "head.", 5) == 0};
}

/* --- Names ----------------------------------------------------------------------------------- */

enum { TIMM, CVNETS };
static const weld_naming namings[] = {
    {"timm", "timm's", "timm's"},
    {.name = "cvnets", .whose = "cvnets'", .text = "cvnets'", .bgr = true}};

#define CONV_BN(timm, cvnets)                                                                      \
    {timm ".conv", {timm ".conv", cvnets ".conv"}}, {timm ".bn", {timm ".bn", cvnets ".norm"}}, {  \
        timm, {                                                                                    \
            timm, cvnets                                                                           \
        }                                                                                          \
    }
#define MODULE(timm, cvnets)                                                                       \
    {                                                                                              \
        timm, {                                                                                    \
            timm, cvnets                                                                           \
        }                                                                                          \
    }
#define BLOCK_CONV_BN(timm, cvnets) CONV_BN("stages.{s}.{b}." timm, "layer_{s+1}.{b}." cvnets)
#define LAYER(timm, cvnets)                                                                        \
    MODULE("stages.{s}.{b}.transformer.{t}." timm, "layer_{s+1}.{b}.global_rep.{t}." cvnets)

static const weld_module_row modules[] = {
    CONV_BN("stem", "conv_1.block"),
    BLOCK_CONV_BN("conv1_1x1", "block.exp_1x1.block"),
    BLOCK_CONV_BN("conv2_kxk", "block.conv_3x3.block"),
    BLOCK_CONV_BN("conv3_1x1", "block.red_1x1.block"),
    BLOCK_CONV_BN("conv_kxk", "local_rep.conv_3x3.block"),
    MODULE("stages.{s}.{b}.norm", "stages.{s}.{b}.norm"),
    MODULE("stages.{s}.{b}.conv_1x1", "layer_{s+1}.{b}.local_rep.conv_1x1.block.conv"),
    LAYER("norm1", "pre_norm_mha.0"),
    LAYER("attn.qkv", "pre_norm_mha.1.qkv_proj"),
    LAYER("attn.proj", "pre_norm_mha.1.out_proj"),
    LAYER("norm2", "pre_norm_ffn.0"),
    LAYER("mlp.fc1", "pre_norm_ffn.1"),
    LAYER("mlp.fc2", "pre_norm_ffn.4"),
    BLOCK_CONV_BN("conv_proj", "conv_proj.block"),
    BLOCK_CONV_BN("conv_fusion", "fusion.block"),
    CONV_BN("final_conv", "conv_1x1_exp.block"),
    MODULE("head.fc", "classifier.fc"),
    {NULL, {NULL}}};

/* cvnets has the norm behind a transformer's layers as one more of them. */
static bool tensor_name(const weld_model_config *config, const weld_naming *naming,
                        const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    const mobilevit m = values_of(config);
    int stage = 0, block = 0, length = 0;
    if (naming == &namings[CVNETS] &&
        sscanf(name, "stages.%1d.%1d.norm.%n", &stage, &block, &length) == 2 && length > 0 &&
        stage >= FIRST_MIXED && stage < STAGES) {
        return snprintf(out, WELD_TENSOR_NAME_SIZE, "layer_%d.%d.global_rep.%d.%s", stage + 1,
                        block, m.depths[stage - FIRST_MIXED],
                        name + length) < WELD_TENSOR_NAME_SIZE;
    }
    return weld_row_tensor_name(modules, (size_t)(naming - namings), name, out);
}

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    const bool timm = naming == &namings[TIMM];
    (void)config;
    return (weld_preprocessing){.height = 256,
                                .width = 256,
                                .crop_fraction = timm ? 0.9 : 256.0 / 288,
                                .interpolation = timm ? WELD_BICUBIC : WELD_BILINEAR,
                                .mean = {0, 0, 0},
                                .std = {1, 1, 1}};
}

/* --- Recognition ----------------------------------------------------------------------------- */

/* Narrow stages may be as wide inside with one expansion as with another. */
static bool expands_so(const mobilevit *m, const weld_model_config *config,
                       const weld_shape_index *index) {
    bool same = true;
    for (int i = 0; i < STAGES; i++) {
        same =
            same && expanded(m, m->channels[i]) ==
                        weld_model_outputs_seen(config, index, "conv", "stages.%d.0.conv1_1x1", i);
    }
    return same;
}

static void see_sizes(const weld_shape_index *index, weld_model_config *config) {
    mobilevit m = values_of(config);
    m.channels[0] = weld_model_outputs_seen(config, index, "conv", "stem");
    for (int i = 0; i < STAGES; i++) {
        m.channels[1 + i] =
            weld_model_outputs_seen(config, index, "conv", "stages.%d.0.conv3_1x1", i);
    }
    for (int i = 0; i < MIXED; i++) {
        const int stage = FIRST_MIXED + i;
        m.transformer_channels[i] =
            weld_model_outputs_seen(config, index, "", "stages.%d.1.conv_1x1", stage);
        while (m.depths[i] < MOST_LAYERS &&
               weld_model_outputs_seen(config, index, "", "stages.%d.1.transformer.%d.attn.qkv",
                                       stage, m.depths[i])) {
            m.depths[i]++;
        }
    }
    m.expansion = 1;
    while (m.expansion < MOST_EXPANSION && !expands_so(&m, config, index)) {
        m.expansion++;
    }
    memcpy(config->values, &m, sizeof m);
}

const weld_model_family weld_family_mobilevit = {
    .name = "mobilevit",
    .task = "classification",
    .values_size = sizeof(mobilevit),
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
    .namings = namings,
    .naming_count = sizeof namings / sizeof *namings,
    .check = check,
    .build = build,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .tensor_name = tensor_name,
    .see_sizes = see_sizes,
    .usual = usual,
};
