/* RepViT's layers; see repvit_blocks.h. */
#include "models/repvit_blocks.h"

typedef weld_layers network;
typedef weld_conv_shape shape;

/* "ConvBN": bn_weight is what the batch norm's weight starts with. */
static weld_value *conv_bn_from(const network *net, weld_path at, weld_value *x, shape s,
                                double bn_weight) {
    x = weld_layer_conv(net, weld_under(at, "c"), x, s, false);
    return weld_layer_batch_norm(net, weld_under(at, "bn"), x, s.out, bn_weight);
}

static weld_value *conv_bn(const network *net, weld_path at, weld_value *x, shape s) {
    return conv_bn_from(net, at, x, s, 1);
}

weld_value *weld_repvit_stem(const network *net, weld_path at, weld_value *x, int c, int stride) {
    shape first = {3, c / 2, .kernel = 3, .stride = stride > 1 ? 2 : 1, .groups = 1};
    shape second = {c / 2, c, .kernel = 3, .stride = stride > 2 ? 2 : 1, .groups = 1};
    x = weld_gelu(net->g, conv_bn(net, weld_under(at, "0"), x, first));
    return conv_bn(net, weld_under(at, "2"), x, second);
}

/* "RepVGGDW": three branches over each channel, the kernel's size, 1x1 and none. */
static weld_value *branches(const network *net, weld_path at, weld_value *x, weld_repvit_shape s) {
    const int c = s.in;
    shape wide = {c, c, .kernel = s.kernel, .stride = 1, .groups = c};
    shape point = {c, c, .kernel = 1, .stride = 1, .groups = c};
    weld_value *a = conv_bn(net, weld_under(at, "conv"), x, wide);
    weld_value *b = s.legacy ? conv_bn(net, weld_under(at, "conv1"), x, point)
                             : weld_layer_conv(net, weld_under(at, "conv1"), x, point, true);
    weld_value *sum = weld_add(net->g, weld_add(net->g, a, b), x);
    return s.legacy ? sum : weld_layer_batch_norm(net, weld_under(at, "bn"), sum, c, 1);
}

static weld_value *spatial(const network *net, weld_path at, weld_value *x, weld_repvit_shape s) {
    const shape wide = {s.in, s.in, .kernel = s.kernel, .stride = s.stride, .groups = s.in};
    return conv_bn(net, at, x, wide);
}

/* A quarter of the channels, to the nearest multiple of 8. */
static weld_value *squeeze_excite(const network *net, weld_path at, weld_value *x, int c) {
    int squeezed = (c / 4 + 4) / 8 * 8;
    return weld_layer_squeeze_excite(
        net, at, x, (weld_squeeze_shape){.channels = c, .squeezed = squeezed < 8 ? 8 : squeezed});
}

static weld_value *channel_mixer(const network *net, weld_path at, weld_value *x, int in,
                                 weld_repvit_shape s, bool passes_by) {
    shape expand = {in, s.hidden, .kernel = 1, .stride = 1, .groups = 1};
    shape project = {s.hidden, s.out, .kernel = 1, .stride = 1, .groups = 1};
    weld_value *y = weld_gelu(net->g, conv_bn(net, weld_under(at, "m.0"), x, expand));
    y = conv_bn_from(net, weld_under(at, "m.2"), y, project, passes_by ? 0 : 1);
    return passes_by ? weld_add(net->g, x, weld_layer_drop_path(net, y, s.depth)) : y;
}

weld_value *weld_repvit_block(const network *net, weld_path at, weld_value *x,
                              weld_repvit_shape s) {
    const weld_path mixer = weld_under(at, "token_mixer.0");
    x = s.plain ? spatial(net, mixer, x, s) : branches(net, mixer, x, s);
    x = s.excite ? squeeze_excite(net, weld_under(at, "token_mixer.1"), x, s.in) : x;
    return channel_mixer(net, weld_under(at, "channel_mixer"), x, s.in, s,
                         !s.plain && s.in == s.out);
}

weld_value *weld_repvit_downsample(const network *net, weld_path at, weld_value *x,
                                   weld_repvit_shape s) {
    shape widen = {s.in, s.out, .kernel = 1, .stride = 1, .groups = 1};
    x = spatial(net, weld_under(at, "token_mixer.0"), x, s);
    x = s.excite ? squeeze_excite(net, weld_under(at, "token_mixer.1"), x, s.in) : x;
    x = conv_bn(net, weld_under(at, "token_mixer.2"), x, widen);
    return channel_mixer(net, weld_under(at, "channel_mixer"), x, s.out, s, true);
}

weld_value *weld_repvit_head(const network *net, weld_path at, weld_value *x, int c) {
    const weld_init narrow = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.02, .b = 2};
    x = weld_layer_batch_norm(net, weld_under(at, "bn"), x, c, 1);
    return weld_layer_linear(net, weld_under(at, "l"), x, c, net->config->num_classes, narrow);
}
