/* Small detectors against PyTorch: boxes and scores, and in a training step its outputs, the
 * gradients of a random projection of them, and running statistics. */
#include "fixture.h"
#include "kernels/kernels.h"
#include "models/drawn.h"
#include "passes/reparameterize.h"
#include "suite.h"

typedef struct detector {
    const char *file, *family;
    const char *values[6][2];
} detector;

static const detector detectors[] = {
    {"yolo11.fixture", "yolo11", {{"width", "0.125"}}},
    {"yolo11_nested.fixture",
     "yolo11",
     {{"width", "0.25"}, {"depth", "1"}, {"max_channels", "512"}, {"nested", "true"}}},
    {"yolo11_repvit.fixture",
     "yolo11_repvit",
     {{"channels", "8, 16, 24, 32"}, {"depths", "1, 1, 2, 1"}, {"width", "0.125"}}},
};
enum { DETECTORS = sizeof detectors / sizeof *detectors };

/* In double all is exact but for the rounding of the fixture; floats lose much on the way back
 * through deep batch norms of a dozen positions. */
typedef struct arithmetic {
    weld_dtype dtype;
    const char *isa;
    double outputs, gradients; /* tolerances */
} arithmetic;

static weld_graph *build(const detector *d, weld_dtype dtype, bool training) {
    weld_model_config config;
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named(d->family, &config, NULL), WELD_OK);
    config.num_classes = 3;
    for (int i = 0; i < 6 && d->values[i][0]; i++) {
        set_value(&config, d->values[i][0], d->values[i][1]);
    }
    ck_assert_msg(!weld_model_build(&config, training, 2, 64, 96, dtype, &g, &err), "%s",
                  err.message);
    return g;
}

static weld_weights *draw_weights(const weld_graph *g) {
    weld_weights *w;
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, NULL), WELD_OK);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const weld_tensor t = weld_weights_tensor(w, i);
        draw_weight(&t, weld_weights_name(w, i));
    }
    return w;
}

static weld_session *start(const weld_graph *g, weld_weights *w, const char *isa) {
    weld_session *s;
    weld_error err;
    const weld_session_options options = {.isa = isa, .threads = 2};
    ck_assert_msg(!weld_session_create(g, w, &options, &s, &err), "%s", err.message);
    const weld_tensor images = weld_session_input(s, "images");
    draw_into(&images, "", "images", 0, 1);
    return s;
}

static void for_each(void (*check)(const detector *d, const weld_weights *fixture,
                                   const arithmetic *a)) {
    for (int i = 0; i < DETECTORS; i++) {
        weld_weights *fixture = fixture_load(detectors[i].file);
        check(&detectors[i], fixture, &(arithmetic){WELD_F64, NULL, 1e-6, 1e-6});
        for (int k = 0; weld_kernels_available(WELD_F32, k); k++) {
            const char *isa = weld_kernels_available(WELD_F32, k);
            check(&detectors[i], fixture, &(arithmetic){WELD_F32, isa, 5e-4, 5e-3});
        }
        weld_weights_free(fixture);
    }
}

static void check_output(const detector *d, const weld_weights *fixture, weld_session *s,
                         const char *name, double tolerance) {
    const weld_tensor got = weld_session_output(s, name);
    const weld_tensor want = fixture_tensor(fixture, "evaluation/", name);
    double largest = 0, worst = 0;
    ck_assert(got.data && weld_shape_equal(&got.shape, &want.shape));
    for (int64_t i = 0; i < weld_shape_count(&want.shape); i++) {
        const double a = element_of(&got, i), b = element_of(&want, i);
        worst = fabs(a - b) <= worst ? worst : fabs(a - b); /* a NaN stays */
        largest = fmax(largest, fabs(b));
    }
    ck_assert_msg(worst <= tolerance * largest, "%s: %s are off by %g of %g", d->file, name, worst,
                  largest);
}

static void check_evaluation(const detector *d, const weld_weights *fixture, const arithmetic *a) {
    weld_graph *g = build(d, a->dtype, false), *merged;
    weld_weights *w = draw_weights(g), *merged_weights;
    weld_error err;
    ck_assert_msg(!weld_reparameterize(g, w, &merged, &merged_weights, &err), "%s", err.message);
    ck_assert_int_eq(weld_graph_counts(merged).batch_norms, 0);
    for (int i = 0; i < 2; i++) {
        weld_session *s = start(i ? merged : g, i ? merged_weights : w, a->isa);
        weld_session_run(s, 0);
        check_output(d, fixture, s, "boxes", a->outputs);
        check_output(d, fixture, s, "scores", a->outputs);
        weld_session_free(s);
    }
    weld_weights_free(merged_weights);
    weld_graph_free(merged);
    weld_weights_free(w);
    weld_graph_free(g);
}

