/* What RepViT's tensors are called by the reference implementation and by timm, and which RepViT
 * tensors are of.
 *
 * The reference counts features (repvit.h). timm has stages, each with its downsampling (the block
 * in front of it included) and its blocks.
 *
 * Sources: model/repvit.py and utils.py (replace_batchnorm) of THU-MIG/RepViT,
 * timm/models/repvit.py of pytorch-image-models; in both, fuse() puts a module in the place of what
 * it merges, and one linear layer in that of the whole classifier.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models/repvit.h"

const weld_naming weld_repvit_namings[WELD_REPVIT_NAMINGS] = {
    {"official", "official", "the authors' name"},
    {"timm", "timm's", "timm's"},
};

static const weld_module_names stem_modules[] = {{{"0", "conv1"}}, {{"2", "conv2"}}, {{NULL}}};
static const weld_module_names block_modules[] = {{{"token_mixer.0", "token_mixer"}},
                                                  {{"token_mixer.1", "se"}},
                                                  {{"channel_mixer.m.0", "channel_mixer.conv1"}},
                                                  {{"channel_mixer.m.2", "channel_mixer.conv2"}},
                                                  {{NULL}}};
static const weld_module_names down_modules[] = {{{"token_mixer.0", "spatial_downsample"}},
                                                 {{"token_mixer.2", "channel_downsample"}},
                                                 {{"channel_mixer.m.0", "ffn.conv1"}},
                                                 {{"channel_mixer.m.2", "ffn.conv2"}},
                                                 {{NULL}}};
static const weld_module_names head_modules[] = {
    {{"classifier", "head"}}, {{"classifier_dist", "head_dist"}}, {{NULL}}};

static const weld_place_names features[] = {
    [WELD_REPVIT_STEM] = {{{"features.0", "stem"}}, stem_modules},
    [WELD_REPVIT_BLOCK] = {{{"features.{f}", "stages.{s}.blocks.{b}"}}, block_modules},
    [WELD_REPVIT_BEFORE] = {{{"features.{f}", "stages.{s}.downsample.pre_block"}}, block_modules},
    [WELD_REPVIT_DOWN] = {{{"features.{f}", "stages.{s}.downsample"}}, down_modules},
};
static const weld_place_names heads = {{{"classifier", "head"}}, head_modules};

/* --- Names ----------------------------------------------------------------------------------- */

bool weld_repvit_find_feature(const weld_repvit *r, long f, weld_repvit_feature *kind, int *stage,
                              int *block_in_stage) {
    long first = 1; /* feature of the stage's first block */
    *kind = WELD_REPVIT_STEM;
    *stage = *block_in_stage = 0;
    if (f == 0) {
        return true;
    }
    for (*stage = 0; *stage < r->stages; ++*stage) {
        *kind = f < first - 1 ? WELD_REPVIT_BEFORE
                : f < first   ? WELD_REPVIT_DOWN
                              : WELD_REPVIT_BLOCK;
        *block_in_stage = *kind == WELD_REPVIT_BLOCK ? (int)(f - first) : 0;
        if (f < first + r->depths[*stage]) {
            return f > 0;
        }
        first += r->depths[*stage] + 2;
    }
    return false;
}

/* "weight" or "bias" of a merged head, which has a module less; NULL where it is something else. */
static const char *merged_head(const char *name) {
    static const char *const modules[] = {"classifier.", "classifier.classifier."};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        size_t length = strlen(modules[i]);
        if (strncmp(name, modules[i], length) == 0 &&
            (strcmp(name + length, "weight") == 0 || strcmp(name + length, "bias") == 0)) {
            return name + length;
        }
    }
    return NULL;
}

