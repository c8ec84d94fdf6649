/* MobileNetV3: Searching for MobileNetV3 (Howard et al., ICCV 2019), with timm's names.
 *
 * The paper's tables 1 and 2 give each row its kernel, expansion, width and so on. Rows of one
 * width are a stage here, as in timm: the tables say what a stage's blocks are, the config how wide
 * and how many they are.
 */
#include "models/mobilenetv3.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

_Static_assert(sizeof(weld_mobilenetv3) <= WELD_MODEL_VALUES_SIZE,
               "a config has room for the values");

static const char *const tables[] = {"large", "small", NULL};
static const char *const activations[] = {"published", "relu", "gelu", "silu", NULL};
static const char *const paddings[] = {"symmetric", "same", NULL};

/* Channels of the head's first convolution, then of the stages. "tf_" is timm's name for networks
 * that were trained in TensorFlow: what their tensors do not tell is otherwise. */
#define LARGE(untold, wide, ...)                                                                   \
    &(const weld_mobilenetv3) {                                                                    \
        6, {__VA_ARGS__}, 6, {1, 2, 3, 4, 2, 3}, WELD_MOBILENETV3_LARGE, 16,                       \
            {wide, WELD_MOBILENETV3_LARGE_HEAD}, 2, 0, untold                                      \
    }
#define SMALL(untold, wide, ...)                                                                   \
    &(const weld_mobilenetv3) {                                                                    \
        5, {__VA_ARGS__}, 5, {1, 2, 3, 2, 3}, WELD_MOBILENETV3_SMALL, 16,                          \
            {wide, WELD_MOBILENETV3_SMALL_HEAD}, 2, 0, untold                                      \
    }
#define OURS 1e-5, 0.1, 0
#define TF 1e-3, 0.1, 1

static const weld_model_variant variants[] = {
    {"mobilenetv3_large_100", LARGE(OURS, 960, 16, 24, 40, 80, 112, 160)},
    {"mobilenetv3_large_075", LARGE(OURS, 720, 16, 24, 32, 64, 88, 120)},
    {"mobilenetv3_small_100", SMALL(OURS, 576, 16, 24, 40, 48, 96)},
    {"mobilenetv3_small_075", SMALL(OURS, 432, 16, 24, 32, 40, 72)},
    {"mobilenetv3_small_050", SMALL(OURS, 288, 8, 16, 24, 24, 48)},
    {"tf_mobilenetv3_large_100", LARGE(TF, 960, 16, 24, 40, 80, 112, 160)},
    {"tf_mobilenetv3_large_075", LARGE(TF, 720, 16, 24, 32, 64, 88, 120)},
    {"tf_mobilenetv3_small_100", SMALL(TF, 576, 16, 24, 40, 48, 96)},
    {"tf_mobilenetv3_small_075", SMALL(TF, 432, 16, 24, 32, 40, 72)},
};

#define M weld_mobilenetv3
static const weld_key keys[] = {
    {"channels", WELD_KEY_INTEGER, WELD_KEY_LIST(M, channels, stages), .min = 1, .max = 1 << 14,
     .flags = WELD_KEY_SIZE,
     .help = "channels of each stage, of which there are as many as in `table` or fewer"},
    {"depths", WELD_KEY_INTEGER, WELD_KEY_LIST(M, depths, depth_count), .min = 1, .max = 1 << 8,
     .flags = WELD_KEY_SIZE, .help = "blocks in each stage"},
    {"table", WELD_KEY_CHOICE, WELD_KEY_ONE(M, table), .choices = tables, .flags = WELD_KEY_SIZE,
     .standard = "large",
     .help = "the paper's table of kernels, strides, expansion, squeeze-and-excitation and "
             "activations by stage: large has six stages, small five"},
    {"stem_channels", WELD_KEY_INTEGER, WELD_KEY_ONE(M, stem_channels), .min = 1, .max = 1 << 14,
     .flags = WELD_KEY_SIZE, .standard = "16", .help = "channels of the stem"},
    {"head_channels", WELD_KEY_INTEGER, WELD_KEY_ALL(M, head_channels), .min = 1, .max = 1 << 14,
     .flags = WELD_KEY_SIZE, .standard = "960, 1280",
     .help = "channels before the mean over the map, and after it"},
    {"stem_stride", WELD_KEY_INTEGER, WELD_KEY_ONE(M, stem_stride), .min = 1, .max = 2,
     .flags = WELD_KEY_UNTOLD, .standard = "2",
     .help = "by what the stem shrinks the image: 2, or 1 for small images"},
    {"activation", WELD_KEY_CHOICE, WELD_KEY_ONE(M, activation), .choices = activations,
     .flags = WELD_KEY_UNTOLD, .standard = "published",
     .help = "published: ReLU in the first stages, then hard-swish, as the table says; else the "
             "same everywhere"},
    {"bn_eps", WELD_KEY_REAL, WELD_KEY_ONE(M, bn_eps), .min = 0, .max = 1, .flags = WELD_KEY_UNTOLD,
     .standard = "1e-5",
     .manual_standard = "1e-5; of tf_ variants, and at import of torchvision's names, 1e-3",
     .help = "what batch norms add to the variance"},
    {"bn_momentum", WELD_KEY_REAL, WELD_KEY_ONE(M, bn_momentum), .min = 0, .max = 1,
     .flags = WELD_KEY_UNTOLD, .standard = "0.1",
     .manual_standard = "0.1; at import of torchvision's names 0.01",
     .help = "part of a batch's statistics in the running ones"},
    {"padding", WELD_KEY_CHOICE, WELD_KEY_ONE(M, padding), .choices = paddings,
     .flags = WELD_KEY_UNTOLD, .standard = "symmetric",
     .manual_standard = "symmetric; of tf_ variants same",
     .help =
         "of convolutions that shrink the map: symmetric, or same, TensorFlow's: one more below "
         "and on the right where it is an odd number"},
};

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const weld_mobilenetv3 m = weld_mobilenetv3_of(config);
    const int most = weld_mobilenetv3_table_stages(m.table);
    if (m.stages > most) {
        *key = "channels";
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "has %d values: the table '%s' has %d stages: give at most as many",
                         m.stages, tables[m.table], most);
    }
    return WELD_OK;
}

