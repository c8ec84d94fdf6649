/* Writing model files; see model_file.h. */
#include "serialization/model_file.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "passes/fake_quantize.h"
#include "passes/quantized_names.h"
#include "serialization/graph_text.h"
#include "serialization/model_layout.h"
#include "serialization/model_text.h"
#include "serialization/quantization_text.h"
#include "graph/graph.h"

/* Texts that are made for the file, and the store that points to them. */
typedef struct writing {
    const weld_model_file *mf;
    weld_store_writer *store;
    char *config, *preprocessing, *graph, *quantization, *class_names;
    weld_error *err;
} writing;

static weld_status put_texts(writing *w) {
    const weld_model_file *mf = w->mf;
    weld_status status = weld_model_config_to_text(&mf->config, &w->config, w->err);
    status =
        status ? status : weld_preprocessing_to_text(&mf->preprocessing, &w->preprocessing, w->err);
    if (!status && weld_model_has_graph(mf)) {
        status = weld_graph_to_text(mf->graph, &w->graph, w->err);
    }
    if (!status && mf->quantization) {
        status = weld_quantization_to_text(mf->graph, mf->quantization, &w->quantization, w->err);
    }
    const struct {
        const char *path, *text;
    } texts[] = {{"config", w->config},
                 {"preprocessing", w->preprocessing},
                 {"graph", w->graph},
                 {"quantization", w->quantization},
                 {"program_version", weld_version()},
                 {"recipe", mf->recipe},
                 {"summary", mf->summary},
                 {"verification", mf->verification}};
    for (size_t i = 0; !status && i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].text) {
            status = weld_store_put_text(w->store, texts[i].path, texts[i].text, w->err);
        }
    }
    return status;
}

/* One after the other, each with its zero: names of folders may be any bytes but that. */
static weld_status put_class_names(writing *w) {
    const weld_model_file *mf = w->mf;
    size_t size = 0, used = 0;
    if (!mf->class_names) {
        return WELD_OK;
    }
    for (int i = 0; i < mf->config.num_classes; i++) {
        size += strlen(mf->class_names[i]) + 1;
    }
    w->class_names = weld_alloc(size, 1);
    if (!w->class_names) {
        return weld_fail_memory(w->err, "class names");
    }
    for (int i = 0; i < mf->config.num_classes; i++) {
        size_t length = strlen(mf->class_names[i]) + 1;
        memcpy(w->class_names + used, mf->class_names[i], length);
        used += length;
    }
    weld_shape shape = WELD_SHAPE((int64_t)size);
    return weld_store_put(w->store, "class_names", WELD_STORE_U8, &shape, w->class_names, w->err);
}

/* A table is called after its value's number in the graph that was quantised, and in the file after
 * that in the file's graph. */
static weld_status find_path(const writing *w, const char *group, const char *name,
                             char path[WELD_MODEL_PATH_SIZE]) {
    const weld_quantization *q = w->mf->quantization;
    static const char tables[] = WELD_GROUP_TABLES "/";
    if (q && strncmp(name, tables, strlen(tables)) == 0) {
        for (size_t i = 0; i < q->value_count; i++) {
            char is[WELD_QUANTIZED_NAME_SIZE];
            weld_table_name(q, w->mf->graph->values[i], is);
            if (strcmp(is, name) == 0) {
                snprintf(path, WELD_MODEL_PATH_SIZE, "%s%zu", tables, i);
                return WELD_OK;
            }
        }
    }
    return weld_model_path(path, group, name, w->err);
}

static weld_status put_tensor(writing *w, const char *group, const weld_value *leaf,
                              const weld_weights *from) {
    char path[WELD_MODEL_PATH_SIZE];
    weld_tensor tensor;
    WELD_TRY(find_path(w, group, leaf->name, path));
    if (!weld_weights_find(from, leaf->name, &tensor) || tensor.dtype != leaf->dtype ||
        !weld_shape_equal(&tensor.shape, &leaf->shape)) {
        return weld_fail(w->err, WELD_ERROR_SHAPE, "%s: missing, or of another shape or type",
                         path);
    }
    return weld_store_put_tensor(w->store, path, &tensor, w->err);
}

/* A leaf's moments and its average, as far as there are any. */
static weld_status put_more(writing *w, const weld_value *leaf, bool parameter, bool moments) {
    const weld_model_file *mf = w->mf;
    const char *average =
        parameter ? WELD_GROUP_EMA WELD_GROUP_PARAMETERS : WELD_GROUP_EMA WELD_GROUP_BUFFERS;
    if (moments) {
        WELD_TRY(put_tensor(w, WELD_GROUP_MOMENT1, leaf, mf->moment1));
        WELD_TRY(mf->moment2 ? put_tensor(w, WELD_GROUP_MOMENT2, leaf, mf->moment2) : WELD_OK);
    }
    return mf->ema ? put_tensor(w, average, leaf, mf->ema) : WELD_OK;
}

