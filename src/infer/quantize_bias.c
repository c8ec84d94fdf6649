/* Correcting biases; see quantize_try.h.
 *
 * The float network runs over the images first, for the means of each channel. Then the integers
 * do, all images at once and node by node: after each layer its biases are moved by what its means
 * are off, and it is run once more before what follows it is. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/session.h"
#include "infer/quantize_try.h"
#include "ops/ops.h"
#include "passes/lanes.h"
#include "passes/quantized_layer.h"
#include "serialization/model_layout.h"

enum { BATCH = 16, LEAST = 16 };
static const size_t BYTES = (size_t)64 << 20; /* of images that are corrected by */
enum { BIAS = 2 };

typedef struct correction {
    const weld_grounds *on;
    const weld_quantization *codes;
    weld_weights *weights, *integers; /* of which the biases are moved */
    size_t *first;                    /* by value id: its first element */
    double *means;                    /* by element: sums first, of the float network */
    int64_t *rows;                    /* by value id: that they are of */
    const weld_value **target;        /* by node id: the value whose means count; or NULL */
    bool *wanted;                     /* by value id: it is a target */
    const weld_node **layer;          /* by node id of the integers' graph; or NULL */
    weld_session *session;
    int threads;
    int64_t images; /* in the batch */
    bool short_of_memory;
} correction;

/* --- Means of channels ------------------------------------------------------------------------ */

typedef struct sums {
    const weld_tensor *tensor;
    int64_t rows, channels; /* rows of an image */
    double *parts;          /* [images][channels] */
} sums;

static void sum_image(void *arg, int64_t image, int thread) {
    const sums *s = arg;
    double *sum = s->parts + image * s->channels;
    const int64_t begin = image * s->rows * s->channels;
    (void)thread;
    for (int64_t r = 0; r < s->rows; r++) {
        for (int64_t c = 0; c < s->channels; c++) {
            const int64_t at = begin + r * s->channels + c;
            sum[c] += s->tensor->dtype == WELD_U8 ? (double)((const uint8_t *)s->tensor->data)[at]
                                                  : (double)((const float *)s->tensor->data)[at];
        }
    }
}

/* Adds the sums of the first images to sum [channels], image after image; how many rows they are
 * of. 0: memory is short. */
static int64_t add_sums(const correction *c, const weld_tensor *t, double *sum) {
    const int64_t channels = t->shape.dim[t->shape.rank - 1];
    const int64_t batch = weld_session_input(c->session, "images").shape.dim[0];
    sums s = {.tensor = t,
              .rows = weld_shape_count(&t->shape) / channels / batch,
              .channels = channels,
              .parts = weld_alloc((size_t)(c->images * channels), sizeof(double))};
    if (!s.parts) {
        return 0;
    }
    weld_parallel(c->threads, c->images, sum_image, &s);
    for (int64_t i = 0; i < c->images * channels; i++) {
        sum[i % channels] += s.parts[i];
    }
    weld_free(s.parts);
    return s.rows * c->images;
}

/* --- The float network ------------------------------------------------------------------------ */

static void after_float(void *context, const weld_session_event *event) {
    correction *c = context;
    const weld_value *v = weld_session_plan(c->session)->order[event->position]->outputs[0];
    if (c->wanted[v->id]) {
        const weld_tensor t = weld_session_tensor(c->session, v);
        const int64_t rows = add_sums(c, &t, c->means + c->first[v->id]);
        c->rows[v->id] += rows;
        c->short_of_memory = c->short_of_memory || rows == 0;
    }
}

static weld_status run_float(correction *c, const weld_calibration *images, int64_t count,
                             weld_error *err) {
    const weld_session_options options = {
        .batch = BATCH, .threads = c->threads, .constant_weights = true, .node_by_node = true};
    WELD_TRY(weld_session_create(c->on->graph, c->on->weights, &options, &c->session, err));
    weld_status status = WELD_OK;
    weld_session_observe(c->session, after_float, c);
    for (int64_t first = 0; first < count && !status; first += BATCH) {
        c->images = count - first < BATCH ? count - first : BATCH;
        status = weld_calibration_read(images, first, c->images,
                                       weld_session_input(c->session, "images").data, err);
        if (!status) {
            weld_session_run(c->session, 0);
        }
    }
    weld_session_free(c->session);
    c->session = NULL;
    return status ? status : c->short_of_memory ? weld_fail_memory(err, "quantising") : WELD_OK;
}

