/* Recipes: defaults, reading and overriding; see recipe.h. */
#include "recipe/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "recipe/augment_check.h"
#include "recipe/recipe_check.h"
#include "recipe/recipe_yaml.h"
#include "tasks/task.h"

#define RECIPE_SIZE_MAX (1 << 20)
#define KEY(member) WELD_RECIPE_PLACE(member)

void weld_recipe_defaults(weld_recipe *r) {
    memset(r, 0, sizeof *r);
    weld_recipe_set_standard(r);
    r->augment = weld_augmentation_defaults();
}

int64_t weld_recipe_epochs(const weld_recipe *r) {
    return r->train.epochs + r->schedule.cooldown_epochs;
}

/* At least one where there is one, and no more than such a key may have. */
static int64_t fitted(int64_t value, double factor) {
    return value ? (int64_t)fmin(fmax(round((double)value * factor), 1), WELD_MAX_EPOCHS) : 0;
}

/* What is counted in epochs and as long as the run makes it, beside train.epochs. */
static const size_t fitted_whole[] = {offsetof(weld_recipe, schedule.cooldown_epochs),
                                      offsetof(weld_recipe, augment.mixup_off_epoch),
                                      offsetof(weld_recipe, augment.close_mosaic)};
static const size_t fitted_real[] = {offsetof(weld_recipe, schedule.warmup_epochs),
                                     offsetof(weld_recipe, schedule.decay_epochs)};
enum {
    WHOLE = sizeof fitted_whole / sizeof *fitted_whole,
    REAL = sizeof fitted_real / sizeof *fitted_real
};

static int64_t *whole_at(const weld_recipe *r, size_t i) {
    return (int64_t *)((uintptr_t)r + fitted_whole[i]);
}

static double *real_at(const weld_recipe *r, size_t i) {
    return (double *)((uintptr_t)r + fitted_real[i]);
}

void weld_recipe_fit(weld_recipe *r, int64_t epochs) {
    const double factor = (double)epochs / (double)weld_recipe_epochs(r);
    for (size_t i = 0; i < WHOLE; i++) {
        *whole_at(r, i) = fitted(*whole_at(r, i), factor);
    }
    for (size_t i = 0; i < REAL; i++) {
        *real_at(r, i) = fmin(*real_at(r, i) * factor, WELD_MAX_EPOCHS);
    }
    if (r->schedule.cooldown_epochs >= epochs) {
        r->schedule.cooldown_epochs = epochs - 1;
    }
    r->train.epochs = epochs - r->schedule.cooldown_epochs;
}

void weld_recipe_fit_as(weld_recipe *r, const weld_recipe *fitted) {
    r->train.epochs = fitted->train.epochs;
    for (size_t i = 0; i < WHOLE; i++) {
        *whole_at(r, i) = *whole_at(fitted, i);
    }
    for (size_t i = 0; i < REAL; i++) {
        *real_at(r, i) = *real_at(fitted, i);
    }
}

/* A list that is written as one value: "224" or "224x320". */
static weld_status apply_lone(weld_recipe *r, size_t i, const char *value,
                              const weld_recipe_origins *o, weld_error *err) {
    weld_error reason = {.message = ""};
    char text[128];
    snprintf(text, sizeof text, "%s", value);
    for (char *at = text; (at = strchr(at, 'x'));) {
        *at = ',';
    }
    return weld_key_set(o->keys.at[i].row, (char *)r + o->keys.at[i].base, text, &reason)
               ? weld_recipe_fail(o, weld_recipe_key_place(&o->keys.at[i]), reason.message, err)
               : WELD_OK;
}

/* Store the value that one document has for a key. */
static weld_status apply_key(weld_recipe *r, size_t i, const weld_recipe_values *values,
                             const weld_recipe_origins *o, weld_error *err) {
    const weld_key *row = o->keys.at[i].row;
    const size_t place = weld_recipe_key_place(&o->keys.at[i]);
    void *to = (char *)r + o->keys.at[i].base;
    weld_error reason = {.message = ""};
    if (!values->value[i]) {
        if (!row->null) {
            return weld_recipe_fail(o, place, "has no value: give one or remove the key", err);
        }
        weld_key_set(row, to, row->null, NULL);
        return WELD_OK;
    }
    if ((row->flags & WELD_KEY_LONE) && !values->count[i]) {
        return apply_lone(r, i, values->value[i], o, err);
    }
    bool list = row->max_count > 1;
    int count = list ? (int)values->count[i] : 1;
    if (list) {
        weld_key_set_count(row, to, count);
    }
    for (int element = 0; element < count; element++) {
        const char *text = list ? ((char **)values->value[i])[element] : values->value[i];
        if (weld_key_set_element(row, to, element, text, &reason)) {
            return weld_recipe_fail(o, place, reason.message, err);
        }
    }
    return WELD_OK;
}

