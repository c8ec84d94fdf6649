/* Grad-CAM; see explain.h. */
#include "infer/explain.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "infer/image_input.h"
#include "infer/model.h"
#include "kernels/kernels.h"
#include "models/models.h"
#include "tasks/classification/classification.h"
#include "tasks/classification/scores.h"

enum { LEAST_SIDE = 224 }; /* of each half of the picture, pixels */

/* --- The graph: logits, the last stage's map, and the gradient of a logit by it --- */

static weld_status add_gradient(weld_graph *g, weld_error *err) {
    weld_value *logits = weld_graph_output(g, "logits"), *map = weld_graph_output(g, "map");
    weld_value *chosen = weld_input(g, "chosen", weld_value_shape(logits));
    weld_value *score = weld_mean(g, weld_mul(g, logits, chosen)), *gradient;
    WELD_TRY(weld_differentiate(g, score, &map, 1, &gradient, err));
    weld_output(g, "gradient", gradient);
    return weld_graph_status(g, err);
}

/* A weld_model_part. */
static weld_status cut(const weld_graph *g, void *context, weld_graph **out, weld_error *err) {
    const weld_model *m = context;
    const weld_model_config *config = weld_model_get_config(m);
    const weld_preprocessing *p = weld_model_get_preprocessing(m);
    int stride;
    const weld_named_value outputs[] = {
        {"logits", weld_graph_output(g, "logits")},
        {"map", weld_model_stage_end(g, config, weld_model_stage_count(config) - 1, &stride)}};
    if (!outputs[1].value) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "the end of the last stage is not to be found in the network's graph");
    }
    WELD_TRY(weld_graph_cut(g, WELD_SHAPE(1, p->height, p->width, 3), outputs, 2, out, err));
    weld_status status = add_gradient(*out, err);
    if (status) {
        weld_graph_free(*out);
        *out = NULL;
    }
    return status;
}

/* --- The map --- */

static weld_status choose_class(weld_session *s, const weld_model *m, int wanted,
                                weld_explanation *out, weld_error *err) {
    const weld_tensor logits = weld_session_output(s, "logits");
    const int classes = (int)logits.shape.dim[1];
    const weld_kernels *kernels;
    WELD_TRY(weld_class_check_network(classes, err));
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &kernels, err));
    if (wanted >= classes) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "class %d: there are %d, from 0", wanted,
                         classes);
    }
    if (kernels->first_not_finite(classes, logits.data) >= 0) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "the network's output is not finite: its weights are not usable");
    }
    float *chosen = weld_session_input(s, "chosen").data; /* for probabilities at first */
    weld_class_probabilities(kernels, logits.data, classes, m->file.temperature, chosen);
    out->class_index = wanted >= 0 ? wanted : weld_best_class(logits.data, classes);
    out->probability = (double)chosen[out->class_index];
    memset(chosen, 0, (size_t)classes * sizeof *chosen);
    chosen[out->class_index] = 1;
    return WELD_OK;
}

static weld_status weigh(weld_session *s, weld_explanation *out, weld_error *err) {
    const weld_tensor map = weld_session_output(s, "map");
    const weld_tensor gradient = weld_session_output(s, "gradient");
    const int64_t channels = map.shape.dim[3], positions = map.shape.dim[1] * map.shape.dim[2];
    const float *a = map.data, *d = gradient.data;
    double *weight = weld_alloc((size_t)channels, sizeof *weight), largest = 0;
    out->height = (int)map.shape.dim[1];
    out->width = (int)map.shape.dim[2];
    out->map = weld_alloc((size_t)positions, sizeof *out->map);
    if (!weight || !out->map) {
        weld_free(weight);
        return weld_fail_memory(err, "explanation");
    }
    for (int64_t i = 0; i < positions * channels; i++) {
        weight[i % channels] += d[i] / (double)positions;
    }
    for (int64_t p = 0; p < positions; p++) {
        double sum = 0;
        for (int64_t k = 0; k < channels; k++) {
            sum += weight[k] * a[p * channels + k];
        }
        out->map[p] = (float)fmax(sum, 0);
        largest = fmax(largest, sum);
    }
    for (int64_t p = 0; largest > 0 && p < positions; p++) {
        out->map[p] = (float)(out->map[p] / largest);
    }
    weld_free(weight);
    return WELD_OK;
}

/* --- The picture --- */

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

/* The map at a point of the image, both 0 to 1: bilinear between the middles of positions. */
static double map_at(const weld_explanation *e, double x, double y) {
    const double u = clamp(x * e->width - 0.5, 0, e->width - 1);
    const double v = clamp(y * e->height - 0.5, 0, e->height - 1);
    const int c = (int)u, r = (int)v;
    const int right = c + 1 < e->width ? c + 1 : c, below = r + 1 < e->height ? r + 1 : r;
    const float *upper = e->map + (ptrdiff_t)r * e->width,
                *lower = e->map + (ptrdiff_t)below * e->width;
    return (1 - (v - r)) * ((1 - (u - c)) * upper[c] + (u - c) * upper[right]) +
           (v - r) * ((1 - (u - c)) * lower[c] + (u - c) * lower[right]);
}

