/* From MobileNetV3-L to RepViT-M0.9 in nine steps: section 3 of "RepViT: Revisiting Mobile CNN From
 * ViT Perspective" (Wang et al., arXiv 2307.09283). Each key is what one step of the paper changes.
 *
 * The paper draws the last network alone, and no code of the others is published. What it leaves
 * open is decided here, and is an interpretation: the activation is GELU everywhere; MobileNetV3's
 * blocks keep their hard-sigmoid gate, RepViT's have a sigmoid; a block that leads into a stage is,
 * in RepViT's form, one depthwise convolution and a channel mixer that nothing passes by; the later
 * two fifths of the third stage are the rows that are wider and have squeeze-and-excitation in
 * MobileNetV3-L, and keep the latter until step 8; in the deep downsampling the block of the old
 * width has the kernel of the stage that follows. Parameters are RepViT's where there are such, by
 * name, and start as RepViT's do.
 */
#include "models/mobilenetv3_repvit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "models/mobilenetv3.h"
#include "models/repvit_blocks.h"

enum { STAGES = 4, MOBILE_STEM = 16 };
enum { MOBILE, REPVIT }; /* of all choices */

typedef struct ladder {
    int channels[STAGES], late_channels, depths[STAGES], kernels[STAGES];
    int block;
    double expansion;
    int stem, downsampling, classifier, squeeze_excite;
    int head_channels[2], stem_stride;
} ladder;

