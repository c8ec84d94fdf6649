/* An int8 network for runtimes whose zero points are 0; see export_symmetric.h. */
#include "infer/export_symmetric.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "infer/compare.h"
#include "infer/model.h"
#include "passes/symmetric_codes.h"

/* Images of noise. */
enum { IMAGES = 16 };

static weld_status dequantized(const weld_model *m, weld_weights **out, weld_error *err) {
    return weld_dequantize_weights(m->graph, m->file.quantization, m->file.weights, out, err);
}

/* --- What it says ----------------------------------------------------------------------------- */

/* Noise over all that the codes of images hold. */
static void draw_images(const weld_model *m, weld_tensor images) {
    const weld_codes codes =
        m->file.quantization->codes[weld_graph_find_leaf(m->graph, "images")->id];
    const double low = -codes.zero * (double)codes.scale, range = 255 * (double)codes.scale;
    weld_random r = weld_random_start(0, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&images.shape); i++) {
        const double at =
            codes.scale > 0 ? weld_random_range(&r, low, low + range) : weld_random_normal(&r);
        ((float *)images.data)[i] = (float)at;
    }
}

/* The graph's outputs for images of noise, one after the other; released with weld_free. */
static weld_status run_on_noise(const weld_model *m, const weld_graph *g, weld_weights *w,
                                int threads, float **out, size_t *count, weld_error *err) {
    weld_session *s;
    WELD_TRY(weld_output_session(g, w, IMAGES, threads, false, &s, err));
    draw_images(m, weld_session_input(s, "images"));
    weld_session_run(s, 0);
    *out = NULL;
    *count = 0;
    for (size_t i = 0; i < g->output_count; i++) {
        const weld_tensor t = weld_session_output(s, g->outputs[i].name);
        *count += (size_t)weld_shape_count(&t.shape);
    }
    float *to = *out = weld_alloc(*count, sizeof **out);
    for (size_t i = 0; to && i < g->output_count; i++) {
        const weld_tensor t = weld_session_output(s, g->outputs[i].name);
        memcpy(to, t.data, weld_tensor_bytes(&t));
        to += weld_shape_count(&t.shape);
    }
    weld_session_free(s);
    return *out ? WELD_OK : weld_fail_memory(err, "outputs");
}

static double decibels(const float *x, const float *y, size_t count) {
    double signal = 0, noise = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)x[i] - (double)y[i];
        signal += (double)x[i] * (double)x[i];
        noise += d * d;
    }
    return noise > 0 ? 10 * log10(signal / noise) : INFINITY;
}

/* Of the floats that the integers stand for: the network as it is, and with these codes. */
static weld_status measure(const weld_model *m, const weld_graph *simulated, weld_weights *floats,
                           int threads, weld_export_report *report, weld_error *err) {
    const weld_graph *graphs[] = {m->graph, m->lower, simulated};
    weld_weights *weights[] = {floats, m->file.weights, floats};
    float *outputs[3] = {NULL};
    size_t count = 0;
    weld_status status = WELD_OK;
    for (int i = 0; i < 3 && !status; i++) {
        status = run_on_noise(m, graphs[i], weights[i], threads, &outputs[i], &count, err);
    }
    if (!status) {
        report->noise_before = decibels(outputs[0], outputs[1], count);
        report->noise = decibels(outputs[0], outputs[2], count);
    }
    for (int i = 0; i < 3; i++) {
        weld_free(outputs[i]);
    }
    return status;
}

weld_status weld_export_symmetric_verify(const weld_model *m, weld_verification *v,
                                         weld_export_report *report, weld_error *err) {
    weld_quantization codes = {0};
    weld_graph *simulated = NULL;
    weld_weights *floats;
    WELD_TRY(dequantized(m, &floats, err));
    weld_status status = weld_symmetric_codes(m->graph, m->file.quantization, &codes, err);
    status = status ? status : weld_rounded_graph(m->graph, &codes, &simulated, err);
    status = status ? status : measure(m, simulated, floats, v->threads, report, err);
    if (!status) {
        weld_model other = *m;
        other.graph = simulated;
        other.lower = NULL;
        other.file.quantization = NULL;
        other.file.weights = floats;
        status = weld_model_compare(m, &other, v->data, v->threads, &v->found, err);
    }
    weld_quantization_free(&codes);
    weld_graph_free(simulated);
    weld_weights_free(floats);
    return status;
}
