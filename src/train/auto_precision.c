/* Which precision trains faster, and whether it trains the same; see auto_precision.h. */
#include "train/auto_precision.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "tasks/task.h"

/* Batch norm of fewer images leaves hardly a gradient to compare. */
enum { TIMED_RUNS = 3, LEAST_IMAGES = 4 };
/* Of all images of the trial's batch: more would only take longer. */
#define MOST_PIXELS (8 * INT64_C(224) * 224)

/* The same batch for both precisions. */
static weld_status open(const weld_model_config *config, weld_train_step_options options,
                        weld_precision precision, weld_train_step **out, weld_error *err) {
    options.precision = precision;
    WELD_TRY(weld_train_step_create(config, &options, NULL, out, err));
    weld_train_step_noise((*out)->images);
    weld_task_of(config)->fill_noise((*out)->session);
    return WELD_OK;
}

static double gradients_apart(const weld_train_step *a, const weld_train_step *b) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < a->parameter_count; i++) {
        const float *x = a->gradients[i].data, *y = b->gradients[i].data;
        int64_t count = x ? weld_shape_count(&a->gradients[i].shape) : 0;
        for (int64_t j = 0; j < count; j++) {
            difference += ((double)y[j] - x[j]) * ((double)y[j] - x[j]);
            norm += (double)x[j] * x[j];
        }
    }
    return sqrt(difference / norm);
}

static void run_steps(weld_train_step *const steps[2], weld_precision_trial *out) {
    for (int i = 0; i < 2; i++) {
        out->loss[i] = weld_train_step_run(steps[i], 1);
        out->seconds[i] = INFINITY;
    }
    out->gradients_apart = gradients_apart(steps[0], steps[1]);
    for (int n = 0; n < TIMED_RUNS; n++) { /* in turns: a busy moment hits both */
        for (int i = 0; i < 2; i++) {
            double begin = weld_clock();
            weld_train_step_run(steps[i], 1);
            out->seconds[i] = fmin(out->seconds[i], weld_clock() - begin);
        }
    }
}

weld_status weld_precision_try(const weld_model_config *config,
                               const weld_train_step_options *options, weld_precision_trial *out,
                               weld_error *err) {
    weld_train_step_options o = *options;
    int64_t most = MOST_PIXELS / (o.height * o.width);
    most = most < LEAST_IMAGES ? LEAST_IMAGES : most;
    o.batch = o.batch < most ? o.batch : most;
    weld_train_step *steps[2] = {NULL, NULL};
    weld_status status = open(config, o, WELD_PRECISION_FP32, &steps[0], err);
    status = status ? status : open(config, o, WELD_PRECISION_BF16, &steps[1], err);
    if (!status) {
        run_steps(steps, out);
    }
    weld_train_step_free(steps[0]);
    weld_train_step_free(steps[1]);
    return status;
}

weld_precision weld_precision_choose(const weld_precision_trial *trial) {
    bool faster = trial->seconds[1] <= 0.9 * trial->seconds[0];
    /* NaN and infinity compare as false. */
    bool same = fabs(trial->loss[1] - trial->loss[0]) <= 0.05 * fabs(trial->loss[0]) &&
                trial->gradients_apart <= 0.5;
    return faster && same ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32;
}