/* "section.key=VALUE" or "section.group.key=VALUE" as YAML, which is released with weld_free: in
 * block style, where a value on one line cannot add a key. */
static weld_status option_text(const char *option, const char *where, char **text,
                               weld_error *err) {
    const char *equals = strchr(option, '='), *dot = strchr(option, '.');
    *text = NULL;
    if (!equals || !dot || dot > equals || strchr(option, '\n') || strchr(option, '\r')) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is not section.key=VALUE, as in train.epochs=3", where);
    }
    size_t size = strlen(option) + 16;
    *text = weld_alloc(size, 1);
    if (!*text) {
        return weld_fail_memory(err, where);
    }
    const char *name = dot + 1, *group = memchr(name, '.', (size_t)(equals - name));
    int length = snprintf(*text, size, "%.*s:\n", (int)(dot - option), option);
    if (group) {
        length += snprintf(*text + length, size - (size_t)length, "  %.*s:\n  ",
                           (int)(group - name), name);
        name = group + 1;
    }
    snprintf(*text + length, size - (size_t)length, "  %.*s: %s\n", (int)(equals - name), name,
             equals + 1);
    return WELD_OK;
}

static weld_status read_option(const char *option, const weld_recipe_keys *keys,
                               weld_recipe_lines *lines, weld_recipe_values **values,
                               weld_error *err) {
    char where[WELD_ERROR_MESSAGE_SIZE / 2], *text;
    snprintf(where, sizeof where, "--set %.200s", option);
    WELD_TRY(option_text(option, where, &text, err));
    weld_status status =
        weld_recipe_yaml_read(keys, where, false, text, strlen(text), lines, values, err);
    weld_free(text);
    return status;
}

/* The documents in the order in which they count: the file's, then the options'. */
typedef struct layers {
    const char *text; /* of the file */
    size_t size;
    const char *const *set;
    size_t count; /* of documents: one more than options */
    weld_recipe_values **values;
    weld_recipe_lines *lines;
} layers;

static void layers_free(layers *l, const weld_recipe_keys *keys) {
    for (size_t i = 0; l->values && i < l->count; i++) {
        weld_recipe_yaml_free(keys, l->values[i]);
    }
    weld_free(l->values);
    weld_free(l->lines);
}

static weld_status read_layers(layers *l, const weld_recipe_origins *o, weld_error *err) {
    l->values = weld_alloc(l->count, sizeof *l->values);
    l->lines = weld_alloc(l->count, sizeof *l->lines);
    if (!l->values || !l->lines) {
        return weld_fail_memory(err, o->file);
    }
    WELD_TRY(weld_recipe_yaml_read(&o->keys, o->file, true, l->text, l->size, &l->lines[0],
                                   &l->values[0], err));
    for (size_t i = 1; i < l->count; i++) {
        WELD_TRY(read_option(l->set[i - 1], &o->keys, &l->lines[i], &l->values[i], err));
    }
    return WELD_OK;
}

/* The network's family brings keys, so that its name is looked for before anything is read. What is
 * wrong with the documents, or with the name, is found when they are. */
static weld_status find_keys(const layers *l, weld_recipe_origins *o, weld_error *err) {
    char name[WELD_MODEL_NAME_SIZE] = "";
    bool named = weld_recipe_scan_model(l->text, l->size, name);
    for (size_t i = 1; i < l->count; i++) {
        char *text;
        weld_status status = option_text(l->set[i - 1], "", &text, err);
        if (status == WELD_ERROR_MEMORY) {
            return status;
        }
        named |= !status && weld_recipe_scan_model(text, strlen(text), name);
        weld_free(text);
    }
    weld_recipe_keys_of(named ? name : o->start ? o->start->model->name : NULL, &o->keys);
    return WELD_OK;
}

