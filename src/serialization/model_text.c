/* Configurations, preprocessing and class names as JSON text; see model_text.h. */
#include "serialization/model_text.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json.h"
#include "formats/json_tree.h"
#include "models/models.h"

/* --- Configurations ----------------------------------------------------------------------------
 */

static json_t *element_json(const weld_key *key, const void *values, int element) {
    double number = weld_key_number(key, values, element);
    switch (key->type) {
    case WELD_KEY_INTEGER:
        return json_integer((json_int_t)number);
    case WELD_KEY_REAL:
        return json_real(number);
    case WELD_KEY_BOOL:
        return json_boolean(number != 0);
    case WELD_KEY_CHOICE:
        return json_string(key->choices[(int)number]);
    case WELD_KEY_TEXT:
        return json_string((const char *)values + key->offset);
    }
    return NULL;
}

json_t *weld_key_json(const weld_key *key, const void *values) {
    if (key->max_count == 1) {
        return element_json(key, values, 0);
    }
    json_t *list = json_array();
    for (int i = 0; i < weld_key_count(key, values); i++) {
        weld_json_append(&list, element_json(key, values, i));
    }
    return list;
}

weld_status weld_model_config_to_text(const weld_model_config *c, char **text, weld_error *err) {
    if (!memchr(c->name, '\0', sizeof c->name)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "model configuration: not filled in");
    }
    const weld_model_family *family = weld_family_find(c->name, NULL, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    json_t *root = json_pack("{s:s, s:i}", "name", c->name, "num_classes", c->num_classes);
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, 0));) {
        weld_json_set(&root, key->name, weld_key_json(key, c->values));
    }
    return weld_json_text(root, "model configuration", text, err);
}

/* One value of a key, which stands alone or in a list. */
static void read_element(weld_json *j, const weld_key *key, const json_t *value, void *values,
                         int element) {
    const bool whole = key->type == WELD_KEY_INTEGER, is_bool = key->type == WELD_KEY_BOOL;
    const char *text = json_string_value(value);
    if (key->type == WELD_KEY_CHOICE || key->type == WELD_KEY_TEXT) {
        if (!text || weld_key_set_element(key, values, element, text, NULL) != WELD_OK) {
            weld_json_fail(j, "%s: no value that it can have", key->name);
        }
        return;
    }
    const double number = is_bool ? json_is_true(value) : json_number_value(value);
    const bool good = is_bool ? json_is_boolean(value)
                              : (whole ? json_is_integer(value) : json_is_number(value)) &&
                                    number >= key->min && number <= key->max;
    if (good) {
        weld_key_set_number(key, values, element, number);
    } else if (is_bool) {
        weld_json_fail(j, "%s: not true or false", key->name);
    } else {
        weld_json_fail(j, "%s: not %s from %.10g to %.10g", key->name,
                       whole ? "an integer" : "a number", key->min, key->max);
    }
}

static void read_value(weld_json *j, const weld_key *key, const json_t *root, void *values) {
    const json_t *value = json_object_get(root, key->name);
    if (!value && key->standard && !(key->flags & WELD_KEY_SIZE)) {
        return; /* the file is from before there was this key */
    }
    if (!value) {
        weld_json_fail(j, "no %s", key->name);
        return;
    }
    if (key->max_count == 1) {
        read_element(j, key, value, values, 0);
        return;
    }
    const json_t *list =
        weld_json_array(j, root, key->name, (size_t)key->min_count, (size_t)key->max_count);
    int count = (int)json_array_size(list);
    if (list) {
        weld_key_set_count(key, values, count);
    }
    for (int i = 0; i < count; i++) {
        read_element(j, key, json_array_get(list, (size_t)i), values, i);
    }
}

