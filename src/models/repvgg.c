/* RepVGG: Making VGG-style ConvNets Great Again (Ding, Zhang, Ma, Han, Ding, Sun; arXiv 2101.03697,
 * CVPR 2021), in its training form, with timm's names. Merged it is a chain of 3x3 convolutions.
 */
#include "models/repvgg.h"

#include <string.h>

#include "base/error.h"
#include "models/branches.h"

enum { MOST_DEPTH = 256 }; /* blocks of a stage */

typedef struct repvgg {
    int stages, channels[WELD_MAX_STAGES];
    int depth_count, depths[WELD_MAX_STAGES];
    int stem_channels;
    int groups;      /* of every second block of a stage */
    int stem_stride; /* 2; 1 for small images */
} repvgg;

_Static_assert(sizeof(repvgg) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

#define VALUES(...)                                                                                \
    &(const repvgg) {                                                                              \
        __VA_ARGS__, 2                                                                             \
    }

static const weld_model_variant variants[] = {
    {"repvgg_a0", VALUES(4, {48, 96, 192, 1280}, 4, {2, 4, 14, 1}, 48, 1)},
    {"repvgg_a1", VALUES(4, {64, 128, 256, 1280}, 4, {2, 4, 14, 1}, 64, 1)},
    {"repvgg_a2", VALUES(4, {96, 192, 384, 1408}, 4, {2, 4, 14, 1}, 64, 1)},
    {"repvgg_b0", VALUES(4, {64, 128, 256, 1280}, 4, {4, 6, 16, 1}, 64, 1)},
    {"repvgg_b1", VALUES(4, {128, 256, 512, 2048}, 4, {4, 6, 16, 1}, 64, 1)},
    {"repvgg_b1g4", VALUES(4, {128, 256, 512, 2048}, 4, {4, 6, 16, 1}, 64, 4)},
    {"repvgg_b2", VALUES(4, {160, 320, 640, 2560}, 4, {4, 6, 16, 1}, 64, 1)},
    {"repvgg_b2g4", VALUES(4, {160, 320, 640, 2560}, 4, {4, 6, 16, 1}, 64, 4)},
    {"repvgg_b3", VALUES(4, {192, 384, 768, 2560}, 4, {4, 6, 16, 1}, 64, 1)},
    {"repvgg_b3g4", VALUES(4, {192, 384, 768, 2560}, 4, {4, 6, 16, 1}, 64, 4)},
};

/* Bounds keep every size far from overflow, whatever file a config came from. */
static const weld_key keys[] = {
    {"channels", WELD_KEY_INTEGER, WELD_KEY_LIST(repvgg, channels, stages), .min = 1,
     .max = 1 << 14, .flags = WELD_KEY_SIZE,
     .help = "channels of each stage, multiples of `groups`"},
    {"depths", WELD_KEY_INTEGER, WELD_KEY_LIST(repvgg, depths, depth_count), .min = 1,
     .max = MOST_DEPTH, .flags = WELD_KEY_SIZE, .help = "blocks in each stage"},
    {"stem_channels", WELD_KEY_INTEGER, WELD_KEY_ONE(repvgg, stem_channels), .min = 1,
     .max = 1 << 14, .flags = WELD_KEY_SIZE, .help = "channels of the stem"},
    {"groups", WELD_KEY_INTEGER, WELD_KEY_ONE(repvgg, groups), .min = 1, .max = 1 << 10,
     .flags = WELD_KEY_SIZE, .help = "of the convolutions in every second block of a stage"},
    {"stem_stride", WELD_KEY_INTEGER, WELD_KEY_ONE(repvgg, stem_stride), .min = 1, .max = 2,
     .flags = WELD_KEY_UNTOLD, .standard = "2",
     .help = "by what the stem shrinks the image: 2; 1 for small images"},
};

static repvgg repvgg_of(const weld_model_config *config) {
    repvgg r;
    memcpy(&r, config->values, sizeof r);
    return r;
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const repvgg r = repvgg_of(config);
    for (int i = 0; i < r.stages; i++) {
        if (r.channels[i] % r.groups != 0) {
            *key = "channels";
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "[%d] is %d: it must be a multiple of the "
                             "groups, %d",
                             i, r.channels[i], r.groups);
        }
    }
    return WELD_OK;
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    const repvgg r = repvgg_of(config);
    return weld_branched_place(name, r.stages, r.depths, 1);
}

