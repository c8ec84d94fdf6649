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
