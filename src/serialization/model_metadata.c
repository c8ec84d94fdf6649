/* Texts that travel beside tensors in other programs' formats; see metadata.h. */
#include "serialization/model_metadata.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "models/models.h"
#include "serialization/graph_text.h"
#include "serialization/model_text.h"

weld_status weld_metadata_add(weld_metadata *m, const char *key, char *text, weld_error *err) {
    if (!text) {
        return weld_fail_memory(err, key);
    }
    m->items[m->count++] = (weld_metadata_item){key, text};
    return WELD_OK;
}

static weld_status add_all(weld_metadata *m, const weld_model_file *mf, weld_error *err) {
    const char *form = mf->kind == WELD_MODEL_DEPLOY ? WELD_FORM_MERGED : WELD_FORM_TRAINING;
    char *text;
    WELD_TRY(weld_metadata_add(m, WELD_METADATA_VERSION, weld_strdup(weld_version()), err));
    WELD_TRY(weld_metadata_add(m, WELD_METADATA_FORM, weld_strdup(form), err));
    WELD_TRY(weld_model_config_to_text(&mf->config, &text, err));
    WELD_TRY(weld_metadata_add(m, WELD_METADATA_CONFIG, text, err));
    WELD_TRY(weld_preprocessing_to_text(&mf->preprocessing, &text, err));
    WELD_TRY(weld_metadata_add(m, WELD_METADATA_PREPROCESSING, text, err));
    if (mf->class_names) {
        WELD_TRY(weld_class_names_to_text(mf->class_names, mf->config.num_classes, &text, err));
        WELD_TRY(weld_metadata_add(m, WELD_METADATA_CLASS_NAMES, text, err));
    }
    if (mf->temperature > 0) {
        char number[WELD_NUMBER_SIZE];
        weld_number_text(mf->temperature, false, 1, number);
        WELD_TRY(weld_metadata_add(m, WELD_METADATA_TEMPERATURE, weld_strdup(number), err));
    }
    return mf->summary ? weld_metadata_add(m, WELD_METADATA_SUMMARY, weld_strdup(mf->summary), err)
                       : WELD_OK;
}

weld_status weld_metadata_create(const weld_model_file *mf, weld_metadata *out, weld_error *err) {
    weld_metadata m = {0};
    weld_status status = add_all(&m, mf, err);
    if (status) {
        weld_metadata_free(&m);
        return status;
    }
    *out = m;
    return WELD_OK;
}

weld_status weld_metadata_add_graph(weld_metadata *m, const weld_model_file *mf, weld_error *err) {
    char *text;
    if (!weld_model_is_in_files_alone(&mf->config)) {
        return WELD_OK;
    }
    WELD_TRY(weld_graph_to_text(mf->graph, &text, err));
    return weld_metadata_add(m, WELD_METADATA_GRAPH, text, err);
}
