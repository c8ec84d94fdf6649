/* Running a model on arrays of images; see weld/model.h. A runner's graph is the part of the
 * model's evaluation graph that its outputs need, cut out for its size of images. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "infer/model.h"
#include "infer/stages.h"
#include "kernels/kernels.h"
#include "models/models.h"
#include "passes/precision.h"

enum { CHANNELS = 3, TILE = 32 };
/* Images that a session runs at once: so many, and no more than so many pixels. */
#define MOST_IMAGES 16
#define MOST_PIXELS ((int64_t)MOST_IMAGES * 224 * 224)

typedef struct output {
    char name[WELD_MODEL_NAME_SIZE];
    weld_shape shape; /* of one image, channels first */
    int stride;
} output;

struct weld_runner {
    const weld_model *model;
    const weld_kernels *kernels;
    weld_graph *graph;
    weld_session *session; /* NULL until the first run */
    int64_t height, width, batch;
    int threads;
    output outputs[WELD_MAX_STAGES];
    size_t output_count;
    bool features; /* of stages, not what the network's task has */
};

/* --- Making one ------------------------------------------------------------------------------ */

static weld_status cut_graph(const weld_runner *r, const weld_graph *g,
                             const weld_named_value *values, weld_graph **out, weld_error *err) {
    weld_shape images = WELD_SHAPE(1, r->height, r->width, CHANNELS);
    weld_status status = weld_graph_cut(g, images, values, r->output_count, out, err);
    return !status ? WELD_OK
                   : weld_fail_context(err, status, "the network on images of %lld x %lld",
                                       (long long)r->height, (long long)r->width);
}

/* The shape of one image's part of v, channels first; false where it is not such a value. */
static bool image_shape(const weld_value *v, weld_shape *out) {
    const int64_t *dim = v->shape.dim;
    if (v->dtype != WELD_F32 || dim[0] != 1 || v->shape.rank < 2 || v->shape.rank > 4) {
        return false;
    }
    *out = v->shape.rank == 2   ? WELD_SHAPE(dim[1])
           : v->shape.rank == 3 ? WELD_SHAPE(dim[1], dim[2])
                                : WELD_SHAPE(dim[3], dim[1], dim[2]);
    return true;
}

/* After the cut, so that maps too come out in f32. */
static weld_status lower_precision(weld_runner *r, weld_error *err) {
    weld_graph *lower;
    weld_status status = r->features ? weld_precision_bf16_inside(r->graph, &lower, err)
                                     : weld_precision_bf16(r->graph, &lower, err);
    if (!status) {
        weld_graph_free(r->graph);
        r->graph = lower;
    }
    return status;
}

static weld_status find_shapes(weld_runner *r, const weld_graph *g, weld_error *err) {
    for (size_t i = 0; i < r->output_count; i++) {
        output *o = &r->outputs[i];
        if (!image_shape(weld_graph_output(g, o->name), &o->shape)) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "the network does not take images of %lld x %lld: its %s are then not "
                             "one for each image",
                             (long long)r->height, (long long)r->width, o->name);
        }
    }
    return WELD_OK;
}

static weld_runner *new_runner(const weld_model *m, int64_t height, int64_t width, int threads) {
    weld_runner *r = weld_alloc(1, sizeof *r);
    if (r) {
        *r = (weld_runner){.model = m, .height = height, .width = width, .threads = threads};
    }
    return r;
}

/* The values named in r->outputs. */
static weld_status find_outputs(weld_runner *r, const weld_graph *g, weld_named_value *values) {
    for (size_t i = 0; i < r->output_count; i++) {
        const char *name = r->outputs[i].name;
        values[i] = (weld_named_value){name, weld_graph_output(g, name)};
    }
    return WELD_OK;
}

static weld_status find_stages(weld_runner *r, const weld_graph *g, weld_named_value *values,
                               weld_error *err) {
    weld_stage_map maps[WELD_MAX_STAGES];
    WELD_TRY(weld_stage_maps_find(g, weld_model_get_config(r->model), maps, &r->output_count, err));
    for (size_t i = 0; i < r->output_count; i++) {
        output *o = &r->outputs[i];
        o->stride = maps[i].stride;
        snprintf(o->name, sizeof o->name, "features of stage %d", maps[i].stage);
        values[i] = (weld_named_value){o->name, maps[i].value};
    }
    return WELD_OK;
}

