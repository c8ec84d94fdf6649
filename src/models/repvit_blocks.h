/* RepViT's layers, for the network itself and for those on the way to it from MobileNetV3. Names
 * below a place are those of the published checkpoints. */
#ifndef WELD_MODELS_REPVIT_BLOCKS_H
#define WELD_MODELS_REPVIT_BLOCKS_H

#include "models/layers.h"

typedef struct weld_repvit_shape {
    int in, hidden, out, kernel; /* hidden: of the channel mixer */
    int stride;
    bool plain; /* the token mixer is one convolution, which alone may have a stride */
    bool excite, legacy;
    double depth; /* weld_layer_drop_path */
} weld_repvit_shape;

/* Two convolutions that shrink the image by `stride`, 1, 2 or 4. */
weld_value *weld_repvit_stem(const weld_layers *net, weld_path at, weld_value *x, int c,
                             int stride);
/* Token mixer, squeeze-and-excitation, channel mixer. What goes into the channel mixer also passes
 * it by, unless the token mixer is plain or the number of channels changes. */
weld_value *weld_repvit_block(const weld_layers *net, weld_path at, weld_value *x,
                              weld_repvit_shape s);
/* Depthwise convolution of stride 2, squeeze-and-excitation, 1x1 to the new width, channel mixer.
 */
weld_value *weld_repvit_downsample(const weld_layers *net, weld_path at, weld_value *x,
                                   weld_repvit_shape s);
/* Logits of c features: batch norm and a linear layer. */
weld_value *weld_repvit_head(const weld_layers *net, weld_path at, weld_value *x, int c);

#endif
