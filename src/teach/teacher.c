/* Running a teacher; see teacher.h. */
#include "teach/teacher.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "infer/identity.h"
#include "models/models.h"
#include "passes/precision.h"
#include "tasks/task.h"

enum { CHANNELS = 3 };
/* Of all images that a session runs at once. */
#define MOST_PIXELS (16 * INT64_C(224) * 224)

/* What runs images of one size. */
typedef struct sized {
    int height, width;
    weld_graph *graph; /* of the model, for the student's images */
    weld_session *session;
    int64_t batch; /* of the session */
} sized;

struct weld_teacher {
    weld_model *model; /* merged */
    sized sized[WELD_SIZES_MAX];
    int sized_count;
    int threads;
    float scale[CHANNELS], shift[CHANNELS]; /* from the student's normalisation to its own */
    bool converts;
    int *columns; /* of its logits, for the data's classes; NULL: the same */
    weld_teacher_facts facts;
};

/* --- Opening ---------------------------------------------------------------------------------- */

static void set_conversion(weld_teacher *t, const weld_preprocessing *student,
                           const weld_preprocessing *own) {
    for (int c = 0; c < CHANNELS; c++) {
        t->scale[c] = student->std[c] / own->std[c];
        t->shift[c] = (student->mean[c] - own->mean[c]) / own->std[c];
        t->converts =
            t->converts || student->mean[c] != own->mean[c] || student->std[c] != own->std[c];
    }
}

/* Which of the teacher's classes those of the data are. */
static weld_status find_columns(weld_teacher *t, const weld_model *m, const weld_dataset *ds,
                                weld_error *err) {
    const int count = weld_dataset_class_count(ds), own = weld_model_get_config(m)->num_classes;
    t->columns = weld_alloc((size_t)count, sizeof *t->columns);
    if (!t->columns) {
        return weld_fail_memory(err, "classes");
    }
    WELD_TRY(weld_model_find_labels(m, ds, t->columns, err));
    bool same = count == own;
    for (int i = 0; same && i < count; i++) {
        same = t->columns[i] == i;
    }
    if (same) {
        weld_free(t->columns);
        t->columns = NULL;
    }
    t->facts.classes = count;
    return WELD_OK;
}

static weld_status open_model(weld_teacher *t, const char *path, const weld_dataset *ds,
                              weld_error *err) {
    weld_model *m;
    weld_status status = WELD_OK;
    WELD_TRY(weld_model_import(path, NULL, &m, err));
    snprintf(t->facts.identity, sizeof t->facts.identity, "%016llx",
             (unsigned long long)weld_weights_hash(weld_model_weights(m)));
    const weld_task *task = weld_task_of(weld_model_get_config(m));
    if (weld_model_expect_floats(m, "let the file that it was made of teach", err)) {
        status = weld_fail_context(err, WELD_ERROR_ARGUMENT, "%s", path);
    } else if (!task->can_be_taught) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: a network for %s, which none can learn from: name another teacher",
                           path, task->name);
    } else if (ds && find_columns(t, m, ds, err)) {
        status = weld_fail_context(err, WELD_ERROR_ARGUMENT, "%s", path);
    }
    if (!status && !weld_model_is_merged(m)) {
        status = weld_model_merged(m, &t->model, err);
    } else if (!status) {
        t->model = m;
        return WELD_OK;
    }
    weld_model_free(m);
    return status;
}

/* A weld_model_part; `context` is a sized. */
static weld_status cut_logits(const weld_graph *g, void *context, weld_graph **out,
                              weld_error *err) {
    const sized *s = context;
    weld_named_value logits = {"logits", weld_graph_output(g, "logits")};
    WELD_TRY(weld_graph_cut(g, WELD_SHAPE(1, s->height, s->width, CHANNELS), &logits, 1, out, err));
    if (weld_graph_output(*out, "logits")->shape.dim[0] != 1) {
        weld_graph_free(*out);
        *out = NULL;
        return weld_fail(err, WELD_ERROR_SHAPE, "its logits are not one row for each image");
    }
    return WELD_OK;
}

static weld_status cut_graph(const weld_teacher *t, sized *s, const char *path,
                             weld_precision precision, weld_error *err) {
    weld_graph *graph;
    weld_status status = weld_model_cut(t->model, s->height, s->width, cut_logits, s, &graph, err);
    if (status) {
        return weld_fail_context(err, status, "%s: on images of %d x %d", path, s->height,
                                 s->width);
    }
    if (precision == WELD_PRECISION_FP32) {
        s->graph = graph;
        return WELD_OK;
    }
    status = weld_precision_bf16(graph, &s->graph, err);
    weld_graph_free(graph);
    return status;
}

static weld_status open_session(const weld_teacher *t, sized *s, int64_t batch, weld_error *err) {
    const int64_t most = MOST_PIXELS / ((int64_t)s->height * s->width);
    s->batch = most < 1 ? 1 : most < batch ? most : batch;
    return weld_output_session(s->graph, t->model->file.weights, s->batch, t->threads, true,
                               &s->session, err);
}