bool weld_repvit_tensor_name(const weld_model_config *config, const weld_naming *naming,
                             const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    static const char before[] = "features.", head[] = "classifier.";
    const size_t n = (size_t)(naming - weld_repvit_namings);
    const weld_repvit r = weld_repvit_of(config);
    weld_named_place at = {.names = &heads};
    weld_repvit_feature kind;
    char *end;
    if (merged_head(name)) {
        snprintf(out, WELD_TENSOR_NAME_SIZE, "%s.%s", heads.place.in[n], merged_head(name));
        return true;
    }
    if (strncmp(name, head, sizeof head - 1) == 0) {
        return weld_place_tensor_name(&at, n, name + sizeof head - 1, out);
    }
    if (strncmp(name, before, sizeof before - 1) != 0) {
        return false;
    }
    long f = strtol(name + sizeof before - 1, &end, 10);
    if (*end != '.' || !weld_repvit_find_feature(&r, f, &kind, &at.stage, &at.block)) {
        return false;
    }
    at.names = &features[kind];
    at.feature = (int)f;
    return weld_place_tensor_name(&at, n, end + 1, out);
}

weld_preprocessing weld_repvit_usual(const weld_model_config *config, const weld_naming *naming) {
    bool timm = naming == &weld_repvit_namings[1];
    (void)config;
    weld_preprocessing p = weld_preprocessing_of(224);
    p.crop_fraction = timm ? 0.95 : p.crop_fraction;
    return p;
}

/* --- Recognition ----------------------------------------------------------------------------- */

/* Bounds of the work that a file can ask for: more blocks than any network has, and fewer tensors a
 * block than any network has in either form (six). */
enum { MAX_BLOCKS = 256, BLOCK_TENSORS = 4 };

typedef struct search {
    const weld_shape_index *index;
    size_t naming;
    bool merged;
} search;

static void conv_name(const search *s, weld_named_place at, const char *module,
                      char name[WELD_TENSOR_NAME_SIZE]) {
    char weight[64];
    snprintf(weight, sizeof weight, "%s%s.weight", module, s->merged ? "" : ".c");
    if (!weld_place_tensor_name(&at, s->naming, weight, name)) {
        name[0] = 0;
    }
}

/* The weight of a convolution, by the reference's name of its module. */
static const weld_named_shape *find_conv(const search *s, weld_repvit_feature kind, int stage,
                                         int block, int f, const char *module) {
    char name[WELD_TENSOR_NAME_SIZE];
    conv_name(s, (weld_named_place){&features[kind], stage, block, f}, module, name);
    return weld_shape_index_find(s->index, name);
}

static const weld_named_shape *find_stem(const search *s) {
    return find_conv(s, WELD_REPVIT_STEM, 0, 0, 0, "2");
}

/* Which naming and form? */
static weld_status find_form(search *s, weld_error *err) {
    char sought[512] = "", name[WELD_TENSOR_NAME_SIZE];
    for (int merged = 0; merged < 2; merged++) {
        for (s->naming = 0; s->naming < WELD_REPVIT_NAMINGS; s->naming++) {
            s->merged = merged;
            if (find_stem(s)) {
                return WELD_OK;
            }
        }
    }
    s->merged = false;
    for (s->naming = 0; s->naming < WELD_REPVIT_NAMINGS; s->naming++) {
        conv_name(s, (weld_named_place){.names = &features[WELD_REPVIT_STEM]}, "2", name);
        weld_append(sought, sizeof sought, "%s%s (%s)", s->naming ? " nor " : "", name,
                    weld_repvit_namings[s->naming].text);
    }
    return weld_fail(err, WELD_ERROR_NOT_FOUND, "no RepViT: neither %s is among its %zu tensors",
                     sought, s->index->count);
}

/* The number of outputs that a weight says; *to is 0 where it says nothing sensible. */
static weld_status take_outputs(const weld_named_shape *weight, int rank, int *to,
                                weld_error *err) {
    const weld_shape *shape = &weight->shape;
    char text[96];
    if (shape->rank != rank || shape->dim[0] < 1 || shape->dim[0] > WELD_MAX_CLASSES) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%.80s is %s: no weight of a %s", weight->name,
                         weld_shape_text(shape, text, sizeof text),
                         rank == 4 ? "convolution" : "linear layer");
    }
    *to = (int)shape->dim[0];
    return WELD_OK;
}

