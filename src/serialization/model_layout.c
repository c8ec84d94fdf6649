/* The layout of model files; see model_layout.h and model_file.h. */
#include "serialization/model_layout.h"

#include <stdio.h>

#include "base/error.h"

const char *const weld_model_file_kinds[2] = {
    [WELD_MODEL_CHECKPOINT] = "checkpoint", [WELD_MODEL_DEPLOY] = "deploy"};

#define INTEGER(name, min)                                                                         \
    { "trainer/" #name, offsetof(weld_trainer_state, name), WELD_STORE_I64, min, false }
#define REAL(name)                                                                                 \
    { "trainer/" #name, offsetof(weld_trainer_state, name), WELD_STORE_F64, 0, false }
#define LATER(name, type)                                                                          \
    { "trainer/" #name, offsetof(weld_trainer_state, name), type, 0, true }

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
    LATER(plateau_best, WELD_STORE_F64),
    LATER(plateau_since, WELD_STORE_I64),
    LATER(plateau_reductions, WELD_STORE_I64),
};
const size_t weld_trainer_field_count = sizeof weld_trainer_fields / sizeof *weld_trainer_fields;

weld_status weld_model_path(char path[WELD_MODEL_PATH_SIZE], const char *group, const char *name,
                            weld_error *err) {
    if (snprintf(path, WELD_MODEL_PATH_SIZE, "%s/%s", group, name) >= WELD_MODEL_PATH_SIZE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%.100s...: too long a name", name);
    }
    return WELD_OK;
}

weld_status weld_model_network(const weld_model_file *mf, const weld_graph **out,
                               weld_graph **owned, weld_error *err) {
    *owned = NULL;
    if (mf->kind == WELD_MODEL_DEPLOY) {
        *out = mf->graph;
        return mf->graph ? WELD_OK
                         : weld_fail(err, WELD_ERROR_ARGUMENT, "deploy file: it needs a graph");
    }
    int size = mf->preprocessing.input_size;
    weld_status status = weld_model_build(&mf->config, true, 1, size, size, WELD_F32, owned, err);
    *out = *owned;
    return status;
}
