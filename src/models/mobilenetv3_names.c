/* What MobileNetV3's tensors are called by timm and torchvision, and which MobileNetV3 tensors are
 * of.
 *
 * timm has stages of blocks; torchvision counts features: 0 is the stem, then come all blocks, then
 * the head's first convolution. The second one is a linear layer in torchvision.
 *
 * Sources: timm/models/mobilenetv3.py and _efficientnet_blocks.py of pytorch-image-models,
 * torchvision/models/mobilenetv3.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models/mobilenetv3.h"

enum { TIMM, TORCHVISION };

static const char *const linear_in_torchvision[] = {"conv_head.weight", NULL};

const weld_naming weld_mobilenetv3_namings[WELD_MOBILENETV3_NAMINGS] = {
    [TIMM] = {"timm", "timm's", "timm's"},
    [TORCHVISION] = {"torchvision", "torchvision's", "torchvision's", linear_in_torchvision},
};

static const weld_module_names root_modules[] = {{{"conv_stem", "features.0.0"}},
                                                 {{"bn1", "features.0.1"}},
                                                 {{"conv_head", "classifier.0"}},
                                                 {{"classifier", "classifier.3"}},
                                                 {{NULL}}};
static const weld_module_names last_modules[] = {{{"conv", "0"}}, {{"bn1", "1"}}, {{NULL}}};

/* Of blocks, by whether they expand and whether they squeeze and excite. */
static const weld_module_names plain[] = {{{"conv_dw", "block.0.0"}},
                                          {{"bn1", "block.0.1"}},
                                          {{"conv_pw", "block.1.0"}},
                                          {{"bn2", "block.1.1"}},
                                          {{NULL}}};
static const weld_module_names plain_excite[] = {{{"conv_dw", "block.0.0"}},
                                                 {{"bn1", "block.0.1"}},
                                                 {{"se.conv_reduce", "block.1.fc1"}},
                                                 {{"se.conv_expand", "block.1.fc2"}},
                                                 {{"conv_pw", "block.2.0"}},
                                                 {{"bn2", "block.2.1"}},
                                                 {{NULL}}};
static const weld_module_names expand[] = {{{"conv_pw", "block.0.0"}},
                                           {{"bn1", "block.0.1"}},
                                           {{"conv_dw", "block.1.0"}},
                                           {{"bn2", "block.1.1"}},
                                           {{"conv_pwl", "block.2.0"}},
                                           {{"bn3", "block.2.1"}},
                                           {{NULL}}};
static const weld_module_names expand_excite[] = {{{"conv_pw", "block.0.0"}},
                                                  {{"bn1", "block.0.1"}},
                                                  {{"conv_dw", "block.1.0"}},
                                                  {{"bn2", "block.1.1"}},
                                                  {{"se.conv_reduce", "block.2.fc1"}},
                                                  {{"se.conv_expand", "block.2.fc2"}},
                                                  {{"conv_pwl", "block.3.0"}},
                                                  {{"bn3", "block.3.1"}},
                                                  {{NULL}}};

#define BLOCK                                                                                      \
    {                                                                                              \
        { "blocks.{s}.{b}", "features.{f}" }                                                       \
    }
static const weld_place_names blocks[2][2] = {{{BLOCK, plain}, {BLOCK, plain_excite}},
                                              {{BLOCK, expand}, {BLOCK, expand_excite}}};
static const weld_place_names root = {{{"", ""}}, root_modules};
static const weld_place_names last = {{{"blocks.{s}.0", "features.{f}"}}, last_modules};

/* --- Names ----------------------------------------------------------------------------------- */

static weld_named_place block_place(int table, int stage, int b, int feature) {
    const weld_mobilenetv3_stage row = weld_mobilenetv3_stage_of(table, stage);
    return (weld_named_place){&blocks[row.expansion[0] > 0][row.excite], stage, b, feature};
}

/* Merging calls what is left of the head's first convolution after its place. */
static const char *last_module(const char *module) {
    return strcmp(module, "weight") == 0 ? "conv.weight"
           : strcmp(module, "bias") == 0 ? "conv.bias"
                                         : module;
}

bool weld_mobilenetv3_tensor_name(const weld_model_config *config, const weld_naming *naming,
                                  const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    const weld_mobilenetv3 m = weld_mobilenetv3_of(config);
    const size_t n = (size_t)(naming - weld_mobilenetv3_namings);
    int stage, b, length = 0, feature = 1;
    if (sscanf(name, "blocks.%d.%d.%n", &stage, &b, &length) < 2 || length == 0) {
        const weld_named_place at = {.names = &root};
        return weld_place_tensor_name(&at, n, name, out);
    }
    for (int i = 0; i < stage && i < m.stages; i++) {
        feature += m.depths[i];
    }
    if (stage == m.stages && b == 0) {
        const weld_named_place at = {&last, stage, 0, feature};
        return weld_place_tensor_name(&at, n, last_module(name + length), out);
    }
    if (stage < 0 || stage >= m.stages || b < 0 || b >= m.depths[stage]) {
        return false;
    }
    const weld_named_place at = block_place(m.table, stage, b, feature + b);
    return weld_place_tensor_name(&at, n, name + length, out);
}

weld_preprocessing weld_mobilenetv3_usual(const weld_model_config *config,
                                          const weld_naming *naming) {
    const bool tensorflow = weld_mobilenetv3_of(config).padding;
    weld_preprocessing p = weld_preprocessing_of(224);
    if (tensorflow || naming != &weld_mobilenetv3_namings[TIMM]) {
        p.interpolation = WELD_BILINEAR;
    }
    for (int c = 0; tensorflow && c < 3; c++) {
        p.mean[c] = p.std[c] = 0.5F;
    }
    weld_preprocessing_pad_with_mean(&p);
    return p;
}

