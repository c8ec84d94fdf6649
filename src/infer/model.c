/* Opening model files of either kind as one thing: a graph, weights, classes, preprocessing. */
#include "infer/model.h"

#include "base/error.h"
#include "base/memory.h"
#include "passes/precision.h"

weld_status weld_model_open(const char *path, weld_model **out, weld_error *err) {
    return weld_model_import(path, NULL, out, err);
}

weld_status weld_model_import(const char *path, const weld_import_options *options,
                              weld_model **out, weld_error *err) {
    *out = NULL;
    weld_model *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_fail_memory(err, path);
    }
    weld_status status = weld_model_file_import(path, options, &m->file, err);
    if (status != WELD_OK) {
        weld_free(m);
        return status;
    }
    if (m->file.graph) {
        m->graph = m->file.graph;
    } else {
        int size = m->file.preprocessing.input_size;
        status = weld_model_build(&m->file.config, false, 1, size, size, WELD_F32, &m->graph, err);
    }
    if (status != WELD_OK) {
        weld_model_free(m);
        return weld_fail_context(err, status, "%s", path);
    }
    *out = m;
    return WELD_OK;
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

const weld_graph *weld_model_graph(const weld_model *m) {
    return m->graph;
}

const weld_graph *weld_model_running_graph(const weld_model *m) {
    return m->lower ? m->lower : m->graph;
}

weld_status weld_model_set_precision(weld_model *m, weld_precision precision, weld_error *err) {
    weld_graph_free(m->lower);
    m->lower = NULL;
    return precision == WELD_PRECISION_BF16 ? weld_precision_bf16(m->graph, &m->lower, err)
                                            : WELD_OK;
}

weld_weights *weld_model_weights(const weld_model *m) {
    return m->file.weights;
}
