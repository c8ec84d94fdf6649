/* Layers of transformers; see weld/layers.h. */
#include "weld/layers.h"

weld_value *weld_layer_self_attention(const weld_layers *net, weld_path at, weld_value *x,
                                      int width, int heads, weld_init weight) {
    weld_value *qkv = weld_layer_linear(net, weld_under(at, "qkv"), x, width, 3 * width, weight);
    weld_value *part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = weld_slice(net->g, qkv, 2, (int64_t)i * width, (int64_t)(i + 1) * width);
    }
    x = weld_attention(net->g, part[0], part[1], part[2], NULL, heads, 0);
    return weld_layer_linear(net, weld_under(at, "proj"), x, width, width, weight);
}

weld_value *weld_layer_feed_forward(const weld_layers *net, weld_path at, weld_value *x,
                                    weld_feed_forward_shape s, weld_init weight) {
    x = weld_layer_linear(net, weld_under(at, "fc1"), x, s.width, s.hidden, weight);
    x = s.activation ? s.activation(net->g, x) : weld_gelu(net->g, x);
    return weld_layer_linear(net, weld_under(at, "fc2"), x, s.hidden, s.width, weight);
}
