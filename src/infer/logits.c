/* Running a model on arrays of images; see weld/model.h. */
#include <string.h>

#include "base/error.h"
#include "infer/model.h"

enum { BATCH = 16, CHANNELS = 3 };

/* [3, h * w] -> [h * w, 3] for `count` images. */
static void to_channels_last(const float *from, int64_t count, int64_t positions, float *to) {
    for (int64_t n = 0; n < count; n++) {
        for (int64_t i = 0; i < positions; i++) {
            for (int c = 0; c < CHANNELS; c++) {
                to[(n * positions + i) * CHANNELS + c] = from[(n * CHANNELS + c) * positions + i];
            }
        }
    }
}

/* The graph for this size: the model's, or for a checkpoint a new one, which *made then holds. */
static weld_status graph_of_size(const weld_model *m, int64_t height, int64_t width,
                                 const weld_graph **out, weld_graph **made, weld_error *err) {
    int size = m->file.preprocessing.input_size;
    *out = m->graph;
    if (height == size && width == size) {
        return WELD_OK;
    }
    if (weld_model_is_merged(m)) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "the merged network takes images of %d x %d, these are %lld x %lld", size,
                         size, (long long)height, (long long)width);
    }
    weld_status status =
        weld_model_build(&m->file.config, false, 1, height, width, WELD_F32, made, err);
    *out = *made;
    return status;
}

weld_status weld_model_run(const weld_model *m, const float *images, int64_t count, int64_t height,
                           int64_t width, int threads, float *logits, weld_error *err) {
    if (count < 1) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "there are no images to run on");
    }
    int64_t batch = count < BATCH ? count : BATCH, positions = height * width;
    weld_session_options options = {.batch = batch, .threads = threads};
    const weld_graph *graph;
    weld_graph *made = NULL;
    weld_session *session = NULL;
    weld_status status = graph_of_size(m, height, width, &graph, &made, err);
    if (status == WELD_OK) {
        status = weld_session_create(graph, m->file.weights, &options, &session, err);
    }
    for (int64_t first = 0; status == WELD_OK && first < count; first += batch) {
        int64_t here = count - first < batch ? count - first : batch;
        to_channels_last(images + first * CHANNELS * positions, here, positions,
                         weld_session_input(session, "images").data);
        weld_session_run(session, 0);
        int classes = m->file.config.num_classes;
        memcpy(logits + first * classes, weld_session_output(session, "logits").data,
               (size_t)(here * classes) * sizeof *logits);
    }
    weld_session_free(session);
    weld_graph_free(made);
    return status;
}
