/* What the files of RegNetY share. */
#ifndef WELD_MODELS_REGNETY_H
#define WELD_MODELS_REGNETY_H

#include <string.h>

#include "models/models.h"

/* The values of a config. */
typedef struct weld_regnety {
    int depth, w0;
    double wa, wm;
    int group_width;
    double group_min_ratio;
    double se_ratio;
    int stem_width;
    int stem_stride; /* 2; 1 for small images */
} weld_regnety;

static inline weld_regnety weld_regnety_of(const weld_model_config *config) {
    weld_regnety r;
    memcpy(&r, config->values, sizeof r);
    return r;
}

extern const weld_model_family weld_family_regnety;

/* --- regnety_sizes.c ------------------------------------------------------------------------ */

typedef struct weld_regnety_stages {
    int count; /* WELD_MAX_STAGES + 1: more */
    int width[WELD_MAX_STAGES], depth[WELD_MAX_STAGES];
} weld_regnety_stages;

enum { WELD_REGNETY_QUANTUM = 8, WELD_REGNETY_MAX_WIDTH = 1 << 14 };

/* Of block j, before it is made a multiple of the group's; 0 where it is too large for a width. */
int weld_regnety_block_width(const weld_regnety *r, int j);
/* Channels of a group, where the block is so wide; and squeezed ones, of what goes into it. */
int weld_regnety_group_width(const weld_regnety *r, int width);
int weld_regnety_squeezed(const weld_regnety *r, int in);
weld_regnety_stages weld_regnety_stages_of(const weld_regnety *r);
/* Have both the same tensors? */
bool weld_regnety_equal(const weld_regnety *a, const weld_regnety *b);
/* see_sizes: what makes the stages that the tensors have; a depth of 0 where nothing does. */
void weld_regnety_see(const weld_shape_index *index, const weld_model_config *config,
                      weld_regnety *out);

#endif