/* Classes come from the data, and a second head where the recipe asks for it. */
static void take_model(weld_recipe *r, const weld_model_config *model, bool keep_classes) {
    const weld_model_family *family = weld_family_of(model);
    r->model = *model;
    if (keep_classes && family->keep_classes) {
        family->keep_classes(&r->model);
    }
    r->model.num_classes = 0;
    weld_model_set_second_head(&r->model, false);
}

/* The variant's own table of sizes, or the network of the file that training starts from, before
 * other keys of the model are looked at. */
static weld_status start_model(weld_recipe *r, const weld_recipe_origins *o, weld_error *err) {
    const weld_model_config *start = o->start ? o->start->model : NULL;
    weld_error reason = {.message = ""};
    weld_model_config named;
    if (!r->model.name[0] && start) {
        take_model(r, start, !o->start->resumed);
        return WELD_OK;
    }
    if (!r->model.name[0]) {
        return weld_recipe_fail(
            o, KEY(model.name),
            "missing: give a name that `weld models` lists, or weights to start from "
            "(--init)",
            err);
    }
    if (weld_model_config_named(r->model.name, &named, &reason)) {
        return weld_recipe_fail(o, KEY(model.name), reason.message, err);
    }
    bool any_sizes = start && !weld_model_is_variant(named.name) &&
                     weld_family_of(start) == weld_family_of(&named);
    take_model(r, any_sizes ? start : &named, any_sizes && !o->start->resumed);
    memcpy(r->model.name, named.name, sizeof named.name);
    return WELD_OK;
}

/* All documents' values for key i; the last that has it wins. */
static weld_status apply_layers(weld_recipe *r, const layers *l, size_t i, weld_recipe_origins *o,
                                weld_error *err) {
    for (size_t layer = 0; layer < l->count; layer++) {
        if (l->lines[layer].line[i]) {
            o->line[i] = layer ? o->line[i] : l->lines[layer].line[i];
            o->option[i] = layer ? l->set[layer - 1] : NULL;
            WELD_TRY(apply_key(r, i, l->values[layer], o, err));
        }
    }
    return WELD_OK;
}

/* Keys of which the preprocessing has the values in another form, before they are read... */
static void start_size(weld_recipe *r) {
    const weld_preprocessing *p = &r->data.preprocessing;
    r->data.input_size_count = p->height == p->width ? 1 : 2;
    r->data.input_size[0] = p->height;
    r->data.input_size[1] = r->data.input_size_count == 2 ? p->width : 0;
    for (int c = 0; p->resize == WELD_FIT_LETTERBOX && c < 3; c++) {
        r->data.padding[c] = p->padding[c];
        r->data.padding_count = 3;
    }
}

/* ...and after. A crop fraction that nobody gave is 1 where all of the image is to be seen. */
static void settle_size(weld_recipe *r, const weld_recipe_origins *o) {
    weld_preprocessing *p = &r->data.preprocessing;
    const size_t crop = weld_recipe_key_index(&o->keys, KEY(data.preprocessing.crop_fraction));
    const size_t resize = weld_recipe_key_index(&o->keys, KEY(data.preprocessing.resize));
    p->scale16 = p->scale16 ? p->scale16 : WELD_SCALE16_MIN; /* of a family that says nothing */
    p->max_pixels = p->max_pixels ? p->max_pixels : WELD_USUAL_MAX_PIXELS;
    p->height = r->data.input_size[0];
    p->width = r->data.input_size[r->data.input_size_count - 1];
    weld_preprocessing_pad_with_mean(p);
    for (int c = 0; c < r->data.padding_count; c++) {
        p->padding[c] = (unsigned char)r->data.padding[c];
    }
    if (p->resize != WELD_FIT_CROP && (o->line[resize] || o->option[resize]) && !o->line[crop] &&
        !o->option[crop]) {
        p->crop_fraction = 1;
    }
}

/* What the task's recipes start from. */
static void set_task_standard(weld_recipe *r, const weld_task *task, const weld_recipe_keys *keys) {
    for (const weld_recipe_standard *at = task->recipe; at && at->key; at++) {
        for (size_t i = 0; i < keys->count; i++) {
            const weld_recipe_key *key = &keys->at[i];
            const size_t section = strlen(key->section);
            if (strncmp(at->key, key->section, section) == 0 && at->key[section] == '.' &&
                strcmp(at->key + section + 1, key->row->name) == 0) {
                weld_key_set(key->row, (char *)r + key->base, at->value, NULL);
            }
        }
    }
}

