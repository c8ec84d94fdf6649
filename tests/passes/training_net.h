/* Small training graphs for the tests of the passes over them. */
#ifndef WELD_TESTS_PASSES_TRAINING_NET_H
#define WELD_TESTS_PASSES_TRAINING_NET_H

#include <check.h>
#include <stdio.h>

#include "ops/ops.h"
#include "passes/split_batch_norm.h"

enum { NET_SIZE = 4, NET_CHANNELS = 6, NET_PARAMETERS = 32 };

static weld_error err;
static const weld_init net_init = {WELD_INIT_UNIFORM, 0.5, 1.5};

static inline weld_graph *net_start(weld_value **x) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    *x = weld_input(g, "x", WELD_SHAPE(2, NET_SIZE, NET_SIZE, NET_CHANNELS));
    return g;
}

static inline weld_value *net_conv(weld_graph *g, weld_value *x, const char *name, int groups,
                                   int kernel) {
    weld_shape shape = WELD_SHAPE(NET_CHANNELS, NET_CHANNELS / groups, kernel, kernel);
    weld_conv2d_options o = {.padding = {kernel / 2, kernel / 2}, .groups = groups};
    return weld_conv2d(g, x, weld_parameter(g, name, shape, net_init), NULL, o);
}

static inline weld_value *net_norm(weld_graph *g, weld_value *x, const char *prefix) {
    static const char *const parts[] = {"weight", "bias", "mean", "var", "batches"};
    char names[5][32];
    for (int i = 0; i < 5; i++) {
        snprintf(names[i], sizeof names[i], "%s.%s", prefix, parts[i]);
    }
    weld_shape c = WELD_SHAPE(NET_CHANNELS);
    weld_batch_norm_leaves leaves = {weld_parameter(g, names[0], c, net_init),
                                     weld_parameter(g, names[1], c, net_init),
                                     weld_buffer(g, names[2], WELD_F32, c, net_init),
                                     weld_buffer(g, names[3], WELD_F32, c, net_init),
                                     weld_buffer(g, names[4], WELD_I64, (weld_shape){0}, net_init)};
    return weld_batch_norm(g, x, leaves, 1e-5, 0.1, true);
}

/* The step of training on the mean of y, with gradients of all parameters, batch norm in steps.
 * Frees g. */
static inline weld_graph *net_finish(weld_graph *g, weld_value *y) {
    weld_value *parameters[NET_PARAMETERS], *gradients[NET_PARAMETERS];
    weld_graph *split;
    size_t count = weld_graph_parameter_count(g);
    ck_assert_uint_le(count, NET_PARAMETERS);
    for (size_t i = 0; i < count; i++) {
        parameters[i] = weld_graph_parameter(g, i);
    }
    weld_value *loss = weld_mean(g, y);
    ck_assert_msg(!weld_differentiate(g, loss, parameters, count, gradients, &err), "%s",
                  err.message);
    for (size_t i = 0; i < count; i++) {
        weld_output(g, weld_value_name(parameters[i]), gradients[i]);
    }
    weld_output(g, "loss", loss);
    ck_assert_int_eq(weld_split_batch_norm(g, &split, &err), WELD_OK);
    weld_graph_free(g);
    return split;
}

/* Nodes of this operator whose output is a map. */
static inline int net_count(const weld_graph *g, const weld_op *op) {
    int count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += g->nodes[i]->op == op && g->nodes[i]->outputs[0]->shape.rank == 4;
    }
    return count;
}

#endif