/* --- Recognition ----------------------------------------------------------------------------- */

typedef struct search {
    const weld_shape_index *index;
    size_t naming;
    int feature; /* of the next block */
} search;

static const weld_named_shape *find(const search *s, weld_named_place at, const char *module) {
    char name[WELD_TENSOR_NAME_SIZE];
    return weld_place_tensor_name(&at, s->naming, module, name)
               ? weld_shape_index_find(s->index, name)
               : NULL;
}

static const weld_named_shape *find_root(const search *s, const char *module) {
    return find(s, (weld_named_place){.names = &root}, module);
}

/* Outputs of a layer: what is out of range is for the config's check to say. */
static int outputs(const weld_named_shape *weight) {
    const weld_shape *shape = &weight->shape;
    return shape->rank > 0 && shape->dim[0] <= 1 << 20 ? (int)shape->dim[0] : 0;
}

/* The naming is that in which there are a stem and a first block's depthwise convolution. */
static bool find_naming(search *s) {
    for (s->naming = 0; s->naming < WELD_MOBILENETV3_NAMINGS; s->naming++) {
        const weld_named_place first = block_place(WELD_MOBILENETV3_LARGE, 0, 0, 1);
        if (find_root(s, "conv_stem.weight") && find(s, first, "conv_dw.weight")) {
            return true;
        }
    }
    return false;
}

/* Channels of block b of a stage, 0 where there is none. */
static int find_block(const search *s, int table, int stage, int b) {
    const weld_named_place at = block_place(table, stage, b, s->feature);
    const bool expands = weld_mobilenetv3_stage_of(table, stage).expansion[0] > 0;
    const weld_named_shape *weight = find(s, at, expands ? "conv_pwl.weight" : "conv_pw.weight");
    return weight ? outputs(weight) : 0;
}

/* torchvision's names do not tell stages: widths do, and two of one width are as long as published.
 */
static void find_stage(search *s, weld_mobilenetv3 *m) {
    const int stage = m->stages, most = s->naming == TORCHVISION
                                            ? weld_mobilenetv3_stage_of(m->table, stage).depth
                                            : 1 << 8;
    const int c = find_block(s, m->table, stage, 0);
    int b = 0;
    while (c > 0 && b < most && find_block(s, m->table, stage, b) == c) {
        b++;
        s->feature++;
    }
    m->channels[stage] = c;
    m->depths[stage] = b;
    m->stages += b > 0;
}

/* Of the convolution behind the pooling. timm's features_only has nothing of it: then what is said
 * of the network tells, or the published ones of this table. */
static int head_channels(const search *s, int table, const weld_model_config *stated) {
    const weld_named_shape *head = find_root(s, "conv_head.weight");
    return head                              ? outputs(head)
           : stated                          ? weld_mobilenetv3_of(stated).head_channels[1]
           : table == WELD_MOBILENETV3_LARGE ? WELD_MOBILENETV3_LARGE_HEAD
                                             : WELD_MOBILENETV3_SMALL_HEAD;
}

static weld_status find_sizes(search *s, weld_mobilenetv3 *m, const weld_model_config *stated,
                              weld_error *err) {
    const weld_named_place first = block_place(WELD_MOBILENETV3_SMALL, 0, 0, 1);
    const bool excites = find(s, first, "se.conv_reduce.weight");
    m->table = excites ? WELD_MOBILENETV3_SMALL : WELD_MOBILENETV3_LARGE;
    m->stem_channels = outputs(find_root(s, "conv_stem.weight"));
    for (int before = -1;
         m->stages > before && m->stages < weld_mobilenetv3_table_stages(m->table);) {
        before = m->stages;
        find_stage(s, m);
    }
    m->depth_count = m->stages;
    const weld_named_place end = {&last, m->stages, 0, s->feature};
    const weld_named_shape *widen = find(s, end, "conv.weight");
    if (!widen) {
        return weld_fail(err,
                         find_root(s, "conv_head.weight") ? WELD_ERROR_SHAPE : WELD_ERROR_NOT_FOUND,
                         "a MobileNetV3 of %d stages, but its last 1x1 convolution is missing: the "
                         "blocks are none that the tables of MobileNetV3 have",
                         m->stages);
    }
    m->head_channels[0] = outputs(widen);
    m->head_channels[1] = head_channels(s, m->table, stated);
    return WELD_OK;
}

weld_status weld_mobilenetv3_recognize(const weld_shape_index *index, weld_recognized *out,
                                       weld_error *err) {
    search s = {.index = index, .feature = 1};
    weld_mobilenetv3 m = weld_mobilenetv3_of(&out->config);
    if (!find_naming(&s)) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "no MobileNetV3: conv_stem.weight and blocks.0.0.conv_dw.weight (timm's) "
                         "or features.0.0.weight and features.1.block.0.0.weight (torchvision's) "
                         "are not among its %zu tensors",
                         index->count);
    }
    WELD_TRY(find_sizes(&s, &m, out->stated, err));
    const weld_named_shape *classifier = find_root(&s, "classifier.weight");
    if (s.naming == TORCHVISION) {
        m.bn_eps = 1e-3;
        m.bn_momentum = 0.01;
    }
    out->headless = !classifier;
    if (classifier) {
        out->config.num_classes = outputs(classifier);
    }
    memcpy(out->config.values, &m, sizeof m);
    out->naming = &weld_mobilenetv3_namings[s.naming];
    out->merged = find_root(&s, "conv_stem.bias");
    return WELD_OK;
}
