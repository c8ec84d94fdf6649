/* YOLO11's neck and head on a RepViT. What the two do not share, batch norms' numbers, each keeps.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/backbone.h"
#include "models/repvit.h"
#include "models/yolo11_backbone.h"

typedef struct weld_yolo11_repvit {
    weld_repvit backbone;
    weld_yolo11_scale scale;
    int normalize;
} weld_yolo11_repvit;

_Static_assert(sizeof(weld_yolo11_repvit) <= WELD_MODEL_VALUES_SIZE,
               "a config has room for the values");

#define VALUES(backbone, scale)                                                                    \
    &(const weld_yolo11_repvit) {                                                                  \
        WELD_REPVIT_##backbone, WELD_YOLO11_##scale, WELD_NORMALIZE_USUAL                          \
    }

static const weld_model_variant variants[] = {
    {"yolo11n_repvit_m0_6", VALUES(M0_6, N)}, {"yolo11s_repvit_m0_6", VALUES(M0_6, S)},
    {"yolo11m_repvit_m0_6", VALUES(M0_6, M)}, {"yolo11n_repvit_m0_9", VALUES(M0_9, N)},
    {"yolo11s_repvit_m0_9", VALUES(M0_9, S)}, {"yolo11m_repvit_m0_9", VALUES(M0_9, M)},
    {"yolo11n_repvit_m1_0", VALUES(M1_0, N)}, {"yolo11s_repvit_m1_0", VALUES(M1_0, S)},
    {"yolo11m_repvit_m1_0", VALUES(M1_0, M)}, {"yolo11n_repvit_m1_1", VALUES(M1_1, N)},
    {"yolo11s_repvit_m1_1", VALUES(M1_1, S)}, {"yolo11m_repvit_m1_1", VALUES(M1_1, M)},
    {"yolo11n_repvit_m1_5", VALUES(M1_5, N)}, {"yolo11s_repvit_m1_5", VALUES(M1_5, S)},
    {"yolo11m_repvit_m1_5", VALUES(M1_5, M)}, {"yolo11n_repvit_m2_3", VALUES(M2_3, N)},
    {"yolo11s_repvit_m2_3", VALUES(M2_3, S)}, {"yolo11m_repvit_m2_3", VALUES(M2_3, M)},
};

static const weld_key keys[] = {
    WELD_REPVIT_KEYS,
    WELD_YOLO11_KEYS(weld_yolo11_repvit),
    WELD_YOLO11_NORMALIZE_KEY(weld_yolo11_repvit),
};

static weld_yolo11_repvit values_of(const weld_model_config *config) {
    weld_yolo11_repvit v;
    memcpy(&v, config->values, sizeof v);
    return v;
}

static weld_yolo11_begin begin_of(const weld_model_config *config) {
    const weld_repvit r = values_of(config).backbone;
    weld_yolo11_begin b = {&weld_family_repvit, {.num_classes = 1}};
    snprintf(b.config.name, sizeof b.config.name, "%s", weld_family_repvit.name);
    memcpy(b.config.values, &r, sizeof r);
    return b;
}

static void backbone(const weld_model_config *config, weld_model_config *out) {
    *out = begin_of(config).config;
}

static void keep_classes(weld_model_config *config) {
    weld_yolo11_keep_classes(config, offsetof(weld_yolo11_repvit, scale));
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const weld_yolo11_repvit v = values_of(config);
    weld_model_config own;
    backbone(config, &own);
    WELD_TRY(weld_family_repvit.check(&own, key, err));
    const int last = v.backbone.stem_stride << (v.backbone.stages - 1);
    if (last != WELD_YOLO11_SIZE_STEP) {
        *key = "channels";
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "are of %d stages behind a stem of stride %d, so that the last map has "
                         "stride %d: it must be %d (4 stages with model.stem_stride 4)",
                         v.backbone.stages, v.backbone.stem_stride, last, WELD_YOLO11_SIZE_STEP);
    }
    return weld_yolo11_check_scale(&v.scale, key, err);
}

static int stage_count(const weld_model_config *config) {
    return values_of(config).backbone.stages;
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
    const weld_yolo11_repvit v = values_of(config);
    const weld_yolo11_begin b = begin_of(config);
    const weld_layers net = {g, config, mode, place, WELD_YOLO11_BATCH_NORM};
    weld_yolo11_begin_build(&net, &b, &v.scale, v.normalize, images);
}

/* --- Recognition ----------------------------------------------------------------------------- */

static weld_status see_backbone(const weld_shape_index *index, weld_recognized *found,
                                weld_error *err) {
    static const char prefix[] = WELD_BACKBONE_PREFIX;
    weld_named_shape *tensors = weld_alloc(index->count, sizeof *tensors);
    weld_shape_index inner = {0};
    size_t count = 0;
    for (size_t i = 0; tensors && i < index->count; i++) {
        const weld_named_shape *t = index->sorted[i];
        if (strncmp(t->name, prefix, sizeof prefix - 1) == 0) {
            tensors[count++] = (weld_named_shape){t->name + sizeof prefix - 1, t->shape};
        }
    }
    weld_status status = tensors ? weld_shape_index_create(tensors, count, &inner, err)
                                 : weld_fail_memory(err, "names of tensors");
    status = status ? status : weld_repvit_recognize(&inner, found, err);
    if (!status && found->naming != weld_repvit_namings) {
        status = weld_fail(err, WELD_ERROR_NOT_FOUND, "a backbone with timm's names");
    }
    weld_shape_index_free(&inner);
    weld_free(tensors);
    return status;
}

static weld_status recognize(const weld_shape_index *index, weld_recognized *out, weld_error *err) {
    weld_yolo11_repvit v = values_of(&out->config), stated = {.normalize = 0};
    weld_recognized found = {.config = {.num_classes = 1}};
    backbone(&out->config, &found.config);
    WELD_TRY(see_backbone(index, &found, err));
    if (out->stated) {
        stated = values_of(out->stated);
    }
    WELD_TRY(weld_yolo11_see_head(index, out->stated ? &stated.scale : NULL, &v.scale, out, err));
    v.backbone = weld_repvit_of(&found.config);
    v.normalize = weld_shape_index_find(index, WELD_NORMALIZE ".factor.red") ? WELD_NORMALIZE_USUAL
                                                                             : WELD_NORMALIZE_NONE;
    memcpy(out->config.values, &v, sizeof v);
    return WELD_OK;
}

const weld_model_family weld_family_yolo11_repvit = {
    .name = "yolo11_repvit",
    WELD_YOLO11_FAMILY(weld_yolo11_repvit),
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
    .backbone = backbone,
};
