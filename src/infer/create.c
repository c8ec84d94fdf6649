/* Models of graphs that programs built; see weld/model.h. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "data/transform.h"
#include "graph/graph.h"
#include "infer/model.h"
#include "models/own.h"
#include "tasks/classification/classification.h"

static const char *const logits_name = "logits";

/* --- The graph -------------------------------------------------------------------------------- */

static weld_status check_nodes(const weld_graph *g, weld_error *err) {
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i]->op->traits & WELD_OP_TRAINING_ONLY) {
            char text[160];
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "network: %s is for training: build the graph that is evaluated, "
                             "without dropout, and with batch norms that use their running "
                             "statistics",
                             weld_node_text(g->nodes[i], text, sizeof text));
        }
    }
    return WELD_OK;
}

/* In files names are paths. */
static weld_status check_names(const weld_graph *g, weld_error *err) {
    for (size_t i = 0; i < g->value_count; i++) {
        const char *name = g->values[i]->name;
        if (strchr(name, '/') || strlen(name) >= WELD_TENSOR_NAME_SIZE) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "network: %.200s: a name in a file has no '/' and at most %d letters",
                             name, WELD_TENSOR_NAME_SIZE - 1);
        }
    }
    return WELD_OK;
}

static weld_status check_images(const weld_graph *g, int height, int width, weld_error *err) {
    const weld_value *images = weld_graph_find_leaf(g, "images");
    char text[96];
    if (!images || images->kind != WELD_VALUE_INPUT) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "network: it has no input \"images\" [batch, height, width, 3]");
    }
    const int64_t *dim = images->shape.dim;
    if (images->shape.rank != 4 || dim[3] != 3 || dim[1] > WELD_MAX_INPUT_SIZE ||
        dim[2] > WELD_MAX_INPUT_SIZE || (height && (dim[1] != height || dim[2] != width))) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "network: its images are %s, but files are of [batch, height, width, 3]%s",
                         weld_shape_text(&images->shape, text, sizeof text),
                         height ? " with the size of the preprocessing" : "");
    }
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind == WELD_VALUE_INPUT && g->values[i] != images) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "network: it has the input %s beside \"images\": who reads its file "
                             "could not fill it",
                             g->values[i]->name);
        }
    }
    return WELD_OK;
}

/* class_count 0: any. */
static weld_status check_logits(const weld_graph *g, int64_t batch, int class_count,
                                weld_error *err) {
    const weld_value *logits = weld_graph_output(g, logits_name);
    char text[96];
    if (!logits) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "network: it has no output \"%s\" [batch, classes]", logits_name);
    }
    if (logits->shape.rank != 2 || logits->shape.dim[0] != batch || logits->dtype != WELD_F32 ||
        logits->shape.dim[1] > WELD_MAX_CLASSES) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "network: its %s are %s, not a row of f32 for each of %lld images",
                         logits_name, weld_shape_text(&logits->shape, text, sizeof text),
                         (long long)batch);
    }
    if (class_count && class_count != logits->shape.dim[1]) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "network: %d names for the %lld classes of its %s", class_count,
                         (long long)logits->shape.dim[1], logits_name);
    }
    return WELD_OK;
}

static weld_status check_graph(const weld_graph *g, const weld_model_options *o, weld_error *err) {
    WELD_TRY(weld_graph_status(g, err));
    if (o->class_names && !o->class_count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "network: names of classes are given, but not how many (class_count)");
    }
    if (g->dtype != WELD_F32) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "network: a graph of %s: it must be of f32",
                         weld_dtype_name(g->dtype));
    }
    WELD_TRY(check_nodes(g, err));
    WELD_TRY(check_names(g, err));
    WELD_TRY(check_images(g, o->preprocessing.height, o->preprocessing.width, err));
    const int64_t batch = weld_graph_find_leaf(g, "images")->shape.dim[0];
    return check_logits(g, batch, o->class_count, err);
}

/* What the logits need, for one image, and all leaves. */
static weld_status copy_graph(const weld_graph *g, weld_graph **out, weld_error *err) {
    const weld_named_value logits = {logits_name, weld_graph_output(g, logits_name)};
    weld_shape one = weld_value_shape(weld_graph_find_leaf(g, "images"));
    one.dim[0] = 1;
    WELD_TRY(weld_graph_resized(g, one, &logits, 1, out, err));
    return check_logits(*out, 1, 0, err);
}

