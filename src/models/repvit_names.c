/* What RepViT's tensors are called by the reference implementation and by timm.
 *
 * Both put the same modules into different trees. The reference counts features: the stem, then
 * every block and downsampling, stage after stage, where the block before a downsampling has the
 * old width. timm has stages, each with its downsampling (that block included) and its blocks.
 * Below the place in the tree, a table says how modules correspond; what follows a module's name
 * (".c.weight", ".bn.bias", and ".weight" of a merged one) is the same in both.
 *
 * Sources: model/repvit.py and utils.py (replace_batchnorm) of THU-MIG/RepViT,
 * timm/models/repvit.py of pytorch-image-models; in both, fuse() puts a module in the place of what
 * it merges, and one linear layer in that of the whole classifier.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "models/models.h"

/* --- Names ----------------------------------------------------------------------------------- */

typedef struct module_pair {
    const char *official, *timm;
} module_pair;

static const module_pair stem_modules[] = {{"0", "conv1"}, {"2", "conv2"}, {NULL, NULL}};
static const module_pair block_modules[] = {{"token_mixer.0", "token_mixer"},
                                            {"token_mixer.1", "se"},
                                            {"channel_mixer.m.0", "channel_mixer.conv1"},
                                            {"channel_mixer.m.2", "channel_mixer.conv2"},
                                            {NULL, NULL}};
static const module_pair down_modules[] = {{"token_mixer.0", "spatial_downsample"},
                                           {"token_mixer.2", "channel_downsample"},
                                           {"channel_mixer.m.0", "ffn.conv1"},
                                           {"channel_mixer.m.2", "ffn.conv2"},
                                           {NULL, NULL}};
static const module_pair head_modules[] = {
    {"classifier.classifier", "head.head"}, {"classifier.classifier_dist", "head.head_dist"}, {0}};

