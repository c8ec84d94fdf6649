/* Squeeze-and-excitation (Hu, Shen, Sun 2018), built of other operators; the two layers are 1x1
 * convolutions, as in the checkpoints. */
#include "ops/ops.h"

weld_value *weld_squeeze_excite_gated(weld_graph *g, weld_value *x, weld_value *fc1_weight,
                                      weld_value *fc1_bias, weld_value *fc2_weight,
                                      weld_value *fc2_bias, weld_gate gate) {
    if (gate != WELD_GATE_SIGMOID && gate != WELD_GATE_HARD_SIGMOID) {
        return weld_graph_fail(g, WELD_ERROR_ARGUMENT,
                               "squeeze_excite: there is no gate %d, only %d and %d", (int)gate,
                               WELD_GATE_SIGMOID, WELD_GATE_HARD_SIGMOID);
    }
    weld_value *s = weld_global_avg_pool(g, x);
    s = weld_conv2d(g, s, fc1_weight, fc1_bias, (weld_conv2d_options){0});
    s = weld_relu(g, s);
    s = weld_conv2d(g, s, fc2_weight, fc2_bias, (weld_conv2d_options){0});
    s = gate == WELD_GATE_SIGMOID ? weld_sigmoid(g, s) : weld_hard_sigmoid(g, s);
    return weld_channel_scale(g, x, s);
}

weld_value *weld_squeeze_excite(weld_graph *g, weld_value *x, weld_value *fc1_weight,
                                weld_value *fc1_bias, weld_value *fc2_weight,
                                weld_value *fc2_bias) {
    return weld_squeeze_excite_gated(g, x, fc1_weight, fc1_bias, fc2_weight, fc2_bias,
                                     WELD_GATE_SIGMOID);
}