/* Of parameters of the network: those of learned steps are in `steps`. */
static size_t own_moments(const weld_weights *moments) {
    return moments ? weld_weights_count(moments) - weld_weights_find(moments, WELD_FAKE_STEPS, NULL)
                   : 0;
}

static weld_status put_tensors(writing *w, const weld_graph *network) {
    const weld_model_file *mf = w->mf;
    size_t count = 0, moment_count = 0;
    for (size_t i = 0; i < network->value_count; i++) {
        const weld_value *leaf = network->values[i];
        bool parameter = leaf->kind == WELD_VALUE_PARAMETER;
        if (!parameter && leaf->kind != WELD_VALUE_BUFFER) {
            continue;
        }
        count++;
        bool moments = parameter && mf->moment1 && weld_weights_find(mf->moment1, leaf->name, NULL);
        moment_count += moments;
        WELD_TRY(put_tensor(w, parameter ? WELD_GROUP_PARAMETERS : WELD_GROUP_BUFFERS, leaf,
                            mf->weights));
        WELD_TRY(put_more(w, leaf, parameter, moments));
    }
    if (count != weld_weights_count(mf->weights)) {
        return weld_fail(w->err, WELD_ERROR_ARGUMENT, "%zu tensors given for a network of %zu",
                         weld_weights_count(mf->weights), count);
    }
    size_t first = own_moments(mf->moment1);
    size_t second = mf->moment2 ? own_moments(mf->moment2) : first;
    if (first != moment_count || second != moment_count) {
        return weld_fail(w->err, WELD_ERROR_ARGUMENT,
                         "%zu and %zu moments given for %zu parameters that have some", first,
                         second, moment_count);
    }
    return WELD_OK;
}

static weld_status put_trainer(writing *w) {
    const weld_shape scalar = {.rank = 0};
    const bool all = w->mf->kind == WELD_MODEL_CHECKPOINT;
    for (size_t i = 0; i < weld_trainer_field_count; i++) {
        const weld_trainer_field *f = &weld_trainer_fields[i];
        if (!all && !f->codes) {
            continue;
        }
        const char *from = (const char *)&w->mf->trainer + f->offset;
        WELD_TRY(weld_store_put(w->store, f->path, f->type, &scalar, from, w->err));
    }
    return WELD_OK;
}

static weld_status put_all(writing *w) {
    const weld_graph *network;
    weld_graph *owned;
    weld_status status = weld_model_network(w->mf, &network, &owned, w->err);
    status = status ? status : put_tensors(w, network);
    weld_graph_free(owned);
    status = status ? status : put_texts(w);
    status = status ? status : put_class_names(w);
    if (!status && w->mf->temperature > 0) {
        status = weld_store_put(w->store, "temperature", WELD_STORE_F64, &(weld_shape){.rank = 0},
                                &w->mf->temperature, w->err);
    }
    if (!status && w->mf->codes) {
        const weld_shape shape = WELD_SHAPE((int64_t)w->mf->code_rows, 2);
        status =
            weld_store_put(w->store, WELD_CODES_PATH, WELD_STORE_F32, &shape, w->mf->codes, w->err);
    }
    if (!status && w->mf->codes && w->mf->steps) {
        const weld_shape shape = WELD_SHAPE((int64_t)w->mf->step_rows, WELD_STEP_COLUMNS);
        status =
            weld_store_put(w->store, WELD_STEPS_PATH, WELD_STORE_F32, &shape, w->mf->steps, w->err);
    }
    if (!status && (w->mf->kind == WELD_MODEL_CHECKPOINT || w->mf->codes)) {
        status = put_trainer(w);
    }
    return status;
}

weld_status weld_model_file_put(const char *path, const weld_model_file *mf,
                                struct weld_replacement *to, weld_error *err) {
    writing w = {.mf = mf, .err = err};
    if (!mf->weights || (!mf->moment1 && mf->moment2) ||
        (mf->kind == WELD_MODEL_DEPLOY && (mf->moment1 || mf->ema))) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: weights, moments or averages do not fit the kind", path);
    }
    const char *kind = mf->quantization ? weld_model_int8_kind : weld_model_file_kinds[mf->kind];
    weld_status status = weld_store_writer_create(kind, &w.store, err);
    if (!status) {
        status = put_all(&w);
        if (status) {
            weld_fail_context(err, status, "%s", path);
        }
    }
    if (!status) {
        status =
            to ? weld_store_write(w.store, path, to, err) : weld_store_commit(w.store, path, err);
    }
    weld_store_writer_free(w.store);
    weld_free(w.config);
    weld_free(w.preprocessing);
    weld_free(w.graph);
    weld_free(w.quantization);
    weld_free(w.class_names);
    return status;
}

weld_status weld_model_file_write(const char *path, const weld_model_file *mf, weld_error *err) {
    return weld_model_file_put(path, mf, NULL, err);
}
