/* Quantising a merged network by the least and largest numbers that a few images make. */
#ifndef WELD_TESTS_PASSES_MINMAX_H
#define WELD_TESTS_PASSES_MINMAX_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/ops.h"
#include "passes/quantize.h"

/* Ends the program, be it a test or not. */
static inline void minmax_ok(weld_status status, const weld_error *err) {
    if (status) {
        fprintf(stderr, "%s\n", err->message);
        abort();
    }
}

/* Normal noise, the same for each seed. */
static inline void minmax_fill(weld_session *s, const char *name, uint64_t seed) {
    weld_tensor t = weld_session_input(s, name);
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        ((float *)t.data)[i] = (float)weld_random_normal(&r);
    }
}

static inline weld_codes minmax_range(const weld_tensor *t) {
    double low = 0, high = 0;
    for (int64_t i = 0; i < weld_shape_count(&t->shape); i++) {
        low = fmin(low, (double)((const float *)t->data)[i]);
        high = fmax(high, (double)((const float *)t->data)[i]);
    }
    return weld_codes_of_range(low, high);
}

static inline bool minmax_is(const weld_node *node, weld_unary function) {
    return node->op == &weld_op_activation && node->attributes.function == (int)function;
}

/* A sigmoid's codes are known, and what a ReLU is of has its codes. */
static inline void minmax_settle(const weld_graph *g, weld_quantization *q) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        weld_codes *x = &q->codes[node->inputs[0]->id], *y = &q->codes[node->outputs[0]->id];
        const bool gate = minmax_is(node, WELD_SIGMOID) || minmax_is(node, WELD_HARD_SIGMOID);
        if (y->scale != 0 && gate) {
            *y = WELD_SIGMOID_CODES;
        } else if (y->scale != 0 && x->scale != 0 && minmax_is(node, WELD_RELU)) {
            *x = *y;
        }
    }
}

/* The ranges of these values, named by their numbers, on noise. */
static inline void minmax_look(const weld_graph *g, weld_weights *w, int64_t batch,
                               const weld_named_value *values, size_t count, weld_quantization *q) {
    weld_error err = {0};
    if (!count) {
        return;
    }
    weld_graph *seen;
    weld_session *s;
    const weld_value *images = weld_graph_find_leaf(g, "images");
    weld_session_options o = {.batch = batch, .node_by_node = true};
    minmax_ok(weld_graph_cut(g, images->shape, values, count, &seen, &err), &err);
    minmax_ok(weld_session_create(seen, w, &o, &s, &err), &err);
    minmax_fill(s, "images", 7);
    weld_session_run(s, 0);
    for (size_t i = 0; i < count; i++) {
        const weld_tensor t = weld_session_output(s, values[i].name);
        q->codes[values[i].value->id] = minmax_range(&t);
    }
    weld_session_free(s);
    weld_graph_free(seen);
}

/* All layers in integers but those in float_nodes, by node id (NULL: none), on `batch` images. */
static inline weld_quantization minmax_quantization(const weld_graph *g, weld_weights *w,
                                                    int64_t batch, const bool *float_nodes) {
    weld_quantization q;
    weld_error err = {0};
    minmax_ok(weld_quantization_create(g, &q, &err), &err);
    for (size_t i = 0; i < g->node_count; i++) {
        q.float_nodes[i] = float_nodes && float_nodes[i];
    }
    bool *coded = weld_alloc(g->value_count, sizeof *coded);
    weld_named_value *values = weld_alloc(g->value_count, sizeof *values);
    char(*names)[24] = weld_alloc(g->value_count, sizeof *names);
    size_t count = 0;
    minmax_ok(weld_quantization_mark(g, q.float_nodes, coded, &err), &err);
    for (size_t i = 0; i < g->value_count; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        if (coded[i]) {
            values[count++] = (weld_named_value){names[i], g->values[i]};
        }
    }
    minmax_look(g, w, batch, values, count, &q);
    minmax_settle(g, &q);
    weld_free(coded);
    weld_free(values);
    weld_free(names);
    return q;
}

#endif