_Static_assert(sizeof(ladder) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

/* clang-format off */
#define NARROW {24, 40, 80, 160}, 112
#define WIDE {48, 96, 192, 384}, 0
#define SHALLOW {1, 2, 5, 2}
#define DEEP {2, 2, 14, 2}
#define MIXED {3, 5, 3, 5}
#define THREE {3, 3, 3, 3}
#define STEP(name, ...) {"mobilenetv3_repvit_step" name, &(const ladder){__VA_ARGS__, {960, 1280}, 4}}

static const weld_model_variant variants[] = {
    /* widths, depths, kernels,   block, expansion, stem, downsampling, classifier, squeeze_excite */
    STEP("0",  NARROW, SHALLOW, MIXED, MOBILE, 0, MOBILE, MOBILE, MOBILE, MOBILE),
    STEP("1",  NARROW, SHALLOW, MIXED, REPVIT, 0, MOBILE, MOBILE, MOBILE, MOBILE),
    STEP("2a", NARROW, SHALLOW, MIXED, REPVIT, 2, MOBILE, MOBILE, MOBILE, MOBILE),
    STEP("2",  WIDE,   SHALLOW, MIXED, REPVIT, 2, MOBILE, MOBILE, MOBILE, MOBILE),
    STEP("3",  WIDE,   SHALLOW, MIXED, REPVIT, 2, REPVIT, MOBILE, MOBILE, MOBILE),
    STEP("4",  WIDE,   SHALLOW, MIXED, REPVIT, 2, REPVIT, REPVIT, MOBILE, MOBILE),
    STEP("5",  WIDE,   SHALLOW, MIXED, REPVIT, 2, REPVIT, REPVIT, REPVIT, MOBILE),
    STEP("6",  WIDE,   DEEP,    MIXED, REPVIT, 2, REPVIT, REPVIT, REPVIT, MOBILE),
    STEP("7",  WIDE,   DEEP,    THREE, REPVIT, 2, REPVIT, REPVIT, REPVIT, MOBILE),
    STEP("8",  WIDE,   DEEP,    THREE, REPVIT, 2, REPVIT, REPVIT, REPVIT, REPVIT),
};
/* clang-format on */

static const char *const blocks[] = {"mobilenetv3", "repvit", NULL};
static const char *const stems[] = {"mobilenetv3", "early_convolutions", NULL};
static const char *const downsamplings[] = {"block", "deep", NULL};
static const char *const classifiers[] = {"mobilenetv3", "linear", NULL};
static const char *const placements[] = {"mobilenetv3", "alternate", NULL};

static const weld_key keys[] = {
    {"channels", WELD_KEY_INTEGER, WELD_KEY_ALL(ladder, channels), .min = 1, .max = 1 << 14,
     .flags = WELD_KEY_SIZE,
     .help = "channels of the four stages; behind early convolutions an even number in the first"},
    {"late_channels", WELD_KEY_INTEGER, WELD_KEY_ONE(ladder, late_channels), .min = 0,
     .max = 1 << 14, .flags = WELD_KEY_SIZE, .standard = "0",
     .help = "channels of the last two fifths of the third stage's blocks (112 in MobileNetV3-L); "
             "0: those of the stage"},
    {"depths", WELD_KEY_INTEGER, WELD_KEY_ALL(ladder, depths), .min = 1, .max = 1 << 8,
     .flags = WELD_KEY_SIZE, .help = "blocks in each stage, those that lead into it not counted"},
    {"kernels", WELD_KEY_INTEGER, WELD_KEY_ALL(ladder, kernels), .min = 1, .max = 31,
     .flags = WELD_KEY_SIZE, .help = "depthwise kernel of each stage, an odd number"},
    {"block", WELD_KEY_CHOICE, WELD_KEY_ONE(ladder, block), .choices = blocks,
     .flags = WELD_KEY_SIZE, .standard = "mobilenetv3",
     .help = "mobilenetv3: an inverted residual; repvit: token mixer of three branches, then "
             "channel mixer"},
    {"expansion", WELD_KEY_REAL, WELD_KEY_ONE(ladder, expansion), .min = 0, .max = 64,
     .flags = WELD_KEY_SIZE, .standard = "0",
     .help = "hidden channels by those of the block's input, 1 or more; 0: each block its own, as "
             "in MobileNetV3-L"},
    {"stem", WELD_KEY_CHOICE, WELD_KEY_ONE(ladder, stem), .choices = stems, .flags = WELD_KEY_SIZE,
     .standard = "mobilenetv3",
     .help = "mobilenetv3: 16 channels, one separable block and one that leads into the first "
             "stage; early_convolutions: two 3x3 of stride 2"},
    {"downsampling", WELD_KEY_CHOICE, WELD_KEY_ONE(ladder, downsampling), .choices = downsamplings,
     .flags = WELD_KEY_SIZE, .standard = "block",
     .help = "what leads into stages after the first. block: a block with stride 2; deep: a RepViT "
             "block, a depthwise convolution of stride 2, 1x1 and a channel mixer"},
    {"classifier", WELD_KEY_CHOICE, WELD_KEY_ONE(ladder, classifier), .choices = classifiers,
     .flags = WELD_KEY_SIZE, .standard = "mobilenetv3",
     .help = "mobilenetv3: 1x1, mean over the map, another 1x1 and a linear layer; linear: the "
             "mean, batch norm and a linear layer"},
    {"squeeze_excite", WELD_KEY_CHOICE, WELD_KEY_ONE(ladder, squeeze_excite), .choices = placements,
     .flags = WELD_KEY_SIZE, .standard = "mobilenetv3",
     .help = "mobilenetv3: all of the second and fourth stage and the last two fifths of the "
             "third; alternate: every other block of each stage, beginning with the first"},
    {"head_channels", WELD_KEY_INTEGER, WELD_KEY_ALL(ladder, head_channels), .min = 1,
     .max = 1 << 14, .flags = WELD_KEY_SIZE, .standard = "960, 1280",
     .help = "of the classifier mobilenetv3: channels before the mean over the map, and after it"},
    {"stem_stride", WELD_KEY_INTEGER, WELD_KEY_ONE(ladder, stem_stride), .min = 1, .max = 4,
     .flags = WELD_KEY_UNTOLD, .standard = "4", .manual_range = "1, 2, 4",
     .help = "by what the image is smaller in the first stage: 4; 2 or 1 for small images"},
};

static ladder ladder_of(const weld_model_config *config) {
    ladder l;
    memcpy(&l, config->values, sizeof l);
    return l;
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const ladder l = ladder_of(config);
    for (int i = 0; i < STAGES; i++) {
        if (l.kernels[i] % 2 == 0) {
            *key = "kernels";
            return weld_fail(err, WELD_ERROR_ARGUMENT, "[%d] is %d: it must be an odd number", i,
                             l.kernels[i]);
        }
    }
    if (l.stem == REPVIT && l.channels[0] % 2 != 0) {
        *key = "channels";
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "[0] is %d: the stem needs an even number, as it begins with half of them",
                         l.channels[0]);
    }
    if (l.expansion > 0 && l.expansion < 1) {
        *key = "expansion";
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "is %g: it must be 1 or more, or 0 for those of MobileNetV3-L",
                         l.expansion);
    }
    if (l.stem_stride == 3) {
        *key = "stem_stride";
        return weld_fail(err, WELD_ERROR_ARGUMENT, "is 3: it must be 1, 2 or 4");
    }
    return WELD_OK;
}

/* --- Features: as RepViT's names count them --------------------------------------------------- */

typedef enum feature_kind {
    STEM,
    LEAD,   /* into a stage, a block with a stride */
    BEFORE, /* the block of the old width in front of ... */
    DOWN,   /* ... the layer that downsamples */
    BLOCK
} feature_kind;

typedef struct feature {
    feature_kind kind;
    int stage, block; /* 0 where a kind has none */
} feature;