/* The downsampling convolution that begins a stage after the first; f is its feature. */
static const weld_named_shape *find_down(const search *s, int stage, int f) {
    return find_conv(s, WELD_REPVIT_DOWN, stage, 0, f, "token_mixer.2");
}

/* By the reference's names the block in front of a downsampling one is as any other, and one that
 * downsamples has what a block has. */
static bool has_block(const search *s, int stage, int b, int f) {
    return find_conv(s, WELD_REPVIT_BLOCK, stage, b, f, "channel_mixer.m.0") &&
           (s->naming != 0 || !find_down(s, stage, f));
}

static weld_status find_stages(const search *s, weld_repvit *r, weld_error *err) {
    WELD_TRY(take_outputs(find_stem(s), 4, &r->channels[0], err));
    int f = 1, total = 0; /* f counts as the reference does */
    for (const weld_named_shape *down = NULL; r->stages == 0 || down;) {
        int stage = r->stages++, blocks = 0;
        r->depth_count = r->stages;
        while (total < MAX_BLOCKS && has_block(s, stage, blocks, f + blocks)) {
            blocks++;
            total++;
        }
        if (total == MAX_BLOCKS) {
            return weld_fail(err, WELD_ERROR_SHAPE, "%d blocks or more: no RepViT has as many",
                             MAX_BLOCKS);
        }
        f += blocks;
        down = find_down(s, stage + 1, f);
        bool counted = s->naming == 0 && down;
        r->depths[stage] = blocks - counted; /* the last of them belongs to the next stage */
        if (down && r->stages == WELD_MAX_STAGES) {
            return weld_fail(err, WELD_ERROR_SHAPE, "more than %d stages: no RepViT has as many",
                             WELD_MAX_STAGES);
        }
        if (down) {
            WELD_TRY(take_outputs(down, 4, &r->channels[stage + 1], err));
        }
        f++;
    }
    if (s->index->count < (size_t)total * BLOCK_TENSORS) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%zu tensors are too few for a RepViT of %d blocks",
                         s->index->count, total);
    }
    return WELD_OK;
}

/* The first block's 1x1 branch, a convolution with a batch norm of its own in the legacy layout. */
static bool is_legacy(const search *s) {
    return !s->merged && find_conv(s, WELD_REPVIT_BLOCK, 0, 0, 1, "token_mixer.0.conv1");
}

/* Of a backbone alone there is none. */
static weld_status find_head(const search *s, weld_repvit *r, weld_recognized *out,
                             weld_error *err) {
    const weld_named_place at = {.names = &heads};
    char name[WELD_TENSOR_NAME_SIZE], second[WELD_TENSOR_NAME_SIZE];
    weld_place_tensor_name(&at, s->naming, "classifier.l.weight", name);
    weld_place_tensor_name(&at, s->naming, "classifier_dist.l.weight", second);
    if (s->merged) {
        snprintf(name, sizeof name, "%s.weight", heads.place.in[s->naming]);
    }
    const weld_named_shape *head = weld_shape_index_find(s->index, name);
    if (!head) {
        out->headless = true;
        return WELD_OK;
    }
    r->distillation_head = !s->merged && weld_shape_index_find(s->index, second);
    return take_outputs(head, 2, &out->config.num_classes, err);
}

weld_status weld_repvit_recognize(const weld_shape_index *index, weld_recognized *out,
                                  weld_error *err) {
    search s = {.index = index};
    weld_repvit r = weld_repvit_of(&out->config);
    WELD_TRY(find_form(&s, err));
    WELD_TRY(find_stages(&s, &r, err));
    r.legacy = is_legacy(&s);
    WELD_TRY(find_head(&s, &r, out, err));
    memcpy(out->config.values, &r, sizeof r);
    out->naming = &weld_repvit_namings[s.naming];
    out->merged = s.merged;
    return WELD_OK;
}
