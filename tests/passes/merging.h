/* What every merged network is put through: equal outputs on lively weights, inputs untouched, and
 * nothing left to do for a second merge. */
#ifndef WELD_TESTS_PASSES_MERGING_H
#define WELD_TESTS_PASSES_MERGING_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "ops/ops.h"
#include "passes/reparameterize.h"
#include "weld/model.h"

typedef struct merging {
    weld_graph *graph, *merged;
    weld_weights *weights, *merged_weights;
} merging;

/* --- Weights far from their defaults ---------------------------------------------------------- */

static inline weld_tensor merging_find(const weld_weights *w, const weld_value *leaf) {
    weld_tensor t;
    ck_assert_msg(weld_weights_find(w, leaf->name, &t), "no %s", leaf->name);
    return t;
}

/* A channel's variance spans 1e-4..1e3. A layer before the batch norm makes outputs of that size,
 * so that signals stay of size one through deep networks; where there is none the range is
 * narrower. */
static inline void merging_enliven_norm(const weld_node *norm, const weld_weights *w,
                                        weld_random *r) {
    float *leaf[5] = {0};
    for (int i = 1; i < 5; i++) {
        leaf[i] = merging_find(w, norm->inputs[i]).data;
    }
    const weld_node *layer = norm->inputs[0]->producer;
    bool matched = layer && (layer->op == &weld_op_conv2d || layer->op == &weld_op_linear);
    weld_tensor weight = matched ? merging_find(w, layer->inputs[1]) : (weld_tensor){0};
    int64_t channels = norm->inputs[1]->shape.dim[0];
    for (int64_t c = 0; c < channels; c++) {
        double range = matched ? weld_random_range(r, -4, 3) : weld_random_range(r, -1, 1.5);
        double var = pow(10, range), sign = weld_random_below(r, 4) ? 1 : -1;
        bool zero = weld_random_below(r, 8) == 0;
        leaf[1][c] = (float)(zero ? 0 : sign * weld_random_range(r, 0.3, 1.5));
        leaf[2][c] = (float)(0.3 * weld_random_normal(r));
        leaf[3][c] = (float)(sqrt(var) * weld_random_normal(r));
        leaf[4][c] = (float)var;
        int64_t row = matched ? weld_shape_count(&weight.shape) / channels : 0;
        for (int64_t i = 0; i < row; i++) {
            ((float *)weight.data)[c * row + i] *= (float)sqrt(var);
        }
    }
}

static inline void merging_enliven(const weld_graph *g, weld_weights *w, uint64_t seed) {
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        int64_t count = t.dtype == WELD_F32 ? weld_shape_count(&t.shape) : 0;
        double size = t.shape.rank > 1 ? 1 / sqrt((double)count / (double)t.shape.dim[0]) : 0.3;
        for (int64_t k = 0; k < count; k++) {
            ((float *)t.data)[k] = (float)(size * weld_random_normal(&r));
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_op *op = g->nodes[i]->op;
        if (op == &weld_op_batch_norm_eval || op == &weld_op_batch_norm) {
            merging_enliven_norm(g->nodes[i], w, &r);
        }
    }
}

/* --- Comparing -------------------------------------------------------------------------------- */

static inline char *merging_text(const weld_graph *g) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ck_assert(weld_graph_print(g, out));
    fclose(out);
    return text;
}

static inline void merging_check_equal_weights(const weld_weights *a, const weld_weights *b) {
    ck_assert_uint_eq(weld_weights_count(a), weld_weights_count(b));
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor s = weld_weights_tensor(a, i), t = weld_weights_tensor(b, i);
        ck_assert_str_eq(weld_weights_name(a, i), weld_weights_name(b, i));
        ck_assert(s.dtype == t.dtype && weld_shape_equal(&s.shape, &t.shape));
        size_t bytes = weld_tensor_bytes(&s);
        ck_assert_msg(memcmp(s.data, t.data, bytes) == 0, "%s", weld_weights_name(a, i));
    }
}

