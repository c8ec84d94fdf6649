/* Images to class probabilities: decode, preprocess, run a session of batch one, softmax. */
#include "base/error.h"
#include "base/memory.h"
#include "images/decode.h"
#include "data/transform.h"
#include "infer/model.h"
#include "kernels/kernels.h"

struct weld_classifier {
    weld_session *session;
    const weld_kernels *kernels;
    weld_transform transform;
    weld_transform_scratch scratch;
    weld_image image;
    weld_bytes bytes;
};

weld_status weld_classifier_create(const weld_model *m, int threads, weld_classifier **out,
                                   weld_error *err) {
    *out = NULL;
    weld_classifier *c = weld_alloc(1, sizeof *c);
    if (!c) {
        return weld_fail_memory(err, "classifier");
    }
    weld_status status = weld_logits_session(weld_model_running_graph(m), weld_model_weights(m), 1,
                                             threads, true, &c->session, err);
    if (status == WELD_OK) {
        status = weld_transform_init(&c->transform, weld_model_get_preprocessing(m), NULL, err);
    }
    if (status == WELD_OK) {
        status = weld_kernels_select(WELD_F32, NULL, &c->kernels, err);
    }
    if (status != WELD_OK) {
        weld_classifier_free(c);
        return status;
    }
    *out = c;
    return WELD_OK;
}

void weld_classifier_free(weld_classifier *c) {
    if (c) {
        weld_session_free(c->session);
        weld_transform_scratch_free(&c->scratch);
        weld_image_free(&c->image);
        weld_bytes_free(&c->bytes);
        weld_free(c);
    }
}

static weld_status classify(weld_classifier *c, const weld_image *image, float *probabilities,
                            weld_error *err) {
    weld_tensor input = weld_session_input(c->session, "images");
    weld_status status =
        weld_transform_evaluation(&c->transform, image, &c->scratch, input.data, err);
    if (status != WELD_OK) {
        return status;
    }
    weld_session_run(c->session, 0);
    weld_tensor logits = weld_session_output(c->session, "logits");
    int64_t count = weld_shape_count(&logits.shape);
    if (c->kernels->first_not_finite(count, logits.data) >= 0) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "the network's output is not finite: its weights are not usable");
    }
    c->kernels->softmax(1, count, logits.data, probabilities);
    return WELD_OK;
}

weld_status weld_classifier_run_rgb(weld_classifier *c, const unsigned char *pixels, int width,
                                    int height, float *probabilities, weld_error *err) {
    if (width < 1 || height < 1) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "an image of %d x %d pixels has none", width,
                         height);
    }
    /* The transform only reads. */
    weld_image view = {.pixels = (unsigned char *)pixels, .width = width, .height = height};
    return classify(c, &view, probabilities, err);
}

weld_status weld_classifier_run_bytes(weld_classifier *c, const void *bytes, size_t size,
                                      float *probabilities, weld_error *err) {
    weld_status status = weld_decode_image(bytes, size, &c->image, err);
    return status == WELD_OK ? classify(c, &c->image, probabilities, err) : status;
}

weld_status weld_classifier_run_file(weld_classifier *c, const char *path, float *probabilities,
                                     weld_error *err) {
    weld_status status = weld_read_file(path, &c->bytes, err);
    if (status != WELD_OK) {
        return status;
    }
    status = weld_classifier_run_bytes(c, c->bytes.data, c->bytes.size, probabilities, err);
    return status == WELD_OK ? WELD_OK : weld_fail_context(err, status, "%s", path);
}
