/* The network of one family as the beginning of another's. */
#ifndef WELD_MODELS_BACKBONE_H
#define WELD_MODELS_BACKBONE_H

#include "models/layers.h"
#include "models/models.h"

/* Append to net->g the network `config` of the family on images, without what comes after its last
 * stage; its leaves are called as in a graph of its own, with WELD_BACKBONE_PREFIX in front.
 * maps[i]: what the last stage of strides[i] ends with; none of it is an error of the graph, as is
 * every other. */
void weld_layer_backbone(const weld_layers *net, const weld_model_family *family,
                         const weld_model_config *config, weld_value *images, const int *strides,
                         int count, weld_value **maps);

/* Images of 0 to 1 as backbones take them that were trained by themselves: by a mean and a standard
 * deviation for each colour, which begin as these and are buffers below WELD_NORMALIZE. */
#define WELD_NORMALIZE "normalize"
weld_value *weld_layer_normalize(const weld_layers *net, weld_value *images, const float mean[3],
                                 const float std[3]);
/* Set these buffers; false where w lacks them. */
bool weld_set_normalization(weld_weights *w, const float mean[3], const float std[3]);

/* Where a tensor of the backbone stands there, its name being one with the prefix; false: it is
 * none of it. */
bool weld_backbone_place(const weld_model_family *family, const weld_model_config *config,
                         const char *name, weld_model_place *out);

#endif
