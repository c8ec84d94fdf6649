/* The layout of model files; see model_layout.h and model_file.h. */
#include "serialization/model_layout.h"

#include <stdio.h>

#include "base/error.h"
#include "graph/graph.h"
#include "models/models.h"
#include "passes/quantized_names.h"
#include "serialization/graph_text.h"

const char *const weld_model_file_kinds[2] = {
    [WELD_MODEL_CHECKPOINT] = "checkpoint", [WELD_MODEL_DEPLOY] = "deploy"};
const char weld_model_int8_kind[] = "deploy-int8";

#define INTEGER(name, min)                                                                         \
    { "trainer/" #name, offsetof(weld_trainer_state, name), WELD_STORE_I64, min, false, false }
#define REAL(name)                                                                                 \
    { "trainer/" #name, offsetof(weld_trainer_state, name), WELD_STORE_F64, 0, false, false }
#define LATER(name, type)                                                                          \
    { "trainer/" #name, offsetof(weld_trainer_state, name), type, 0, true, false }
#define OF_CODES(name)                                                                             \
    { "trainer/" #name, offsetof(weld_trainer_state, name), WELD_STORE_I64, 0, true, true }
#define PART(i)                                                                                    \
    {                                                                                              \
        "trainer/epoch_loss_part" #i, offsetof(weld_trainer_state, epoch_loss_parts[i]),           \
            WELD_STORE_F64, 0, true, false                                                         \
    }
#define COUNTED(i)                                                                                 \
    {                                                                                              \
        "trainer/epoch_count" #i, offsetof(weld_trainer_state, epoch_counts[i]), WELD_STORE_F64,   \
            0, true, false                                                                         \
    }

const weld_trainer_field weld_trainer_fields[] = {
    INTEGER(seed, INT64_MIN), /* as two's complement */
    INTEGER(epoch, 0),
    INTEGER(position, 0),
    INTEGER(step, 0),
    INTEGER(train_images, 0),
    INTEGER(epoch_samples, 0),
    INTEGER(metrics_bytes, 0),
    INTEGER(best_epoch, -1),
    REAL(best_score),
    REAL(epoch_loss),
    REAL(epoch_seconds),
    REAL(elapsed_seconds),
    LATER(best_loss, WELD_STORE_F64),
    LATER(plateau_best, WELD_STORE_F64),
    LATER(plateau_since, WELD_STORE_I64),
    LATER(plateau_reductions, WELD_STORE_I64),
    LATER(best_average, WELD_STORE_F64),
    LATER(stale_evaluations, WELD_STORE_I64),
    LATER(best_images, WELD_STORE_I64),
    LATER(latest_images, WELD_STORE_I64),
    LATER(metrics_tail, WELD_STORE_I64),
    PART(0),
    PART(1),
    PART(2),
    PART(3),
    COUNTED(0),
    COUNTED(1),
    COUNTED(2),
    COUNTED(3),
    OF_CODES(quantize_weights),
    OF_CODES(quantize_activations),
};
const size_t weld_trainer_field_count = sizeof weld_trainer_fields / sizeof *weld_trainer_fields;

weld_status weld_model_path(char path[WELD_MODEL_PATH_SIZE], const char *group, const char *name,
                            weld_error *err) {
    const bool is_path = weld_is_quantized_name(name);
    if (snprintf(path, WELD_MODEL_PATH_SIZE, "%s%s%s", is_path ? "" : group, is_path ? "" : "/",
                 name) >= WELD_MODEL_PATH_SIZE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%.100s...: too long a name", name);
    }
    return WELD_OK;
}

bool weld_model_has_graph(const weld_model_file *mf) {
    return mf->kind == WELD_MODEL_DEPLOY || weld_model_is_in_files_alone(&mf->config);
}

/* Operators of training may write to weights that several sessions share, and no network that is
 * evaluated has any. */
static weld_status check_operators(const weld_graph *g, const char *where, weld_error *err) {
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i]->op->traits & WELD_OP_TRAINING_ONLY) {
            char text[160];
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: %s is for training: the file was not made by weld", where,
                             weld_node_text(g->nodes[i], text, sizeof text));
        }
    }
    return WELD_OK;
}

/* Is the graph one that makes of images what the rest of the file says? */
static weld_status check_graph(const weld_model_file *mf, const char *where, weld_error *err) {
    const weld_value *images = weld_graph_find_leaf(mf->graph, "images");
    const int64_t height = mf->preprocessing.height, width = mf->preprocessing.width;
    bool good = mf->graph->dtype == WELD_F32 && images && images->kind == WELD_VALUE_INPUT;
    for (size_t i = 0; good && i < mf->graph->value_count; i++) {
        const weld_value *v = mf->graph->values[i];
        good = v->kind != WELD_VALUE_INPUT || v == images;
    }
    if (good) {
        const int64_t batch = images->shape.dim[0];
        const weld_shape input = WELD_SHAPE(batch, height, width, 3);
        good = weld_shape_equal(&images->shape, &input) &&
               !weld_model_output_misfit(&mf->config, mf->graph, batch, height, width);
    }
    return good ? WELD_OK
                : weld_fail(err, WELD_ERROR_FORMAT,
                            "%s: its input is not images, or its output not %s, of the "
                            "sizes in the file: the file was not made by weld",
                            where, weld_model_outputs(&mf->config)->name);
}

weld_status weld_model_take_graph(const char *text, const char *where, weld_model_file *mf,
                                  weld_error *err) {
    WELD_TRY(weld_graph_from_text(text, where, &mf->graph, err));
    WELD_TRY(check_operators(mf->graph, where, err));
    return check_graph(mf, where, err);
}

weld_status weld_model_network(const weld_model_file *mf, const weld_graph **out,
                               weld_graph **owned, weld_error *err) {
    *owned = NULL;
    if (mf->quantization) {
        const weld_status status =
            weld_quantized_graph(mf->graph, mf->quantization, false, owned, err);
        *out = *owned;
        return status;
    }
    if (weld_model_has_graph(mf)) {
        *out = mf->graph;
        return mf->graph ? WELD_OK
                         : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: it needs a graph",
                                     weld_model_file_kinds[mf->kind]);
    }
    const weld_preprocessing *p = &mf->preprocessing;
    weld_status status =
        weld_model_build(&mf->config, true, 1, p->height, p->width, WELD_F32, owned, err);
    *out = *owned;
    return status;
}
