/* Opening model files of either kind as one thing: a graph, weights, classes, preprocessing. */
#include "infer/model.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/transform.h"
#include "graph/graph.h"
#include "models/models.h"
#include "passes/precision.h"

weld_status weld_model_open(const char *path, weld_model **out, weld_error *err) {
    return weld_model_import(path, NULL, out, err);
}

typedef weld_status importer(const char *, const weld_import_options *, weld_model_file *,
                             weld_error *);

static weld_status import(importer *read, const char *path, const weld_import_options *options,
                          weld_model **out, weld_error *err) {
    *out = NULL;
    weld_model *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_fail_memory(err, path);
    }
    weld_status status = read(path, options, &m->file, err);
    if (status) {
        weld_free(m);
        return status;
    }
    m->class_order = options ? options->class_order : WELD_CLASS_ORDER_ANY;
    if (m->file.graph) {
        m->graph = m->file.graph;
    } else {
        const weld_preprocessing *p = &m->file.preprocessing;
        status = weld_model_build(&m->file.config, false, 1, p->height, p->width, WELD_F32,
                                  &m->graph, err);
    }
    if (!status && m->file.quantization) {
        status = weld_quantized_graph(m->graph, m->file.quantization, true, &m->lower, err);
    }
    if (status) {
        weld_model_free(m);
        return weld_fail_context(err, status, "%s", path);
    }
    *out = m;
    return WELD_OK;
}

weld_status weld_model_import(const char *path, const weld_import_options *options,
                              weld_model **out, weld_error *err) {
    return import(weld_model_file_import, path, options, out, err);
}

/* What a backbone lacks is zero, for nothing reads it. */
static weld_status complete_head(weld_model *m, weld_error *err) {
    for (size_t i = 0; i < m->graph->value_count; i++) {
        const weld_value *v = m->graph->values[i];
        const bool leaf = v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER;
        weld_tensor t;
        if (leaf && !weld_weights_find(m->file.weights, v->name, &t)) {
            WELD_TRY(weld_weights_add(m->file.weights, v->name, v->dtype, &v->shape, &t, err));
        }
    }
    return WELD_OK;
}

weld_status weld_model_import_backbone(const char *path, const weld_import_options *options,
                                       weld_model **out, weld_error *err) {
    WELD_TRY(import(weld_model_file_import_backbone, path, options, out, err));
    weld_status status = (*out)->file.origin.headless ? complete_head(*out, err) : WELD_OK;
    if (status) {
        weld_model_free(*out);
        *out = NULL;
    }
    return status;
}

weld_status weld_model_save(const weld_model *m, const char *path, weld_error *err) {
    return weld_model_file_write(path, &m->file, err);
}

void weld_model_free(weld_model *m) {
    if (m) {
        if (m->graph != m->file.graph) {
            weld_graph_free(m->graph);
        }
        weld_graph_free(m->lower);
        weld_weights_free(m->original);
        weld_model_file_free(&m->file);
        weld_free(m);
    }
}

const weld_model_config *weld_model_get_config(const weld_model *m) {
    return &m->file.config;
}

const weld_preprocessing *weld_model_get_preprocessing(const weld_model *m) {
    return &m->file.preprocessing;
}

bool weld_model_is_merged(const weld_model *m) {
    return m->file.kind == WELD_MODEL_DEPLOY;
}

const char *weld_model_class_name(const weld_model *m, int i) {
    bool known = m->file.class_names && i >= 0 && i < m->file.config.num_classes;
    return known ? m->file.class_names[i] : NULL;
}

const weld_task *weld_model_task(const weld_model *m) {
    return weld_task_of(&m->file.config);
}

weld_labels weld_model_labels(const weld_model *m) {
    return (weld_labels){.count = m->file.config.num_classes,
                         .names = (const char *const *)m->file.class_names,
                         .order = m->class_order,
                         .temperature = m->file.temperature};
}

weld_status weld_model_find_labels(const weld_model *m, const weld_dataset *ds, int *to,
                                   weld_error *err) {
    weld_labels labels = weld_model_labels(m);
    labels.all = true;
    return weld_task_match_labels(weld_model_task(m), ds, &labels, to, err);
}

weld_status weld_model_adopt_labels(const weld_model *m, weld_dataset *ds, weld_adoption *out,
                                    weld_error *err) {
    const weld_labels labels = weld_model_labels(m);
    return weld_task_adopt_labels(weld_model_task(m), ds, &labels, out, err);
}

