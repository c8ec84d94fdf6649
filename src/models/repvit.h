/* What the two files of RepViT share. */
#ifndef WELD_MODELS_REPVIT_H
#define WELD_MODELS_REPVIT_H

#include <string.h>

#include "models/models.h"

/* The values of a config. */
typedef struct weld_repvit {
    int stages, channels[WELD_MAX_STAGES];
    int depth_count, depths[WELD_MAX_STAGES];
    int stem_stride;        /* 4; 2 or 1 for small images */
    bool legacy;            /* token mixer of the first published version */
    bool distillation_head; /* a second head; evaluation averages both */
} weld_repvit;

/* The sizes of the published networks. */
#define WELD_REPVIT_SIZES(c0, c1, c2, c3, d0, d1, d2, d3, legacy)                                  \
    { 4, {c0, c1, c2, c3}, 4, {d0, d1, d2, d3}, 4, legacy, false }
#define WELD_REPVIT_M0_6 WELD_REPVIT_SIZES(40, 80, 160, 320, 1, 1, 8, 1, false)
#define WELD_REPVIT_M0_9 WELD_REPVIT_SIZES(48, 96, 192, 384, 2, 2, 14, 2, false)
#define WELD_REPVIT_M1_0 WELD_REPVIT_SIZES(56, 112, 224, 448, 2, 2, 14, 2, false)
#define WELD_REPVIT_M1_1 WELD_REPVIT_SIZES(64, 128, 256, 512, 2, 2, 12, 2, false)
#define WELD_REPVIT_M1_5 WELD_REPVIT_SIZES(64, 128, 256, 512, 4, 4, 24, 4, false)
#define WELD_REPVIT_M2_3 WELD_REPVIT_SIZES(80, 160, 320, 640, 6, 6, 34, 2, false)

/* Rows of keys, but for that of the head, for a struct that begins with a weld_repvit. Bounds keep
 * every size far from overflow, whatever file a config came from. */
#define WELD_REPVIT_KEYS                                                                           \
    {"channels",                                                                                   \
     WELD_KEY_INTEGER,                                                                             \
     WELD_KEY_LIST(weld_repvit, channels, stages),                                                 \
     .min = 1,                                                                                     \
     .max = 1 << 14,                                                                               \
     .flags = WELD_KEY_SIZE,                                                                       \
     .help = "channels of each stage, of the first an even number"},                               \
        {"depths",                                                                                 \
         WELD_KEY_INTEGER,                                                                         \
         WELD_KEY_LIST(weld_repvit, depths, depth_count),                                          \
         .min = 1,                                                                                 \
         .max = 1 << 10,                                                                           \
         .flags = WELD_KEY_SIZE,                                                                   \
         .help = "blocks in each stage"},                                                          \
        {"stem_stride",                                                                            \
         WELD_KEY_INTEGER,                                                                         \
         WELD_KEY_ONE(weld_repvit, stem_stride),                                                   \
         .min = 1,                                                                                 \
         .max = 4,                                                                                 \
         .flags = WELD_KEY_UNTOLD,                                                                 \
         .standard = "4",                                                                          \
         .manual_range = "1, 2, 4",                                                                \
         .help = "by what the stem shrinks the image: 4; 2 or 1 for small images"},                \
    {                                                                                              \
        "legacy", WELD_KEY_BOOL, WELD_KEY_ONE(weld_repvit, legacy),                                \
            .flags = WELD_KEY_LAYOUT | WELD_KEY_MERGED_AWAY, .label = "legacy token mixer",        \
            .help = "token mixer of the first published version"                                   \
    }

static inline weld_repvit weld_repvit_of(const weld_model_config *config) {
    weld_repvit r;
    memcpy(&r, config->values, sizeof r);
    return r;
}

extern const weld_model_family weld_family_repvit;

/* --- repvit_names.c ------------------------------------------------------------------------- */

/* The reference implementation counts features: 0 is the stem, then come all blocks, stage after
 * stage, and before each stage but the first two that lead into it: a block of the old width, and
 * the one that downsamples. */
typedef enum weld_repvit_feature {
    WELD_REPVIT_STEM,
    WELD_REPVIT_BLOCK,
    WELD_REPVIT_BEFORE, /* the block in front of the downsampling one */
    WELD_REPVIT_DOWN
} weld_repvit_feature;

/* What feature f is, and where; false past the last one. `block` counts within the stage. */
bool weld_repvit_find_feature(const weld_repvit *r, long f, weld_repvit_feature *kind, int *stage,
                              int *block);

enum { WELD_REPVIT_NAMINGS = 2 };
extern const weld_naming weld_repvit_namings[WELD_REPVIT_NAMINGS];
bool weld_repvit_tensor_name(const weld_model_config *config, const weld_naming *naming,
                             const char *name, char out[WELD_TENSOR_NAME_SIZE]);
weld_status weld_repvit_recognize(const weld_shape_index *index, weld_recognized *out,
                                  weld_error *err);
weld_preprocessing weld_repvit_usual(const weld_model_config *config, const weld_naming *naming);

#endif
