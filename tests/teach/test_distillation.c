/* Learning from a teacher: the loss, its gradients and ten updates against PyTorch, the loss
 * against its formula in double, and what a teacher makes of images. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "suite.h"
#include "serialization/model_file.h"
#include "teach/teacher.h"
#include "train/fixture_step.h"
#include "repvit_config.h"

enum { STEPS = 10, BATCHES = 2 };

static weld_error err;

/* --- Files of teachers --- */

static const weld_preprocessing usual = {.height = 8,
                                         .width = 8,
                                         .crop_fraction = 1,
                                         .mean = {0.5f, 0.4f, 0.3f},
                                         .std = {0.2f, 0.25f, 0.5f}};

/* The fixture's teacher as a checkpoint in a new file, whose name goes into path. */
static void write_teacher(const weld_weights *fixture, const weld_preprocessing *p, char path[64]) {
    weld_graph *g;
    weld_model_file file = {.kind = WELD_MODEL_CHECKPOINT, .preprocessing = *p};
    const int64_t *value = fixture_tensor(fixture, "teacher/", "config").data;
    char channels[16], depths[16];
    ck_assert_int_eq(value[4], 1);
    snprintf(channels, sizeof channels, "%d", (int)value[5]);
    snprintf(depths, sizeof depths, "%d", (int)value[6]);
    file.config =
        repvit_config((int)value[0], channels, depths, (int)value[1], false, value[3] != 0);
    ck_assert_int_eq(weld_model_build(&file.config, false, 1, 8, 8, WELD_F32, &g, &err), WELD_OK);
    file.weights = fixture_weights(fixture, "teacher/before/", g);
    snprintf(path, 64, "/tmp/weld-teacher-XXXXXX");
    int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    weld_weights_free(file.weights);
    weld_graph_free(g);
}

static weld_teacher *open_teacher(const weld_weights *fixture, const weld_preprocessing *own,
                                  const weld_preprocessing *student, int64_t batch) {
    char path[64];
    weld_teacher *t;
    weld_teacher_options options = {.preprocessing = student, .batch = batch, .threads = 1};
    write_teacher(fixture, own, path);
    ck_assert_msg(!weld_teacher_open(path, NULL, &options, &t, &err), "%s", err.message);
    unlink(path);
    return t;
}

static void expect_said(const float *is, weld_tensor said) {
    for (int64_t i = 0; i < weld_shape_count(&said.shape); i++) {
        ck_assert_float_eq_tol(is[i], ((float *)said.data)[i], 2e-5f);
    }
}

START_TEST(a_teacher_says_what_its_network_says_in_pytorch) {
    float logits[6 * 5];
    weld_weights *fixture = fixture_load("distillation.fixture");
    weld_teacher *t = open_teacher(fixture, &usual, &usual, 4); /* two runs: of 4 and of 2 */
    weld_tensor images = fixture_tensor(fixture, "images/", "1");
    weld_teacher_run(t, 8, 8, images.data, 6, logits);
    expect_said(logits, fixture_tensor(fixture, "said/", "1"));
    weld_teacher_facts facts = weld_teacher_get_facts(t);
    ck_assert_int_eq(facts.classes, 5);
    ck_assert_uint_gt(facts.memory_bytes, 0);
    weld_teacher_free(t);
    weld_weights_free(fixture);
}
END_TEST

/* The images of PyTorch's are of 8 x 8; before and after them stand others. */
START_TEST(what_a_teacher_of_several_sizes_says_of_one_is_what_it_says_of_it_alone) {
    static const weld_batch_shape shapes[] = {{6, 6, 3}, {8, 8, 4}, {11, 11, 2}};
    static float other[2 * 11 * 11 * 3];
    char path[64];
    float logits[6 * 5], others[2 * 5];
    weld_teacher *t;
    weld_teacher_options options = {
        .preprocessing = &usual, .shapes = shapes, .shape_count = 3, .threads = 2};
    weld_weights *fixture = fixture_load("distillation.fixture");
    weld_tensor images = fixture_tensor(fixture, "images/", "1");
    write_teacher(fixture, &usual, path);
    ck_assert_msg(!weld_teacher_open(path, NULL, &options, &t, &err), "%s", err.message);
    unlink(path);
    weld_teacher_run(t, 11, 11, other, 2, others);
    weld_teacher_run(t, 8, 8, images.data, 6, logits);
    weld_teacher_run(t, 6, 6, other, 2, others);
    expect_said(logits, fixture_tensor(fixture, "said/", "1"));
    weld_teacher_free(t);
    weld_weights_free(fixture);
}
END_TEST