/* --- Weights ---------------------------------------------------------------------------------- */

static weld_status copy_tensor(const weld_value *leaf, const weld_weights *from, weld_weights *to,
                               weld_error *err) {
    weld_tensor is, copy;
    weld_statistics s = {0};
    char wanted[96], found[96];
    if (!weld_weights_find(from, leaf->name, &is)) {
        return weld_fail(err, WELD_ERROR_SHAPE, "network: the weights have no %s %s", leaf->name,
                         weld_shape_text(&leaf->shape, wanted, sizeof wanted));
    }
    if (is.dtype != leaf->dtype || !weld_shape_equal(&is.shape, &leaf->shape)) {
        return weld_fail(
            err, WELD_ERROR_SHAPE, "network: %s is %s %s in the weights, not %s %s", leaf->name,
            weld_dtype_name(is.dtype), weld_shape_text(&is.shape, found, sizeof found),
            weld_dtype_name(leaf->dtype), weld_shape_text(&leaf->shape, wanted, sizeof wanted));
    }
    weld_statistics_add(&s, is.dtype, is.data, weld_shape_count(&is.shape));
    if (s.not_finite) {
        return weld_fail(err, WELD_ERROR_NUMERIC,
                         "network: %s is not finite: its training has failed: lower the learning "
                         "rate",
                         leaf->name);
    }
    WELD_TRY(weld_weights_add(to, leaf->name, is.dtype, &is.shape, &copy, err));
    memcpy(copy.data, is.data, weld_tensor_bytes(&is));
    return WELD_OK;
}

weld_status weld_weights_take(const weld_graph *g, const weld_weights *from, weld_weights **out,
                              weld_error *err) {
    weld_status status = weld_weights_create(out, err);
    for (size_t i = 0; !status && i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            status = copy_tensor(v, from, *out, err);
        }
    }
    return status;
}

/* --- The model -------------------------------------------------------------------------------- */

static weld_status copy_class_names(const weld_model_options *o, weld_model_file *file,
                                    weld_error *err) {
    if (!o->class_names) {
        return WELD_OK;
    }
    file->class_names = weld_alloc((size_t)o->class_count, sizeof *file->class_names);
    weld_status status = file->class_names ? WELD_OK : weld_fail_memory(err, "class names");
    for (int i = 0; !status && i < o->class_count; i++) {
        file->class_names[i] = weld_strdup(o->class_names[i]);
        status = file->class_names[i] ? WELD_OK : weld_fail_memory(err, "class names");
    }
    return status;
}

static weld_status settle_preprocessing(const weld_model_options *o, const int64_t *dim,
                                        weld_model_file *file, weld_error *err) {
    weld_transform checked;
    file->preprocessing = o->preprocessing;
    if (!o->preprocessing.height) {
        file->preprocessing = weld_preprocessing_of((int)dim[1]);
        file->preprocessing.width = (int)dim[2];
    }
    return weld_transform_init(&checked, &file->preprocessing, NULL, err);
}

static weld_status fill(weld_model *m, const weld_graph *graph, const weld_weights *w,
                        const weld_model_options *o, weld_error *err) {
    weld_model_file *file = &m->file;
    WELD_TRY(check_graph(graph, o, err));
    const int64_t classes = weld_graph_output(graph, logits_name)->shape.dim[1];
    WELD_TRY(weld_own_config(o->name, (int)classes, &file->config, err));
    weld_status status = copy_graph(graph, &file->graph, err);
    m->graph = file->graph;
    status = status ? status : weld_weights_take(m->graph, w, &file->weights, err);
    status = status ? status
                    : settle_preprocessing(o, weld_graph_find_leaf(graph, "images")->shape.dim,
                                           file, err);
    return status ? status : copy_class_names(o, file, err);
}

weld_status weld_model_create(const weld_graph *graph, const weld_weights *w,
                              const weld_model_options *options, weld_model **out,
                              weld_error *err) {
    static const weld_model_options none;
    *out = NULL;
    weld_model *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_fail_memory(err, "network");
    }
    m->file = (weld_model_file){.kind = WELD_MODEL_CHECKPOINT, .trainer.best_epoch = -1};
    weld_status status = fill(m, graph, w, options ? options : &none, err);
    if (status) {
        weld_model_free(m);
        return status;
    }
    *out = m;
    return WELD_OK;
}