/* The values of the family that the name is of. */
static void read_values(weld_json *j, const json_t *root, weld_model_config *c) {
    weld_error unknown = {.message = ""};
    const weld_model_family *family = weld_family_find(c->name, NULL, &unknown);
    char names[128];
    if (!family) {
        j->status = j->status ? j->status
                              : weld_fail(j->err, WELD_ERROR_NOT_FOUND, "%s: %s", j->where,
                                          unknown.message);
        return;
    }
    weld_keys_set_standard(family->keys, family->key_count, c->values);
    for (size_t i = 0; i < family->key_count; i++) {
        read_value(j, &family->keys[i], root, c->values);
    }
    if (!weld_model_lists_agree(c)) {
        weld_json_fail(
            j, "%s: not of one length",
            weld_key_names(family->keys, family->key_count, WELD_KEY_SIZE, names, sizeof names));
    }
    weld_json_no_more(j, root, 2 + family->key_count);
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
    c.num_classes = (int)weld_json_int(&j, root, "num_classes", 1, WELD_MAX_CLASSES);
    read_values(&j, root, &c);
    json_decref(root);
    if (j.status == WELD_OK) {
        *out = c;
    }
    return j.status;
}

/* --- Preprocessing -----------------------------------------------------------------------------
 */

weld_status weld_preprocessing_to_text(const weld_preprocessing *p, char **text, weld_error *err) {
    const weld_status sound = weld_preprocessing_check(p, err);
    if (sound) {
        return weld_fail_context(err, sound, "preprocessing");
    }
    json_t *size =
        p->height == p->width ? json_integer(p->height) : json_pack("[i,i]", p->height, p->width);
    json_t *root =
        json_pack("{s:o, s:f, s:s, s:[f,f,f], s:[f,f,f]}", "input_size", size, "crop_fraction",
                  p->crop_fraction, "interpolation", weld_interpolation_names[p->interpolation],
                  "mean", (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], "std",
                  (double)p->std[0], (double)p->std[1], (double)p->std[2]);
    /* Files say no more than they must, so that those of the usual mode are as they always were. */
    if (root && p->resize != WELD_FIT_CROP) {
        weld_json_set(&root, "resize", json_string(weld_fit_names[p->resize]));
    }
    if (root && p->resize == WELD_FIT_LETTERBOX) {
        weld_json_set(&root, "padding",
                      json_pack("[i,i,i]", p->padding[0], p->padding[1], p->padding[2]));
    }
    if (root && p->scale16 > WELD_SCALE16_MIN) {
        weld_json_set(&root, "scale16", json_integer(p->scale16));
    }
    if (root && p->orientation == WELD_ORIENTATION_EXIF) {
        weld_json_set(&root, "orientation", json_string("exif"));
    }
    if (root && p->max_pixels && p->max_pixels != WELD_USUAL_MAX_PIXELS) {
        weld_json_set(&root, "max_pixels", json_integer(p->max_pixels));
    }
    return weld_json_text(root, "preprocessing", text, err);
}

static void read_three(weld_json *j, const json_t *root, const char *key, float out[3]) {
    const json_t *list = weld_json_array(j, root, key, 3, 3);
    for (size_t i = 0; i < 3; i++) {
        out[i] = (float)weld_json_real_at(j, list, i, key);
    }
}

/* A number, or height and width. */
static void read_size(weld_json *j, const json_t *root, weld_preprocessing *p) {
    if (!json_is_array(json_object_get(root, "input_size"))) {
        p->height = p->width = (int)weld_json_int(j, root, "input_size", 1, WELD_MAX_INPUT_SIZE);
        return;
    }
    const json_t *list = weld_json_array(j, root, "input_size", 2, 2);
    p->height = (int)weld_json_int_at(j, list, 0, "input_size", 1, WELD_MAX_INPUT_SIZE);
    p->width = (int)weld_json_int_at(j, list, 1, "input_size", 1, WELD_MAX_INPUT_SIZE);
}