static bool write_name(char out[WELD_TENSOR_NAME_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool write_name(char out[WELD_TENSOR_NAME_SIZE], const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(out, WELD_TENSOR_NAME_SIZE, format, args);
    va_end(args);
    return length >= 0 && length < WELD_TENSOR_NAME_SIZE;
}

/* Where feature f of the reference lies in timm's tree, and which modules it has; false past the
 * last one. */
static bool find_feature(const weld_model_config *config, long f, char place[64],
                         const module_pair **modules) {
    *modules = stem_modules;
    snprintf(place, 64, "stem");
    if (f == 0) {
        return true;
    }
    long first = 1; /* feature of the stage's first block */
    for (int stage = 0; stage < config->stage_count; stage++) {
        long last = first + config->depths[stage] - 1;
        if (f <= last) {
            *modules = block_modules;
            snprintf(place, 64, "stages.%d.blocks.%ld", stage, f - first);
            return true;
        }
        if (f <= last + 2 && stage + 1 < config->stage_count) {
            bool before = f == last + 1;
            *modules = before ? block_modules : down_modules;
            snprintf(place, 64, "stages.%d.downsample%s", stage + 1, before ? ".pre_block" : "");
            return true;
        }
        first = last + 3;
    }
    return false;
}

/* "place." and timm's name for the module that `name` begins with, and the rest of it. */
static bool map_module(const module_pair *modules, const char *place, const char *name,
                       char out[WELD_TENSOR_NAME_SIZE]) {
    for (; modules->official; modules++) {
        size_t length = strlen(modules->official);
        if (strncmp(name, modules->official, length) == 0 && name[length] == '.') {
            return write_name(out, "%s%s%s%s", place, *place ? "." : "", modules->timm,
                              name + length);
        }
    }
    return false;
}

/* The name of a merged head's weight or bias without its module; NULL where it is something else.
 */
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

bool weld_repvit_tensor_name(const weld_model_config *config, weld_naming naming, const char *name,
                             char out[WELD_TENSOR_NAME_SIZE]) {
    const char *head = merged_head(name);
    if (head) {
        return write_name(out, "%s.%s", naming == WELD_NAMES_TIMM ? "head" : "classifier", head);
    }
    char mapped[WELD_TENSOR_NAME_SIZE], place[64];
    const module_pair *modules = head_modules;
    static const char features[] = "features.";
    bool known;
    if (strncmp(name, features, sizeof features - 1) == 0) {
        char *end;
        long f = strtol(name + sizeof features - 1, &end, 10);
        known = *end == '.' && f >= 0 && find_feature(config, f, place, &modules) &&
                map_module(modules, place, end + 1, mapped);
    } else {
        known = map_module(modules, "", name, mapped);
    }
    return known && write_name(out, "%s", naming == WELD_NAMES_TIMM ? mapped : name);
}

/* --- Recognition ----------------------------------------------------------------------------- */

/* Bounds of the work that a file can ask for: more blocks than any network has, and fewer tensors a
 * block than any network has in either form (six). */
enum { MAX_BLOCKS = 256, BLOCK_TENSORS = 4 };

typedef struct search {
    const weld_shape_index *index;
    weld_naming naming;
    bool merged;
} search;

/* The weight of a convolution by its module's name. */
static const weld_named_shape *find_conv(const search *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const weld_named_shape *find_conv(const search *s, const char *format, ...) {
    char name[WELD_TENSOR_NAME_SIZE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    snprintf(name + length, sizeof name - (size_t)length, "%s.weight", s->merged ? "" : ".c");
    return weld_shape_index_find(s->index, name);
}

static const weld_named_shape *find_stem(const search *s) {
    return find_conv(s, "%s", s->naming == WELD_NAMES_TIMM ? "stem.conv2" : "features.0.2");
}

/* Which naming and form? */
static weld_status find_form(search *s, weld_error *err) {
    for (int i = 0; i < 4; i++) {
        s->naming = i & 1 ? WELD_NAMES_TIMM : WELD_NAMES_OFFICIAL;
        s->merged = i & 2;
        if (find_stem(s)) {
            return WELD_OK;
        }
    }
    return weld_fail(err, WELD_ERROR_NOT_FOUND,
                     "no RepViT: neither features.0.2.c.weight (the authors' name) nor "
                     "stem.conv2.c.weight (timm's) is among its %zu tensors",
                     s->index->count);
}

/* The number of outputs that a weight says; *to is 0 where it says nothing sensible. */
static weld_status take_outputs(const weld_named_shape *weight, int rank, int *to,
                                weld_error *err) {
    const weld_shape *shape = &weight->shape;
    char text[96];
    if (shape->rank != rank || shape->dim[0] < 1 || shape->dim[0] > 1 << 20) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%.80s is %s: no weight of a %s", weight->name,
                         weld_shape_text(shape, text, sizeof text),
                         rank == 4 ? "convolution" : "linear layer");
    }
    *to = (int)shape->dim[0];
    return WELD_OK;
}

/* The downsampling convolution that begins a stage after the first; f is its feature. */
static const weld_named_shape *find_down(const search *s, int stage, int f) {
    return s->naming == WELD_NAMES_TIMM
               ? find_conv(s, "stages.%d.downsample.channel_downsample", stage)
               : find_conv(s, "features.%d.token_mixer.2", f);
}

static bool has_block(const search *s, int stage, int b, int f) {
    return s->naming == WELD_NAMES_TIMM
               ? find_conv(s, "stages.%d.blocks.%d.channel_mixer.conv1", stage, b) != NULL
               : find_conv(s, "features.%d.channel_mixer.m.0", f) && !find_down(s, stage, f);
}

static weld_status find_stages(const search *s, weld_model_config *config, weld_error *err) {
    weld_status status = take_outputs(find_stem(s), 4, &config->channels[0], err);
    int f = 1, total = 0; /* f counts as the reference does */
    while (status == WELD_OK) {
        int stage = config->stage_count++, blocks = 0;
        while (total < MAX_BLOCKS && has_block(s, stage, blocks, f + blocks)) {
            blocks++;
            total++;
        }
        if (total == MAX_BLOCKS) {
            return weld_fail(err, WELD_ERROR_SHAPE, "%d blocks or more: no RepViT has as many",
                             MAX_BLOCKS);
        }
        f += blocks;
        const weld_named_shape *down = find_down(s, stage + 1, f);
        bool counted = s->naming == WELD_NAMES_OFFICIAL && down;
        config->depths[stage] = blocks - counted; /* the last of them belongs to the next stage */
        if (!down) {
            break;
        }
        if (config->stage_count == WELD_MAX_STAGES) {
            return weld_fail(err, WELD_ERROR_SHAPE, "more than %d stages: no RepViT has as many",
                             WELD_MAX_STAGES);
        }
        status = take_outputs(down, 4, &config->channels[stage + 1], err);
        f++;
    }
    if (status == WELD_OK && s->index->count < (size_t)total * BLOCK_TENSORS) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%zu tensors are too few for a RepViT of %d blocks",
                         s->index->count, total);
    }
    return status;
}

/* The first block's 1x1 branch, a convolution with a batch norm of its own in the legacy layout. */
static bool is_legacy(const search *s) {
    return !s->merged &&
           find_conv(s, "%s",
                     s->naming == WELD_NAMES_TIMM ? "stages.0.blocks.0.token_mixer.conv1"
                                                  : "features.1.token_mixer.0.conv1");
}

static weld_status find_head(const search *s, weld_model_config *config, weld_error *err) {
    bool timm = s->naming == WELD_NAMES_TIMM;
    const char *name = s->merged ? (timm ? "head.weight" : "classifier.weight")
                       : timm    ? "head.head.l.weight"
                                 : "classifier.classifier.l.weight";
    const weld_named_shape *head = weld_shape_index_find(s->index, name);
    if (!head) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "the classifier is missing (%s): weights of a backbone alone do not "
                         "classify",
                         name);
    }
    name = timm ? "head.head_dist.l.weight" : "classifier.classifier_dist.l.weight";
    config->distillation_head = !s->merged && weld_shape_index_find(s->index, name);
    return take_outputs(head, 2, &config->num_classes, err);
}

weld_status weld_repvit_recognize(const weld_shape_index *index, weld_recognized *out,
                                  weld_error *err) {
    search s = {.index = index};
    weld_model_config config = {.stem_stride = 4};
    weld_status status = find_form(&s, err);
    if (status == WELD_OK) {
        status = find_stages(&s, &config, err);
    }
    if (status == WELD_OK) {
        config.legacy = is_legacy(&s);
        status = find_head(&s, &config, err);
    }
    *out = (weld_recognized){.config = config, .naming = s.naming, .merged = s.merged};
    return status;
}
