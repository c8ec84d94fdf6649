/* RepViT: Revisiting Mobile CNN From ViT Perspective (Wang, Chen, Lin, Han, Ding; arXiv 2307.09283,
 * CVPR 2024), in its training form, with the names of the published checkpoints.
 */
#include "models/repvit.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "models/layers.h"
#include "models/repvit_blocks.h"
#include "ops/ops.h"

_Static_assert(sizeof(weld_repvit) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

#define SIZES(sizes) &(const weld_repvit)sizes

static const weld_model_variant variants[] = {
    {"repvit_m0_6", SIZES(WELD_REPVIT_M0_6)},
    {"repvit_m0_9", SIZES(WELD_REPVIT_M0_9)},
    {"repvit_m1_0", SIZES(WELD_REPVIT_M1_0)},
    {"repvit_m1_1", SIZES(WELD_REPVIT_M1_1)},
    {"repvit_m1_5", SIZES(WELD_REPVIT_M1_5)},
    {"repvit_m2_3", SIZES(WELD_REPVIT_M2_3)},
    {"repvit_m1", SIZES(WELD_REPVIT_SIZES(48, 96, 192, 384, 2, 2, 14, 2, true))},
    {"repvit_m2", SIZES(WELD_REPVIT_SIZES(64, 128, 256, 512, 2, 2, 12, 2, true))},
    {"repvit_m3", SIZES(WELD_REPVIT_SIZES(64, 128, 256, 512, 4, 4, 18, 2, true))},
};

static const weld_key keys[] = {
    WELD_REPVIT_KEYS,
    {"distillation_head", WELD_KEY_BOOL, WELD_KEY_ONE(weld_repvit, distillation_head),
     .flags = WELD_KEY_SECOND_HEAD | WELD_KEY_MERGED_AWAY, .label = "distillation head",
     .manual_standard = "false; true with `loss.distillation`",
     .help = "a second head; evaluation averages both"},
};

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const weld_repvit r = weld_repvit_of(config);
    if (r.channels[0] % 2 != 0) {
        *key = "channels";
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "[0] is %d: the stem needs an even number, as it begins with half of them",
                         r.channels[0]);
    }
    if (r.stem_stride == 3) {
        *key = "stem_stride";
        return weld_fail(err, WELD_ERROR_ARGUMENT, "is 3: it must be 1, 2 or 4");
    }
    return WELD_OK;
}

/* --- The figure ------------------------------------------------------------------------------ */

typedef weld_layers network;

static weld_value *block(const network *net, weld_path at, weld_value *x, int c, bool excite,
                         bool legacy, double depth) {
    return weld_repvit_block(net, at, x,
                             (weld_repvit_shape){.in = c,
                                                 .hidden = 2 * c,
                                                 .out = c,
                                                 .kernel = 3,
                                                 .stride = 1,
                                                 .excite = excite,
                                                 .legacy = legacy,
                                                 .depth = depth});
}

static weld_value *downsample(const network *net, weld_path at, weld_value *x, int c, int out,
                              double depth) {
    const weld_repvit_shape s = {
        .in = c, .hidden = 2 * out, .out = out, .kernel = 3, .stride = 2, .depth = depth};
    return weld_repvit_downsample(net, at, x, s);
}

static void classifier(const network *net, weld_value *x, int c, bool distillation_head) {
    weld_graph *g = net->g;
    const weld_path at = {"classifier"};
    x = weld_layer_dropout(net, x);
    weld_value *logits = weld_repvit_head(net, weld_under(at, "classifier"), x, c);
    if (distillation_head) {
        weld_value *dist = weld_repvit_head(net, weld_under(at, "classifier_dist"), x, c);
        if (net->mode.training) {
            weld_output(g, "logits_dist", dist);
        } else {
            logits = weld_scale(g, weld_add(g, logits, dist), 0.5);
        }
    }
    weld_output(g, "logits", logits);
}

static weld_model_place place(const weld_model_config *config, const char *name);

