/* YOLO11 (Jocher and Qiu, "Ultralytics YOLO11", 2024) with the backbone of its own; see yolo11.h.
 */
#include "models/yolo11.h"

#include <string.h>

#include "base/error.h"
#include "models/yolo11_blocks.h"

typedef struct weld_yolo11 {
    weld_yolo11_scale scale;
} weld_yolo11;

_Static_assert(sizeof(weld_yolo11) <= WELD_MODEL_VALUES_SIZE, "a config has room for the values");

#define SCALE(scale)                                                                               \
    &(const weld_yolo11) {                                                                         \
        scale                                                                                      \
    }

static const weld_model_variant variants[] = {
    {"yolo11n", SCALE(WELD_YOLO11_N)}, {"yolo11s", SCALE(WELD_YOLO11_S)},
    {"yolo11m", SCALE(WELD_YOLO11_M)}, {"yolo11l", SCALE(WELD_YOLO11_L)},
    {"yolo11x", SCALE(WELD_YOLO11_X)},
};

static const weld_key keys[] = {WELD_YOLO11_KEYS(weld_yolo11)};

static weld_yolo11_scale scale_of(const weld_model_config *config) {
    weld_yolo11 y;
    memcpy(&y, config->values, sizeof y);
    return y.scale;
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    const weld_yolo11_scale s = scale_of(config);
    return weld_yolo11_check_scale(&s, key, err);
}

/* --- The figure ------------------------------------------------------------------------------ */

enum { STAGES = 4 };

/* A convolution that halves the map, and a C3k2, of each stage; the stem is one such convolution.
 */
static const struct stage {
    int narrow, wide; /* channels at width 1 */
    double expansion;
    bool nested;
} stages[STAGES] = {{128, 256, 0.25, false},
                    {256, 512, 0.25, false},
                    {512, 512, 0.5, true},
                    {1024, 1024, 0.5, true}};

static weld_model_place place(const weld_model_config *config, const char *name);

static weld_value *halve(const weld_layers *net, int module, weld_value *x, int in, int out) {
    return weld_yolo11_conv(net, weld_under((weld_path){"model"}, "%d", module), x,
                            (weld_conv_shape){.in = in, .out = out, .kernel = 3, .stride = 2});
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const weld_yolo11_scale s = scale_of(config);
    const weld_layers net = {g, config, mode, place, WELD_YOLO11_BATCH_NORM};
    weld_yolo11_maps maps = {.channels = {0}};
    if (!weld_yolo11_check_images(&net, images)) {
        return;
    }
    int c = weld_yolo11_channels(&s, 64), module = 0;
    weld_value *x = halve(&net, module++, images, 3, c);
    for (int i = 0; i < STAGES; i++) {
        const int narrow = weld_yolo11_channels(&s, stages[i].narrow);
        const weld_c3k2_shape unit = {.in = narrow,
                                      .out = weld_yolo11_channels(&s, stages[i].wide),
                                      .units = weld_yolo11_units(&s),
                                      .expansion = stages[i].expansion,
                                      .nested = stages[i].nested || s.nested};
        x = halve(&net, module++, x, c, narrow);
        x = weld_yolo11_c3k2(&net, weld_under((weld_path){"model"}, "%d", module++), x, unit);
        c = unit.out;
        if (i > 0) {
            maps.map[i - 1] = x;
            maps.channels[i - 1] = c;
        }
    }
    weld_yolo11_detect(&net, &s, &maps);
}

static void keep_classes(weld_model_config *config) {
    weld_yolo11_keep_classes(config, offsetof(weld_yolo11, scale));
}

/* --- Places ---------------------------------------------------------------------------------- */

static int stage_count(const weld_model_config *config) {
    (void)config;
    return STAGES;
}

static int64_t block_count(const weld_model_config *config) {
    (void)config;
    return WELD_YOLO11_DETECT - 1;
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    const int module = weld_yolo11_module(name);
    (void)config;
    return module >= WELD_YOLO11_SPPF
               ? weld_yolo11_head_place(name, STAGES + 1, WELD_YOLO11_SPPF)
               : (weld_model_place){.part = (module + 1) / 2, .layer = module < 0 ? 0 : module};
}

/* --- Recognition ----------------------------------------------------------------------------- */

static weld_status recognize(const weld_shape_index *index, weld_recognized *out, weld_error *err) {
    weld_yolo11_scale stated = {0};
    weld_yolo11 y;
    memcpy(&y, out->config.values, sizeof y);
    if (!weld_shape_index_find(index, "model.0.conv.weight")) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "no YOLO11: model.0.conv.weight (the authors' name) is not among its %zu "
                         "tensors",
                         index->count);
    }
    if (out->stated) {
        stated = scale_of(out->stated);
    }
    WELD_TRY(weld_yolo11_see_head(index, out->stated ? &stated : NULL, &y.scale, out, err));
    memcpy(out->config.values, &y, sizeof y);
    return WELD_OK;
}

const weld_model_family weld_family_yolo11 = {
    .name = "yolo11",
    WELD_YOLO11_FAMILY(weld_yolo11),
    .variants = variants,
    .variant_count = sizeof variants / sizeof *variants,
};
