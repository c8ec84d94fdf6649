/* MobileOne: An Improved One millisecond Mobile Backbone (Vasu, Gabriel, Zhu, Tuzel, Ranjan; arXiv
 * 2206.04040, CVPR 2023), in its training form, with timm's names. A layer is a depthwise and a
 * pointwise block, each of several branches; merged, it is two convolutions.
 */
#include "models/mobileone.h"

#include <string.h>

#include "base/error.h"
#include "models/branches.h"

enum { MAX_BRANCHES = 8, MOST_DEPTH = 256 };

typedef struct mobileone {
    int stages, channels[WELD_MAX_STAGES];
    int depth_count, depths[WELD_MAX_STAGES];
    int se_count, se_layers[WELD_MAX_STAGES];
    int stem_channels;
    int branches;    /* convolutions side by side in a block, all of the same size */
    int stem_stride; /* 2; 1 for small images */
} mobileone;

_Static_assert(sizeof(mobileone) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

#define VALUES(...)                                                                                \
    &(const mobileone) {                                                                           \
        __VA_ARGS__, 2                                                                             \
    }
#define DEPTHS                                                                                     \
    4, {                                                                                           \
        2, 8, 10, 1                                                                                \
    }

static const weld_model_variant variants[] = {
    {"mobileone_s0", VALUES(4, {48, 128, 256, 1024}, DEPTHS, 4, {0}, 48, 4)},
    {"mobileone_s1", VALUES(4, {96, 192, 512, 1280}, DEPTHS, 4, {0}, 64, 1)},
    {"mobileone_s2", VALUES(4, {96, 256, 640, 2048}, DEPTHS, 4, {0}, 64, 1)},
    {"mobileone_s3", VALUES(4, {128, 320, 768, 2048}, DEPTHS, 4, {0}, 64, 1)},
    {"mobileone_s4", VALUES(4, {192, 448, 896, 2048}, DEPTHS, 4, {0, 0, 5, 1}, 64, 1)},
};

/* Bounds keep every size far from overflow, whatever file a config came from. */
static const weld_key keys[] = {
    {"channels", WELD_KEY_INTEGER, WELD_KEY_LIST(mobileone, channels, stages), .min = 1,
     .max = 1 << 14, .flags = WELD_KEY_SIZE, .help = "channels of each stage"},
    {"depths", WELD_KEY_INTEGER, WELD_KEY_LIST(mobileone, depths, depth_count), .min = 1,
     .max = MOST_DEPTH, .flags = WELD_KEY_SIZE,
     .help = "layers in each stage, each a depthwise and a pointwise block"},
    {"se_layers", WELD_KEY_INTEGER, WELD_KEY_LIST(mobileone, se_layers, se_count), .min = 0,
     .max = MOST_DEPTH, .flags = WELD_KEY_SIZE,
     .help = "how many of the last of them have squeeze-and-excitation"},
    {"stem_channels", WELD_KEY_INTEGER, WELD_KEY_ONE(mobileone, stem_channels), .min = 1,
     .max = 1 << 14, .flags = WELD_KEY_SIZE, .help = "channels of the stem"},
    {"branches", WELD_KEY_INTEGER, WELD_KEY_ONE(mobileone, branches), .min = 1, .max = MAX_BRANCHES,
     .flags = WELD_KEY_SIZE,
     .help = "convolutions of one size side by side in each block (the stem has one)"},
    {"stem_stride", WELD_KEY_INTEGER, WELD_KEY_ONE(mobileone, stem_stride), .min = 1, .max = 2,
     .flags = WELD_KEY_UNTOLD, .standard = "2",
     .help = "by what the stem shrinks the image: 2; 1 for small images"},
};

static mobileone mobileone_of(const weld_model_config *config) {
    mobileone m;
    memcpy(&m, config->values, sizeof m);
    return m;
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const mobileone m = mobileone_of(config);
    for (int i = 0; i < m.stages; i++) {
        if (m.se_layers[i] > m.depths[i]) {
            *key = "se_layers";
            return weld_fail(err, WELD_ERROR_ARGUMENT, "[%d] is %d: the stage has %d layers", i,
                             m.se_layers[i], m.depths[i]);
        }
    }
    return WELD_OK;
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    const mobileone m = mobileone_of(config);
    return weld_branched_place(name, m.stages, m.depths, 2);
}

/* --- The figure ------------------------------------------------------------------------------ */

/* A sixteenth of the channels, to the nearest multiple of 8. */
static weld_value *squeeze_excite(const weld_layers *net, weld_path at, weld_value *x, int c) {
    int squeezed = (c / 16 + 4) / 8 * 8;
    return weld_layer_squeeze_excite(
        net, at, x, (weld_squeeze_shape){.channels = c, .squeezed = squeezed < 8 ? 8 : squeezed});
}

static weld_value *block(const weld_layers *net, weld_path at, weld_value *x, weld_conv_shape s,
                         int count, bool excite) {
    static const char *const names[MAX_BRANCHES] = {
        "conv_kxk.0", "conv_kxk.1", "conv_kxk.2", "conv_kxk.3",
        "conv_kxk.4", "conv_kxk.5", "conv_kxk.6", "conv_kxk.7",
    };
    const weld_branches branches = {names, count, .point = "conv_scale", .identity = "identity"};
    x = weld_layer_branches(net, at, x, s, &branches);
    x = excite ? squeeze_excite(net, weld_under(at, "attn"), x, s.out) : x;
    return weld_relu(net->g, x);
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const mobileone m = mobileone_of(config);
    const weld_layers net = {g, config, mode, place, .bn_eps = 1e-5, .bn_momentum = 0.1};
    const weld_path stages = {"stages"};
    int c = m.stem_channels;
    const weld_conv_shape stem = {3, c, .kernel = 3, .stride = m.stem_stride, .groups = 1};
    weld_value *x = block(&net, (weld_path){"stem"}, images, stem, 1, false);
    for (int s = 0; s < m.stages; s++) {
        for (int b = 0; b < m.depths[s]; b++) {
            const int out = m.channels[s];
            const weld_conv_shape depthwise = {c, c, .kernel = 3, .stride = b ? 1 : 2, .groups = c};
            const weld_conv_shape pointwise = {c, out, .kernel = 1, .stride = 1, .groups = 1};
            const bool excite = b >= m.depths[s] - m.se_layers[s];
            x = block(&net, weld_under(stages, "%d.%d", s, 2 * b), x, depthwise, m.branches,
                      excite);
            x = block(&net, weld_under(stages, "%d.%d", s, 2 * b + 1), x, pointwise, m.branches,
                      excite);
            c = out;
        }
    }
    weld_branched_head(&net, x, c);
}

static int stage_count(const weld_model_config *config) {
    return mobileone_of(config).stages;
}

static int64_t block_count(const weld_model_config *config) {
    const mobileone m = mobileone_of(config);
    int64_t blocks = 0;
    for (int i = 0; i < m.stages; i++) {
        blocks += 2 * m.depths[i];
    }
    return blocks;
}

/* --- Names ----------------------------------------------------------------------------------- */

static const weld_naming namings[] = {
    {"timm", "timm's", "timm's"},
    {"official", "official", "the authors' name"},
};

#define BLOCK(own, timm, official)                                                                 \
    {"stem" own, {"stem" timm, "stage0" official}}, {                                              \
        "stages.{s}.{b}" own, {                                                                    \
            "stages.{s}.{b}" timm, "stage{s+1}.{b}" official                                       \
        }                                                                                          \
    }

static const weld_module_row rows[] = {
    BLOCK(".identity", ".identity", ".rbr_skip"),
    BLOCK(".conv_kxk.{k}.conv", ".conv_kxk.{k}.conv", ".rbr_conv.{k}.conv"),
    BLOCK(".conv_kxk.{k}.bn", ".conv_kxk.{k}.bn", ".rbr_conv.{k}.bn"),
    BLOCK(".conv_scale.conv", ".conv_scale.conv", ".rbr_scale.conv"),
    BLOCK(".conv_scale.bn", ".conv_scale.bn", ".rbr_scale.bn"),
    BLOCK(".attn.fc1", ".attn.fc1", ".se.reduce"),
    BLOCK(".attn.fc2", ".attn.fc2", ".se.expand"),
    /* Merged, it is called after what all branches have in common, or after the first of them. */
    BLOCK("", ".reparam_conv", ".reparam_conv"),
    BLOCK(".conv_kxk", ".reparam_conv", ".reparam_conv"),
    BLOCK(".conv_kxk.{k}", ".reparam_conv", ".reparam_conv"),
    {"head.fc", {"head.fc", "linear"}},
    {NULL, {NULL}},
};

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    weld_preprocessing p = weld_preprocessing_of(224);
    p.interpolation = WELD_BILINEAR;
    if (naming == namings && strcmp(config->name, "mobileone_s0") != 0) {
        p.crop_fraction = 0.9;
    }
    return p;
}