/* The stem, the blocks, and two that lead into each stage but the first. */
static int feature_count(const weld_repvit *r) {
    int count = 1 + 2 * (r->stages - 1);
    for (int i = 0; i < r->stages; i++) {
        count += r->depths[i];
    }
    return count;
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const weld_repvit r = weld_repvit_of(config);
    const network net = {g, config, mode, place, .bn_eps = 1e-5, .bn_momentum = 0.1};
    const weld_path features = {"features"};
    const double last = feature_count(&r) - 1;
    int c = r.channels[0], f = 0;
    weld_value *x =
        weld_repvit_stem(&net, weld_under(features, "%d", f++), images, c, r.stem_stride);
    for (int stage = 0; stage < r.stages; stage++) {
        if (stage > 0) {
            x = block(&net, weld_under(features, "%d", f), x, c, false, r.legacy, f / last);
            f++;
            x = downsample(&net, weld_under(features, "%d", f), x, c, r.channels[stage], f / last);
            f++;
            c = r.channels[stage];
        }
        for (int i = 0; i < r.depths[stage]; i++, f++) {
            x = block(&net, weld_under(features, "%d", f), x, c, i % 2 == 0, r.legacy, f / last);
        }
    }
    classifier(&net, weld_layer_global_mean(&net, x, c), c, r.distillation_head);
}

/* --- Places ---------------------------------------------------------------------------------- */

static int stage_count(const weld_model_config *config) {
    return weld_repvit_of(config).stages;
}

static int64_t block_count(const weld_model_config *config) {
    const weld_repvit r = weld_repvit_of(config);
    int64_t blocks = 0;
    for (int i = 0; i < r.stages; i++) {
        blocks += r.depths[i];
    }
    return blocks;
}

/* The blocks that lead into a stage belong to it, and both are one layer. */
static weld_model_place place(const weld_model_config *config, const char *name) {
    static const char features[] = "features.";
    const weld_repvit r = weld_repvit_of(config);
    weld_repvit_feature kind;
    int stage, in_stage, layer = 1;
    bool in_features = strncmp(name, features, sizeof features - 1) == 0;
    if (!in_features ||
        !weld_repvit_find_feature(&r, atoi(name + sizeof features - 1), &kind, &stage, &in_stage)) {
        return (weld_model_place){r.stages + 1, (int)block_count(config) + r.stages,
                                  strstr(name, ".l.") != NULL};
    }
    if (kind == WELD_REPVIT_STEM) {
        return (weld_model_place){.part = 0};
    }
    for (int i = 0; i < stage; i++) {
        layer += r.depths[i] + 1;
    }
    layer += kind == WELD_REPVIT_BLOCK ? in_stage : stage ? -1 : 0;
    return (weld_model_place){.part = stage + 1, .layer = layer};
}

/* A block ends with the sum of its channel mixer. */
static weld_value *stage_end(const weld_graph *g, const weld_model_config *config, int stage,
                             int *stride) {
    const weld_repvit r = weld_repvit_of(config);
    int f = r.depths[0];
    for (int i = 1; i <= stage; i++) {
        f += 2 + r.depths[i];
    }
    *stride = r.stem_stride << stage;
    weld_path at = weld_under((weld_path){"features"}, "%d.channel_mixer.m.2", f);
    const weld_node *last = weld_find_conv(g, weld_under(at, "weight"), weld_under(at, "c.weight"));
    if (!last) {
        return NULL;
    }
    weld_value *norm = weld_read_by(&weld_op_batch_norm_eval, last->outputs[0]);
    norm = norm ? norm : weld_read_by(&weld_op_batch_norm, last->outputs[0]);
    return weld_read_by(&weld_op_add, norm ? norm : last->outputs[0]);
}

const weld_model_family weld_family_repvit = {
    .name = "repvit",
    .task = "classification",
    .values_size = sizeof(weld_repvit),
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
    .namings = weld_repvit_namings,
    .naming_count = WELD_REPVIT_NAMINGS,
    .check = check,
    .build = build,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .stage_end = stage_end,
    .tensor_name = weld_repvit_tensor_name,
    .recognize = weld_repvit_recognize,
    .usual = weld_repvit_usual,
};
