/* What RepVGG and MobileOne share: blocks of parallel branches that merge into one convolution, in
 * timm's tree of modules: "stem", "stages.S.B", "head.fc". */
#ifndef WELD_MODELS_BRANCHES_H
#define WELD_MODELS_BRANCHES_H

#include "models/layers.h"

/* Modules of the branches. */
typedef struct weld_branches {
    const char *const *convs; /* of the kernel's size, */
    int count;                /* so many */
    const char *point;        /* of 1x1, where the kernel is larger */
    const char *identity;     /* the input itself, where the output has its shape */
} weld_branches;

/* The sum of the branches over x, each with a batch norm of its own. */
weld_value *weld_layer_branches(const weld_layers *net, weld_path at, weld_value *x,
                                weld_conv_shape s, const weld_branches *branches);

/* The mean over height and width of c channels, and "logits" as the linear layer "head.fc" of it.
 */
void weld_branched_head(const weld_layers *net, weld_value *x, int c);

/* Where a tensor stands, of stages with so many layers, each of which is `modules` blocks. */
weld_model_place weld_branched_place(const char *name, int stages, const int *depths, int modules);

#endif
