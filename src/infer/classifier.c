/* Images to class probabilities: what weld/model.h has for those who want no more than that of a
 * network for classification. */
#include "base/error.h"
#include "base/memory.h"
#include "infer/image_runner.h"
#include "infer/model.h"
#include "kernels/kernels.h"
#include "tasks/classification/classification.h"

struct weld_classifier {
    weld_image_runner *runner;
    const weld_kernels *kernels;
    double temperature;
};

static weld_status open(weld_classifier *c, const weld_model *m, int threads, weld_error *err) {
    if (weld_model_task(m) != &weld_task_classification) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "the network is for %s: it has no classes",
                         weld_model_task(m)->name);
    }
    c->temperature = m->file.temperature;
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &c->kernels, err));
    return weld_image_runner_create(m, threads, &c->runner, err);
}

weld_status weld_classifier_create(const weld_model *m, int threads, weld_classifier **out,
                                   weld_error *err) {
    *out = NULL;
    weld_classifier *c = weld_alloc(1, sizeof *c);
    if (!c) {
        return weld_fail_memory(err, "classifier");
    }
    weld_status status = open(c, m, threads, err);
    if (status) {
        weld_classifier_free(c);
        return status;
    }
    *out = c;
    return WELD_OK;
}

void weld_classifier_free(weld_classifier *c) {
    if (c) {
        weld_image_runner_free(c->runner);
        weld_free(c);
    }
}

static weld_status soften(const weld_classifier *c, weld_status status, const weld_tensor *logits,
                          float *probabilities) {
    if (!status) {
        weld_class_probabilities(c->kernels, logits->data, weld_shape_count(&logits->shape),
                                 c->temperature, probabilities);
    }
    return status;
}

weld_status weld_classifier_run_rgb(weld_classifier *c, const unsigned char *pixels, int width,
                                    int height, float *probabilities, weld_error *err) {
    const weld_tensor *logits = NULL;
    weld_status status = weld_image_runner_run_rgb(c->runner, pixels, width, height, &logits, err);
    return soften(c, status, logits, probabilities);
}

weld_status weld_classifier_run_bytes(weld_classifier *c, const void *bytes, size_t size,
                                      float *probabilities, weld_error *err) {
    const weld_tensor *logits = NULL;
    weld_status status = weld_image_runner_run_bytes(c->runner, bytes, size, &logits, err);
    return soften(c, status, logits, probabilities);
}

weld_status weld_classifier_run_file(weld_classifier *c, const char *path, float *probabilities,
                                     weld_error *err) {
    const weld_tensor *logits = NULL;
    weld_status status = weld_image_runner_run_file(c->runner, path, &logits, err);
    return soften(c, status, logits, probabilities);
}