START_TEST(images_normalised_for_the_student_are_mapped_to_what_the_teacher_knows) {
    float logits[6 * 5], images[6 * 8 * 8 * 3];
    weld_preprocessing other = usual;
    for (int c = 0; c < 3; c++) {
        other.mean[c] = 0.1f + 0.2f * (float)c;
        other.std[c] = 0.6f - 0.1f * (float)c;
    }
    weld_weights *fixture = fixture_load("distillation.fixture");
    weld_teacher *t = open_teacher(fixture, &usual, &other, 6);
    const float *known = fixture_tensor(fixture, "images/", "0").data;
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        size_t c = i % 3;
        images[i] = (known[i] * usual.std[c] + usual.mean[c] - other.mean[c]) / other.std[c];
    }
    weld_teacher_run(t, 8, 8, images, 6, logits);
    expect_said(logits, fixture_tensor(fixture, "said/", "0"));
    weld_teacher_free(t);
    weld_weights_free(fixture);
}
END_TEST

START_TEST(a_teachers_identity_is_that_of_its_weights_and_not_of_its_file) {
    weld_weights *fixture = fixture_load("distillation.fixture");
    weld_teacher *a = open_teacher(fixture, &usual, &usual, 1);
    weld_teacher *b = open_teacher(fixture, &usual, &usual, 2);
    weld_tensor w = fixture_tensor(fixture, "teacher/before/", "classifier.classifier.l.bias");
    ((float *)w.data)[0] += 1e-3f;
    weld_teacher *c = open_teacher(fixture, &usual, &usual, 1);
    ck_assert_str_eq(weld_teacher_get_facts(a).identity, weld_teacher_get_facts(b).identity);
    ck_assert_str_ne(weld_teacher_get_facts(a).identity, weld_teacher_get_facts(c).identity);
    weld_teacher_free(a);
    weld_teacher_free(b);
    weld_teacher_free(c);
    weld_weights_free(fixture);
}
END_TEST

/* --- Steps --- */

typedef struct way {
    const char *name;
    weld_loss_options loss;
} way;

static const char *const files[] = {"distillation_one_head.fixture", "distillation.fixture"};

#define LOSS(kind, share, t)                                                                       \
    {                                                                                              \
        .values = &(const weld_classification_loss){.label_smoothing = 0.1}, .distillation = kind, \
        .alpha = share, .temperature = t                                                           \
    }
static const way ways[] = {{"hard", LOSS(WELD_DISTILL_HARD, 0.5, 1)},
                           {"soft", LOSS(WELD_DISTILL_SOFT, 0.5, 1)},
                           {"warm", LOSS(WELD_DISTILL_SOFT, 0.9, 3)}};

static void make(fixture_step *s, int heads, const way *how, weld_precision precision) {
    weld_train_step_options options = {.loss = &how->loss, .threads = 1, .precision = precision};
    fixture_step_make(s, files[heads - 1], options, &fixture_adamw, 0);
}

static void fill_teacher(const weld_loss_options *how, const float *said, weld_tensor to) {
    for (int64_t i = 0; i < to.shape.dim[0]; i++) {
        const float *row = said + i * 5;
        int best = 0;
        for (int k = 0; k < 5; k++) {
            best = row[k] > row[best] ? k : best;
            ((float *)to.data)[i * 5 + k] = (float)(row[k] / how->temperature);
        }
        for (int k = 0; how->distillation == WELD_DISTILL_HARD && k < 5; k++) {
            ((float *)to.data)[i * 5 + k] = k == best;
        }
    }
}

static float run_step(fixture_step *s, const way *how, int t) {
    char number[12];
    snprintf(number, sizeof number, "%d", t % BATCHES);
    fill_teacher(&how->loss, fixture_tensor(s->fixture, "said/", number).data,
                 weld_train_step_input(s->step, "teacher"));
    return fixture_step_run(s, t, BATCHES);
}

static void expect_gradients(int heads, const way *how) {
    fixture_step s;
    char prefix[32];
    make(&s, heads, how, WELD_PRECISION_FP32);
    snprintf(prefix, sizeof prefix, "%s/grad/", how->name);
    run_step(&s, how, 0);
    for (size_t p = 0; p < s.step->parameter_count; p++) {
        const char *name = weld_value_name(weld_graph_parameter(s.step->graph, p));
        const float *want = fixture_tensor(s.fixture, prefix, name).data;
        const float *is = s.step->gradients[p].data;
        for (int64_t k = 0; k < weld_shape_count(&s.step->gradients[p].shape); k++) {
            ck_assert_msg(fabs((double)is[k] - want[k]) <= 2e-5 + 1e-4 * fabs((double)want[k]),
                          "%d heads, %s: %s[%lld] is %g, PyTorch's %g", heads, how->name, name,
                          (long long)k, (double)is[k], (double)want[k]);
        }
    }
    fixture_step_free(&s);
}

START_TEST(gradients_are_those_of_pytorch) {
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        expect_gradients(1, &ways[i]);
        expect_gradients(2, &ways[i]);
    }
}
END_TEST

