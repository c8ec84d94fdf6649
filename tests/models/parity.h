/* A network on a fixture's batch against PyTorch: logits, loss, every gradient, running statistics.
 */
#ifndef WELD_TESTS_PARITY_H
#define WELD_TESTS_PARITY_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "kernels/kernels.h"
#include "weld/graph.h"
#include "weld/model.h"

#define SMOOTHING 0.1

/* A fixture with its network. The batch is "images" and "targets", or these and /0. */
typedef struct parity {
    const char *file;
    weld_weights *fixture;
    weld_model_config config;
    const char *batch; /* what follows "images" and "targets" */
} parity;

static inline weld_tensor parity_images(const parity *p) {
    return fixture_tensor(p->fixture, "images", p->batch);
}

static inline weld_tensor parity_targets(const parity *p) {
    return fixture_tensor(p->fixture, "targets", p->batch);
}

static inline weld_graph *parity_build(const parity *p, bool training) {
    const int64_t *dim = parity_images(p).shape.dim;
    weld_graph *g;
    weld_error err;
    ck_assert_msg(weld_model_build(&p->config, training, dim[0], dim[1], dim[2], WELD_F32, &g,
                                   &err) == WELD_OK,
                  "%s", err.message);
    return g;
}

static inline weld_session *parity_start(const parity *p, const weld_graph *g, weld_weights *w,
                                         const char *isa) {
    weld_session *s;
    weld_error err;
    weld_session_options options = {.isa = isa, .threads = 2};
    ck_assert_msg(weld_session_create(g, w, &options, &s, &err) == WELD_OK, "%s", err.message);
    fixture_copy(weld_session_input(s, "images"), parity_images(p));
    return s;
}

static inline double norm(weld_tensor t) {
    double sum = 0;
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        sum += (double)((const float *)t.data)[i] * ((const float *)t.data)[i];
    }
    return sqrt(sum);
}

static inline double distance(weld_tensor a, weld_tensor b) {
    double sum = 0;
    ck_assert(a.data && b.data && weld_shape_equal(&a.shape, &b.shape));
    for (int64_t i = 0; i < weld_shape_count(&a.shape); i++) {
        double d = (double)((const float *)a.data)[i] - ((const float *)b.data)[i];
        sum += d * d;
    }
    return sqrt(sum);
}

/* g and w are the network's evaluation, merged or not. */
static inline void check_logits(const parity *p, const weld_graph *g, weld_weights *w,
                                const char *isa) {
    weld_session *s = parity_start(p, g, w, isa);
    weld_session_run(s, 0);
    weld_tensor logits = weld_session_output(s, "logits");
    weld_tensor want = fixture_tensor(p->fixture, "", "logits");
    ck_assert(logits.data && weld_shape_equal(&logits.shape, &want.shape));
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < weld_shape_count(&want.shape); i++) {
        double a = ((const float *)logits.data)[i], b = ((const float *)want.data)[i];
        largest = fmax(largest, fabs(b));
        difference = a == a ? fmax(difference, fabs(a - b)) : INFINITY;
    }
    ck_assert_msg(difference <= 1e-4 * largest, "%s on %s: logits differ by %g of %g", p->file, isa,
                  difference, largest);
    weld_session_free(s);
}

static inline void check_evaluation(const parity *p, const char *isa) {
    weld_graph *g = parity_build(p, false);
    weld_weights *w = fixture_weights(p->fixture, "before/", g);
    check_logits(p, g, w, isa);
    weld_weights_free(w);
    weld_graph_free(g);
}

/* The mean of the heads' mean cross entropies, as output "loss". */
static inline weld_value *append_loss(const parity *p, weld_graph *g) {
    weld_value *target = weld_input(g, "targets", parity_targets(p).shape);
    weld_value *logits = weld_graph_output(g, "logits"),
               *dist = weld_graph_output(g, "logits_dist");
    weld_value *loss = weld_mean(g, weld_cross_entropy(g, logits, target, SMOOTHING));
    if (dist) {
        weld_value *second = weld_mean(g, weld_cross_entropy(g, dist, target, SMOOTHING));
        loss = weld_scale(g, weld_add(g, loss, second), 0.5);
    }
    weld_output(g, "loss", loss);
    return loss;
}

