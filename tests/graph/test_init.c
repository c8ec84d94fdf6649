#include <math.h>
#include <string.h>

#include "graph/graph.h"
#include "suite.h"

enum { COUNT = 20000 };

static weld_graph *graph_of(weld_init init, const char *first, const char *second) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_input(g, "x", WELD_SHAPE(1));
    weld_parameter(g, first, WELD_SHAPE(COUNT), init);
    weld_parameter(g, second, WELD_SHAPE(COUNT), init);
    return g;
}

static const float *find(const weld_weights *w, const char *name) {
    weld_tensor t;
    ck_assert(weld_weights_find(w, name, &t));
    return t.data;
}

static void moments(const float *x, double *mean, double *deviation, double *largest) {
    double sum = 0, squares = 0;
    *largest = 0;
    for (int i = 0; i < COUNT; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        *largest = fmax(*largest, fabs(x[i]));
    }
    *mean = sum / COUNT;
    *deviation = sqrt(squares / COUNT - *mean * *mean);
}

START_TEST(a_draw_depends_on_seed_and_name_alone) {
    weld_graph *g = graph_of((weld_init){WELD_INIT_UNIFORM, 0, 1}, "a", "b");
    weld_graph *other = graph_of((weld_init){WELD_INIT_UNIFORM, 0, 1}, "c", "a");
    weld_weights *w[3];
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &w[0], NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(other, 1, &w[1], NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(g, 2, &w[2], NULL), WELD_OK);
    ck_assert_uint_eq(weld_weights_count(w[0]), 2); /* inputs are not weights */
    ck_assert_mem_eq(find(w[0], "a"), find(w[1], "a"), COUNT * sizeof(float));
    ck_assert_mem_ne(find(w[0], "a"), find(w[0], "b"), COUNT * sizeof(float));
    ck_assert_mem_ne(find(w[0], "a"), find(w[2], "a"), COUNT * sizeof(float));
    for (int i = 0; i < 3; i++) {
        weld_weights_free(w[i]);
    }
    weld_graph_free(g);
    weld_graph_free(other);
}
END_TEST

START_TEST(distributions_are_those_asked_for) {
    double mean, deviation, largest;
    const struct {
        weld_init init;
        double mean, deviation, limit;
    } cases[] = {{{WELD_INIT_UNIFORM, -1, 3}, 1, 4 / sqrt(12), 3},
                 {{WELD_INIT_TRUNC_NORMAL, 0.02, 2}, 0, 0.02, 2},
                 /* cut at one deviation: variance 1 - 2 phi(1) / (2 Phi(1) - 1) */
                 {{WELD_INIT_TRUNC_NORMAL, 1, 1}, 0, 0.5396, 1},
                 {{WELD_INIT_CONSTANT, 0.5, 0}, 0.5, 0, 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_graph *g = graph_of(cases[i].init, "a", "b");
        weld_weights *w;
        ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, NULL), WELD_OK);
        moments(find(w, "a"), &mean, &deviation, &largest);
        double tolerance = 0.02 * (cases[i].deviation + 1e-6);
        ck_assert_double_eq_tol(mean, cases[i].mean, 2 * tolerance);
        ck_assert_double_eq_tol(deviation, cases[i].deviation, tolerance);
        ck_assert_double_le(largest, cases[i].limit);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(buffers_start_as_they_say_in_their_type) {
    weld_graph *g;
    weld_weights *w;
    weld_tensor t;
    ck_assert_int_eq(weld_graph_create(WELD_F64, &g, NULL), WELD_OK);
    weld_buffer(g, "n", WELD_I64, (weld_shape){0}, (weld_init){WELD_INIT_CONSTANT, 7, 0});
    weld_buffer(g, "v", WELD_F32, WELD_SHAPE(3), (weld_init){WELD_INIT_CONSTANT, 1, 0});
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, NULL), WELD_OK);
    ck_assert(weld_weights_find(w, "n", &t));
    ck_assert_int_eq(*(int64_t *)t.data, 7);
    ck_assert(weld_weights_find(w, "v", &t));
    ck_assert_int_eq(t.dtype, WELD_F64); /* floating-point leaves are of the graph's type */
    ck_assert_double_eq(((double *)t.data)[2], 1);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("graph/init", a_draw_depends_on_seed_and_name_alone, distributions_are_those_asked_for,
          buffers_start_as_they_say_in_their_type)