static weld_value *block(const weld_layers *net, weld_path at, weld_value *x, int in, int out,
                         int stride, int groups) {
    static const char *const convs[] = {"conv_kxk"};
    static const weld_branches branches = {convs, 1, .point = "conv_1x1", .identity = "identity"};
    const weld_conv_shape s = {in, out, .kernel = 3, .stride = stride, .groups = groups};
    return weld_relu(net->g, weld_layer_branches(net, at, x, s, &branches));
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const repvgg r = repvgg_of(config);
    const weld_layers net = {g, config, mode, place, .bn_eps = 1e-5, .bn_momentum = 0.1};
    int c = r.stem_channels;
    weld_value *x = block(&net, (weld_path){"stem"}, images, 3, c, r.stem_stride, 1);
    for (int s = 0; s < r.stages; s++) {
        for (int b = 0; b < r.depths[s]; b++) {
            const weld_path at = weld_under((weld_path){"stages"}, "%d.%d", s, b);
            x = block(&net, at, x, c, r.channels[s], b ? 1 : 2, b % 2 ? r.groups : 1);
            c = r.channels[s];
        }
    }
    weld_branched_head(&net, x, c);
}

static int stage_count(const weld_model_config *config) {
    return repvgg_of(config).stages;
}

static int64_t block_count(const weld_model_config *config) {
    const repvgg r = repvgg_of(config);
    int64_t blocks = 0;
    for (int i = 0; i < r.stages; i++) {
        blocks += r.depths[i];
    }
    return blocks;
}

/* --- Names ----------------------------------------------------------------------------------- */

static const weld_naming namings[] = {
    {"timm", "timm's", "timm's"},
    {"official", "official", "the authors' name"},
};

#define BLOCK(own, official)                                                                       \
    {"stem." own, {"stem." own, "stage0." official}}, {                                            \
        "stages.{s}.{b}." own, {                                                                   \
            "stages.{s}.{b}." own, "stage{s+1}.{b}." official                                      \
        }                                                                                          \
    }

static const weld_module_row rows[] = {
    BLOCK("identity", "rbr_identity"),
    BLOCK("conv_kxk.conv", "rbr_dense.conv"),
    BLOCK("conv_kxk.bn", "rbr_dense.bn"),
    BLOCK("conv_1x1.conv", "rbr_1x1.conv"),
    BLOCK("conv_1x1.bn", "rbr_1x1.bn"),
    /* merged */
    {"stem", {"stem.reparam_conv", "stage0.rbr_reparam"}},
    {"stages.{s}.{b}", {"stages.{s}.{b}.reparam_conv", "stage{s+1}.{b}.rbr_reparam"}},
    {"head.fc", {"head.fc", "linear"}},
    {NULL, {NULL}},
};

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    (void)config, (void)naming;
    weld_preprocessing p = weld_preprocessing_of(224);
    p.interpolation = WELD_BILINEAR;
    return p;
}

/* --- Recognition ----------------------------------------------------------------------------- */

/* The second block of a stage tells the groups: where no stage has one they are no matter. */
static void see_sizes(const weld_shape_index *index, weld_model_config *config) {
    static const char conv[] = "conv_kxk.conv";
    repvgg r = repvgg_of(config);
    r.stem_channels = weld_model_outputs_seen(config, index, conv, "stem");
    r.groups = 1;
    for (int s = 0; s < WELD_MAX_STAGES; s++) {
        r.channels[s] = weld_model_outputs_seen(config, index, conv, "stages.%d.0", s);
        while (r.depths[s] < MOST_DEPTH &&
               weld_model_outputs_seen(config, index, conv, "stages.%d.%d", s, r.depths[s])) {
            r.depths[s]++;
        }
        const weld_shape *second = weld_model_shape_seen(config, index, conv, "stages.%d.1", s);
        if (second && second->rank == 4 && second->dim[1] > 0) {
            r.groups = (int)(r.channels[s] / second->dim[1]);
        }
        r.stages += r.depths[s] > 0;
    }
    r.depth_count = r.stages;
    memcpy(config->values, &r, sizeof r);
}

const weld_model_family weld_family_repvgg = {
    .name = "repvgg",
    .task = "classification",
    .values_size = sizeof(repvgg),
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
    .rows = rows,
    .see_sizes = see_sizes,
    .usual = usual,
};