bool weld_model_is_int8(const weld_model *m) {
    return m->file.quantization != NULL;
}

weld_status weld_model_expect_floats(const weld_model *m, const char *advice, weld_error *err) {
    return m->file.quantization
               ? weld_fail(err, WELD_ERROR_ARGUMENT, "the network is int8: %s", advice)
               : WELD_OK;
}

const weld_graph *weld_model_graph(const weld_model *m) {
    return m->file.quantization ? m->lower : m->graph;
}

const weld_graph *weld_model_running_graph(const weld_model *m) {
    return m->lower ? m->lower : m->graph;
}

static void free_quantization(weld_model *m) {
    weld_quantization_free(m->file.quantization);
    weld_free(m->file.quantization);
    m->file.quantization = NULL;
}

/* Floats in the place of integers. */
static weld_status dequantize(weld_model *m, weld_error *err) {
    weld_weights *floats;
    WELD_TRY(
        weld_dequantize_weights(m->graph, m->file.quantization, m->file.weights, &floats, err));
    weld_weights_free(m->file.weights);
    weld_weights_free(m->original);
    weld_graph_free(m->lower);
    m->file.weights = floats;
    m->original = NULL;
    m->lower = NULL;
    free_quantization(m);
    return weld_model_restore_norms(m, err);
}

weld_status weld_model_set_precision(weld_model *m, weld_precision precision, weld_error *err) {
    if (m->file.quantization) {
        WELD_TRY(
            precision == WELD_PRECISION_BF16
                ? weld_model_expect_floats(
                      m, "bf16 is for networks of floats: take the file that it was made of", err)
                : WELD_OK);
        return dequantize(m, err);
    }
    weld_graph_free(m->lower);
    m->lower = NULL;
    return precision == WELD_PRECISION_BF16 ? weld_precision_bf16(m->graph, &m->lower, err)
                                            : WELD_OK;
}

typedef struct resizing {
    const weld_model *m;
    int height, width;
} resizing;

/* The outputs for images of a size: a weld_model_part. */
static weld_status cut_outputs(const weld_graph *g, void *context, weld_graph **out,
                               weld_error *err) {
    const resizing *s = context;
    const weld_model_config *config = &s->m->file.config;
    weld_named_value outputs[WELD_OUTPUTS_MAX];
    size_t count = 0;
    for (const weld_output_form *f = weld_model_outputs(config); f->name; f++) {
        outputs[count++] = (weld_named_value){f->name, weld_graph_output(g, f->name)};
    }
    weld_status status =
        weld_graph_resized(g, WELD_SHAPE(1, s->height, s->width, 3), outputs, count, out, err);
    if (status) {
        return weld_fail_context(err, status, "the network on images of %d x %d", s->height,
                                 s->width);
    }
    const char *misfit = weld_model_output_misfit(config, *out, 1, s->height, s->width);
    if (misfit) {
        weld_graph_free(*out);
        *out = NULL;
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "the network does not take images of %d x %d: its %s are then not one "
                         "row for each image",
                         s->height, s->width, misfit);
    }
    return WELD_OK;
}

/* m->graph for images of another size. */
static weld_status resized_graph(const weld_model *m, int height, int width, weld_graph **out,
                                 weld_error *err) {
    return weld_model_cut(m, height, width, cut_outputs, &(resizing){m, height, width}, out, err);
}

weld_status weld_model_take_integers(const weld_model *m, const weld_graph *of, weld_graph **graph,
                                     weld_error *err) {
    const weld_quantization *q = m->file.quantization;
    weld_quantization whole = {0}, part = {0};
    weld_graph *made;
    if (!q) {
        return WELD_OK;
    }
    WELD_TRY(weld_quantization_follow(q, m->graph, of, &whole, err));
    weld_status status = weld_quantization_follow(&whole, of, *graph, &part, err);
    status = status ? status : weld_quantized_graph(*graph, &part, true, &made, err);
    weld_quantization_free(&whole);
    weld_quantization_free(&part);
    if (!status) {
        weld_graph_free(*graph);
        *graph = made;
    }
    return status;
}

/* What m's codes are in its graph at another size, and the graph of integers. */
static weld_status resized_integers(const weld_model *m, const weld_graph *graph,
                                    weld_quantization *q, weld_graph **lower, weld_error *err) {
    WELD_TRY(weld_quantization_follow(m->file.quantization, m->graph, graph, q, err));
    const weld_status status = weld_quantized_graph(graph, q, true, lower, err);
    if (status) {
        weld_quantization_free(q);
    }
    return status;
}