static weld_value *append_loss(weld_graph *g) {
    static const char *const outputs[] = {"distances", "boxes", "classes"};
    weld_value *loss = NULL;
    for (int i = 0; i < 3; i++) {
        weld_value *v = weld_graph_output(g, outputs[i]);
        ck_assert_ptr_nonnull(v);
        weld_value *factors = weld_input(g, outputs[i], weld_value_shape(v));
        weld_value *term = weld_mean(g, weld_mul(g, v, factors));
        loss = loss ? weld_add(g, loss, term) : term;
    }
    weld_output(g, "loss", loss);
    return loss;
}

static void append_gradients(weld_graph *g, weld_value *loss) {
    const size_t count = weld_graph_parameter_count(g);
    weld_value **wrt = calloc(count, sizeof *wrt), **grads = calloc(count, sizeof *grads);
    weld_error err;
    for (size_t i = 0; i < count; i++) {
        wrt[i] = weld_graph_parameter(g, i);
    }
    ck_assert_msg(!weld_differentiate(g, loss, wrt, count, grads, &err), "%s", err.message);
    for (size_t i = 0; i < count; i++) {
        char name[256];
        snprintf(name, sizeof name, "grad/%s", weld_value_name(wrt[i]));
        weld_output(g, name, grads[i]);
    }
    free(wrt);
    free(grads);
}

/* `floor`: of what is zero but for rounding. */
static void check_product(const detector *d, const weld_weights *fixture, const char *of,
                          const char *name, weld_tensor got, double tolerance, double floor) {
    const float *want = fixture_tensor(fixture, of, name).data;
    double norm, product;
    ck_assert_ptr_nonnull(got.data);
    norm_and_product(&got, name, &norm, &product);
    const double limit = tolerance * (double)want[1] + floor;
    ck_assert_msg(fabs(norm - (double)want[1]) <= limit && fabs(product - (double)want[0]) <= limit,
                  "%s: %s%s has norm %g and product %g, not %g and %g", d->file, of, name, norm,
                  product, (double)want[1], (double)want[0]);
}

static double largest_gradient(const weld_weights *fixture) {
    double largest = 0;
    for (size_t i = 0; i < weld_weights_count(fixture); i++) {
        if (strncmp(weld_weights_name(fixture, i), "grad/", 5) == 0) {
            largest = fmax(largest, (double)((float *)weld_weights_tensor(fixture, i).data)[1]);
        }
    }
    return largest;
}

/* Each parameter has a gradient in the fixture, and each gradient there is one of them. */
static void check_names(const weld_graph *g, const weld_weights *fixture) {
    size_t gradients = 0;
    for (size_t i = 0; i < weld_weights_count(fixture); i++) {
        gradients += strncmp(weld_weights_name(fixture, i), "grad/", 5) == 0;
    }
    ck_assert_uint_eq(gradients, weld_graph_parameter_count(g));
}

static void check_training(const detector *d, const weld_weights *fixture, const arithmetic *a) {
    weld_graph *g = build(d, a->dtype, true);
    append_gradients(g, append_loss(g));
    check_names(g, fixture);
    weld_weights *w = draw_weights(g);
    weld_session *s = start(g, w, a->isa);
    static const char *const outputs[] = {"distances", "boxes", "classes"};
    for (int i = 0; i < 3; i++) {
        const weld_tensor factors = weld_session_input(s, outputs[i]);
        draw_into(&factors, "r/", outputs[i], -1, 1);
    }
    weld_session_run(s, 0);
    for (int i = 0; i < 3; i++) {
        check_product(d, fixture, "training/", outputs[i], weld_session_output(s, outputs[i]),
                      a->outputs, 0);
    }
    const double floor = a->outputs / 20 * largest_gradient(fixture);
    for (size_t i = 0; i < weld_graph_parameter_count(g); i++) {
        char name[256];
        snprintf(name, sizeof name, "grad/%s", weld_value_name(weld_graph_parameter(g, i)));
        check_product(d, fixture, "grad/", name + 5, weld_session_output(s, name), a->gradients,
                      floor);
    }
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const char *name = weld_weights_name(w, i);
        if (strstr(name, "running_")) {
            check_product(d, fixture, "after/", name, weld_weights_tensor(w, i), a->outputs, 0);
        }
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}

START_TEST(boxes_and_scores_are_those_of_pytorch_merged_or_not) {
    for_each(check_evaluation);
}
END_TEST

START_TEST(a_training_step_gives_the_gradients_of_pytorch) {
    for_each(check_training);
}
END_TEST

RUN_SUITE("models/yolo11_parity", boxes_and_scores_are_those_of_pytorch_merged_or_not,
          a_training_step_gives_the_gradients_of_pytorch)