/* First the network, which says what the other keys start from, then these. */
static weld_status apply_all(weld_recipe *r, const layers *l, weld_recipe_origins *o,
                             weld_error *err) {
    const size_t name = weld_recipe_key_index(&o->keys, KEY(model.name));
    WELD_TRY(apply_layers(r, l, name, o, err));
    WELD_TRY(start_model(r, o, err));
    weld_task_standard_values(weld_task_of(&r->model), r->loss.values);
    set_task_standard(r, weld_task_of(&r->model), &o->keys);
    const bool goes_on = o->start && weld_family_of(o->start->model) == weld_family_of(&r->model);
    r->data.preprocessing = goes_on ? *o->start->preprocessing
                                    : weld_model_usual_preprocessing(
                                          &r->model, weld_model_find_naming(&r->model, NULL, NULL));
    /* A run goes on as it began; boxes lie on upright images, whatever their files say. */
    if (!(goes_on && o->start->resumed) || weld_task_of(&r->model)->annotation->of_boxes) {
        r->data.preprocessing.orientation = WELD_ORIENTATION_EXIF;
    }
    start_size(r);
    for (size_t i = 0; i < o->keys.count; i++) {
        if (i != name) {
            WELD_TRY(apply_layers(r, l, i, o, err));
        }
    }
    settle_size(r, o);
    return WELD_OK;
}

static weld_status parse(const char *name, const char *text, size_t size, const char *const *set,
                         size_t set_count, const weld_recipe_start *start, weld_recipe *out,
                         weld_error *err) {
    layers l = {.text = text, .size = size, .set = set, .count = set_count + 1};
    weld_recipe_origins *o = weld_alloc(1, sizeof *o);
    weld_recipe *r = weld_alloc(1, sizeof *r);
    weld_status status = o && r ? WELD_OK : weld_fail_memory(err, name);
    if (!status) {
        o->file = name;
        o->start = start;
        weld_recipe_defaults(r);
        status = find_keys(&l, o, err);
        status = status ? status : read_layers(&l, o, err);
        status = status ? status : apply_all(r, &l, o, err);
        status = status ? status : weld_recipe_check(r, o, err);
        status = status ? status : weld_recipe_check_augment(r, o, err);
        status = status ? status : weld_recipe_check_quantize(r, o, err);
        layers_free(&l, &o->keys);
    }
    if (!status) {
        *out = *r;
    }
    weld_free(o);
    weld_free(r);
    return status;
}

weld_status weld_recipe_parse(const char *name, const char *text, size_t size,
                              const char *const *set, size_t set_count, weld_recipe *out,
                              weld_error *err) {
    return parse(name, text, size, set, set_count, NULL, out, err);
}

/* Of a file or a pipe. */
static weld_status read_text(int file, const char *path, char *text, size_t *size,
                             weld_error *err) {
    ssize_t n = 1;
    while (n != 0 && *size <= RECIPE_SIZE_MAX) {
        n = read(file, text + *size, RECIPE_SIZE_MAX + 1 - *size);
        if (n < 0 && errno != EINTR) {
            return weld_fail(err, WELD_ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
        }
        *size += n > 0 ? (size_t)n : 0;
    }
    return *size <= RECIPE_SIZE_MAX ? WELD_OK
                                    : weld_fail(err, WELD_ERROR_FORMAT,
                                                "%s: is larger than 1 MB: that is no recipe", path);
}

weld_status weld_recipe_read(const char *path, const char *const *set, size_t set_count,
                             const weld_recipe_start *start, weld_recipe *out, weld_error *err) {
    const int file = weld_file_open_flags(path, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0) {
        return weld_fail(err, errno == ENOENT ? WELD_ERROR_NOT_FOUND : WELD_ERROR_IO,
                         "%s: cannot be opened: %s", path, strerror(errno));
    }
    char *text = weld_alloc_raw(RECIPE_SIZE_MAX + 1, 1);
    size_t size = 0;
    weld_status status =
        text ? read_text(file, path, text, &size, err) : weld_fail_memory(err, path);
    close(file);
    status = status ? status : parse(path, text, size, set, set_count, start, out, err);
    weld_free(text);
    return status;
}
