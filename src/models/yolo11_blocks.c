/* The layers of YOLO11; see yolo11_blocks.h. */
#include "models/yolo11_blocks.h"

#include "ops/ops.h"

typedef weld_layers network;
typedef weld_conv_shape shape;

enum { CHANNELS = 3 /* the axis */, HEAD_WIDTH = 64 };

static weld_value *linear_conv(const network *net, weld_path at, weld_value *x, shape s) {
    return weld_layer_conv_bn(net, weld_under(at, "conv"), weld_under(at, "bn"), x, s);
}

weld_value *weld_yolo11_conv(const network *net, weld_path at, weld_value *x, shape s) {
    return weld_silu(net->g, linear_conv(net, at, x, s));
}

static weld_value *point(const network *net, weld_path at, const char *module, weld_value *x,
                         int in, int out) {
    return weld_yolo11_conv(net, weld_under(at, "%s", module), x,
                            (shape){.in = in, .out = out, .kernel = 1});
}

static weld_value *spatial(const network *net, weld_path at, const char *module, weld_value *x,
                           int in, int out) {
    return weld_yolo11_conv(net, weld_under(at, "%s", module), x,
                            (shape){.in = in, .out = out, .kernel = 3});
}

static weld_value *half(const network *net, weld_value *x, int begin, int end) {
    return weld_slice(net->g, x, CHANNELS, begin, end);
}

static weld_value *beside(const network *net, weld_value *a, weld_value *b) {
    return weld_concat(net->g, (weld_value *[]){a, b}, 2, CHANNELS);
}

static weld_value *bottleneck(const network *net, weld_path at, weld_value *x, int c, int hidden) {
    weld_value *y = spatial(net, at, "cv1", x, c, hidden);
    return weld_add(net->g, x, spatial(net, at, "cv2", y, hidden, c));
}

static weld_value *c3k(const network *net, weld_path at, weld_value *x, int c) {
    const int h = c / 2;
    weld_value *a = point(net, at, "cv1", x, c, h), *b = point(net, at, "cv2", x, c, h);
    for (int i = 0; i < 2; i++) {
        a = bottleneck(net, weld_under(at, "m.%d", i), a, h, h);
    }
    return point(net, at, "cv3", beside(net, a, b), 2 * h, c);
}

weld_value *weld_yolo11_c3k2(const network *net, weld_path at, weld_value *x, weld_c3k2_shape s) {
    const int h = (int)(s.out * s.expansion);
    weld_value *all = point(net, at, "cv1", x, s.in, 2 * h), *y = half(net, all, h, 2 * h);
    for (int i = 0; i < s.units; i++) {
        const weld_path unit = weld_under(at, "m.%d", i);
        y = s.nested ? c3k(net, unit, y, h) : bottleneck(net, unit, y, h, h / 2);
        all = beside(net, all, y);
    }
    return point(net, at, "cv2", all, (2 + s.units) * h, s.out);
}

weld_value *weld_yolo11_sppf(const network *net, weld_path at, weld_value *x, int in, int out) {
    const int h = in / 2, window[] = {5, 5}, stride[] = {1, 1}, padding[] = {2, 2};
    weld_value *maxima[4] = {point(net, at, "cv1", x, in, h)};
    for (int i = 1; i < 4; i++) {
        maxima[i] = weld_max_pool(net->g, maxima[i - 1], window, stride, padding);
    }
    return point(net, at, "cv2", weld_concat(net->g, maxima, 4, CHANNELS), 4 * h, out);
}

int weld_yolo11_heads(int channels) {
    const int heads = channels / 2 / HEAD_WIDTH;
    return heads > 0 && channels % (4 * heads) == 0 ? heads : 0;
}

/* Columns [begin, end) of each head of x [n, positions, heads, columns], as weld_attention takes
 * them. */
static weld_value *columns_of(const network *net, weld_value *x, int begin, int end) {
    const weld_shape s = x ? x->shape : WELD_SHAPE(1, 1, 1, 1);
    weld_value *part = weld_slice(net->g, x, 3, begin, end);
    return weld_reshape(net->g, part, WELD_SHAPE(s.dim[0], s.dim[1], s.dim[2] * (end - begin)));
}

/* The channels of "qkv" are, head by head, its queries, its keys, half as wide as its values, and
 * these. What attention gives and a convolution of the values add up. */
static weld_value *attention(const network *net, weld_path at, weld_value *x, int c, int heads) {
    const int width = c / heads, key = width / 2, all = 2 * key + width;
    const shape qkv = {.in = c, .out = heads * all, .kernel = 1};
    const shape pe = {.in = c, .out = c, .kernel = 3, .groups = c};
    const weld_shape map = x ? x->shape : WELD_SHAPE(1, 1, 1, c);
    const int64_t n = map.dim[0], positions = map.dim[1] * map.dim[2];
    weld_value *parts = linear_conv(net, weld_under(at, "qkv"), x, qkv);
    parts = weld_reshape(net->g, parts, WELD_SHAPE(n, positions, heads, all));
    weld_value *v = columns_of(net, parts, 2 * key, all);
    weld_value *y = weld_attention(net->g, columns_of(net, parts, 0, key),
                                   columns_of(net, parts, key, 2 * key), v, NULL, heads, 0);
    y = weld_reshape(net->g, y, map);
    v = weld_reshape(net->g, v, map);
    y = weld_add(net->g, y, linear_conv(net, weld_under(at, "pe"), v, pe));
    return linear_conv(net, weld_under(at, "proj"), y, (shape){.in = c, .out = c, .kernel = 1});
}

static weld_value *feed_forward(const network *net, weld_path at, weld_value *x, int c) {
    x = point(net, at, "0", x, c, 2 * c);
    return linear_conv(net, weld_under(at, "1"), x, (shape){.in = 2 * c, .out = c, .kernel = 1});
}

weld_value *weld_yolo11_c2psa(const network *net, weld_path at, weld_value *x, int channels,
                              int units) {
    const int h = channels / 2, heads = weld_yolo11_heads(channels);
    x = point(net, at, "cv1", x, channels, 2 * h);
    weld_value *a = half(net, x, 0, h), *b = half(net, x, h, 2 * h);
    for (int i = 0; i < units; i++) {
        const weld_path unit = weld_under(at, "m.%d", i);
        b = weld_add(net->g, b, attention(net, weld_under(unit, "attn"), b, h, heads));
        b = weld_add(net->g, b, feed_forward(net, weld_under(unit, "ffn"), b, h));
    }
    return point(net, at, "cv2", beside(net, a, b), 2 * h, channels);
}
