/* Configurations, preprocessing and class names as JSON text; see model_text.h. */
#include "serialization/model_text.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json.h"

enum { MAX_CLASSES = 1 << 20, MAX_CHANNELS = 1 << 16, MAX_DEPTH = 1 << 10, MAX_SIZE = 1 << 14 };

static json_t *ints_json(const int *values, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        if (json_array_append_new(list, json_integer(values[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

weld_status weld_model_config_to_text(const weld_model_config *c, char **text, weld_error *err) {
    if (c->stage_count < 0 || c->stage_count > WELD_MAX_STAGES ||
        !memchr(c->name, '\0', sizeof c->name)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "model configuration: not filled in");
    }
    json_t *root =
        json_pack("{s:s, s:i, s:o, s:o, s:i, s:b, s:b}", "name", c->name, "num_classes",
                  c->num_classes, "channels", ints_json(c->channels, c->stage_count), "depths",
                  ints_json(c->depths, c->stage_count), "stem_stride", c->stem_stride, "legacy",
                  c->legacy, "distillation_head", c->distillation_head);
    return weld_json_text(root, "model configuration", text, err);
}

weld_status weld_model_config_from_text(const char *text, const char *where, weld_model_config *out,
                                        weld_error *err) {
    weld_json j = {.where = where, .err = err};
    weld_model_config c = {0};
    json_t *root = weld_json_parse(&j, text);
    if (!root) {
        return j.status;
    }
    const char *name = weld_json_string(&j, root, "name");
    if (strlen(name) < sizeof c.name) {
        memcpy(c.name, name, strlen(name));
    } else {
        weld_json_fail(&j, "name: longer than %zu characters", sizeof c.name - 1);
    }
    c.num_classes = (int)weld_json_int(&j, root, "num_classes", 1, MAX_CLASSES);
    const json_t *channels = weld_json_array(&j, root, "channels", 1, WELD_MAX_STAGES);
    const json_t *depths = weld_json_array(&j, root, "depths", 1, WELD_MAX_STAGES);
    c.stage_count = (int)json_array_size(channels);
    if (json_array_size(depths) != json_array_size(channels)) {
        weld_json_fail(&j, "channels and depths: not of one length");
    }
    for (int i = 0; i < c.stage_count; i++) {
        c.channels[i] = (int)weld_json_int_at(&j, channels, (size_t)i, "channels", 1, MAX_CHANNELS);
        c.depths[i] = (int)weld_json_int_at(&j, depths, (size_t)i, "depths", 0, MAX_DEPTH);
    }
    c.stem_stride = (int)weld_json_int(&j, root, "stem_stride", 1, 4);
    c.legacy = weld_json_bool(&j, root, "legacy");
    c.distillation_head = weld_json_bool(&j, root, "distillation_head");
    weld_json_no_more(&j, root, 7);
    json_decref(root);
    if (j.status == WELD_OK) {
        *out = c;
    }
    return j.status;
}

static const char *const interpolations[] = {
    [WELD_BICUBIC] = "bicubic", [WELD_BILINEAR] = "bilinear"};

static bool sound(const weld_preprocessing *p) {
    bool good = p->input_size >= 1 && p->input_size <= MAX_SIZE && p->crop_fraction > 0 &&
                p->crop_fraction <= 1;
    for (int i = 0; i < 3; i++) {
        good = good && isfinite(p->mean[i]) && isfinite(p->std[i]) && p->std[i] > 0;
    }
    return good;
}

weld_status weld_preprocessing_to_text(const weld_preprocessing *p, char **text, weld_error *err) {
    if (!sound(p)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "preprocessing: a value out of its range");
    }
    json_t *root = json_pack("{s:i, s:f, s:s, s:[f,f,f], s:[f,f,f]}", "input_size", p->input_size,
                             "crop_fraction", p->crop_fraction, "interpolation",
                             interpolations[p->interpolation], "mean", (double)p->mean[0],
                             (double)p->mean[1], (double)p->mean[2], "std", (double)p->std[0],
                             (double)p->std[1], (double)p->std[2]);
    return weld_json_text(root, "preprocessing", text, err);
}

static void read_three(weld_json *j, const json_t *root, const char *key, float out[3]) {
    const json_t *list = weld_json_array(j, root, key, 3, 3);
    for (size_t i = 0; i < 3; i++) {
        out[i] = (float)weld_json_real_at(j, list, i, key);
    }
}

weld_status weld_preprocessing_from_text(const char *text, const char *where,
                                         weld_preprocessing *out, weld_error *err) {
    weld_json j = {.where = where, .err = err};
    weld_preprocessing p = {0};
    json_t *root = weld_json_parse(&j, text);
    if (!root) {
        return j.status;
    }
    p.input_size = (int)weld_json_int(&j, root, "input_size", 1, MAX_SIZE);
    p.crop_fraction = weld_json_real(&j, root, "crop_fraction");
    const char *interpolation = weld_json_string(&j, root, "interpolation");
    if (strcmp(interpolation, interpolations[WELD_BILINEAR]) == 0) {
        p.interpolation = WELD_BILINEAR;
    } else if (strcmp(interpolation, interpolations[WELD_BICUBIC]) != 0) {
        weld_json_fail(&j, "interpolation: \"%.40s\" is not known", interpolation);
    }
    read_three(&j, root, "mean", p.mean);
    read_three(&j, root, "std", p.std);
    weld_json_no_more(&j, root, 5);
    if (!sound(&p)) {
        weld_json_fail(&j, "a value out of its range");
    }
    json_decref(root);
    if (j.status == WELD_OK) {
        *out = p;
    }
    return j.status;
}

static json_t *bytes_json(const char *name) {
    json_t *list = json_array();
    for (; *name; name++) {
        if (json_array_append_new(list, json_integer((unsigned char)*name)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

weld_status weld_class_names_to_text(char *const *names, int count, char **text, weld_error *err) {
    json_t *root = json_array();
    for (int i = 0; i < count; i++) {
        json_t *name = json_string(names[i]); /* NULL where it is not UTF-8 */
        if (json_array_append_new(root, name ? name : bytes_json(names[i])) != 0) {
            json_decref(root);
            return weld_fail_memory(err, "class names");
        }
    }
    return weld_json_text(root, "class names", text, err);
}

/* NULL after an error. */
static char *name_from_bytes(weld_json *j, const json_t *list) {
    size_t length = json_array_size(list);
    char *name = weld_alloc(length + 1, 1);
    if (!name) {
        j->status = weld_fail_memory(j->err, "class names");
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        name[i] = (char)weld_json_int_at(j, list, i, "byte of a name", 1, 255);
    }
    return name;
}

static char *name_from_json(weld_json *j, const json_t *value) {
    if (json_is_array(value)) {
        return name_from_bytes(j, value);
    }
    if (!json_is_string(value)) {
        weld_json_fail(j, "a name is not a text");
        return NULL;
    }
    char *name = weld_strdup(json_string_value(value));
    if (!name) {
        j->status = weld_fail_memory(j->err, "class names");
    }
    return name;
}

weld_status weld_class_names_from_text(const char *text, const char *where, int count, char ***out,
                                       weld_error *err) {
    weld_json j = {.where = where, .err = err};
    char **names = NULL;
    json_t *root = weld_json_parse_list(&j, text);
    if (root && json_array_size(root) != (size_t)count) {
        weld_json_fail(&j, "%zu names for %d classes", json_array_size(root), count);
    }
    if (j.status == WELD_OK) {
        names = weld_alloc((size_t)count, sizeof *names);
        j.status = names ? WELD_OK : weld_fail_memory(err, "class names");
    }
    for (int i = 0; i < count && j.status == WELD_OK; i++) {
        names[i] = name_from_json(&j, json_array_get(root, (size_t)i));
    }
    json_decref(root);
    if (j.status != WELD_OK) {
        weld_class_names_free(names, count);
        return j.status;
    }
    *out = names;
    return WELD_OK;
}

void weld_class_names_free(char **names, int count) {
    for (int i = 0; names && i < count; i++) {
        weld_free(names[i]);
    }
    weld_free(names);
}
