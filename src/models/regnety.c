/* RegNetY: Designing Network Design Spaces (Radosavovic, Kosaraju, Girshick, He, Dollar; arXiv
 * 2003.13678, CVPR 2020), with timm's names. Its 16 GF network is RepViT's published teacher.
 *
 * A network is a few numbers: block j would be w0 + wa j channels wide, and is as wide as the
 * nearest of w0, w0 wm, w0 wm^2, ... on a scale of logarithms. Blocks of one width are a stage
 * (regnety_sizes.c).
 */
#include "models/regnety.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "models/layers.h"

_Static_assert(sizeof(weld_regnety) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

#define VALUES(depth, w0, wa, wm, group_width, min_ratio)                                          \
    &(const weld_regnety) {                                                                        \
        depth, w0, wa, wm, group_width, min_ratio, 0.25, 32, 2                                     \
    }

static const weld_model_variant variants[] = {
    {"regnety_002", VALUES(13, 24, 36.44, 2.49, 8, 0)},
    {"regnety_004", VALUES(16, 48, 27.89, 2.09, 8, 0)},
    {"regnety_006", VALUES(15, 48, 32.54, 2.32, 16, 0)},
    {"regnety_008", VALUES(14, 56, 38.84, 2.4, 16, 0)},
    {"regnety_008_tv", VALUES(14, 56, 38.84, 2.4, 16, 0.9)},
    {"regnety_016", VALUES(27, 48, 20.71, 2.65, 24, 0)},
    {"regnety_032", VALUES(21, 80, 42.63, 2.66, 24, 0)},
    {"regnety_040", VALUES(22, 96, 31.41, 2.24, 64, 0)},
    {"regnety_064", VALUES(25, 112, 33.22, 2.27, 72, 0)},
    {"regnety_080", VALUES(17, 192, 76.82, 2.19, 56, 0)},
    {"regnety_080_tv", VALUES(17, 192, 76.82, 2.19, 56, 0.9)},
    {"regnety_120", VALUES(19, 168, 73.36, 2.37, 112, 0)},
    {"regnety_160", VALUES(18, 200, 106.23, 2.48, 112, 0)},
    {"regnety_320", VALUES(20, 232, 115.89, 2.53, 232, 0)},
};

/* Bounds keep every size far from overflow, whatever file a config came from. */
#define R weld_regnety
static const weld_key keys[] = {
    {"depth", WELD_KEY_INTEGER, WELD_KEY_ONE(R, depth), .min = 1, .max = 1 << 8,
     .flags = WELD_KEY_SIZE, .help = "blocks"},
    {"w0", WELD_KEY_INTEGER, WELD_KEY_ONE(R, w0), .min = 8, .max = 1 << 12, .flags = WELD_KEY_SIZE,
     .help = "the first block's width, a multiple of 8"},
    {"wa", WELD_KEY_REAL, WELD_KEY_ONE(R, wa), .min = 0, .max = 1 << 12, .flags = WELD_KEY_SIZE,
     .help = "by what the width grows from block to block"},
    {"wm", WELD_KEY_REAL, WELD_KEY_ONE(R, wm), .min = 1.05, .max = 64, .flags = WELD_KEY_SIZE,
     .help = "by what a stage is wider than the one before"},
    {"group_width", WELD_KEY_INTEGER, WELD_KEY_ONE(R, group_width), .min = 1, .max = 1 << 12,
     .flags = WELD_KEY_SIZE,
     .help = "channels of each group of the 3x3 convolutions; widths become multiples of it"},
    {"group_min_ratio", WELD_KEY_REAL, WELD_KEY_ONE(R, group_min_ratio), .min = 0, .max = 1,
     .flags = WELD_KEY_SIZE,
     .help = "0: to the nearest multiple; else to one of at least this share (torchvision: 0.9)"},
    {"se_ratio", WELD_KEY_REAL, WELD_KEY_ONE(R, se_ratio), .min = 0, .max = 8,
     .flags = WELD_KEY_SIZE,
     .help = "squeeze-and-excitation: squeezed channels by those of the block's input; 0: none"},
    {"stem_width", WELD_KEY_INTEGER, WELD_KEY_ONE(R, stem_width), .min = 1, .max = 1 << 12,
     .flags = WELD_KEY_SIZE, .help = "channels of the stem"},
    {"stem_stride", WELD_KEY_INTEGER, WELD_KEY_ONE(R, stem_stride), .min = 1, .max = 2,
     .flags = WELD_KEY_UNTOLD, .standard = "2",
     .help = "by what the stem shrinks the image: 2; 1 for small images"},
};

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const weld_regnety r = weld_regnety_of(config);
    if (r.w0 % WELD_REGNETY_QUANTUM != 0) {
        *key = "w0";
        return weld_fail(err, WELD_ERROR_ARGUMENT, "is %d: it must be a multiple of %d", r.w0,
                         WELD_REGNETY_QUANTUM);
    }
    const weld_regnety_stages s = weld_regnety_stages_of(&r);
    *key = "wm";
    if (s.count > WELD_MAX_STAGES) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "is %g: with this depth and wa that makes more than %d stages", r.wm,
                         WELD_MAX_STAGES);
    }
    if (weld_regnety_block_width(&r, r.depth - 1) == 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "is %g: with this w0, wa and depth the last block would have more than %d "
                         "channels",
                         r.wm, WELD_REGNETY_MAX_WIDTH);
    }
    return WELD_OK;
}