static void expect_losses(int heads, const way *how, weld_precision precision, double tolerance) {
    fixture_step s;
    make(&s, heads, how, precision);
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s/", how->name);
    const float *losses = fixture_tensor(s.fixture, prefix, "losses").data;
    for (int t = 0; t < STEPS; t++) {
        float loss = run_step(&s, how, t);
        ck_assert_msg(fabs((double)loss - losses[t]) <= tolerance * losses[t],
                      "%d heads, %s, step %d: loss %g, PyTorch %g", heads, how->name, t,
                      (double)loss, (double)losses[t]);
        weld_train_step_update(s.step, 5e-3);
    }
    ck_assert_float_lt(losses[STEPS - 1], losses[0]);
    fixture_step_free(&s);
}

START_TEST(ten_updates_have_the_losses_of_pytorch) {
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        expect_losses(1, &ways[i], WELD_PRECISION_FP32, 1e-3);
        expect_losses(2, &ways[i], WELD_PRECISION_FP32, 1e-3);
    }
}
END_TEST

START_TEST(ten_updates_in_bf16_have_nearly_the_losses_of_pytorch) {
    for (size_t i = 0; weld_kernels_available(WELD_BF16, 0) && i < sizeof ways / sizeof *ways;
         i++) {
        expect_losses(1, &ways[i], WELD_PRECISION_BF16, 0.03);
        expect_losses(2, &ways[i], WELD_PRECISION_BF16, 0.03);
    }
}
END_TEST

/* --- In double, where nothing but the formula is left --- */

static weld_train_step *make_exact(int heads, const way *how) {
    weld_model_config config = repvit_config(3, "8", "1", 1, false, heads == 2);
    weld_train_step_options options = {.batch = 4,
                                       .height = 4,
                                       .width = 4,
                                       .build_loss = weld_classification_loss_build,
                                       .loss = &how->loss,
                                       .dtype = WELD_F64,
                                       .seed = 3};
    weld_train_step *s;
    ck_assert_msg(!weld_train_step_create(&config, &options, NULL, &s, &err), "%s", err.message);
    return s;
}

static double exact_value(weld_train_step *s, const weld_loss_options *how) {
    static const double said[4][3] = {{2, -1, 0.5}, {0, 0.3, -3}, {1, 1.5, 2}, {-1, 4, 0}};
    double *images = s->images.data;
    double *target = weld_train_step_input(s, "target").data;
    double *teacher = weld_train_step_input(s, "teacher").data;
    for (int i = 0; i < 4 * 4 * 4 * 3; i++) {
        images[i] = (i * 37 % 19) / 9.0 - 1;
    }
    for (int i = 0; i < 4 * 3; i++) {
        target[i] = (i % 3 == i / 3 % 3) * 0.7 + (i % 3 == 0) * 0.3;
        double hard = i == 0 || i == 4 || i == 8 || i == 10;
        teacher[i] =
            how->distillation == WELD_DISTILL_HARD ? hard : said[i / 3][i % 3] / how->temperature;
    }
    return weld_train_step_run(s, 1);
}

static void expect_differences(int heads, const way *how) {
    weld_train_step *s = make_exact(heads, how);
    weld_tensor w;
    exact_value(s, &how->loss);
    for (size_t p = 0; p < s->parameter_count; p++) {
        const char *name = weld_value_name(weld_graph_parameter(s->graph, p));
        double step = 1e-5, is = ((double *)s->gradients[p].data)[0];
        ck_assert(weld_weights_find(s->weights, name, &w));
        double *first = w.data, before = *first;
        *first = before + step;
        double above = exact_value(s, &how->loss);
        *first = before - step;
        double below = exact_value(s, &how->loss);
        *first = before;
        ck_assert_msg(fabs((above - below) / (2 * step) - is) <= 1e-7 + 1e-5 * fabs(is),
                      "%d heads, %s: %s: %g, by differences %g", heads, how->name, name, is,
                      (above - below) / (2 * step));
        exact_value(s, &how->loss);
    }
    weld_train_step_free(s);
}

START_TEST(gradients_are_central_differences_of_the_loss) {
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        expect_differences(1, &ways[i]);
        expect_differences(2, &ways[i]);
    }
}
END_TEST

RUN_SUITE("teach/distillation", a_teacher_says_what_its_network_says_in_pytorch,
          what_a_teacher_of_several_sizes_says_of_one_is_what_it_says_of_it_alone,
          images_normalised_for_the_student_are_mapped_to_what_the_teacher_knows,
          a_teachers_identity_is_that_of_its_weights_and_not_of_its_file,
          gradients_are_those_of_pytorch, ten_updates_have_the_losses_of_pytorch,
          ten_updates_in_bf16_have_nearly_the_losses_of_pytorch,
          gradients_are_central_differences_of_the_loss)