/* --- Recognition ----------------------------------------------------------------------------- */

static int branches_seen(const weld_model_config *config, const weld_shape_index *index) {
    int count = 0;
    while (count < MAX_BRANCHES + 1 &&
           weld_model_outputs_seen(config, index, "", "stages.0.0.conv_kxk.%d.conv", count)) {
        count++;
    }
    return count;
}

/* Merged, any number of branches is the same: that of the variant of these sizes, if there is one.
 */
static int usual_branches(const mobileone *m) {
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        mobileone variant = *(const mobileone *)variants[i].values;
        const int branches = variant.branches;
        variant.branches = m->branches;
        variant.stem_stride = m->stem_stride;
        if (memcmp(&variant, m, sizeof variant) == 0) {
            return branches;
        }
    }
    return 1;
}

static void see_sizes(const weld_shape_index *index, weld_model_config *config) {
    static const char conv[] = "conv_kxk.0.conv";
    mobileone m = mobileone_of(config);
    m.stem_channels = weld_model_outputs_seen(config, index, conv, "stem");
    m.branches = branches_seen(config, index);
    for (int s = 0; s < WELD_MAX_STAGES; s++) {
        m.channels[s] = weld_model_outputs_seen(config, index, conv, "stages.%d.1", s);
        for (int at = 1; m.depths[s] < MOST_DEPTH &&
                         weld_model_outputs_seen(config, index, conv, "stages.%d.%d", s, at);
             at += 2) {
            m.depths[s]++;
            m.se_layers[s] +=
                weld_model_outputs_seen(config, index, "", "stages.%d.%d.attn.fc1", s, at) > 0;
        }
        m.stages += m.depths[s] > 0;
    }
    m.depth_count = m.se_count = m.stages;
    m.branches = m.branches ? m.branches : usual_branches(&m);
    memcpy(config->values, &m, sizeof m);
}

const weld_model_family weld_family_mobileone = {
    .name = "mobileone",
    .task = "classification",
    .values_size = sizeof(mobileone),
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
