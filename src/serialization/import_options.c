/* Options of an import against what a file states; see import_options.h. */
#include "serialization/import_options.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/models.h"

weld_status weld_import_check_number(const char *path, const char *what, int stated, int wanted,
                                     weld_error *err) {
    if (wanted && wanted != stated) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: %s %d is asked for, but the file's is %d: leave it out", path, what,
                         wanted, stated);
    }
    return WELD_OK;
}

/* The row of "key=value" in a family, if it is one that tensors do not tell. */
static weld_status find_untold(const char *path, const weld_model_config *config, const char *given,
                               const weld_key **key, const char **value, weld_error *err) {
    const weld_model_family *family = weld_family_of(config);
    char name[64], known[256];
    const char *equals = strchr(given, '=');
    size_t length = equals ? (size_t)(equals - given) : strlen(given);
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), given);
    *key = equals ? weld_key_find(family->keys, family->key_count, name) : NULL;
    *value = equals + 1;
    if (!*key || !((*key)->flags & WELD_KEY_UNTOLD)) {
        weld_key_names(family->keys, family->key_count, WELD_KEY_UNTOLD, known, sizeof known);
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: '%.80s' is asked for, but tensors of a %s tell it, or it has no such "
                         "key: %s%s",
                         path, given, family->name, *known ? "give only " : "give none", known);
    }
    return WELD_OK;
}

weld_status weld_import_take_untold(const char *path, const weld_import_options *o, bool stated,
                                    weld_model_config *config, weld_error *err) {
    for (size_t i = 0; i < o->set_count; i++) {
        const weld_key *key;
        const char *value;
        weld_model_config set = *config;
        char is[128], title[64];
        WELD_TRY(find_untold(path, config, o->set[i], &key, &value, err));
        weld_status status = weld_model_config_set(&set, key->name, value, err);
        if (status) {
            return weld_fail_context(err, status, "%s", path);
        }
        if (stated && !weld_key_equal(key, set.values, config->values)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: %s %s is asked for, but the file's is %s: leave it out", path,
                             weld_key_title(key, title, sizeof title), value,
                             weld_key_text(key, config->values, ", ", is, sizeof is));
        }
        *config = set;
    }
    return WELD_OK;
}

weld_status weld_import_take_class_names(const char *path, const weld_import_options *o,
                                         weld_model_file *mf, weld_error *err) {
    int count = mf->config.num_classes;
    if (!o->class_names) {
        return WELD_OK;
    }
    if (o->num_classes != count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: names of %d classes are given, but the file has %d classes", path,
                         o->num_classes, count);
    }
    for (int i = 0; mf->class_names && i < count; i++) {
        if (strcmp(mf->class_names[i], o->class_names[i]) != 0) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: class %d is to be called '%.100s', but the file calls it "
                             "'%.100s': leave the names out",
                             path, i, o->class_names[i], mf->class_names[i]);
        }
    }
    if (mf->class_names) {
        return WELD_OK;
    }
    mf->class_names = weld_alloc((size_t)count, sizeof *mf->class_names);
    for (int i = 0; mf->class_names && i < count; i++) {
        mf->class_names[i] = weld_strdup(o->class_names[i]);
        if (!mf->class_names[i]) {
            return weld_fail_memory(err, "class names");
        }
    }
    return mf->class_names ? WELD_OK : weld_fail_memory(err, "class names");
}

weld_status weld_import_check_variant(const char *path, const weld_model_config *config,
                                      const char *name, weld_error *err) {
    weld_status status = name ? weld_model_check_variant(config, name, err) : WELD_OK;
    return status ? weld_fail_context(err, status, "%s", path) : WELD_OK;
}

weld_status weld_import_check_preprocessing(const char *path, const weld_import_options *o,
                                            const weld_preprocessing *p, weld_error *err) {
    bool same = (o->crop_fraction == 0 || o->crop_fraction == p->crop_fraction) &&
                (!o->interpolation || *o->interpolation == p->interpolation) &&
                (!o->resize || *o->resize == p->resize) &&
                (!o->scale16 || o->scale16 == p->scale16);
    for (int c = 0; c < 3; c++) {
        same =
            same && (!o->mean || o->mean[c] == p->mean[c]) && (!o->std || o->std[c] == p->std[c]);
    }
    if (o->height && (o->height != p->height || o->width != p->width)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: input size %d x %d is asked for, but the file's is %d x %d: leave it "
                         "out",
                         path, o->height, o->width, p->height, p->width);
    }
    return same ? WELD_OK
                : weld_fail(err, WELD_ERROR_ARGUMENT,
                            "%s: mean %g %g %g, std %g %g %g, crop %g, scale16 %d, interpolation "
                            "and resizing are in the file: leave out what says otherwise",
                            path, (double)p->mean[0], (double)p->mean[1], (double)p->mean[2],
                            (double)p->std[0], (double)p->std[1], (double)p->std[2],
                            p->crop_fraction, p->scale16);
}

weld_status weld_import_take_preprocessing(const char *path, const weld_import_options *o,
                                           const weld_model_config *config, weld_preprocessing *p,
                                           weld_error *err) {
    p->scale16 = o->scale16 ? o->scale16 : p->scale16;
    const bool sized = o->height || o->width;
    p->height = sized ? o->height : p->height;
    p->width = sized ? o->width : p->width;
    p->resize = o->resize ? *o->resize : p->resize;
    p->crop_fraction = o->crop_fraction != 0 ? o->crop_fraction : p->crop_fraction;
    p->interpolation = o->interpolation ? *o->interpolation : p->interpolation;
    for (int c = 0; c < 3; c++) {
        p->mean[c] = o->mean ? o->mean[c] : p->mean[c];
        p->std[c] = o->std ? o->std[c] : p->std[c];
    }
    if (o->mean) {
        weld_preprocessing_pad_with_mean(p);
    }
    weld_status status = weld_preprocessing_check(p, err);
    status = status ? status : weld_model_check_input(config, p->height, p->width, err);
    return status ? weld_fail_context(err, status, "%s", path) : WELD_OK;
}

bool weld_import_states_preprocessing(const weld_import_options *o) {
    return o->height && o->crop_fraction != 0 && o->interpolation && o->mean && o->std;
}