/* --- The figure ------------------------------------------------------------------------------ */

typedef weld_layers network;
typedef weld_conv_shape shape;

static weld_path under(weld_path at, const char *name) {
    return weld_under(at, "%s", name);
}

static weld_value *conv_bn(const network *net, weld_path at, const char *conv, const char *bn,
                           weld_value *x, shape s) {
    return weld_layer_conv_bn(net, under(at, conv), under(at, bn), x, s);
}

weld_value *weld_inverted_block(const network *net, weld_path at, weld_value *x,
                                weld_inverted_shape s) {
    const bool expands = s.expanded > 0;
    const int c = expands ? s.expanded : s.in;
    const shape expand = {s.in, c, .kernel = 1, .stride = 1, .groups = 1};
    const shape spatial = {
        c, c, .kernel = s.kernel, .stride = s.stride, .groups = c, .same = s.same};
    const shape project = {c, s.out, .kernel = 1, .stride = 1, .groups = 1};
    const weld_squeeze_shape squeeze = {c, s.squeezed, "conv_reduce", "conv_expand",
                                        weld_hard_sigmoid};
    weld_value *y = x;
    if (expands) {
        y = s.activation(net->g, conv_bn(net, at, "conv_pw", "bn1", y, expand));
    }
    y = s.activation(net->g, conv_bn(net, at, "conv_dw", expands ? "bn2" : "bn1", y, spatial));
    y = s.squeezed ? weld_layer_squeeze_excite(net, under(at, "se"), y, squeeze) : y;
    y = expands ? conv_bn(net, at, "conv_pwl", "bn3", y, project)
                : conv_bn(net, at, "conv_pw", "bn2", y, project);
    return s.stride == 1 && s.in == s.out
               ? weld_add(net->g, x, weld_layer_drop_path(net, y, s.depth))
               : y;
}

static weld_activation *activation_of(const weld_mobilenetv3 *m, bool hard_swish) {
    weld_activation *const everywhere[] = {NULL, weld_relu, weld_gelu, weld_silu};
    return m->activation ? everywhere[m->activation] : hard_swish ? weld_hard_swish : weld_relu;
}

/* Block b of a stage, which leads from c channels to the stage's. */
static weld_inverted_shape block_shape(const weld_mobilenetv3 *m, int stage, int b, int c) {
    const weld_mobilenetv3_stage row = weld_mobilenetv3_stage_of(m->table, stage);
    const double expansion = weld_mobilenetv3_expansion(&row, b);
    const int expanded = expansion > 0 ? weld_round_channels(c * expansion) : 0;
    const int wide = expanded ? expanded : c;
    return (weld_inverted_shape){.in = c,
                                 .expanded = expanded,
                                 .out = m->channels[stage],
                                 .kernel = row.kernel,
                                 .stride = b == 0 ? row.stride : 1,
                                 .squeezed = row.excite ? weld_round_channels(wide / 4.0) : 0,
                                 .activation = activation_of(m, row.hard_swish),
                                 .same = m->padding && b == 0 && row.stride > 1};
}