static void set_graph(weld_model *m, weld_graph *graph, weld_graph *lower) {
    if (m->file.graph) { /* it is m->graph: a model that is written has it at its new size */
        m->file.graph = graph;
    }
    weld_graph_free(m->graph);
    weld_graph_free(m->lower);
    m->graph = graph;
    m->lower = lower;
}

/* A tensor of w for images of `size`: the same, or a table of positions resized. */
static weld_status add_resized(const weld_model *m, const char *name, const weld_tensor *from,
                               int size, weld_weights *to, weld_error *err) {
    const weld_model_config *config = &m->file.config;
    const weld_model_family *family = weld_family_of(config);
    weld_position_grids grids;
    weld_tensor t;
    const bool table = family->position_grids(config, name, size, size, &grids);
    const weld_shape shape = table ? weld_position_shape(&grids) : from->shape;
    if (table && !(weld_shape_count(&shape) > 0 &&
                   weld_position_image_size(family, config, name, &from->shape))) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "tables of positions cannot be resized for images of %d x %d", size, size);
    }
    WELD_TRY(weld_weights_add(to, name, from->dtype, &shape, &t, err));
    if (table) {
        return weld_position_resize_for(family, config, name, from, &t, err);
    }
    memcpy(t.data, from->data, weld_tensor_bytes(from));
    return WELD_OK;
}

/* The weights with their tables of positions resized, always from those of the file; *out NULL
 * where there are none. */
static weld_status resized_weights(const weld_model *m, int size, weld_weights **out,
                                   weld_error *err) {
    const weld_weights *w = m->original ? m->original : m->file.weights;
    *out = NULL;
    if (!weld_family_of(&m->file.config)->position_grids) {
        return WELD_OK;
    }
    WELD_TRY(weld_weights_create(out, err));
    weld_status status = WELD_OK;
    for (size_t i = 0; !status && i < weld_weights_count(w); i++) {
        const weld_tensor t = weld_weights_tensor(w, i);
        status = add_resized(m, weld_weights_name(w, i), &t, size, *out, err);
    }
    if (status) {
        weld_weights_free(*out);
        *out = NULL;
    }
    return status;
}

/* Put resized weights in the place of the others. What an optimizer and an average know of these is
 * dropped: the model is then as one that was imported. */
static void set_weights(weld_model *m, weld_weights *weights) {
    if (!weights) {
        return;
    }
    if (m->original) {
        weld_weights_free(m->file.weights);
    } else {
        m->original = m->file.weights;
    }
    weld_weights_free(m->file.ema);
    weld_weights_free(m->file.moment1);
    weld_weights_free(m->file.moment2);
    m->file.weights = weights;
    m->file.ema = m->file.moment1 = m->file.moment2 = NULL;
}

/* All that depends on the size of images. */
static weld_status resize_model(weld_model *m, int height, int width, weld_error *err) {
    weld_weights *weights;
    weld_graph *graph, *lower = NULL;
    WELD_TRY(weld_model_check_input(&m->file.config, height, width, err));
    WELD_TRY(resized_weights(m, height, &weights, err));
    weld_model changed = *m;
    changed.file.weights = weights ? weights : m->file.weights;
    weld_quantization q = {0};
    weld_status status = resized_graph(&changed, height, width, &graph, err);
    if (!status && m->lower) {
        status = m->file.quantization ? resized_integers(m, graph, &q, &lower, err)
                                      : weld_precision_bf16(graph, &lower, err);
        if (status) {
            weld_graph_free(graph);
        }
    }
    if (status) {
        weld_weights_free(weights);
        return status;
    }
    if (m->file.quantization) {
        weld_quantization_free(m->file.quantization);
        *m->file.quantization = q;
    }
    set_graph(m, graph, lower);
    set_weights(m, weights);
    return WELD_OK;
}

weld_status weld_model_set_preprocessing(weld_model *m, const weld_preprocessing *preprocessing,
                                         weld_error *err) {
    weld_transform checked;
    weld_status status = weld_transform_init(&checked, preprocessing, NULL, err);
    if (!status && (preprocessing->height != m->file.preprocessing.height ||
                    preprocessing->width != m->file.preprocessing.width)) {
        status = resize_model(m, preprocessing->height, preprocessing->width, err);
    }
    if (!status) {
        m->file.preprocessing = *preprocessing;
    }
    return status;
}

weld_weights *weld_model_weights(const weld_model *m) {
    return m->file.weights;
}