/* What was normalised, as a colour again; on the right with yellow to red laid over it. */
static weld_status draw(const weld_preprocessing *p, const float *input, weld_explanation *e,
                        weld_error *err) {
    const int shorter = p->height < p->width ? p->height : p->width;
    const int factor = (LEAST_SIDE + shorter - 1) / shorter;
    const int height = p->height * factor, width = p->width * factor;
    WELD_TRY(weld_image_resize_buffer(&e->picture, 2 * width, height, err));
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const float *pixel = input + 3 * ((ptrdiff_t)(y / factor) * p->width + x / factor);
            uint8_t *plain = e->picture.pixels + 3 * ((ptrdiff_t)y * 2 * width + x);
            const double heat = map_at(e, (x + 0.5) / width, (y + 0.5) / height);
            const double over[3] = {255, 255 * clamp(2 - 2 * heat, 0, 1), 0};
            for (int c = 0; c < 3; c++) {
                const double value = clamp(
                    255 * ((double)pixel[c] * (double)p->std[c] + (double)p->mean[c]), 0, 255);
                plain[c] = (uint8_t)lrint(value);
                plain[3 * width + c] =
                    (uint8_t)lrint(value + 0.7 * clamp(2 * heat, 0, 1) * (over[c] - value));
            }
        }
    }
    return WELD_OK;
}

/* --- All of it --- */

struct weld_explainer {
    const weld_model *model;
    weld_graph *graph;
    weld_session *session;
    weld_transform transform;
    weld_image_input in;
};

static weld_status open(weld_explainer *e, int threads, weld_error *err) {
    const weld_model *m = e->model;
    const weld_session_options options = {.batch = 1, .threads = threads};
    const weld_preprocessing *p = weld_model_get_preprocessing(m);
    if (weld_model_task(m) != &weld_task_classification) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "the network is for %s: only decisions for a class are explained",
                         weld_model_task(m)->name);
    }
    WELD_TRY(weld_model_expect_floats(
        m, "its decisions have no gradients: explain the file that it was made of", err));
    WELD_TRY(weld_model_cut(m, p->height, p->width, cut, (void *)(uintptr_t)m, &e->graph, err));
    WELD_TRY(weld_session_create(e->graph, weld_model_weights(m), &options, &e->session, err));
    return weld_transform_init(&e->transform, p, NULL, err);
}

weld_status weld_explainer_create(const weld_model *m, int threads, weld_explainer **out,
                                  weld_error *err) {
    weld_explainer *e = weld_alloc(1, sizeof *e);
    if (!e) {
        return weld_fail_memory(err, "explanation");
    }
    e->model = m;
    weld_status status = open(e, threads, err);
    if (status) {
        weld_explainer_free(e);
        return status;
    }
    *out = e;
    return WELD_OK;
}

void weld_explainer_free(weld_explainer *e) {
    if (e) {
        weld_session_free(e->session);
        weld_graph_free(e->graph);
        weld_image_input_free(&e->in);
        weld_free(e);
    }
}

/* Of what is in the session's input: first for the logits, which say of which class the second is.
 */
static weld_status run(weld_explainer *e, int wanted, weld_explanation *out, weld_error *err) {
    weld_session *s = e->session;
    weld_session_run(s, 0);
    WELD_TRY(choose_class(s, e->model, wanted, out, err));
    weld_session_run(s, 0);
    WELD_TRY(weigh(s, out, err));
    return draw(weld_model_get_preprocessing(e->model), weld_session_input(s, "images").data, out,
                err);
}

weld_status weld_explainer_image(weld_explainer *e, const weld_image *image, int class_index,
                                 weld_explanation *out, weld_error *err) {
    float *input = weld_session_input(e->session, "images").data;
    *out = (weld_explanation){.class_index = -1};
    WELD_TRY(weld_transform_evaluation(&e->transform, image, &e->in.scratch, input, err));
    return run(e, class_index, out, err);
}

weld_status weld_explain(const weld_model *m, const char *path, int class_index, int threads,
                         weld_explanation *out, weld_error *err) {
    weld_explainer *e;
    *out = (weld_explanation){.class_index = -1};
    WELD_TRY(weld_explainer_create(m, threads, &e, err));
    float *input = weld_session_input(e->session, "images").data;
    weld_status status = weld_image_input_read(&e->in, &e->transform, path, input, NULL, err);
    status = status ? status : run(e, class_index, out, err);
    weld_explainer_free(e);
    if (status) {
        weld_explanation_free(out);
    }
    return status;
}

void weld_explanation_free(weld_explanation *e) {
    weld_free(e->map);
    weld_image_free(&e->picture);
    *e = (weld_explanation){.class_index = -1};
}