/* --- The figure ------------------------------------------------------------------------------ */

typedef weld_layers network;
typedef weld_conv_shape shape;

/* "ConvNormAct" without the activation: bn_weight is what the batch norm's weight starts with. */
static weld_value *conv_bn(const network *net, weld_path at, weld_value *x, shape s,
                           double bn_weight) {
    x = weld_layer_conv(net, weld_under(at, "conv"), x, s, false);
    return weld_layer_batch_norm(net, weld_under(at, "bn"), x, s.out, bn_weight);
}

/* `depth` is its share of the probability to be passed by. */
static weld_value *block(const network *net, const weld_regnety *r, weld_path at, weld_value *x,
                         int in, int width, int stride, double depth) {
    const shape first = {in, width, .kernel = 1, .stride = 1, .groups = 1};
    const shape middle = {width, width, .kernel = 3, .stride = stride,
                          .groups = width / weld_regnety_group_width(r, width)};
    const shape last = {width, width, .kernel = 1, .stride = 1, .groups = 1};
    const weld_squeeze_shape squeeze = {width, weld_regnety_squeezed(r, in)};
    const shape shortcut = {in, width, .kernel = 1, .stride = stride, .groups = 1};
    weld_value *y = weld_relu(net->g, conv_bn(net, weld_under(at, "conv1"), x, first, 1));
    y = weld_relu(net->g, conv_bn(net, weld_under(at, "conv2"), y, middle, 1));
    y = r->se_ratio > 0 ? weld_layer_squeeze_excite(net, weld_under(at, "se"), y, squeeze) : y;
    y = weld_layer_drop_path(net, conv_bn(net, weld_under(at, "conv3"), y, last, 0), depth);
    x = in != width || stride != 1 ? conv_bn(net, weld_under(at, "downsample"), x, shortcut, 1) : x;
    return weld_relu(net->g, weld_add(net->g, x, y));
}

static weld_model_place place(const weld_model_config *config, const char *name);

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const weld_regnety r = weld_regnety_of(config);
    const weld_regnety_stages s = weld_regnety_stages_of(&r);
    const network net = {g,
                         config,
                         mode,
                         place,
                         .bn_eps = 1e-5,
                         .bn_momentum = 0.1,
                         .conv_start = WELD_CONV_FAN_OUT};
    const shape stem = {3, r.stem_width, .kernel = 3, .stride = r.stem_stride, .groups = 1};
    const double last = r.depth > 1 ? r.depth - 1 : 1;
    int in = r.stem_width, j = 0;
    weld_value *x = weld_relu(g, conv_bn(&net, (weld_path){"stem"}, images, stem, 1));
    for (int i = 0; i < s.count; i++) {
        for (int b = 0; b < s.depth[i]; b++, j++) {
            weld_path at = weld_under((weld_path){""}, "s%d.b%d", i + 1, b + 1);
            x = block(&net, &r, at, x, in, s.width[i], b == 0 ? 2 : 1, j / last);
            in = s.width[i];
        }
    }
    const weld_init narrow = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.01, .b = 0};
    x = weld_layer_dropout(&net, weld_layer_global_mean(&net, x, in));
    x = weld_layer_linear(&net, (weld_path){"head.fc"}, x, in, config->num_classes, narrow);
    weld_output(g, "logits", x);
}

