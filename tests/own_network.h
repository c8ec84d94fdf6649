/* A small network as a program builds its own, for tests: images [batch, 8, 8, 3] in three classes.
 * It has most of what networks have: branches that can be merged, a depthwise convolution, batch
 * and layer norm, a residual branch that is left out by chance, dropout. */
#ifndef WELD_TESTS_OWN_NETWORK_H
#define WELD_TESTS_OWN_NETWORK_H

#include <check.h>

#include "base/random.h"
#include "weld/layers.h"
#include "weld/step.h"

enum { OWN_SIDE = 8, OWN_CLASSES = 3, OWN_BATCH = 6 };

static inline weld_value *own_block(const weld_layers *net, weld_path at, weld_value *x) {
    const weld_conv_shape wide = {8, 8, .kernel = 3, .groups = 8};
    const weld_conv_shape point = {8, 8, .kernel = 1, .groups = 8};
    weld_value *y = weld_add(
        net->g, weld_layer_conv_bn(net, weld_under(at, "a"), weld_under(at, "a_bn"), x, wide),
        weld_layer_conv_bn(net, weld_under(at, "b"), weld_under(at, "b_bn"), x, point));
    y = weld_layer_norm_affine(net, weld_under(at, "norm"), y, 8, 1e-6);
    y = weld_layer_linear(net, weld_under(at, "up"), y, 8, 16,
                          (weld_init){WELD_INIT_TRUNC_NORMAL, 0.3, 2});
    y = weld_layer_linear(net, weld_under(at, "down"), weld_gelu(net->g, y), 16, 8,
                          (weld_init){WELD_INIT_TRUNC_NORMAL, 0.3, 2});
    return weld_add(net->g, x, weld_layer_drop_path(net, y, 1));
}

static inline weld_graph *own_graph(bool training, int64_t batch) {
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    weld_layers net = weld_layers_of(g, training);
    net.mode.drop_path = 0.2;
    net.mode.dropout = 0.1;
    weld_value *x = weld_input(g, "images", WELD_SHAPE(batch, OWN_SIDE, OWN_SIDE, 3));
    x = weld_layer_conv(&net, (weld_path){"stem"}, x,
                        (weld_conv_shape){3, 8, .kernel = 3, .stride = 2}, true);
    x = own_block(&net, (weld_path){"block"}, x);
    x = weld_layer_dropout(&net, weld_layer_global_mean(&net, x, 8));
    x = weld_layer_linear(&net, (weld_path){"head"}, x, 8, OWN_CLASSES,
                          (weld_init){WELD_INIT_TRUNC_NORMAL, 0.3, 2});
    weld_output(g, "logits", x);
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    return g;
}

/* Batch `number` of noise around a colour of each class, into a step's inputs. */
static inline void own_fill(weld_step *s, int64_t number) {
    const weld_tensor images = weld_step_input(s, "images"), target = weld_step_input(s, "target");
    const int64_t per_image = weld_shape_count(&images.shape) / images.shape.dim[0];
    for (int64_t i = 0; i < images.shape.dim[0]; i++) {
        weld_random r = weld_random_start(1, (uint32_t)number, (uint64_t)i, WELD_RANDOM_TEST);
        for (int64_t p = 0; p < per_image; p++) {
            ((float *)images.data)[i * per_image + p] =
                (float)weld_random_normal(&r) + (p % 3 == i % OWN_CLASSES ? 1.0f : 0.0f);
        }
        for (int c = 0; c < OWN_CLASSES; c++) {
            ((float *)target.data)[i * OWN_CLASSES + c] = c == i % OWN_CLASSES ? 1.0f : 0.0f;
        }
    }
}

/* Updates up to number `end`, of `accumulate` batches each; the last batch's loss. */
static inline double own_train(weld_step *s, int64_t end, int64_t accumulate) {
    double loss = 0;
    weld_error err;
    while (weld_step_updates(s) < end) {
        for (int64_t i = 0; i < accumulate; i++) {
            own_fill(s, weld_step_updates(s) * accumulate + i);
            ck_assert_msg(!weld_step_run(s, &loss, &err), "%s", err.message);
        }
        ck_assert_msg(!weld_step_update(s, weld_step_rate(s), &err), "%s", err.message);
    }
    return loss;
}

#endif
