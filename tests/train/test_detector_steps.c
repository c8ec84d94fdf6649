/* Small detectors trained for twenty updates, as PyTorch trains them: every loss of every step, and
 * the gradients of the first. */
#include "fixture.h"
#include "models/drawn.h"
#include "ops/ops.h"
#include "suite.h"
#include "tasks/task.h"
#include "train/step.h"

enum { IMAGES = 4, HEIGHT = 64, WIDTH = 96, ROWS = 5, STEPS = 20, BATCHES = 2 };

typedef struct detector {
    const char *family;
    const char *values[4][2];
} detector;

static const detector detectors[] = {
    {"yolo11", {{"width", "0.125"}}},
    {"yolo11_repvit",
     {{"channels", "8, 16, 24, 32"}, {"depths", "1, 1, 2, 1"}, {"width", "0.125"}}}};
enum { DETECTORS = sizeof detectors / sizeof *detectors };

static weld_tensor of(const weld_weights *fixture, const detector *d, const char *name) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s/", d->family);
    return fixture_tensor(fixture, prefix, name);
}

static weld_train_step *make(const detector *d, weld_dtype dtype, weld_precision precision,
                             int threads) {
    const weld_optimizer_options adamw = {
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.025};
    unsigned char values[WELD_TASK_VALUES_SIZE];
    weld_task_standard_values(weld_task_find("detection"), values);
    const weld_loss_options loss = {.values = values, .target_size = ROWS * 6};
    const weld_train_step_options options = {.batch = IMAGES,
                                             .height = HEIGHT,
                                             .width = WIDTH,
                                             .build_loss = weld_task_find("detection")->build_loss,
                                             .loss = &loss,
                                             .dtype = dtype,
                                             .precision = precision,
                                             .threads = threads,
                                             .optimizer = &adamw};
    weld_model_config config;
    weld_train_step *step;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named(d->family, &config, NULL), WELD_OK);
    config.num_classes = 3;
    for (int i = 0; i < 4 && d->values[i][0]; i++) {
        set_value(&config, d->values[i][0], d->values[i][1]);
    }
    ck_assert_msg(!weld_train_step_create(&config, &options, NULL, &step, &err), "%s", err.message);
    for (size_t i = 0; i < weld_weights_count(step->weights); i++) {
        const weld_tensor t = weld_weights_tensor(step->weights, i);
        draw_weight(&t, weld_weights_name(step->weights, i));
    }
    return step;
}

/* Loss and gradients in batch t. */
static double run(weld_train_step *step, const weld_weights *fixture, const detector *d, int t) {
    char images[16], targets[16];
    snprintf(images, sizeof images, "images/%d", t % BATCHES);
    snprintf(targets, sizeof targets, "targets/%d", t % BATCHES);
    draw_into(&step->images, "", images, 0, 1);
    const weld_tensor from = of(fixture, d, targets), to = weld_train_step_input(step, "targets");
    for (int64_t i = 0; i < weld_shape_count(&from.shape); i++) {
        weld_set(to.dtype, to.data, i, element_of(&from, i));
    }
    const double loss = weld_train_step_run(step, (uint64_t)t + 1);
    weld_train_step_move_statistics(step);
    return loss;
}

static void expect_near(const detector *d, int t, const char *name, double have, double want,
                        double tolerance) {
    ck_assert_msg(fabs(have - want) <= tolerance * want, "%s, step %d: %s is %g, not %g", d->family,
                  t, name, have, want);
}

static void follow(const detector *d, weld_dtype dtype, double tolerance) {
    weld_weights *fixture = fixture_load("detector_steps.fixture");
    const float *rates = fixture_tensor(fixture, "", "rates").data;
    const float *want = of(fixture, d, "losses").data;
    weld_train_step *step = make(d, dtype, WELD_PRECISION_FP32, 2);
    for (int t = 0; t < STEPS; t++, want += 4) {
        expect_near(d, t, "loss", run(step, fixture, d, t), (double)want[0], tolerance);
        const char *const parts[] = {"loss_box", "loss_class", "loss_dfl"};
        for (int i = 0; i < 3; i++) {
            expect_near(d, t, parts[i], weld_train_step_output(step, parts[i]), (double)want[1 + i],
                        tolerance);
        }
        weld_train_step_update(step, (double)rates[t]);
    }
    weld_train_step_free(step);
    weld_weights_free(fixture);
}

/* In double: floats part from it by a percent after some steps, as small batch norms have it. */
START_TEST(twenty_updates_have_the_losses_of_pytorch) {
    for (int i = 0; i < DETECTORS; i++) {
        follow(&detectors[i], WELD_F64, 1e-4);
    }
}
END_TEST

/* Norm and product with an array of each, relative to the norm; some are zero but for rounding. */
START_TEST(the_first_gradients_are_those_of_pytorch) {
    for (int i = 0; i < DETECTORS; i++) {
        const detector *d = &detectors[i];
        weld_weights *fixture = fixture_load("detector_steps.fixture");
        weld_train_step *step = make(d, WELD_F32, WELD_PRECISION_FP32, 2);
        run(step, fixture, d, 0);
        for (size_t p = 0; p < step->parameter_count; p++) {
            char name[192];
            double norm, product;
            snprintf(name, sizeof name, "grad/%s",
                     weld_value_name(weld_graph_parameter(step->graph, p)));
            const float *want = of(fixture, d, name).data;
            norm_and_product(&step->gradients[p], name + 5, &norm, &product);
            const double limit = 2e-3 * (double)want[1] + 1e-4;
            ck_assert_msg(fabs(norm - (double)want[1]) <= limit &&
                              fabs(product - (double)want[0]) <= limit,
                          "%s: %s has norm %g and product %g, not %g and %g", d->family, name, norm,
                          product, (double)want[1], (double)want[0]);
        }
        weld_train_step_free(step);
        weld_weights_free(fixture);
    }
}
END_TEST

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    weld_weights *fixture = fixture_load("detector_steps.fixture");
    for (int i = 0; i < DETECTORS; i++) {
        for (int bf16 = 0; bf16 < 2; bf16++) {
            const weld_precision precision = bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32;
            weld_train_step *one = make(&detectors[i], WELD_F32, precision, 1);
            weld_train_step *three = make(&detectors[i], WELD_F32, precision, 3);
            for (int t = 0; t < 3; t++) {
                ck_assert(run(one, fixture, &detectors[i], t) ==
                          run(three, fixture, &detectors[i], t));
                weld_train_step_update(one, 1e-3);
                weld_train_step_update(three, 1e-3);
            }
            for (size_t w = 0; w < weld_weights_count(one->weights); w++) {
                const weld_tensor a = weld_weights_tensor(one->weights, w);
                const weld_tensor b = weld_weights_tensor(three->weights, w);
                ck_assert_mem_eq(a.data, b.data, weld_tensor_bytes(&a));
            }
            weld_train_step_free(one);
            weld_train_step_free(three);
        }
    }
    weld_weights_free(fixture);
}
END_TEST

RUN_SUITE("train/detector_steps", twenty_updates_have_the_losses_of_pytorch,
          the_first_gradients_are_those_of_pytorch, the_number_of_threads_does_not_change_a_bit)
