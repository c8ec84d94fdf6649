/* The layers of YOLO11; see yolo11.h. Names below a place are those of the published files. */
#ifndef WELD_MODELS_YOLO11_BLOCKS_H
#define WELD_MODELS_YOLO11_BLOCKS_H

#include "models/layers.h"

/* "Conv": a convolution, batch norm, SiLU. */
weld_value *weld_yolo11_conv(const weld_layers *net, weld_path at, weld_value *x,
                             weld_conv_shape s);

/* "C3k2" (cross stage partial): x as 2h channels, of which the second half goes through `units` in
 * a chain; all that comes of it side by side, as `out` channels. h is `expansion` times out. A unit
 * is two 3x3 convolutions with h / 2 channels between them and a residual, or, of `nested`, a
 * "C3k": two such, of h / 2 channels, beside a 1x1 convolution. */
typedef struct weld_c3k2_shape {
    int in, out, units;
    double expansion;
    bool nested;
} weld_c3k2_shape;
weld_value *weld_yolo11_c3k2(const weld_layers *net, weld_path at, weld_value *x,
                             weld_c3k2_shape s);

/* "SPPF": maxima over 5, 9 and 13 positions in each direction beside x itself, all of in / 2
 * channels. */
weld_value *weld_yolo11_sppf(const weld_layers *net, weld_path at, weld_value *x, int in, int out);

/* "C2PSA": half of the channels goes through `units` of attention and feed-forward layers. */
weld_value *weld_yolo11_c2psa(const weld_layers *net, weld_path at, weld_value *x, int channels,
                              int units);
/* Heads of 64 channels or more that share half of so many; 0: they cannot. */
int weld_yolo11_heads(int channels);

#endif
