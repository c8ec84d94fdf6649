/* Small networks against PyTorch: evaluation, loss, every gradient, running statistics. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "kernels/kernels.h"
#include "suite.h"
#include "weld/graph.h"
#include "weld/model.h"

#define SMOOTHING 0.1

static const char *const fixtures[] = {"parity_current.fixture", "parity_legacy.fixture",
                                       "parity_distillation.fixture", "parity_stem_2.fixture",
                                       "parity_stem_1.fixture"};
enum { FIXTURES = sizeof fixtures / sizeof *fixtures };

static weld_graph *build(const weld_weights *fixture, bool training) {
    weld_model_config config = fixture_config(fixture);
    const int64_t *dim = fixture_tensor(fixture, "", "images").shape.dim;
    weld_graph *g;
    weld_error err;
    ck_assert_msg(weld_model_build(&config, training, dim[0], dim[1], dim[2], WELD_F32, &g, &err) ==
                      WELD_OK,
                  "%s", err.message);
    return g;
}

static weld_session *start(const weld_graph *g, weld_weights *w, const weld_weights *fixture,
                           const char *isa) {
    weld_session *s;
    weld_error err;
    weld_session_options options = {.isa = isa, .threads = 2};
    ck_assert_msg(weld_session_create(g, w, &options, &s, &err) == WELD_OK, "%s", err.message);
    fixture_copy(weld_session_input(s, "images"), fixture_tensor(fixture, "", "images"));
    return s;
}

static double norm(weld_tensor t) {
    double sum = 0;
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        sum += (double)((const float *)t.data)[i] * ((const float *)t.data)[i];
    }
    return sqrt(sum);
}

static double distance(weld_tensor a, weld_tensor b) {
    double sum = 0;
    ck_assert(a.data && b.data && weld_shape_equal(&a.shape, &b.shape));
    for (int64_t i = 0; i < weld_shape_count(&a.shape); i++) {
        double d = (double)((const float *)a.data)[i] - ((const float *)b.data)[i];
        sum += d * d;
    }
    return sqrt(sum);
}

static void check_evaluation(const char *file, const char *isa) {
    weld_weights *fixture = fixture_load(file);
    weld_graph *g = build(fixture, false);
    weld_weights *w = fixture_weights(fixture, "before/", g);
    weld_session *s = start(g, w, fixture, isa);
    weld_session_run(s, 0);
    weld_tensor logits = weld_session_output(s, "logits");
    weld_tensor want = fixture_tensor(fixture, "", "logits");
    ck_assert(logits.data && weld_shape_equal(&logits.shape, &want.shape));
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < weld_shape_count(&want.shape); i++) {
        double a = ((const float *)logits.data)[i], b = ((const float *)want.data)[i];
        largest = fmax(largest, fabs(b));
        difference = a == a ? fmax(difference, fabs(a - b)) : INFINITY;
    }
    ck_assert_msg(difference <= 1e-4 * largest, "%s on %s: logits differ by %g of %g", file, isa,
                  difference, largest);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_weights_free(fixture);
}

/* The mean of the heads' mean cross entropies, as output "loss". */
static weld_value *append_loss(weld_graph *g, const weld_weights *fixture) {
    weld_value *target = weld_input(g, "targets", fixture_tensor(fixture, "", "targets").shape);
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

static void append_gradients(weld_graph *g, weld_value *loss) {
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
static void check_gradients(const weld_graph *g, weld_session *s, const weld_weights *fixture,
                            const char *what) {
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

static void check_statistics(const weld_weights *w, const weld_weights *fixture, const char *what) {
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

static void check_training(const char *file, const char *isa) {
    weld_weights *fixture = fixture_load(file);
    weld_graph *g = build(fixture, true);
    append_gradients(g, append_loss(g, fixture));
    weld_weights *w = fixture_weights(fixture, "before/", g);
    weld_session *s = start(g, w, fixture, isa);
    fixture_copy(weld_session_input(s, "targets"), fixture_tensor(fixture, "", "targets"));
    weld_session_run(s, 0);
    char what[96];
    snprintf(what, sizeof what, "%s on %s", file, isa);
    float loss = *(const float *)weld_session_output(s, "loss").data;
    float want = *(const float *)fixture_tensor(fixture, "", "loss").data;
    ck_assert_msg(fabsf(loss - want) <= 1e-5F * want, "%s: loss %g, not %g", what, (double)loss,
                  (double)want);
    check_gradients(g, s, fixture, what);
    check_statistics(w, fixture, what);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_weights_free(fixture);
}

START_TEST(evaluation_gives_the_logits_of_pytorch) {
    for (int k = 0; weld_kernels_available(WELD_F32, k); k++) {
        for (int i = 0; i < FIXTURES; i++) {
            check_evaluation(fixtures[i], weld_kernels_available(WELD_F32, k));
        }
    }
}
END_TEST

START_TEST(a_training_step_gives_the_gradients_of_pytorch) {
    for (int k = 0; weld_kernels_available(WELD_F32, k); k++) {
        for (int i = 0; i < FIXTURES; i++) {
            check_training(fixtures[i], weld_kernels_available(WELD_F32, k));
        }
    }
}
END_TEST

RUN_SUITE("models/parity", evaluation_gives_the_logits_of_pytorch,
          a_training_step_gives_the_gradients_of_pytorch)
