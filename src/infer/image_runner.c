/* Running images; see image_runner.h. */
#include "infer/image_runner.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/transform_pixels.h"
#include "images/decode.h"
#include "infer/model.h"
#include "kernels/kernels.h"

struct weld_image_runner {
    weld_session *session;
    weld_tensor input, outputs[WELD_OUTPUTS_MAX];
    const weld_task *task;
    const weld_kernels *kernels;
    weld_transform transform;
    weld_placement placement; /* of the latest image */
    weld_image_input in;
};

static weld_status open(weld_image_runner *r, const weld_model *m, int threads, weld_error *err) {
    r->task = weld_model_task(m);
    WELD_TRY(weld_output_session(weld_model_running_graph(m), weld_model_weights(m), 1, threads,
                                 true, &r->session, err));
    WELD_TRY(weld_transform_init(&r->transform, weld_model_get_preprocessing(m), NULL, err));
    if (r->task->annotation->of_boxes) { /* as boxes were drawn, and learned */
        r->transform.preprocessing.orientation = WELD_ORIENTATION_EXIF;
    }
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &r->kernels, err));
    r->input = weld_session_input(r->session, "images");
    return weld_task_outputs(r->task, r->session, r->outputs, err);
}

weld_status weld_image_runner_create(const weld_model *m, int threads, weld_image_runner **out,
                                     weld_error *err) {
    *out = NULL;
    weld_image_runner *r = weld_alloc(1, sizeof *r);
    if (!r) {
        return weld_fail_memory(err, "running images");
    }
    weld_status status = open(r, m, threads, err);
    if (status) {
        weld_image_runner_free(r);
        return status;
    }
    *out = r;
    return WELD_OK;
}

void weld_image_runner_free(weld_image_runner *r) {
    if (r) {
        weld_session_free(r->session);
        weld_image_input_free(&r->in);
        weld_free(r);
    }
}

const weld_transform *weld_image_runner_transform(const weld_image_runner *r) {
    return &r->transform;
}

/* On what is in r->input. */
static weld_status run(weld_image_runner *r, const weld_tensor **outputs, weld_error *err) {
    weld_session_run(r->session, 0);
    for (int i = 0; r->task->outputs[i]; i++) {
        const weld_tensor *t = &r->outputs[i];
        if (r->kernels->first_not_finite(weld_shape_count(&t->shape), t->data) >= 0) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "the network's output is not finite: its weights are not usable");
        }
    }
    *outputs = r->outputs;
    return WELD_OK;
}

static weld_status run_image(weld_image_runner *r, const weld_image *image,
                             const weld_tensor **outputs, weld_error *err) {
    WELD_TRY(weld_transform_evaluation(&r->transform, image, &r->in.scratch, r->input.data, err));
    r->placement = weld_transform_evaluation_placement(&r->transform, image->width, image->height);
    return run(r, outputs, err);
}

const weld_placement *weld_image_runner_placement(const weld_image_runner *r) {
    return &r->placement;
}

weld_status weld_image_runner_run_rgb(weld_image_runner *r, const unsigned char *pixels, int width,
                                      int height, const weld_tensor **outputs, weld_error *err) {
    if (width < 1 || height < 1) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "an image of %d x %d pixels has none", width,
                         height);
    }
    /* The transform only reads. */
    weld_image view = {.pixels = (unsigned char *)pixels, .width = width, .height = height};
    return run_image(r, &view, outputs, err);
}

weld_status weld_image_runner_run_bytes(weld_image_runner *r, const void *bytes, size_t size,
                                        const weld_tensor **outputs, weld_error *err) {
    WELD_TRY(weld_image_input_decode(&r->in, &r->transform, bytes, size, err));
    return run_image(r, &r->in.image, outputs, err);
}

weld_status weld_image_runner_run_file(weld_image_runner *r, const char *path,
                                       const weld_tensor **outputs, weld_error *err) {
    WELD_TRY(weld_image_input_read(&r->in, &r->transform, path, r->input.data, &r->placement, err));
    weld_status status = run(r, outputs, err);
    return status ? weld_fail_context(err, status, "%s", path) : WELD_OK;
}

weld_status weld_image_runner_run_input(weld_image_runner *r, const float *input,
                                        const weld_tensor **outputs, weld_error *err) {
    memcpy(r->input.data, input, weld_tensor_bytes(&r->input));
    return run(r, outputs, err);
}

weld_status weld_image_runner_gather(weld_image_runner *r, const weld_image *image,
                                     const weld_tiling *tiling, const weld_question *question,
                                     weld_array *found, weld_error *err) {
    const weld_pixels all = weld_image_pixels(image);
    const int64_t count = weld_tile_count(tiling, image->width, image->height);
    for (int64_t i = 0; i < count; i++) {
        const weld_tile tile = weld_tile_of(tiling, image->width, image->height, i);
        const weld_rectangle *at = &tile.at;
        const weld_pixels part = weld_pixels_crop(&all, at->x, at->y, at->width, at->height);
        const weld_placement placement =
            weld_transform_evaluation_placement(&r->transform, at->width, at->height);
        const weld_tensor *outputs = NULL;
        weld_question of_tile = *question;
        of_tile.placement = &placement;
        WELD_TRY(weld_transform_central(&r->transform, &part, &r->in.scratch, r->input.data, err));
        WELD_TRY(run(r, &outputs, err));
        WELD_TRY(r->task->gather(outputs, &of_tile, &tile, found, err));
    }
    return WELD_OK;
}