/* Cut what r is for out of the graph: a weld_model_part. */
static weld_status cut_outputs(const weld_graph *g, void *context, weld_graph **out,
                               weld_error *err) {
    weld_runner *r = context;
    weld_named_value values[WELD_MAX_STAGES];
    WELD_TRY(r->features ? find_stages(r, g, values, err) : find_outputs(r, g, values));
    WELD_TRY(cut_graph(r, g, values, out, err));
    weld_status status = find_shapes(r, *out, err);
    status = status ? status : weld_model_take_integers(r->model, g, out, err);
    if (status) {
        weld_graph_free(*out);
        *out = NULL;
    }
    return status;
}

/* With r->outputs named, but for features. Frees r on an error. */
static weld_status finish(weld_runner *r, weld_runner **out, weld_error *err) {
    weld_status status = WELD_OK;
    if (r->height < 1 || r->width < 1) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT,
                           "images of %lld x %lld: both sizes must be positive",
                           (long long)r->height, (long long)r->width);
    }
    status = status ? status : weld_kernels_select(WELD_F32, NULL, &r->kernels, err);
    status = status ? status
                    : weld_model_cut(r->model, r->height, r->width, cut_outputs, r, &r->graph, err);
    if (!status && r->model->lower && !weld_model_is_int8(r->model)) {
        status = lower_precision(r, err);
    }
    if (status) {
        weld_runner_free(r);
        return status;
    }
    *out = r;
    return WELD_OK;
}

weld_status weld_runner_create(const weld_model *m, int64_t height, int64_t width, int threads,
                               weld_runner **out, weld_error *err) {
    *out = NULL;
    weld_runner *r = new_runner(m, height, width, threads);
    if (!r) {
        return weld_fail_memory(err, "runner");
    }
    for (const weld_output_form *f = weld_model_outputs(&m->file.config); f->name; f++) {
        output *o = &r->outputs[r->output_count++];
        snprintf(o->name, sizeof o->name, "%s", f->name);
    }
    return finish(r, out, err);
}

weld_status weld_runner_create_features(const weld_model *m, int64_t height, int64_t width,
                                        int threads, weld_runner **out, weld_error *err) {
    *out = NULL;
    weld_runner *r = new_runner(m, height, width, threads);
    if (!r) {
        return weld_fail_memory(err, "runner");
    }
    r->features = true;
    weld_status status = weld_stage_maps_exist(weld_model_get_config(m), err);
    if (status) {
        weld_runner_free(r);
        return status;
    }
    return finish(r, out, err);
}

void weld_runner_free(weld_runner *r) {
    if (r) {
        weld_session_free(r->session);
        weld_graph_free(r->graph);
        weld_free(r);
    }
}

size_t weld_runner_output_count(const weld_runner *r) {
    return r->output_count;
}

weld_shape weld_runner_output_shape(const weld_runner *r, size_t i) {
    return i < r->output_count ? r->outputs[i].shape : (weld_shape){0};
}

const char *weld_runner_output_name(const weld_runner *r, size_t i) {
    return i < r->output_count ? r->outputs[i].name : "";
}

int weld_runner_output_stride(const weld_runner *r, size_t i) {
    return i < r->output_count ? r->outputs[i].stride : 0;
}

/* --- Running --------------------------------------------------------------------------------- */

/* Matrices [rows, columns], one an image, to be transposed tile by tile. */
typedef struct transposition {
    const float *from;
    float *to;
    int64_t rows, columns;
} transposition;

static int64_t tiles(int64_t size) {
    return (size + TILE - 1) / TILE;
}