/* --- Places ---------------------------------------------------------------------------------- */

static int stage_count(const weld_model_config *config) {
    const weld_regnety r = weld_regnety_of(config);
    return weld_regnety_stages_of(&r).count;
}

static int64_t block_count(const weld_model_config *config) {
    return weld_regnety_of(config).depth;
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    const weld_regnety r = weld_regnety_of(config);
    const weld_regnety_stages s = weld_regnety_stages_of(&r);
    int stage, block;
    if (strncmp(name, "stem", 4) == 0) {
        return (weld_model_place){.part = 0};
    }
    if (sscanf(name, "s%d.b%d", &stage, &block) != 2 || stage < 1 || stage > s.count) {
        return (weld_model_place){s.count + 1, r.depth + 1, .per_class = true};
    }
    for (int i = 0; i < stage - 1; i++) {
        block += s.depth[i];
    }
    return (weld_model_place){.part = stage, .layer = block};
}

/* --- Names ----------------------------------------------------------------------------------- */

enum { TIMM, TORCHVISION, PYCLS, NAMINGS };

static const weld_naming namings[NAMINGS] = {
    [TIMM] = {"timm", "timm's", "timm's"},
    [TORCHVISION] = {"torchvision", "torchvision's", "torchvision's"},
    [PYCLS] = {.name = "pycls", .whose = "pycls'", .text = "the authors' name", .bgr = true},
};

/* Without ".conv" and ".bn": what merging makes of both. */
#define BLOCK(own, torchvision, pycls)                                                             \
    {                                                                                              \
        "s{s}.b{b}." own, {                                                                        \
            "s{s}.b{b}." own, "trunk_output.block{s}.block{s}-{b-1}." torchvision,                 \
                "s{s}.b{b}." pycls                                                                 \
        }                                                                                          \
    }

static const weld_module_row rows[] = {
    {"stem.conv", {"stem.conv", "stem.0", "stem.conv"}},
    {"stem.bn", {"stem.bn", "stem.1", "stem.bn"}},
    {"stem", {"stem", "stem", "stem"}},
    BLOCK("conv1.conv", "f.a.0", "f.a"),
    BLOCK("conv1.bn", "f.a.1", "f.a_bn"),
    BLOCK("conv1", "f.a", "f.a"),
    BLOCK("conv2.conv", "f.b.0", "f.b"),
    BLOCK("conv2.bn", "f.b.1", "f.b_bn"),
    BLOCK("conv2", "f.b", "f.b"),
    BLOCK("se.fc1", "f.se.fc1", "f.se.f_ex.0"),
    BLOCK("se.fc2", "f.se.fc2", "f.se.f_ex.2"),
    BLOCK("conv3.conv", "f.c.0", "f.c"),
    BLOCK("conv3.bn", "f.c.1", "f.c_bn"),
    BLOCK("conv3", "f.c", "f.c"),
    BLOCK("downsample.conv", "proj.0", "proj"),
    BLOCK("downsample.bn", "proj.1", "bn"),
    BLOCK("downsample", "proj", "proj"),
    {"head.fc", {"head.fc", "fc", "head.fc"}},
    {NULL, {NULL}},
};

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    static const double crops[NAMINGS] = {[TIMM] = 0.95, [TORCHVISION] = 0.965, [PYCLS] = 0.875};
    (void)config;
    weld_preprocessing p = weld_preprocessing_of(224);
    p.crop_fraction = crops[naming - namings];
    return p;
}

static bool is_variant(const weld_regnety *seen, weld_regnety *variant) {
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        memcpy(variant, variants[i].values, sizeof *variant);
        if (weld_regnety_equal(seen, variant)) {
            return true;
        }
    }
    return false;
}

/* Many values make the same network: a variant's where they do. */
static void see_sizes(const weld_shape_index *index, weld_model_config *config) {
    weld_regnety seen = weld_regnety_of(config), variant;
    weld_regnety_see(index, config, &seen);
    memcpy(config->values, is_variant(&seen, &variant) ? &variant : &seen, sizeof seen);
}

const weld_model_family weld_family_regnety = {
    .name = "regnety",
    .task = "classification",
    .values_size = sizeof(weld_regnety),
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
    .namings = namings,
    .naming_count = NAMINGS,
    .check = check,
    .build = build,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .rows = rows,
    .see_sizes = see_sizes,
    .usual = usual,
};