static void head(const network *net, const weld_mobilenetv3 *m, weld_path last, weld_value *x,
                 int c) {
    const int *wide = m->head_channels, classes = net->config->num_classes;
    const shape widen = {c, wide[0], .kernel = 1, .stride = 1, .groups = 1};
    const shape mix = {wide[0], wide[1], .kernel = 1, .stride = 1, .groups = 1};
    const double bound = 1 / sqrt(classes);
    weld_activation *activation = activation_of(m, true);
    x = activation(net->g, conv_bn(net, last, "conv", "bn1", x, widen));
    x = weld_global_avg_pool(net->g, x);
    x = activation(net->g, weld_layer_conv(net, (weld_path){"conv_head"}, x, mix, true));
    x = weld_reshape(net->g, x, WELD_SHAPE(x ? x->shape.dim[0] : 1, wide[1]));
    x = weld_layer_dropout(net, x);
    weld_output(net->g, "logits",
                weld_layer_linear(net, (weld_path){"classifier"}, x, wide[1], classes,
                                  (weld_init){WELD_INIT_UNIFORM, -bound, bound}));
}

static weld_model_place place(const weld_model_config *config, const char *name);
static int64_t block_count(const weld_model_config *config);

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const weld_mobilenetv3 m = weld_mobilenetv3_of(config);
    const network net = {g, config, mode, place, m.bn_eps, m.bn_momentum, WELD_CONV_FAN_OUT};
    const weld_path root = {""}, blocks = {"blocks"};
    const shape stem = {3,           m.stem_channels,
                        .kernel = 3, .stride = m.stem_stride,
                        .groups = 1, .same = m.padding && m.stem_stride > 1};
    const double all = (double)block_count(config) + 1; /* timm counts the head's convolution too */
    int c = m.stem_channels, index = 0;
    weld_value *x = conv_bn(&net, root, "conv_stem", "bn1", images, stem);
    x = activation_of(&m, true)(g, x);
    for (int stage = 0; stage < m.stages; stage++) {
        for (int b = 0; b < m.depths[stage]; b++) {
            weld_inverted_shape s = block_shape(&m, stage, b, c);
            s.depth = index++ / all;
            x = weld_inverted_block(&net, weld_under(blocks, "%d.%d", stage, b), x, s);
            c = m.channels[stage];
        }
    }
    head(&net, &m, weld_under(blocks, "%d.0", m.stages), x, c);
}

/* --- Places ---------------------------------------------------------------------------------- */

static int stage_count(const weld_model_config *config) {
    return weld_mobilenetv3_of(config).stages;
}

static int64_t block_count(const weld_model_config *config) {
    const weld_mobilenetv3 m = weld_mobilenetv3_of(config);
    int64_t blocks = 0;
    for (int i = 0; i < m.stages; i++) {
        blocks += m.depths[i];
    }
    return blocks;
}

/* The last "stage" of names is a convolution of the head. */
static weld_model_place place(const weld_model_config *config, const char *name) {
    static const char blocks[] = "blocks.";
    const weld_mobilenetv3 m = weld_mobilenetv3_of(config);
    if (strncmp(name, "conv_stem.", 10) == 0 || strncmp(name, "bn1.", 4) == 0) {
        return (weld_model_place){.part = 0};
    }
    const bool in_blocks = strncmp(name, blocks, sizeof blocks - 1) == 0;
    char *end = NULL;
    long stage = in_blocks ? strtol(name + sizeof blocks - 1, &end, 10) : m.stages;
    if (stage < 0 || stage >= m.stages) {
        return (weld_model_place){m.stages + 1, (int)block_count(config) + 1,
                                  strncmp(name, "classifier.", 11) == 0};
    }
    int layer = 1 + (*end == '.' ? atoi(end + 1) : 0);
    for (int i = 0; i < stage; i++) {
        layer += m.depths[i];
    }
    return (weld_model_place){.part = (int)stage + 1, .layer = layer};
}

const weld_model_family weld_family_mobilenetv3 = {
    .name = "mobilenetv3",
    .task = "classification",
    .values_size = sizeof(weld_mobilenetv3),
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
    .namings = weld_mobilenetv3_namings,
    .naming_count = WELD_MOBILENETV3_NAMINGS,
    .check = check,
    .build = build,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .tensor_name = weld_mobilenetv3_tensor_name,
    .recognize = weld_mobilenetv3_recognize,
    .usual = weld_mobilenetv3_usual,
};