static inline void append_gradients(weld_graph *g, weld_value *loss) {
    size_t count = weld_graph_parameter_count(g);
    weld_value **wrt = calloc(count, sizeof(weld_value *));
    weld_value **grads = calloc(count, sizeof(weld_value *));
    weld_error err;
    for (size_t i = 0; i < count; i++) {
        wrt[i] = weld_graph_parameter(g, i);
    }
    ck_assert_msg(weld_differentiate(g, loss, wrt, count, grads, &err) == WELD_OK, "%s",
                  err.message);
    for (size_t i = 0; i < count; i++) {
        char name[256];
        snprintf(name, sizeof name, "grad/%s", weld_value_name(wrt[i]));
        weld_output(g, name, grads[i]);
    }
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    free(wrt);
    free(grads);
}

/* Gradients that are zero but for rounding are measured against the largest of all: they are sums
 * that cancel, off by tens of roundings of a float (6e-8 each), by the reference kernels too. */
static inline void check_gradients(const weld_graph *g, weld_session *s,
                                   const weld_weights *fixture, const char *what) {
    double largest = 0;
    size_t count = weld_graph_parameter_count(g);
    for (size_t i = 0; i < count; i++) {
        const char *name = weld_value_name(weld_graph_parameter(g, i));
        largest = fmax(largest, norm(fixture_tensor(fixture, "grad/", name)));
    }
    for (size_t i = 0; i < count; i++) {
        char output[256];
        const char *name = weld_value_name(weld_graph_parameter(g, i));
        snprintf(output, sizeof output, "grad/%s", name);
        weld_tensor want = fixture_tensor(fixture, "grad/", name);
        double difference = distance(weld_session_output(s, output), want);
        ck_assert_msg(difference <= 1e-3 * norm(want) + 4e-6 * largest,
                      "%s: gradient of %s differs by %g of %g", what, name, difference, norm(want));
    }
}

static inline void check_statistics(const weld_weights *w, const weld_weights *fixture,
                                    const char *what) {
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const char *name = weld_weights_name(w, i);
        weld_tensor t = weld_weights_tensor(w, i), want;
        if (t.dtype == WELD_I64) {
            want = fixture_tensor(fixture, "after/", name);
            ck_assert_int_eq(*(const int64_t *)t.data, *(const int64_t *)want.data);
        } else if (strstr(name, "running_")) {
            want = fixture_tensor(fixture, "after/", name);
            ck_assert_msg(distance(t, want) <= 1e-5 * norm(want), "%s: %s", what, name);
        } else {
            ck_assert_msg(distance(t, fixture_tensor(fixture, "before/", name)) == 0,
                          "%s: a run changed %s", what, name);
        }
    }
}

static inline void check_training(const parity *p, const char *isa) {
    weld_graph *g = parity_build(p, true);
    append_gradients(g, append_loss(p, g));
    weld_weights *w = fixture_weights(p->fixture, "before/", g);
    weld_session *s = parity_start(p, g, w, isa);
    fixture_copy(weld_session_input(s, "targets"), parity_targets(p));
    weld_session_run(s, 0);
    char what[96];
    snprintf(what, sizeof what, "%s on %s", p->file, isa);
    float loss = *(const float *)weld_session_output(s, "loss").data;
    float want = *(const float *)fixture_tensor(p->fixture, "", "loss").data;
    ck_assert_msg(fabsf(loss - want) <= 1e-5F * want, "%s: loss %g, not %g", what, (double)loss,
                  (double)want);
    check_gradients(g, s, p->fixture, what);
    check_statistics(w, p->fixture, what);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}

#endif
