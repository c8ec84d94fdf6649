/* Blocks of parallel branches; see branches.h. */
#include "models/branches.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static weld_value *conv_bn(const weld_layers *net, weld_path at, weld_value *x, weld_conv_shape s) {
    return weld_layer_conv_bn(net, weld_under(at, "conv"), weld_under(at, "bn"), x, s);
}

static weld_value *plus(const weld_layers *net, weld_value *sum, weld_value *branch) {
    return sum ? weld_add(net->g, sum, branch) : branch;
}

/* Leaves come in timm's order, the identity's first; the sum begins with the convolutions, whose
 * name the merged one takes where it cannot have the block's. */
weld_value *weld_layer_branches(const weld_layers *net, weld_path at, weld_value *x,
                                weld_conv_shape s, const weld_branches *branches) {
    weld_value *identity = NULL, *sum = NULL;
    if (s.in == s.out && s.stride == 1) {
        identity =
            weld_layer_batch_norm(net, weld_under(at, "%s", branches->identity), x, s.out, 1);
    }
    for (int i = 0; i < branches->count; i++) {
        sum = plus(net, sum, conv_bn(net, weld_under(at, "%s", branches->convs[i]), x, s));
    }
    if (s.kernel > 1) {
        weld_conv_shape point = s;
        point.kernel = 1;
        sum = plus(net, sum, conv_bn(net, weld_under(at, "%s", branches->point), x, point));
    }
    return identity ? plus(net, sum, identity) : sum;
}

void weld_branched_head(const weld_layers *net, weld_value *x, int c) {
    const int classes = net->config->num_classes;
    const double bound = 1 / sqrt(c); /* PyTorch's default */
    const weld_init uniform = {.kind = WELD_INIT_UNIFORM, .a = -bound, .b = bound};
    weld_value *w = weld_parameter(net->g, "head.fc.weight", WELD_SHAPE(classes, c), uniform);
    weld_value *b = weld_parameter(net->g, "head.fc.bias", WELD_SHAPE(classes), uniform);
    x = weld_layer_dropout(net, weld_layer_global_mean(net, x, c));
    weld_output(net->g, "logits", weld_linear(net->g, x, w, b));
}

weld_model_place weld_branched_place(const char *name, int stages, const int *depths, int modules) {
    int stage, block, before = 0;
    if (strncmp(name, "stem", 4) == 0) {
        return (weld_model_place){.part = 0};
    }
    bool in_stage = sscanf(name, "stages.%d.%d", &stage, &block) == 2 && stage < stages;
    for (int i = 0; i < (in_stage ? stage : stages); i++) {
        before += depths[i];
    }
    return in_stage ? (weld_model_place){stage + 1, 1 + before + block / modules, false}
                    : (weld_model_place){stages + 1, 1 + before, true};
}
