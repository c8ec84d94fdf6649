/* Networks for the tests of plans and sessions: one with every kind of operator, and random ones.
 */
#ifndef WELD_TESTS_GRAPH_NETWORKS_H
#define WELD_TESTS_GRAPH_NETWORKS_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "graph/plan.h"

static const weld_init network_constant_one = {WELD_INIT_CONSTANT, 1, 0};
static const weld_init network_random = {WELD_INIT_UNIFORM, -0.5, 0.5};

static inline weld_value *network_parameter(weld_graph *g, const char *prefix, const char *name,
                                            weld_shape shape) {
    char full[64];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return weld_parameter(g, full, shape, network_random);
}

static inline weld_value *network_conv(weld_graph *g, const char *name, weld_value *x, int64_t out,
                                       int kernel, int stride, int groups) {
    int64_t in = x ? weld_value_shape(x).dim[3] : 1;
    weld_conv2d_options o = {{stride, stride}, {kernel / 2, kernel / 2}, groups};
    weld_value *weight =
        network_parameter(g, name, "weight", WELD_SHAPE(out, in / groups, kernel, kernel));
    return weld_conv2d(g, x, weight, network_parameter(g, name, "bias", WELD_SHAPE(out)), o);
}

static inline weld_value *network_norm(weld_graph *g, const char *name, weld_value *x,
                                       bool training) {
    weld_shape c = WELD_SHAPE(x ? weld_value_shape(x).dim[3] : 1);
    char text[4][64];
    snprintf(text[0], sizeof text[0], "%s.running_mean", name);
    snprintf(text[1], sizeof text[1], "%s.running_var", name);
    snprintf(text[2], sizeof text[2], "%s.num_batches_tracked", name);
    weld_batch_norm_leaves leaves = {
        network_parameter(g, name, "weight", c), network_parameter(g, name, "bias", c),
        weld_buffer(g, text[0], WELD_F32, c, (weld_init){0}),
        weld_buffer(g, text[1], WELD_F32, c, network_constant_one),
        weld_buffer(g, text[2], WELD_I64, (weld_shape){0}, (weld_init){0})};
    return weld_batch_norm(g, x, leaves, 1e-5, 0.1, training);
}

/* Attention over the positions of a map [n, 8, 8, 8], with a residual. */
static inline weld_value *network_attention(weld_graph *g, weld_value *x) {
    weld_value *rows = weld_reshape(g, x, WELD_SHAPE(-1, 64, 8));
    weld_value *qkv =
        weld_linear(g, rows, network_parameter(g, "qkv", "weight", WELD_SHAPE(24, 8)), NULL);
    weld_value *table = network_parameter(g, "table", "weight", WELD_SHAPE(2, 15 * 15));
    weld_value *y = weld_attention(g, weld_slice(g, qkv, 2, 0, 8), weld_slice(g, qkv, 2, 8, 16),
                                   weld_slice(g, qkv, 2, 16, 24),
                                   weld_relative_position_bias(g, table, 8, 8), 2, 0);
    return weld_add(g, x, weld_reshape(g, y, WELD_SHAPE(-1, 8, 8, 8)));
}

/* images [batch, 16, 16, 3] -> logits [batch, 5]. With `training` also a loss against "target"
 * [batch, 5], outputs "loss" and the gradient of parameter i as "grad i". */