/* How many features lead into a stage. */
static int lead_count(const ladder *l, int stage) {
    return stage == 0 ? l->stem == MOBILE : l->downsampling == MOBILE ? 1 : 2;
}

static int feature_count(const ladder *l) {
    int count = 1;
    for (int i = 0; i < STAGES; i++) {
        count += lead_count(l, i) + l->depths[i];
    }
    return count;
}

/* What feature f is, 0 to the number of them. */
static feature feature_at(const ladder *l, int f) {
    feature at = {STEM, 0, 0};
    int rest = f - 1;
    for (; rest >= lead_count(l, at.stage) + l->depths[at.stage] && at.stage < STAGES - 1;) {
        rest -= lead_count(l, at.stage) + l->depths[at.stage];
        at.stage++;
    }
    if (f > 0) {
        const int leads = lead_count(l, at.stage);
        at.kind = rest >= leads ? BLOCK : leads == 1 ? LEAD : rest == 0 ? BEFORE : DOWN;
        at.block = rest >= leads ? rest - leads : 0;
    }
    return at;
}

/* Is it one of the last two fifths of the third stage's blocks? */
static bool is_late(const ladder *l, feature at) {
    const int depth = l->depths[at.stage];
    return at.kind == BLOCK && at.stage == 2 && at.block >= depth - 2 * depth / 5;
}

static bool excites(const ladder *l, feature at) {
    if (l->squeeze_excite == REPVIT) {
        return at.kind == BLOCK && at.block % 2 == 0;
    }
    return at.kind != BEFORE && (at.stage == 1 || at.stage == 3 || is_late(l, at));
}

static int out_channels(const ladder *l, feature at) {
    return l->late_channels && is_late(l, at) ? l->late_channels : l->channels[at.stage];
}

/* MobileNetV3-L's stages of these widths are the table's second and following. */
static int hidden_channels(const ladder *l, feature at, int c) {
    if (l->expansion > 0) {
        return (int)(l->expansion * c);
    }
    const bool late = is_late(l, at);
    const weld_mobilenetv3_stage row = weld_mobilenetv3_stage_of(
        WELD_MOBILENETV3_LARGE, at.stage + (at.stage == 3 || late ? 2 : 1));
    const int before = at.kind == BLOCK && !late; /* the one that leads into the stage */
    return weld_round_channels(c * weld_mobilenetv3_expansion(&row, at.block + before));
}

/* --- The figure ------------------------------------------------------------------------------ */

typedef weld_layers network;

static weld_value *conv_bn(const network *net, weld_path at, weld_value *x, weld_conv_shape s) {
    return weld_layer_conv_bn(net, weld_under(at, "c"), weld_under(at, "bn"), x, s);
}

static weld_value *stem(const network *net, const ladder *l, weld_path at, weld_value *images,
                        int *c) {
    const int stride = l->stem_stride > 1 ? 2 : 1;
    if (l->stem == REPVIT) {
        *c = l->channels[0];
        return weld_repvit_stem(net, at, images, *c, l->stem_stride);
    }
    *c = MOBILE_STEM;
    const weld_conv_shape first = {3, *c, .kernel = 3, .stride = stride, .groups = 1};
    const weld_inverted_shape separable = {
        .in = *c, .out = *c, .kernel = 3, .stride = 1, .activation = weld_gelu};
    weld_value *x = weld_gelu(net->g, conv_bn(net, weld_under(at, "0"), images, first));
    return weld_inverted_block(net, weld_under(at, "2"), x, separable);
}

static weld_value *block(const network *net, const ladder *l, feature at, weld_path path,
                         weld_value *x, weld_repvit_shape s) {
    if (l->block == REPVIT) {
        s.plain = at.kind == LEAD;
        return weld_repvit_block(net, path, x, s);
    }
    return weld_inverted_block(
        net, path, x,
        (weld_inverted_shape){.in = s.in,
                              .expanded = s.hidden,
                              .out = s.out,
                              .kernel = s.kernel,
                              .stride = s.stride,
                              .squeezed = s.excite ? weld_round_channels(s.hidden / 4.0) : 0,
                              .activation = weld_gelu,
                              .depth = s.depth});
}

/* The stem has shrunk the image by two already where it is to be shrunk by more. */
static int stride_of(const ladder *l, feature at) {
    const bool shrinks = at.kind == LEAD || at.kind == DOWN;
    return shrinks && (at.stage > 0 || l->stem_stride > 2) ? 2 : 1;
}