/* What stands in files of other modes than the usual; returns how many members that are. */
static size_t read_mode(weld_json *j, const json_t *root, weld_preprocessing *p) {
    if (!json_object_get(root, "resize")) {
        return 0;
    }
    const char *mode = weld_json_string(j, root, "resize");
    while ((unsigned)p->resize <= WELD_FIT_LETTERBOX &&
           strcmp(mode, weld_fit_names[p->resize]) != 0) {
        p->resize = (weld_fit)(p->resize + 1);
    }
    if ((unsigned)p->resize > WELD_FIT_LETTERBOX) {
        weld_json_fail(j, "resize: \"%.40s\" is not known", mode);
    }
    if (p->resize != WELD_FIT_LETTERBOX) {
        return 1;
    }
    const json_t *list = weld_json_array(j, root, "padding", 3, 3);
    for (size_t i = 0; i < 3; i++) {
        p->padding[i] = (unsigned char)weld_json_int_at(j, list, i, "padding", 0, 255);
    }
    return 2;
}

/* Likewise, of which images are taken, and how they are turned: earlier files say nothing, and are
 * of networks for images as they were stored. */
static size_t read_images(weld_json *j, const json_t *root, weld_preprocessing *p) {
    const bool turns = json_object_get(root, "orientation") != NULL;
    const bool limits = json_object_get(root, "max_pixels") != NULL;
    if (turns) {
        const char *mode = weld_json_string(j, root, "orientation");
        p->orientation = WELD_ORIENTATION_EXIF;
        if (strcmp(mode, "exif") != 0) {
            weld_json_fail(j, "orientation: \"%.40s\" is not known", mode);
        }
    }
    if (limits) {
        p->max_pixels = (int)weld_json_int(j, root, "max_pixels", 1, WELD_MAX_PIXELS);
    }
    return (size_t)turns + limits;
}

weld_status weld_preprocessing_from_text(const char *text, const char *where,
                                         weld_preprocessing *out, weld_error *err) {
    weld_json j = {.where = where, .err = err};
    weld_preprocessing p = {0};
    json_t *root = weld_json_parse(&j, text);
    if (!root) {
        return j.status;
    }
    read_size(&j, root, &p);
    p.crop_fraction = weld_json_real(&j, root, "crop_fraction");
    const char *interpolation = weld_json_string(&j, root, "interpolation");
    if (strcmp(interpolation, weld_interpolation_names[WELD_BILINEAR]) == 0) {
        p.interpolation = WELD_BILINEAR;
    } else if (strcmp(interpolation, weld_interpolation_names[WELD_BICUBIC]) != 0) {
        weld_json_fail(&j, "interpolation: \"%.40s\" is not known", interpolation);
    }
    read_three(&j, root, "mean", p.mean);
    read_three(&j, root, "std", p.std);
    weld_preprocessing_pad_with_mean(&p); /* of a letterbox the file says it */
    const size_t modes = read_mode(&j, root, &p);
    const bool scales = json_object_get(root, "scale16") != NULL;
    p.scale16 = scales ? (int)weld_json_int(&j, root, "scale16", WELD_SCALE16_MIN, WELD_SCALE16_MAX)
                       : WELD_SCALE16_MIN;
    weld_json_no_more(&j, root, 5 + modes + scales + read_images(&j, root, &p));
    weld_error reason;
    if (!j.status && weld_preprocessing_check(&p, &reason)) {
        weld_json_fail(&j, "%s", reason.message);
    }
    json_decref(root);
    if (j.status == WELD_OK) {
        *out = p;
    }
    return j.status;
}

/* --- Class names -------------------------------------------------------------------------------
 */

static json_t *bytes_json(const char *name) {
    json_t *list = json_array();
    for (; *name; name++) {
        weld_json_append(&list, json_integer((unsigned char)*name));
    }
    return list;
}

weld_status weld_class_names_to_text(char *const *names, int count, char **text, weld_error *err) {
    json_t *root = json_array();
    for (int i = 0; i < count; i++) {
        bool wrong;
        json_t *name = weld_json_utf8(names[i], &wrong);
        weld_json_append(&root, wrong ? bytes_json(names[i]) : name);
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