static inline weld_graph *network_build(weld_dtype dtype, int64_t batch, bool training) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(dtype, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(batch, 16, 16, 3));
    x = weld_gelu(g, network_norm(g, "stem.bn", network_conv(g, "stem", x, 8, 3, 2, 1), training));
    weld_value *mixed = network_norm(g, "mix.bn", network_conv(g, "mix", x, 8, 3, 1, 8), training);
    x = weld_add(g, weld_add(g, mixed, network_conv(g, "point", x, 8, 1, 1, 8)), x);
    x = weld_squeeze_excite(g, x, network_parameter(g, "se1", "weight", WELD_SHAPE(4, 8, 1, 1)),
                            network_parameter(g, "se1", "bias", WELD_SHAPE(4)),
                            network_parameter(g, "se2", "weight", WELD_SHAPE(8, 4, 1, 1)),
                            network_parameter(g, "se2", "bias", WELD_SHAPE(8)));
    weld_value *wide = weld_silu(g, network_conv(g, "up", x, 16, 1, 1, 1));
    weld_value *narrow = network_conv(g, "down", wide, 8, 1, 1, 2);
    x = weld_add(g, x, training ? weld_stochastic_depth(g, narrow, 0.3) : narrow);
    x = network_attention(g, x);
    x = weld_max_pool(g, weld_permute(g, x, (int[]){0, 2, 1, 3}), (int[]){3, 3}, (int[]){2, 2},
                      (int[]){1, 1});
    x = weld_reshape(g, weld_global_avg_pool(g, x), WELD_SHAPE(-1, 8));
    x = weld_layer_norm(g, x, network_parameter(g, "norm", "weight", WELD_SHAPE(8)),
                        network_parameter(g, "norm", "bias", WELD_SHAPE(8)), 1e-5);
    x = training ? weld_dropout(g, x, 0.2) : x;
    x = weld_linear(g, x, network_parameter(g, "head", "weight", WELD_SHAPE(5, 8)),
                    network_parameter(g, "head", "bias", WELD_SHAPE(5)));
    weld_output(g, "logits", x);
    weld_error err = {0};
    if (training) {
        weld_value *target = weld_softmax(g, weld_input(g, "target", WELD_SHAPE(batch, 5)));
        weld_value *loss = weld_mean(g, weld_cross_entropy(g, x, target, 0.1));
        weld_value *wrt[64], *grads[64];
        size_t count = weld_graph_parameter_count(g);
        ck_assert_uint_lt(count, 64);
        for (size_t i = 0; i < count; i++) {
            wrt[i] = weld_graph_parameter(g, i);
        }
        weld_output(g, "loss", loss);
        weld_status status = weld_differentiate(g, loss, wrt, count, grads, &err);
        ck_assert_msg(status == WELD_OK, "%s", err.message);
        for (size_t i = 0; i < count; i++) {
            char name[32];
            snprintf(name, sizeof name, "grad %zu", i);
            weld_output(g, name, grads[i]);
        }
    }
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    return g;
}

/* One more value made of those in pool[count], all of 24 elements a sample. */
static inline weld_value *network_random_value(weld_graph *g, weld_random *r,
                                               weld_value *const *pool, size_t count) {
    weld_value *a = pool[weld_random_below(r, count)], *b = pool[weld_random_below(r, count)];
    const weld_shape shapes[] = {WELD_SHAPE(-1, 24), WELD_SHAPE(-1, 4, 6), WELD_SHAPE(-1, 2, 3, 4),
                                 WELD_SHAPE(-1, 1, 1, 24)};
    weld_shape s = weld_value_shape(a);
    s.dim[0] = -1;
    switch (weld_random_below(r, 10)) {
    case 0:
        return weld_add(g, a, weld_reshape(g, b, s));
    case 1:
        return weld_softmax(g, a);
    case 2:
        return weld_reshape(g, a, shapes[weld_random_below(r, 4)]);
    case 3:
        return weld_gelu(g, a);
    case 4:
        return weld_scale(g, a, 0.5);
    case 5:
        return weld_dropout(g, a, 0.25);
    case 6:
        return weld_slice(g, weld_concat(g, (weld_value *[]){a, weld_reshape(g, b, s)}, 2, 1), 1,
                          weld_value_shape(a).dim[1], 2 * weld_value_shape(a).dim[1]);
    case 7:
        a = weld_reshape(g, a, shapes[1]);
        b = weld_reshape(g, b, shapes[1]);
        return weld_attention(g, a, b, a, NULL, 2, 0);
    case 8:
        return weld_channel_scale(g, weld_reshape(g, a, shapes[2]),
                                  weld_global_avg_pool(g, weld_reshape(g, b, shapes[2])));
    default:
        return weld_stochastic_depth(g, weld_relu(g, a), 0.25);
    }
}

/* A network of `size` operators chosen at random on input "x" [batch, 24] and parameter "w", with
 * outputs "y", "loss", and "dx", "dw". */