/* Feature f; *c: channels of x, and then of the result. */
static weld_value *append(const network *net, const ladder *l, int f, weld_value *x, int *c) {
    const feature at = feature_at(l, f);
    const weld_path path = weld_under((weld_path){"features"}, "%d", f);
    weld_repvit_shape s = {.in = *c,
                           .out = at.kind == BEFORE ? *c : out_channels(l, at),
                           .kernel = l->kernels[at.stage],
                           .stride = stride_of(l, at),
                           .excite = excites(l, at),
                           .depth = f / (double)(feature_count(l) - 1)};
    s.hidden = hidden_channels(l, at, at.kind == DOWN ? s.out : s.in);
    *c = s.out;
    switch (at.kind) {
    case STEM:
        return stem(net, l, path, x, c);
    case BEFORE:
        return weld_repvit_block(net, path, x, s);
    case DOWN:
        return weld_repvit_downsample(net, path, x, s);
    case LEAD:
    case BLOCK:
        break;
    }
    return block(net, l, at, path, x, s);
}

static weld_value *classifier(const network *net, const ladder *l, weld_value *x, int c) {
    const weld_path at = {"classifier"};
    const int *wide = l->head_channels;
    if (l->classifier == REPVIT) {
        x = weld_layer_dropout(net, weld_layer_global_mean(net, x, c));
        return weld_repvit_head(net, weld_under(at, "classifier"), x, c);
    }
    const weld_conv_shape widen = {c, wide[0], .kernel = 1, .stride = 1, .groups = 1};
    const weld_conv_shape mix = {wide[0], wide[1], .kernel = 1, .stride = 1, .groups = 1};
    x = weld_gelu(net->g, conv_bn(net, weld_under(at, "widen"), x, widen));
    x = weld_layer_conv(net, weld_under(at, "mix"), weld_global_avg_pool(net->g, x), mix, true);
    x = weld_gelu(net->g, x);
    x = weld_reshape(net->g, x, WELD_SHAPE(x ? x->shape.dim[0] : 1, wide[1]));
    return weld_layer_linear(net, weld_under(at, "l"), weld_layer_dropout(net, x), wide[1],
                             net->config->num_classes,
                             (weld_init){.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.02, .b = 2});
}

static weld_model_place place(const weld_model_config *config, const char *name);

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const ladder l = ladder_of(config);
    const network net = {g, config, mode, place, .bn_eps = 1e-5, .bn_momentum = 0.1};
    weld_value *x = images;
    int c = 3;
    for (int f = 0; f < feature_count(&l); f++) {
        x = append(&net, &l, f, x, &c);
    }
    weld_output(g, "logits", classifier(&net, &l, x, c));
}

/* --- Places ---------------------------------------------------------------------------------- */

static int stage_count(const weld_model_config *config) {
    (void)config;
    return STAGES;
}

static int64_t block_count(const weld_model_config *config) {
    const ladder l = ladder_of(config);
    return l.depths[0] + l.depths[1] + l.depths[2] + l.depths[3];
}

/* What leads into a stage belongs to it, and is one layer. */
static weld_model_place place(const weld_model_config *config, const char *name) {
    static const char features[] = "features.";
    const ladder l = ladder_of(config);
    const bool in_features = strncmp(name, features, sizeof features - 1) == 0;
    const int f = in_features ? atoi(name + sizeof features - 1) : feature_count(&l);
    if (f < 0 || f >= feature_count(&l)) {
        return (weld_model_place){STAGES + 1,
                                  (int)block_count(config) + STAGES + (l.stem == MOBILE),
                                  strstr(name, ".l.") != NULL};
    }
    const feature at = feature_at(&l, f);
    if (at.kind == STEM) {
        return (weld_model_place){.part = 0};
    }
    int layer = 1 + (l.stem == MOBILE);
    for (int i = 0; i < at.stage; i++) {
        layer += l.depths[i] + 1;
    }
    return (weld_model_place){.part = at.stage + 1,
                              .layer = at.kind == BLOCK ? layer + at.block : layer - 1};
}

/* --- Names ------------------------------------------------------------------------------------ */

/* Nobody else has these networks, the last aside, which is the authors' RepViT-M0.9. */
static const weld_naming namings[] = {{"official", "RepViT's", "the authors' name of RepViT's"}};

static bool tensor_name(const weld_model_config *config, const weld_naming *naming,
                        const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    (void)config, (void)naming;
    return snprintf(out, WELD_TENSOR_NAME_SIZE, "%s", name) < WELD_TENSOR_NAME_SIZE;
}

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    (void)config, (void)naming;
    return weld_preprocessing_of(224);
}

const weld_model_family weld_family_mobilenetv3_repvit = {
    .name = "mobilenetv3_repvit",
    .task = "classification",
    .values_size = sizeof(ladder),
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
    .namings = namings,
    .naming_count = 1,
    .check = check,
    .build = build,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .tensor_name = tensor_name,
    .usual = usual,
};
