/* What the files of MobileNetV3 share, with each other and with the ladder to RepViT. */
#ifndef WELD_MODELS_MOBILENETV3_H
#define WELD_MODELS_MOBILENETV3_H

#include <string.h>

#include "models/layers.h"
#include "models/models.h"

typedef enum weld_mobilenetv3_table {
    WELD_MOBILENETV3_LARGE,
    WELD_MOBILENETV3_SMALL
} weld_mobilenetv3_table;
/* Channels after the mean over the map, as published for each. */
enum { WELD_MOBILENETV3_LARGE_HEAD = 1280, WELD_MOBILENETV3_SMALL_HEAD = 1024 };

/* The values of a config. */
typedef struct weld_mobilenetv3 {
    int stages, channels[WELD_MAX_STAGES];
    int depth_count, depths[WELD_MAX_STAGES];
    int table; /* weld_mobilenetv3_table: kernels, strides, expansion and the like of the stages */
    int stem_channels;
    int head_channels[2]; /* before the mean over the map, and after it */
    int stem_stride;      /* 2; 1 for small images */
    int activation;
    double bn_eps, bn_momentum;
    int padding; /* 1: of strided convolutions weld_conv_shape.same */
} weld_mobilenetv3;

static inline weld_mobilenetv3 weld_mobilenetv3_of(const weld_model_config *config) {
    weld_mobilenetv3 m;
    memcpy(&m, config->values, sizeof m);
    return m;
}

extern const weld_model_family weld_family_mobilenetv3;

/* 1x1 expansion (left out where expanded is 0), depthwise, squeeze-and-excitation (left out where
 * squeezed is 0), 1x1 projection; passed by where neither size nor number of channels changes. */
typedef struct weld_inverted_shape {
    int in, expanded, out, kernel, stride, squeezed;
    weld_activation *activation;
    double depth; /* weld_layer_drop_path */
    bool same;    /* padding, as TensorFlow's */
} weld_inverted_shape;

weld_value *weld_inverted_block(const weld_layers *net, weld_path at, weld_value *x,
                                weld_inverted_shape s);

/* --- mobilenetv3_table.c -------------------------------------------------------------------- */

/* A stage of the paper's tables 1 and 2: rows of one width. */
typedef struct weld_mobilenetv3_stage {
    int depth;          /* blocks of it in the published networks */
    int kernel, stride; /* the stride is the first block's */
    bool excite, hard_swish;
    double expansion[4]; /* of each block's input; the last that is not 0 goes on */
} weld_mobilenetv3_stage;

int weld_mobilenetv3_table_stages(int table);
weld_mobilenetv3_stage weld_mobilenetv3_stage_of(int table, int stage);
double weld_mobilenetv3_expansion(const weld_mobilenetv3_stage *row, int block);

/* --- mobilenetv3_names.c -------------------------------------------------------------------- */

enum { WELD_MOBILENETV3_NAMINGS = 2 };
extern const weld_naming weld_mobilenetv3_namings[WELD_MOBILENETV3_NAMINGS];
bool weld_mobilenetv3_tensor_name(const weld_model_config *config, const weld_naming *naming,
                                  const char *name, char out[WELD_TENSOR_NAME_SIZE]);
weld_status weld_mobilenetv3_recognize(const weld_shape_index *index, weld_recognized *out,
                                       weld_error *err);
weld_preprocessing weld_mobilenetv3_usual(const weld_model_config *config,
                                          const weld_naming *naming);

#endif