/* --- The integers ----------------------------------------------------------------------------- */

/* Means of what a layer makes on integers, as real numbers. */
static bool find_means(correction *c, const weld_tensor *t, const weld_codes *codes, double *mean) {
    const int64_t channels = t->shape.dim[t->shape.rank - 1], rows = add_sums(c, t, mean);
    for (int64_t i = 0; i < channels && rows > 0; i++) {
        mean[i] /= (double)rows;
        if (t->dtype == WELD_U8) {
            mean[i] = (double)codes->scale * (mean[i] - codes->zero);
        }
    }
    return rows > 0;
}

/* By what the means of a layer are off. A bias with which its sums could overflow stays. */
static void move_biases(correction *c, const weld_node *layer, const double *mean) {
    const weld_quantized_layer l = weld_quantized_layer_of(c->codes, layer);
    const weld_value *target = c->target[layer->id];
    const double *wanted = c->means + c->first[target->id], rows = (double)c->rows[target->id];
    char name[WELD_MODEL_PATH_SIZE];
    weld_tensor bias, codes, scales, weight;
    snprintf(name, sizeof name, "scales/%s", l.name);
    if (!weld_weights_find(c->weights, l.bias->name, &bias) ||
        !weld_weights_find(c->integers, l.bias->name, &codes) ||
        !weld_weights_find(c->integers, l.name, &weight) ||
        !weld_weights_find(c->integers, name, &scales)) {
        return;
    }
    for (int64_t i = 0; i < bias.shape.dim[0]; i++) {
        float *b = (float *)bias.data + i;
        const float s_w = ((const float *)scales.data)[i], step = l.x.scale * s_w;
        const float moved = (float)((double)*b + (wanted[i] / rows - mean[i]));
        const double code = nearbyint((double)(moved / step));
        if (fabs(code) <= WELD_MOST_BIAS &&
            weld_quantized_bias_fits(&l, (const int8_t *)weight.data + i * l.row, s_w,
                                     (int64_t)code)) {
            *b = moved;
            ((int32_t *)codes.data)[i] = (int32_t)code;
        }
    }
}

static void after_integers(void *context, const weld_session_event *event) {
    correction *c = context;
    const weld_node *node = weld_session_plan(c->session)->order[event->position];
    const weld_node *layer = c->layer[node->id];
    if (!layer || c->short_of_memory) {
        return;
    }
    const weld_run *run = &c->session->runs[event->position];
    const int64_t channels = run->out[0].shape.dim[run->out[0].shape.rank - 1];
    double *mean = weld_alloc((size_t)channels, sizeof *mean);
    const weld_codes *codes = &c->codes->codes[layer->outputs[0]->id];
    c->short_of_memory = !mean || !find_means(c, &run->out[0], codes, mean);
    if (!c->short_of_memory) {
        move_biases(c, layer, mean);
        weld_session_prepare(c->session, event->position);
        run->node->op->cpu.run(run);
    }
    weld_free(mean);
}

/* Which layer of the float network a node of integers is: the one with its biases. */
static const weld_node *layer_of(const correction *c, const weld_node *node) {
    for (int k = 0; k < node->input_count; k++) {
        const weld_value *leaf = node->inputs[k];
        const weld_value *bias =
            leaf && *leaf->name ? weld_graph_find_leaf(c->on->graph, leaf->name) : NULL;
        const weld_node *layer = bias ? bias->reader : NULL;
        if (layer && c->target[layer->id] && layer->inputs[BIAS] == bias) {
            return layer;
        }
    }
    return NULL;
}

