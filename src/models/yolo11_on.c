/* YOLO11's neck and head on any network whose stages have maps of stride 8, 16 and 32, by name. A
 * RepViT of other sizes is yolo11_repvit's. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models/mobilenetv3.h"
#include "models/mobilenetv3_repvit.h"
#include "models/mobileone.h"
#include "models/mobilevit.h"
#include "models/regnety.h"
#include "models/repvgg.h"
#include "models/repvit.h"
#include "models/yolo11_backbone.h"

typedef struct weld_yolo11_on {
    char backbone[WELD_MODEL_NAME_SIZE]; /* a variant */
    weld_yolo11_scale scale;
    int normalize;
} weld_yolo11_on;

_Static_assert(sizeof(weld_yolo11_on) <= WELD_MODEL_VALUES_SIZE,
               "a config has room for the values");

/* Not CMT: its tables of positions are for images of one size. */
static const weld_model_family *const families[] = {&weld_family_repvit,
                                                    &weld_family_mobilenetv3,
                                                    &weld_family_regnety,
                                                    &weld_family_mobilevit,
                                                    &weld_family_mobileone,
                                                    &weld_family_repvgg,
                                                    &weld_family_mobilenetv3_repvit};
enum { FAMILIES = sizeof families / sizeof *families };

static const weld_key keys[] = {
    {"backbone", WELD_KEY_TEXT, WELD_KEY_ONE(weld_yolo11_on, backbone), .flags = WELD_KEY_SIZE,
     .manual_standard = "must be given",
     .manual_range = "a variant of repvit, mobilenetv3, regnety, mobilevit, mobileone, repvgg, "
                     "mobilenetv3_repvit; the family only",
     .help = "the network that it begins with, as `model.name` has it"},
    WELD_YOLO11_KEYS(weld_yolo11_on),
    WELD_YOLO11_NORMALIZE_KEY(weld_yolo11_on),
};

static weld_yolo11_on values_of(const weld_model_config *config) {
    weld_yolo11_on v;
    memcpy(&v, config->values, sizeof v);
    return v;
}

/* family NULL: there is no such variant. */
static weld_yolo11_begin begin_of(const weld_model_config *config) {
    const weld_yolo11_on v = values_of(config);
    weld_yolo11_begin b = {NULL, {.num_classes = 1}};
    for (size_t f = 0; f < FAMILIES; f++) {
        for (size_t i = 0; i < families[f]->variant_count; i++) {
            const weld_model_variant *variant = &families[f]->variants[i];
            if (strcmp(variant->name, v.backbone) == 0) {
                b.family = families[f];
                memcpy(b.config.name, v.backbone, sizeof b.config.name);
                memcpy(b.config.values, variant->values, families[f]->values_size);
            }
        }
    }
    return b;
}

static void backbone(const weld_model_config *config, weld_model_config *out) {
    *out = begin_of(config).config;
}

static void keep_classes(weld_model_config *config) {
    weld_yolo11_keep_classes(config, offsetof(weld_yolo11_on, scale));
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const weld_yolo11_on v = values_of(config);
    char known[256] = "";
    if (!begin_of(config).family) {
        for (size_t f = 0; f < FAMILIES; f++) {
            weld_append(known, sizeof known, f ? ", %s" : "%s", families[f]->name);
        }
        *key = "backbone";
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "is '%.60s': it must be a variant of %s (weld models lists them)",
                         v.backbone, known);
    }
    return weld_yolo11_check_scale(&v.scale, key, err);
}

static int stage_count(const weld_model_config *config) {
    const weld_yolo11_begin b = begin_of(config);
    return b.family->stage_count(&b.config);
}

static int64_t block_count(const weld_model_config *config) {
    const weld_yolo11_begin b = begin_of(config);
    return weld_yolo11_begin_blocks(&b);
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    const weld_yolo11_begin b = begin_of(config);
    return weld_yolo11_begin_place(&b, name);
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const weld_yolo11_on v = values_of(config);
    const weld_yolo11_begin b = begin_of(config);
    const weld_layers net = {g, config, mode, place, WELD_YOLO11_BATCH_NORM};
    weld_yolo11_begin_build(&net, &b, &v.scale, v.normalize, images);
}

/* Which network the backbone is files say themselves. */
static weld_status recognize(const weld_shape_index *index, weld_recognized *out, weld_error *err) {
    const char *key;
    if (!out->stated || check(out->stated, &key, NULL)) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "no file of weld that says which network a detector begins with");
    }
    weld_yolo11_on v = values_of(out->stated);
    const weld_yolo11_scale stated = v.scale;
    WELD_TRY(weld_yolo11_see_head(index, &stated, &v.scale, out, err));
    memcpy(out->config.values, &v, sizeof v);
    return WELD_OK;
}

const weld_model_family weld_family_yolo11_on = {
    .name = "yolo11_on",
    WELD_YOLO11_FAMILY(weld_yolo11_on),
    .backbone = backbone,
};