static void transpose_tile(void *arg, int64_t item, int thread) {
    const transposition *t = arg;
    (void)thread;
    int64_t across = tiles(t->columns), image = item / (tiles(t->rows) * across);
    int64_t r0 = item / across % tiles(t->rows) * TILE, c0 = item % across * TILE;
    int64_t r1 = r0 + TILE < t->rows ? r0 + TILE : t->rows;
    int64_t c1 = c0 + TILE < t->columns ? c0 + TILE : t->columns;
    const float *from = t->from + image * t->rows * t->columns;
    float *to = t->to + image * t->rows * t->columns;
    for (int64_t row = r0; row < r1; row++) {
        for (int64_t column = c0; column < c1; column++) {
            to[column * t->rows + row] = from[row * t->columns + column];
        }
    }
}

static void transpose(const weld_runner *r, int64_t images, transposition t) {
    weld_parallel(r->threads, images * tiles(t.rows) * tiles(t.columns), transpose_tile, &t);
}

/* A session for `count` images at once, or as many as a slice has. */
static weld_status prepare(weld_runner *r, int64_t count, weld_error *err) {
    int64_t most = MOST_PIXELS / r->height / r->width;
    most = most < 1 ? 1 : most > MOST_IMAGES ? MOST_IMAGES : most;
    int64_t batch = count < most ? count : most;
    if (r->session && r->batch == batch) {
        return WELD_OK;
    }
    weld_session_free(r->session);
    r->session = NULL;
    r->batch = batch;
    weld_session_options options = {
        .batch = batch, .threads = r->threads, .constant_weights = true};
    weld_status status =
        weld_session_create(r->graph, r->model->file.weights, &options, &r->session, err);
    for (size_t i = 0; !status && i < r->output_count; i++) {
        const output *o = &r->outputs[i];
        weld_shape shape = weld_session_output(r->session, o->name).shape;
        if (weld_shape_count(&shape) != batch * weld_shape_count(&o->shape)) {
            status = weld_fail(err, WELD_ERROR_SHAPE,
                               "the network's %s are not one for each of %lld images", o->name,
                               (long long)batch);
        }
    }
    return status;
}

/* Of the `count` images from `first` on. */
static weld_status read_output(weld_runner *r, size_t i, int64_t first, int64_t count, float *to,
                               weld_error *err) {
    const output *o = &r->outputs[i];
    const float *from = weld_session_output(r->session, o->name).data;
    const int64_t size = weld_shape_count(&o->shape);
    const int64_t bad = r->kernels->first_not_finite(count * size, from);
    if (bad >= 0) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "images[%lld]: the network's %s are not finite: the image is not, or the "
                         "weights are not usable",
                         (long long)(first + bad / size), o->name);
    }
    if (o->shape.rank < 3) {
        memcpy(to, from, (size_t)(count * size) * sizeof *to);
        return WELD_OK;
    }
    int64_t positions = o->shape.dim[1] * o->shape.dim[2];
    transpose(r, count, (transposition){from, to, positions, o->shape.dim[0]});
    return WELD_OK;
}

weld_status weld_runner_run(weld_runner *r, const float *images, int64_t count,
                            float *const *outputs, weld_error *err) {
    if (count < 1) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "there are no images to run on");
    }
    weld_status status = prepare(r, count, err);
    if (status) {
        weld_session_free(r->session);
        r->session = NULL;
        return status;
    }
    int64_t positions = r->height * r->width;
    for (int64_t first = 0; first < count; first += r->batch) {
        int64_t here = count - first < r->batch ? count - first : r->batch;
        const float *from = images + first * CHANNELS * positions;
        float *to = weld_session_input(r->session, "images").data;
        transpose(r, here, (transposition){from, to, CHANNELS, positions});
        weld_session_run(r->session, 0);
        for (size_t i = 0; i < r->output_count; i++) {
            int64_t size = weld_shape_count(&r->outputs[i].shape);
            WELD_TRY(read_output(r, i, first, here, outputs[i] + first * size, err));
        }
    }
    return WELD_OK;
}

weld_status weld_model_run(const weld_model *m, const float *images, int64_t count, int64_t height,
                           int64_t width, int threads, float *logits, weld_error *err) {
    weld_runner *r;
    weld_status status = weld_runner_create(m, height, width, threads, &r, err);
    if (!status) {
        status = weld_runner_run(r, images, count, &logits, err);
        weld_runner_free(r);
    }
    return status;
}