static weld_status run_integers(correction *c, const weld_calibration *images, int64_t count,
                                weld_error *err) {
    const weld_session_options options = {
        .batch = count, .threads = c->threads, .node_by_node = true};
    weld_graph *g;
    WELD_TRY(weld_quantized_graph(c->on->graph, c->codes, false, &g, err));
    c->layer = weld_alloc(g->node_count, sizeof *c->layer);
    weld_status status = c->layer ? weld_session_create(g, c->integers, &options, &c->session, err)
                                  : weld_fail_memory(err, "quantising");
    for (size_t i = 0; i < g->node_count && !status; i++) {
        c->layer[i] = layer_of(c, g->nodes[i]);
    }
    c->images = count;
    status = status ? status
                    : weld_calibration_read(images, 0, count,
                                            weld_session_input(c->session, "images").data, err);
    if (!status) {
        weld_session_observe(c->session, after_integers, c);
        weld_session_run(c->session, 0);
        status = c->short_of_memory ? weld_fail_memory(err, "quantising") : WELD_OK;
    }
    weld_session_free(c->session);
    c->session = NULL;
    weld_graph_free(g);
    return status;
}

/* --- Both ------------------------------------------------------------------------------------- */

/* What reads v, where that alone does and makes the same codes: v is cut off as it is. */
static const weld_value *cut_off(const correction *c, const weld_value *v) {
    const weld_node *reader = v->reads == 1 ? v->reader : NULL;
    if (!reader || !weld_node_cuts(reader)) {
        return v;
    }
    const weld_value *y = reader->outputs[0];
    const weld_codes before = c->codes->codes[v->id], after = c->codes->codes[y->id];
    return before.scale == after.scale && before.zero == after.zero ? y : v;
}

static void find_targets(correction *c) {
    const weld_graph *g = c->on->graph;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        const bool has_bias = node->op->macs && node->input_count > BIAS && node->inputs[BIAS] &&
                              *node->inputs[BIAS]->name;
        if (has_bias && weld_quantization_is_integer(c->codes, node)) {
            c->target[i] = cut_off(c, node->outputs[0]);
            c->wanted[c->target[i]->id] = true;
        }
    }
}

static weld_status open(correction *c, weld_error *err) {
    const weld_graph *g = c->on->graph;
    c->first = weld_channel_elements(g);
    c->means = weld_alloc(c->first ? c->first[g->value_count] : 0, sizeof *c->means);
    c->rows = weld_alloc(g->value_count, sizeof *c->rows);
    c->target = weld_alloc(g->node_count, sizeof *c->target);
    c->wanted = weld_alloc(g->value_count, sizeof *c->wanted);
    return c->first && c->means && c->rows && c->target && c->wanted
               ? weld_weights_clone(c->on->weights, &c->weights, err)
               : weld_fail_memory(err, "quantising");
}

static void close(correction *c) {
    weld_free(c->first);
    weld_free(c->means);
    weld_free(c->rows);
    weld_free(c->target);
    weld_free(c->wanted);
    weld_free(c->layer);
    weld_weights_free(c->weights);
}

weld_status weld_attempt_correct(weld_attempt *a, const weld_grounds *on, const weld_calibration *c,
                                 int threads, weld_error *err) {
    correction now = {.on = on,
                      .codes = &a->codes,
                      .integers = a->integers,
                      .threads = weld_threads_count(threads)};
    const int64_t all = weld_calibration_count(c);
    const int64_t room = (int64_t)(BYTES / sizeof(float) / weld_calibration_floats(c));
    const int64_t most = room > LEAST ? room : LEAST, count = most < all ? most : all;
    weld_weights *corrected = NULL;
    weld_status status = open(&now, err);
    if (!status) {
        find_targets(&now);
        status = run_float(&now, c, count, err);
    }
    status = status ? status : run_integers(&now, c, count, err);
    status =
        status ? status : weld_quantize_weights(on->graph, now.weights, &a->codes, &corrected, err);
    if (!status) {
        weld_weights_free(a->integers);
        a->integers = corrected;
    }
    close(&now);
    return status;
}