static inline weld_graph *network_random_build(uint64_t seed, int64_t batch, int size) {
    weld_graph *g;
    weld_value *pool[64], *wrt[2], *grads[2];
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    ck_assert_int_lt(size, 60);
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    size_t count = 0;
    wrt[0] = pool[count++] = weld_input(g, "x", WELD_SHAPE(batch, 24));
    wrt[1] = weld_parameter(g, "w", WELD_SHAPE(24, 24), network_random);
    pool[count++] = weld_linear(g, pool[0], wrt[1], NULL);
    for (int i = 0; i < size; i++) {
        pool[count] = network_random_value(g, &r, pool, count);
        count++;
    }
    /* All of the last few, so that much of the network is of use. */
    weld_value *y = weld_linear(g, weld_reshape(g, pool[1], WELD_SHAPE(-1, 24)), wrt[1], NULL);
    for (size_t i = count - 4; i < count; i++) {
        y = weld_add(g, y, weld_reshape(g, pool[i], WELD_SHAPE(-1, 24)));
    }
    weld_value *loss = weld_mean(g, weld_gelu(g, y));
    weld_output(g, "y", y);
    weld_output(g, "loss", loss);
    weld_error err = {0};
    weld_status status = weld_differentiate(g, loss, wrt, 2, grads, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    weld_output(g, "dx", grads[0]);
    weld_output(g, "dw", grads[1]);
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    return g;
}

/* Make every value an output, so that none may share its memory with another. */
static inline void network_output_all(weld_graph *g) {
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind == WELD_VALUE_RESULT) {
            char name[32];
            snprintf(name, sizeof name, "value %zu", i);
            weld_output(g, name, g->values[i]);
        }
    }
}

static inline weld_weights *network_weights(const weld_graph *g) {
    weld_weights *w;
    ck_assert_int_eq(weld_graph_init_weights(g, 5, &w, NULL), WELD_OK);
    return w;
}

static inline weld_session *network_session(const weld_graph *g, weld_weights *w,
                                            weld_session_options options) {
    weld_session *s;
    weld_error err = {0};
    weld_status status = weld_session_create(g, w, &options, &s, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    return s;
}

/* Fill every input with numbers that depend on `seed` and the sample's index alone, from sample
 * `first` on. */
static inline void network_fill(weld_session *s, uint64_t seed, int64_t first) {
    const weld_graph *g = weld_session_plan(s)->graph;
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind != WELD_VALUE_INPUT) {
            continue;
        }
        weld_tensor t = weld_session_input(s, g->values[i]->name);
        int64_t samples = t.shape.dim[0], each = weld_shape_count(&t.shape) / samples;
        for (int64_t n = 0; n < samples; n++) {
            weld_random r =
                weld_random_start(seed, (uint32_t)i, (uint64_t)(first + n), WELD_RANDOM_TEST);
            for (int64_t j = 0; j < each; j++) {
                ((float *)t.data)[n * each + j] = (float)weld_random_range(&r, -1, 1);
            }
        }
    }
}

/* The named outputs of the first graph have the same bits in the second. */
static inline void network_assert_equal(weld_session *a, weld_session *b) {
    const weld_graph *g = weld_session_plan(a)->graph;
    for (size_t i = 0; i < g->output_count; i++) {
        const char *name = g->outputs[i].name;
        weld_tensor x = weld_session_output(a, name), y = weld_session_output(b, name);
        ck_assert_msg(y.data != NULL && weld_shape_equal(&x.shape, &y.shape), "%s", name);
        size_t bytes = weld_tensor_bytes(&x);
        ck_assert_msg(memcmp(x.data, y.data, bytes) == 0, "output %s differs", name);
    }
}

/* All outputs of two networks of double are equal to within `bound`, or as much of the largest
 * element. */
static inline void network_assert_near(weld_session *a, weld_session *b, double bound) {
    const weld_graph *g = weld_session_plan(a)->graph;
    for (size_t i = 0; i < g->output_count; i++) {
        const char *name = g->outputs[i].name;
        weld_tensor x = weld_session_output(a, name), y = weld_session_output(b, name);
        double most = 0, off = 0;
        for (int64_t k = 0; k < weld_shape_count(&x.shape); k++) {
            most = fmax(most, fabs(((const double *)y.data)[k]));
            off = fmax(off, fabs(((const double *)x.data)[k] - ((const double *)y.data)[k]));
        }
        ck_assert_msg(off <= bound * fmax(most, 1), "output %s differs by %g of %g", name, off,
                      most);
    }
}

#endif
