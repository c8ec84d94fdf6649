/* Texts that travel beside tensors in other programs' formats; see metadata.h. */
#include "serialization/model_metadata.h"

#include "base/error.h"
#include "base/memory.h"
#include "serialization/model_text.h"

/* Takes `text`. */
static void add(weld_metadata *m, const char *key, char *text) {
    m->items[m->count++] = (weld_metadata_item){key, text};
}

static weld_status add_copy(weld_metadata *m, const char *key, const char *text, weld_error *err) {
    char *copy = weld_strdup(text);
    if (!copy) {
        return weld_fail_memory(err, key);
    }
    add(m, key, copy);
    return WELD_OK;
}

static weld_status add_json(weld_metadata *m, const weld_model_file *mf, weld_error *err) {
    char *text;
    weld_status status = weld_model_config_to_text(&mf->config, &text, err);
    if (!status) {
        add(m, WELD_METADATA_CONFIG, text);
        status = weld_preprocessing_to_text(&mf->preprocessing, &text, err);
    }
    if (!status) {
        add(m, WELD_METADATA_PREPROCESSING, text);
    }
    if (!status && mf->class_names) {
        status = weld_class_names_to_text(mf->class_names, mf->config.num_classes, &text, err);
        if (!status) {
            add(m, WELD_METADATA_CLASS_NAMES, text);
        }
    }
    return status;
}

weld_status weld_metadata_create(const weld_model_file *mf, weld_metadata *out, weld_error *err) {
    weld_metadata m = {0};
    const char *form = mf->kind == WELD_MODEL_DEPLOY ? WELD_FORM_MERGED : WELD_FORM_TRAINING;
    weld_status status = add_copy(&m, WELD_METADATA_VERSION, weld_version(), err);
    status = status ? status : add_copy(&m, WELD_METADATA_FORM, form, err);
    status = status ? status : add_json(&m, mf, err);
    if (!status && mf->summary) {
        status = add_copy(&m, WELD_METADATA_SUMMARY, mf->summary, err);
    }
    if (status) {
        weld_metadata_free(&m);
        return status;
    }
    *out = m;
    return WELD_OK;
}
