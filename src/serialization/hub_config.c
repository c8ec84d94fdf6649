/* timm's config.json; see hub_config.h. */
#include "serialization/hub_config.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/file.h"
#include "formats/json_tree.h"
#include "weld/model.h"

enum { MAX_BYTES = 64 << 20 };

static weld_status fail(const weld_hub_config *c, weld_error *err, const char *what) {
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%s: %s: mend it, or move it away and state what it says by options", c->path,
                     what);
}

/* [r, g, b], or absent. */
static weld_status read_channels(const weld_hub_config *c, const json_t *cfg, const char *key,
                                 double least, double most, float to[3], weld_error *err) {
    const json_t *list = json_object_get(cfg, key);
    char what[96];
    bool good = !list || json_array_size(list) == 3;
    for (size_t i = 0; good && list && i < 3; i++) {
        const double value = json_number_value(json_array_get(list, i));
        good = json_is_number(json_array_get(list, i)) && value >= least && value <= most;
        to[i] = (float)value;
    }
    snprintf(what, sizeof what, "pretrained_cfg.%s: is no list of three numbers in range", key);
    return good ? WELD_OK : fail(c, err, what);
}

static weld_status read_size(weld_hub_config *c, const json_t *cfg, weld_error *err) {
    const json_t *list = json_object_get(cfg, "input_size");
    if (!list) {
        return WELD_OK;
    }
    const json_int_t channels = json_integer_value(json_array_get(list, 0));
    const json_int_t height = json_integer_value(json_array_get(list, 1));
    const json_int_t width = json_integer_value(json_array_get(list, 2));
    if (channels != 3 || height < 1 || height > WELD_MAX_INPUT_SIZE || width < 1 ||
        width > WELD_MAX_INPUT_SIZE) {
        return fail(c, err, "pretrained_cfg.input_size: is not [3, height, width]");
    }
    c->preprocessing.height = (int)height;
    c->preprocessing.width = (int)width;
    return WELD_OK;
}

static weld_status read_preprocessing(weld_hub_config *c, const json_t *cfg, weld_error *err) {
    weld_preprocessing *p = &c->preprocessing;
    WELD_TRY(read_size(c, cfg, err));
    WELD_TRY(read_channels(c, cfg, "mean", -WELD_MAX_MEAN, WELD_MAX_MEAN, p->mean, err));
    WELD_TRY(read_channels(c, cfg, "std", WELD_MIN_STD, WELD_MAX_STD, p->std, err));
    const json_t *crop = json_object_get(cfg, "crop_pct");
    const double part = json_number_value(crop);
    if (crop && !(part >= WELD_MIN_CROP_FRACTION && part <= WELD_MAX_CROP_FRACTION)) {
        return fail(c, err,
                    "pretrained_cfg.crop_pct: is not in " WELD_STRING(
                        WELD_MIN_CROP_FRACTION) ".." WELD_STRING(WELD_MAX_CROP_FRACTION));
    }
    p->crop_fraction = crop ? part : p->crop_fraction;
    const char *mode = json_string_value(json_object_get(cfg, "crop_mode"));
    if (mode && strcmp(mode, "center") != 0 && strcmp(mode, "squash") != 0 &&
        strcmp(mode, "border") != 0) {
        return fail(c, err, "pretrained_cfg.crop_mode: is neither center, squash nor border");
    }
    p->resize = !mode || *mode == 'c' ? WELD_FIT_CROP
                : *mode == 's'        ? WELD_FIT_SQUASH
                                      : WELD_FIT_LETTERBOX;
    weld_preprocessing_pad_with_mean(p);
    const char *filter = json_string_value(json_object_get(cfg, "interpolation"));
    if (filter && strcmp(filter, "bicubic") != 0 && strcmp(filter, "bilinear") != 0) {
        return fail(c, err, "pretrained_cfg.interpolation: is neither bicubic nor bilinear");
    }
    if (filter) {
        p->interpolation = strcmp(filter, "bicubic") == 0 ? WELD_BICUBIC : WELD_BILINEAR;
    }
    return WELD_OK;
}

/* Either place is in use. */
static const json_t *find(const json_t *root, const json_t *cfg, const char *key) {
    const json_t *value = json_object_get(root, key);
    return value ? value : json_object_get(cfg, key);
}

static weld_status read_names(weld_hub_config *c, const json_t *names, weld_error *err) {
    const size_t count = json_array_size(names); /* 0 of what is no list */
    if (count == 0 || count > WELD_MAX_CLASSES) {
        return WELD_OK;
    }
    c->class_names = weld_alloc(count, sizeof *c->class_names);
    if (!c->class_names) {
        return weld_fail_memory(err, c->path);
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name || !*name) {
            return fail(c, err, "label_names: holds what is no name");
        }
        c->class_names[c->name_count] = weld_strdup(name);
        if (!c->class_names[c->name_count++]) {
            return weld_fail_memory(err, c->path);
        }
    }
    return WELD_OK;
}

static void read_architecture(weld_hub_config *c, const json_t *root, const json_t *cfg) {
    const char *name = json_string_value(find(root, cfg, "architecture"));
    snprintf(c->architecture, sizeof c->architecture, "%s", name ? name : "");
}

static weld_status read_root(weld_hub_config *c, const json_t *root, weld_error *err) {
    const json_t *cfg = json_object_get(root, "pretrained_cfg");
    const json_int_t classes = json_integer_value(find(root, cfg, "num_classes"));
    c->num_classes = classes > 0 && classes <= WELD_MAX_CLASSES ? (int)classes : 0;
    WELD_TRY(read_preprocessing(c, cfg, err));
    return read_names(c, find(root, cfg, "label_names"), err);
}

/* *root: NULL where there is no such file. */
static weld_status open_root(const char *path, weld_hub_config *out, json_t **root,
                             weld_error *err) {
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash + 1 - path) : 0;
    weld_json_fault fault;
    void *text;
    size_t size;
    *root = NULL;
    snprintf(out->path, sizeof out->path, "%.*sconfig.json", folder, path);
    if (access(out->path, F_OK) != 0) {
        out->path[0] = '\0';
        return WELD_OK;
    }
    WELD_TRY(weld_file_read(out->path, MAX_BYTES, &text, &size, err));
    *root = weld_json_tree(text, size, NULL, &fault);
    weld_free(text);
    if (!*root) {
        char what[300];
        snprintf(what, sizeof what, "byte %zu: %.200s", fault.at, fault.what.message);
        return fault.status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path)
                                                 : fail(out, err, what);
    }
    const json_t *cfg = json_object_get(*root, "pretrained_cfg");
    read_architecture(out, *root, cfg);
    if (!json_is_object(cfg)) { /* another program's */
        out->path[0] = out->architecture[0] = '\0';
        json_decref(*root);
        *root = NULL;
    }
    return WELD_OK;
}

weld_status weld_hub_config_open(const char *path, weld_hub_config *out, weld_error *err) {
    json_t *root;
    WELD_TRY(open_root(path, out, &root, err));
    json_decref(root);
    return WELD_OK;
}

weld_status weld_hub_config_read(const char *path, weld_hub_config *out, weld_error *err) {
    json_t *root;
    WELD_TRY(open_root(path, out, &root, err));
    weld_status status = root ? read_root(out, root, err) : WELD_OK;
    json_decref(root);
    return status;
}

void weld_hub_config_free(weld_hub_config *c) {
    for (int i = 0; i < c->name_count; i++) {
        weld_free(c->class_names[i]);
    }
    weld_free(c->class_names);
    c->class_names = NULL;
    c->name_count = 0;
}