static weld_status open_sizes(weld_teacher *t, const char *path, const weld_teacher_options *o,
                              weld_error *err) {
    const weld_batch_shape one = {o->preprocessing->height, o->preprocessing->width, o->batch};
    const weld_batch_shape *shapes = o->shape_count ? o->shapes : &one;
    const int count = o->shape_count ? o->shape_count : 1;
    if (count == 1 && weld_family_of(weld_model_get_config(t->model))->position_grids) {
        weld_preprocessing p = *weld_model_get_preprocessing(t->model);
        p.height = shapes->height;
        p.width = shapes->width;
        weld_status status = weld_model_set_preprocessing(t->model, &p, err);
        if (status) {
            return weld_fail_context(err, status, "%s", path);
        }
    }
    t->threads = o->threads;
    for (int i = 0; i < count; i++) {
        sized *s = &t->sized[t->sized_count++];
        s->height = shapes[i].height;
        s->width = shapes[i].width;
        WELD_TRY(cut_graph(t, s, path, o->precision, err));
        WELD_TRY(open_session(t, s, shapes[i].count, err));
    }
    return WELD_OK;
}

static void gather_facts(weld_teacher *t) {
    const weld_weights *w = t->model->file.weights;
    weld_teacher_facts *f = &t->facts;
    f->name = weld_model_get_config(t->model)->name;
    f->own_classes = (int)weld_session_output(t->sized[0].session, "logits").shape.dim[1];
    f->classes = f->classes ? f->classes : f->own_classes;
    f->parameters = weld_graph_counts(t->sized[0].graph).parameters;
    for (int i = 0; i < t->sized_count; i++) {
        f->memory_bytes += weld_session_arena_bytes(t->sized[i].session);
    }
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor x = weld_weights_tensor(w, i);
        f->memory_bytes += weld_tensor_bytes(&x);
    }
}

weld_status weld_teacher_open(const char *path, const weld_dataset *ds,
                              const weld_teacher_options *options, weld_teacher **out,
                              weld_error *err) {
    *out = NULL;
    weld_teacher *t = weld_alloc(1, sizeof *t);
    if (!t) {
        return weld_fail_memory(err, path);
    }
    weld_status status = open_model(t, path, ds, err);
    status = status ? status : open_sizes(t, path, options, err);
    if (status) {
        weld_teacher_free(t);
        return status;
    }
    set_conversion(t, options->preprocessing, weld_model_get_preprocessing(t->model));
    gather_facts(t);
    *out = t;
    return WELD_OK;
}

void weld_teacher_free(weld_teacher *t) {
    if (t) {
        for (int i = 0; i < t->sized_count; i++) {
            weld_session_free(t->sized[i].session);
            weld_graph_free(t->sized[i].graph);
        }
        weld_model_free(t->model);
        weld_free(t->columns);
        weld_free(t);
    }
}

weld_teacher_facts weld_teacher_get_facts(const weld_teacher *t) {
    return t->facts;
}

const char *weld_teacher_text(const weld_teacher_facts *f, char *text, size_t size) {
    *text = '\0';
    weld_append(text, size, "%.64s, %.2f M parameters, %.0f MB", f->name,
                (double)f->parameters / 1e6, (double)f->memory_bytes / 1e6);
    if (f->own_classes > f->classes) {
        weld_append(text, size,
                    "; what it says of %d classes that the data do not have is left out",
                    f->own_classes - f->classes);
    }
    return text;
}

/* --- Running ---------------------------------------------------------------------------------- */

typedef struct conversion {
    const weld_teacher *teacher;
    int64_t pixels; /* of an image */
    const float *from;
    float *to;
} conversion;

static void convert_image(void *arg, int64_t i, int thread) {
    const conversion *job = arg;
    const weld_teacher *t = job->teacher;
    int64_t size = job->pixels * CHANNELS;
    const float *restrict from = job->from + i * size;
    float *restrict to = job->to + i * size;
    (void)thread;
    if (!t->converts) {
        memcpy(to, from, (size_t)size * sizeof *to);
        return;
    }
    for (int64_t k = 0; k < size; k += CHANNELS) {
        for (int c = 0; c < CHANNELS; c++) {
            to[k + c] = from[k + c] * t->scale[c] + t->shift[c];
        }
    }
}

static const sized *of_size(const weld_teacher *t, int height, int width) {
    int i = 0;
    while (t->sized[i].height != height || t->sized[i].width != width) {
        i++;
    }
    return &t->sized[i];
}

/* Of rows of the teacher's logits those of the data's classes. */
static void take_columns(const weld_teacher *t, const float *from, int64_t rows, float *to) {
    const size_t own = (size_t)t->facts.own_classes, classes = (size_t)t->facts.classes;
    if (!t->columns) {
        memcpy(to, from, (size_t)rows * own * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < rows; i++, from += own, to += classes) {
        for (size_t k = 0; k < classes; k++) {
            to[k] = from[t->columns[k]];
        }
    }
}

void weld_teacher_run(weld_teacher *t, int height, int width, const float *images, int64_t count,
                      float *logits) {
    const sized *s = of_size(t, height, width);
    const int64_t pixels = (int64_t)height * width;
    size_t classes = (size_t)t->facts.classes;
    for (int64_t first = 0; first < count; first += s->batch) {
        int64_t here = count - first < s->batch ? count - first : s->batch;
        conversion job = {t, pixels, images + first * pixels * CHANNELS,
                          weld_session_input(s->session, "images").data};
        weld_parallel(t->threads, here, convert_image, &job);
        weld_session_run(s->session, 0);
        take_columns(t, weld_session_output(s->session, "logits").data, here,
                     logits + (size_t)first * classes);
    }
}
