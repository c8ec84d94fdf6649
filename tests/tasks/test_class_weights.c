/* Weights of classes: by hand, and the loss and its gradient beside PyTorch. */
#include "tasks/classification/class_weights.h"

#include <math.h>

#include "base/memory.h"
#include "data/uneven.h"
#include "fixture.h"
#include "suite.h"

START_TEST(weights_make_up_for_what_an_epoch_has_too_little_of) {
    const int64_t counts[] = {90, 0, 10};
    double w[3];
    weld_class_weights_of(WELD_BALANCE_FULL, WELD_BALANCE_NONE, counts, 3, w, NULL);
    ck_assert_double_eq_tol(w[0], 100.0 / (2 * 90), 1e-14); /* n / (K n_c), of two classes */
    ck_assert_double_eq(w[1], 0);
    ck_assert_double_eq_tol(w[2], 5, 1e-14);
    weld_class_weights_of(WELD_BALANCE_SQRT, WELD_BALANCE_NONE, counts, 3, w, NULL);
    ck_assert_double_eq_tol(w[2] / w[0], 3, 1e-14);
    ck_assert_double_eq_tol(0.9 * w[0] + 0.1 * w[2], 1, 1e-14);
    weld_class_weights_of(WELD_BALANCE_FULL, WELD_BALANCE_SQRT, counts, 3, w, NULL);
    ck_assert_double_eq_tol(w[2] / w[0], 3, 1e-14); /* the root is left to make up for */
    weld_class_weights_of(WELD_BALANCE_FULL, WELD_BALANCE_FULL, counts, 3, w, NULL);
    ck_assert_double_eq_tol(w[0], 1, 1e-14);
    ck_assert_double_eq_tol(w[2], 1, 1e-14);
    weld_class_weights_of(WELD_BALANCE_NONE, WELD_BALANCE_NONE, counts, 3, w, NULL);
    ck_assert_double_eq_tol(w[2], 1, 1e-14);
}
END_TEST

/* loss = mean of the cross entropy of a parameter "logits" with the input "target". */
static weld_graph *loss_graph(weld_shape shape, weld_weights **weights) {
    weld_init zero = {.kind = WELD_INIT_CONSTANT};
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *logits = weld_parameter(g, "logits", shape, zero), *gradient;
    weld_value *target = weld_input(g, "target", shape);
    weld_value *loss = weld_mean(g, weld_cross_entropy(g, logits, target, 0));
    weld_output(g, "loss", loss);
    ck_assert_int_eq(weld_differentiate(g, loss, &logits, 1, &gradient, NULL), WELD_OK);
    weld_output(g, "gradient", gradient);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, weights, NULL), WELD_OK);
    return g;
}

static void check_near(const float *got, const float *want, int64_t count) {
    double largest = 0;
    for (int64_t i = 0; i < count; i++) {
        /* not fmax, on which gcc 12 for arm64, Debian 12's, crashes here (PR 108608) */
        largest = fabs((double)want[i]) > largest ? fabs((double)want[i]) : largest;
    }
    for (int64_t i = 0; i < count; i++) {
        ck_assert_double_eq_tol((double)got[i], (double)want[i], 1e-6 * largest);
    }
}

static void check_case(const weld_weights *fixture, const char *name) {
    test_folder folder = test_folder_create();
    weld_tensor logits = fixture_tensor(fixture, name, "/logits"), parameter;
    int64_t rows = logits.shape.dim[0], classes = logits.shape.dim[1];
    const int64_t *counts = fixture_tensor(fixture, name, "/counts").data;
    double smoothing = (double)*(const float *)fixture_tensor(fixture, name, "/smoothing").data;
    double weights[8];
    weld_class_weights_of(WELD_BALANCE_FULL, WELD_BALANCE_NONE, counts, (int)classes, weights,
                          NULL);
    for (int64_t c = 0; c < classes; c++) {
        const float *want = fixture_tensor(fixture, name, "/weight").data;
        ck_assert_double_eq_tol(weights[c], (double)want[c], 1e-6 * weights[c]);
    }
    weld_dataset *ds = uneven_dataset(&folder, counts, (int)classes);
    weld_class_weights *w;
    weld_weights *leaves;
    weld_session *s;
    weld_graph *g = loss_graph(logits.shape, &leaves);
    weld_session_options options = {.threads = 1};
    ck_assert_int_eq(weld_class_weights_create(ds, WELD_BALANCE_FULL, WELD_BALANCE_NONE, smoothing,
                                               rows, &w, NULL),
                     WELD_OK);
    ck_assert_int_eq(weld_session_create(g, leaves, &options, &s, NULL), WELD_OK);
    ck_assert(weld_weights_find(leaves, "logits", &parameter));
    fixture_copy(parameter, logits);
    memcpy(weld_class_weights_targets(w), fixture_tensor(fixture, name, "/targets").data,
           (size_t)(rows * classes) * sizeof(float));
    weld_class_weights_apply(w, rows, weld_session_input(s, "target").data);
    weld_session_run(s, 0);
    check_near(weld_session_output(s, "loss").data, fixture_tensor(fixture, name, "/loss").data, 1);
    check_near(weld_session_output(s, "gradient").data,
               fixture_tensor(fixture, name, "/gradient").data, rows * classes);
    weld_session_free(s);
    weld_weights_free(leaves);
    weld_graph_free(g);
    weld_class_weights_free(w);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}

START_TEST(loss_and_gradient_are_those_of_pytorch) {
    weld_weights *fixture = fixture_load("class_weights.fixture");
    check_case(fixture, "plain");
    check_case(fixture, "smoothed");
    weld_weights_free(fixture);
}
END_TEST

START_TEST(the_lightest_and_the_heaviest_class_are_told) {
    test_folder folder = test_folder_create();
    const int64_t counts[] = {20, 5, 2};
    weld_dataset *ds = uneven_dataset(&folder, counts, 3);
    weld_class_weights *w;
    char text[200];
    ck_assert_int_eq(
        weld_class_weights_create(ds, WELD_BALANCE_FULL, WELD_BALANCE_NONE, 0, 4, &w, NULL),
        WELD_OK);
    weld_class_weights_text(w, ds, text, sizeof text);
    ck_assert_str_eq(text, "from 0.45 (a, 20 images) to 4.5 (c, 2)");
    weld_class_weights_free(w);
    for (long i = 0; i < 5; i++) {
        weld_memory_fail_after(i);
        ck_assert_int_eq(
            weld_class_weights_create(ds, WELD_BALANCE_FULL, WELD_BALANCE_NONE, 0, 4, &w, NULL),
            WELD_ERROR_MEMORY);
    }
    weld_memory_fail_after(-1);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("tasks/class_weights", weights_make_up_for_what_an_epoch_has_too_little_of,
          loss_and_gradient_are_those_of_pytorch, the_lightest_and_the_heaviest_class_are_told)