static inline weld_session *merging_start(const weld_graph *g, weld_weights *w) {
    weld_session *s;
    weld_error err;
    weld_session_options options = {.threads = 2};
    ck_assert_msg(weld_session_create(g, w, &options, &s, &err) == WELD_OK, "%s", err.message);
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind == WELD_VALUE_INPUT) {
            weld_tensor t = weld_session_input(s, g->values[i]->name);
            weld_random r =
                weld_random_start(9, 0, weld_hash_name(g->values[i]->name), WELD_RANDOM_TEST);
            for (int64_t k = 0; k < weld_shape_count(&t.shape); k++) {
                ((float *)t.data)[k] = (float)weld_random_normal(&r);
            }
        }
    }
    weld_session_run(s, 0);
    return s;
}

static inline void merging_check_outputs(const merging *m) {
    weld_session *a = merging_start(m->graph, m->weights);
    weld_session *b = merging_start(m->merged, m->merged_weights);
    ck_assert_uint_eq(m->graph->output_count, m->merged->output_count);
    for (size_t i = 0; i < m->graph->output_count; i++) {
        const char *name = m->graph->outputs[i].name;
        weld_tensor want = weld_session_output(a, name), got = weld_session_output(b, name);
        ck_assert_str_eq(m->merged->outputs[i].name, name);
        ck_assert(got.data && weld_shape_equal(&want.shape, &got.shape));
        double largest = 0, difference = 0;
        for (int64_t k = 0; k < weld_shape_count(&want.shape); k++) {
            double x = ((const float *)want.data)[k], y = ((const float *)got.data)[k];
            largest = fmax(largest, fabs(x));
            difference = isfinite(x) && isfinite(y) ? fmax(difference, fabs(x - y)) : INFINITY;
        }
        ck_assert_msg(difference <= 1e-4 * largest, "%s differs by %g of %g", name, difference,
                      largest);
        ck_assert(largest > 0);
    }
    weld_session_free(a);
    weld_session_free(b);
}

/* Merge g, which becomes the result's, on lively weights, and check all that must hold of any. */
static inline merging merging_check(weld_graph *g, uint64_t seed) {
    merging m = {.graph = g};
    weld_error err;
    weld_weights *before, *again_weights;
    weld_graph *again;
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_graph_init_weights(g, seed, &m.weights, &err), WELD_OK);
    merging_enliven(g, m.weights, seed);
    ck_assert_int_eq(weld_weights_clone(m.weights, &before, &err), WELD_OK);
    char *text_before = merging_text(g);
    ck_assert_msg(weld_reparameterize(g, m.weights, &m.merged, &m.merged_weights, &err) == WELD_OK,
                  "%s", err.message);
    merging_check_equal_weights(m.weights, before);
    char *text_after = merging_text(g);
    ck_assert_str_eq(text_before, text_after);

    ck_assert_msg(weld_reparameterize(m.merged, m.merged_weights, &again, &again_weights, &err) ==
                      WELD_OK,
                  "%s", err.message);
    char *text_merged = merging_text(m.merged), *text_again = merging_text(again);
    ck_assert_str_eq(text_merged, text_again);
    merging_check_equal_weights(m.merged_weights, again_weights);
    merging_check_outputs(&m);

    weld_graph *alone;
    ck_assert_msg(weld_reparameterize_graph(g, &alone, &err) == WELD_OK, "%s", err.message);
    char *text_alone = merging_text(alone);
    ck_assert_str_eq(text_merged, text_alone);

    free(text_before);
    free(text_after);
    free(text_merged);
    free(text_again);
    free(text_alone);
    weld_weights_free(before);
    weld_weights_free(again_weights);
    weld_graph_free(again);
    weld_graph_free(alone);
    return m;
}

static inline void merging_free(merging *m) {
    weld_graph_free(m->graph);
    weld_graph_free(m->merged);
    weld_weights_free(m->weights);
    weld_weights_free(m->merged_weights);
}

static inline int merging_count(const weld_graph *g, const weld_op *op) {
    int count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += g->nodes[i]->op == op;
    }
    return count;
}

#endif
