/* CMT, the family of networks; see cmt.c. */
#ifndef WELD_MODELS_CMT_H
#define WELD_MODELS_CMT_H

#include "models/models.h"

enum { WELD_CMT_STAGES = 4 };

/* The values of a config. */
typedef struct weld_cmt {
    int stem_channels, head_channels;
    int channels[WELD_CMT_STAGES], depths[WELD_CMT_STAGES];
    double mlp_ratio;
    double phi; /* of the compound scaling of these; 0: none */
    int stem_stride;
    /* What the paper's ablations leave out or replace. */
    bool without_lpu, plain_mlp, patch_stem, batch_norm;
} weld_cmt;

/* What it comes to, scaled. */
weld_cmt weld_cmt_of(const weld_model_config *config);

extern const weld_model_family weld_family_cmt;

#endif
