/* Recipes: defaults, reading, overriding, checking, writing; see recipe.h. */
#include "recipe/recipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/rand_augment.h"
#include "optimize/optimizer.h"
#include "recipe/recipe_keys.h"
#include "recipe/recipe_yaml.h"

#define RECIPE_SIZE_MAX (1 << 20)

/* Where each key was given, for messages of checks that come later. */
typedef struct origins {
    const char *file;
    const weld_recipe_start *start;           /* NULL: from nothing */
    int line[WELD_RECIPE_KEYS_MAX];           /* in file; 0: not there */
    const char *option[WELD_RECIPE_KEYS_MAX]; /* the last --set of it, which wins over file */
} origins;

static size_t key_index(const char *section, const char *name) {
    size_t i = 0;
    while (strcmp(weld_recipe_keys[i].section, section) || strcmp(weld_recipe_keys[i].name, name)) {
        i++;
    }
    return i;
}

/* "FILE:LINE: section.key: reason", or the option in place of the line. */
static weld_status fail_key(const origins *o, size_t i, const char *reason, weld_error *err) {
    const weld_recipe_key *key = &weld_recipe_keys[i];
    if (o->option[i]) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "--set %s: %s.%s: %s", o->option[i],
                         key->section, key->name, reason);
    }
    if (o->line[i]) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s:%d: %s.%s: %s", o->file, o->line[i],
                         key->section, key->name, reason);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s.%s: %s", o->file, key->section, key->name,
                     reason);
}

void weld_recipe_defaults(weld_recipe *r) {
    memset(r, 0, sizeof *r);
    r->model.stem_stride = 4;
    r->data.preprocessing = (weld_preprocessing){.input_size = 224,
                                                 .crop_fraction = 0.875,
                                                 .interpolation = WELD_BICUBIC,
                                                 .mean = {0.485f, 0.456f, 0.406f},
                                                 .std = {0.229f, 0.224f, 0.225f}};
    r->data.max_bad = 100;
    r->augment = weld_augmentation_defaults();
    r->loss.label_smoothing = 0.1;
    r->loss.distillation.alpha = 0.5;
    r->loss.distillation.temperature = 1;
    r->optimizer.lr = 1e-3;
    r->optimizer.lr_batch = 512;
    r->optimizer.betas[0] = 0.9;
    r->optimizer.betas[1] = 0.999;
    r->optimizer.eps = 1e-8;
    r->optimizer.momentum = 0.9;
    r->optimizer.weight_decay = 0.025;
    r->optimizer.clip = 0.02;
    r->optimizer.clip_mode = WELD_CLIP_AGC;
    r->optimizer.head_lr_scale = 1;
    r->optimizer.layer_decay = 1;
    r->schedule.warmup_epochs = 5;
    r->schedule.warmup_lr = 1e-6;
    r->schedule.min_lr = 1e-5;
    r->train.epochs = 300;
    r->train.batch_size = 256;
    r->train.accumulate = 1;
    r->train.shuffle = true;
    r->train.ema_decay = 0.99996;
    r->train.fuse = true;
    r->train.events = true;
    r->train.histograms_every = 10;
    r->train.eval_every = 1;
    r->train.checkpoint_every = 100;
}

/* Store the values of one document: key by key, in the table's order. */
static weld_status apply_key(weld_recipe *r, size_t i, const weld_recipe_values *values,
                             const origins *o, weld_error *err) {
    const weld_recipe_key *key = &weld_recipe_keys[i];
    weld_error reason = {.message = ""};
    if (!values->value[i]) {
        if (!key->null) {
            return fail_key(o, i, "has no value: give one or remove the key", err);
        }
        weld_recipe_set_element(r, key, 0, key->null, NULL);
        return WELD_OK;
    }
    bool list = key->max_count > 1;
    int count = list ? (int)values->count[i] : 1;
    for (int element = 0; element < count; element++) {
        const char *text = list ? ((char **)values->value[i])[element] : values->value[i];
        if (weld_recipe_set_element(r, key, element, text, &reason)) {
            return fail_key(o, i, reason.message, err);
        }
    }
    if (key->min_count < key->max_count) {
        memcpy((char *)r + key->count_offset, &count, sizeof count);
    }
    return WELD_OK;
}

/* "section.key=VALUE" or "section.group.key=VALUE" as YAML: in block style, where a value on one
 * line cannot add a key. */
static weld_status read_option(const char *option, weld_recipe_lines *lines,
                               weld_recipe_values **values, weld_error *err) {
    char where[WELD_ERROR_MESSAGE_SIZE / 2];
    snprintf(where, sizeof where, "--set %.200s", option);
    const char *equals = strchr(option, '='), *dot = strchr(option, '.');
    if (!equals || !dot || dot > equals || strchr(option, '\n') || strchr(option, '\r')) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is not section.key=VALUE, as in train.epochs=3", where);
    }
    size_t size = strlen(option) + 16;
    char *text = weld_alloc(size, 1);
    if (!text) {
        return weld_fail_memory(err, where);
    }
    const char *name = dot + 1, *group = memchr(name, '.', (size_t)(equals - name));
    int length = snprintf(text, size, "%.*s:\n", (int)(dot - option), option);
    if (group) {
        length += snprintf(text + length, size - (size_t)length, "  %.*s:\n  ", (int)(group - name),
                           name);
        name = group + 1;
    }
    length += snprintf(text + length, size - (size_t)length, "  %.*s: %s\n", (int)(equals - name),
                       name, equals + 1);
    weld_status status =
        weld_recipe_yaml_read(where, false, text, (size_t)length, lines, values, err);
    weld_free(text);
    return status;
}

/* The documents in the order in which they count: the file's, then the options'. */
typedef struct layers {
    size_t count;
    weld_recipe_values **values;
    weld_recipe_lines *lines;
} layers;

static void layers_free(layers *l) {
    for (size_t i = 0; l->values && i < l->count; i++) {
        weld_recipe_yaml_free(l->values[i]);
    }
    weld_free(l->values);
    weld_free(l->lines);
}

static weld_status read_layers(const char *name, const char *text, size_t size,
                               const char *const *set, size_t set_count, layers *l,
                               weld_error *err) {
    *l = (layers){.count = set_count + 1};
    l->values = weld_alloc(l->count, sizeof *l->values);
    l->lines = weld_alloc(l->count, sizeof *l->lines);
    if (!l->values || !l->lines) {
        return weld_fail_memory(err, name);
    }
    weld_status status =
        weld_recipe_yaml_read(name, true, text, size, &l->lines[0], &l->values[0], err);
    for (size_t i = 0; !status && i < set_count; i++) {
        status = read_option(set[i], &l->lines[i + 1], &l->values[i + 1], err);
    }
    return status;
}

/* Classes come from the data, and a second head where the recipe asks for it. */
static void take_model(weld_recipe *r, const weld_model_config *model) {
    r->model = *model;
    r->model.num_classes = 0;
    r->model.distillation_head = false;
    r->depth_count = r->model.stage_count;
}

/* Is `name` a family's, and the model of it? */
static bool names_family(const weld_model_config *named, const weld_model_config *model) {
    size_t length = strlen(named->name);
    return named->stage_count == 0 && strncmp(model->name, named->name, length) == 0;
}

/* The variant's own table of sizes, or the network of the file that training starts from, before
 * other keys of the model are looked at. */
static weld_status start_model(weld_recipe *r, const origins *o, weld_error *err) {
    size_t name = key_index("model", "name");
    const weld_model_config *start = o->start ? o->start->model : NULL;
    weld_error reason = {.message = ""};
    weld_model_config named;
    if (!r->model.name[0] && start) {
        take_model(r, start);
        return WELD_OK;
    }
    if (!r->model.name[0]) {
        return fail_key(o, name,
                        "missing: give a name that `weld models` lists, or weights to start from "
                        "(--init)",
                        err);
    }
    if (weld_model_config_named(r->model.name, &named, &reason)) {
        return fail_key(o, name, reason.message, err);
    }
    if (start && names_family(&named, start)) {
        take_model(r, start);
        memcpy(r->model.name, named.name, sizeof named.name);
    } else {
        take_model(r, &named);
    }
    return WELD_OK;
}

static weld_status apply_layers(weld_recipe *r, const layers *l, const char *const *set, origins *o,
                                weld_error *err) {
    for (size_t i = 0; i < weld_recipe_key_count; i++) {
        for (size_t layer = 0; layer < l->count; layer++) {
            if (!l->lines[layer].line[i]) {
                continue;
            }
            o->line[i] = layer ? o->line[i] : l->lines[layer].line[i];
            o->option[i] = layer ? set[layer - 1] : NULL;
            weld_status status = apply_key(r, i, l->values[layer], o, err);
            if (status) {
                return status;
            }
        }
        if (i == 0) { /* model.name */
            weld_status status = start_model(r, o, err);
            if (status) {
                return status;
            }
        }
    }
    return WELD_OK;
}

static weld_status check_model(const weld_recipe *r, const origins *o, weld_error *err) {
    const weld_model_config *m = &r->model;
    weld_model_config variant;
    size_t channels = key_index("model", "channels"), depths = key_index("model", "depths");
    if (weld_model_config_named(m->name, &variant, err)) {
        return err ? err->status : WELD_ERROR_ARGUMENT;
    }
    if (m->stage_count == 0) {
        return fail_key(o, channels, "missing: a family name needs channels and depths", err);
    }
    if (m->stage_count != r->depth_count) {
        return fail_key(o, o->line[depths] || o->option[depths] ? depths : channels,
                        "channels and depths must be lists of the same length", err);
    }
    if (variant.stage_count) {
        size_t bytes = (size_t)variant.stage_count * sizeof(int);
        bool same = m->stage_count == variant.stage_count;
        if (!same || memcmp(m->channels, variant.channels, bytes)) {
            return fail_key(o, channels,
                            "the named variant has others: remove the key, or give "
                            "the name of the family (repvit)",
                            err);
        }
        if (memcmp(m->depths, variant.depths, bytes)) {
            return fail_key(o, depths,
                            "the named variant has others: remove the key, or give "
                            "the name of the family (repvit)",
                            err);
        }
    }
    if (m->stem_stride == 3) {
        return fail_key(o, key_index("model", "stem_stride"), "3 is not 1, 2 or 4", err);
    }
    return WELD_OK;
}

/* Why train.freeze asks for more than the network has; false where it does not. */
static bool freezes_too_much(const weld_recipe *r, char *reason, size_t size) {
    int stages = r->model.stage_count;
    snprintf(reason, size, "the network has %d stage%s: give at most stage%d", stages,
             stages == 1 ? "" : "s", stages);
    return r->train.freeze != WELD_FREEZE_BACKBONE && r->train.freeze > stages + 1;
}

static weld_status check_freeze(const weld_recipe *r, const origins *o, weld_error *err) {
    char reason[80];
    return freezes_too_much(r, reason, sizeof reason)
               ? fail_key(o, key_index("train", "freeze"), reason, err)
               : WELD_OK;
}

/* Who learns from a teacher does so with a second head, asked for or not. */
static weld_status check_distillation(weld_recipe *r, const origins *o, weld_error *err) {
    const weld_distillation_recipe *d = &r->loss.distillation;
    size_t head = key_index("model", "distillation_head");
    if (!d->kind) {
        return WELD_OK;
    }
    if (!d->teacher[0] && !d->cache[0]) {
        return fail_key(o, key_index("loss", "distillation.teacher"),
                        "missing: give the file of a network to learn from (or "
                        "loss.distillation.cache)",
                        err);
    }
    if (!r->model.distillation_head && (o->line[head] || o->option[head])) {
        return fail_key(
            o, head, "loss.distillation teaches a second head: set this to true or remove it", err);
    }
    r->model.distillation_head = true;
    return WELD_OK;
}

/* Samples that are drawn by their class come in no order of the files, and more than once. */
static weld_status check_sampling(const weld_recipe *r, const origins *o, weld_error *err) {
    if (r->data.sampling && !r->train.shuffle) {
        return fail_key(o, key_index("data", "sampling"),
                        "draws at random: set train.shuffle to true, or this to all", err);
    }
    if (r->data.sampling && r->loss.distillation.kind && r->loss.distillation.cache[0]) {
        return fail_key(o, key_index("data", "sampling"),
                        "takes images more often than loss.distillation.cache knows them: set it "
                        "to all, or name a teacher",
                        err);
    }
    return WELD_OK;
}

static weld_status check_auto_augment(weld_recipe *r, const origins *o, weld_error *err) {
    weld_error reason = {.message = ""};
    weld_rand_augment parsed;
    char *text = r->augment.auto_augment;
    if (weld_rand_augment_parse(text, &parsed, &reason)) {
        return fail_key(o, key_index("augment", "auto_augment"), reason.message, err);
    }
    if (!text[0]) { /* a word that can be written down */
        snprintf(text, sizeof r->augment.auto_augment, "none");
    }
    return WELD_OK;
}

static weld_status check(weld_recipe *r, const origins *o, weld_error *err) {
    weld_status status = check_model(r, o, err);
    status = status ? status : check_freeze(r, o, err);
    status = status ? status : check_distillation(r, o, err);
    status = status ? status : check_sampling(r, o, err);
    status = status ? status : check_auto_augment(r, o, err);
    if (status) {
        return status;
    }
    if (!r->data.train[0]) {
        return fail_key(o, key_index("data", "train"),
                        "missing: give a folder of class folders or a packed .h5", err);
    }
    if (r->augment.crop_scale[0] > r->augment.crop_scale[1]) {
        return fail_key(o, key_index("augment", "crop_scale"), "the lower end must come first",
                        err);
    }
    if (r->augment.crop_ratio[0] > r->augment.crop_ratio[1]) {
        return fail_key(o, key_index("augment", "crop_ratio"), "the lower end must come first",
                        err);
    }
    if (r->augment.kind == WELD_AUGMENT_SMALL && r->data.preprocessing.input_size > 32) {
        return fail_key(o, key_index("augment", "kind"),
                        "small is for data.input_size of 32 and less: use imagenet", err);
    }
    return WELD_OK;
}

static weld_status parse(const char *name, const char *text, size_t size, const char *const *set,
                         size_t set_count, const weld_recipe_start *start, weld_recipe *out,
                         weld_error *err) {
    layers l;
    origins *o = weld_alloc(1, sizeof *o);
    weld_recipe *r = weld_alloc(1, sizeof *r);
    weld_status status = o && r ? read_layers(name, text, size, set, set_count, &l, err)
                                : weld_fail_memory(err, name);
    if (o && r) {
        o->file = name;
        o->start = start;
        weld_recipe_defaults(r);
        if (start) {
            r->data.preprocessing = *start->preprocessing;
        }
        status = status ? status : apply_layers(r, &l, set, o, err);
        status = status ? status : check(r, o, err);
        layers_free(&l);
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

weld_status weld_recipe_read(const char *path, const char *const *set, size_t set_count,
                             const weld_recipe_start *start, weld_recipe *out, weld_error *err) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return weld_fail(err, errno == ENOENT ? WELD_ERROR_NOT_FOUND : WELD_ERROR_IO,
                         "%s: cannot be opened: %s", path, strerror(errno));
    }
    char *text = weld_alloc_raw(RECIPE_SIZE_MAX + 1, 1);
    size_t size = text ? fread(text, 1, RECIPE_SIZE_MAX + 1, file) : 0;
    weld_status status = WELD_OK;
    if (!text) {
        status = weld_fail_memory(err, path);
    } else if (ferror(file)) {
        status = weld_fail(err, WELD_ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
    } else if (size > RECIPE_SIZE_MAX) {
        status =
            weld_fail(err, WELD_ERROR_FORMAT, "%s: is larger than 1 MB: that is no recipe", path);
    }
    fclose(file);
    status = status ? status : parse(path, text, size, set, set_count, start, out, err);
    weld_free(text);
    return status;
}

int weld_recipe_frozen_parts(const weld_recipe *r) {
    return r->train.freeze == WELD_FREEZE_BACKBONE ? r->model.stage_count + 1 : r->train.freeze;
}

weld_status weld_recipe_parts_of(const char *freeze, const weld_model_config *config, int *parts,
                                 weld_error *err) {
    weld_recipe *r = weld_alloc(1, sizeof *r);
    if (!r) {
        return weld_fail_memory(err, "recipe");
    }
    char reason[80];
    const weld_recipe_key *key = &weld_recipe_keys[key_index("train", "freeze")];
    r->model = *config;
    weld_status status = weld_recipe_set_element(r, key, 0, freeze, err);
    if (status) {
        status = weld_fail_context(err, status, "freeze");
    } else if (freezes_too_much(r, reason, sizeof reason)) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT, "freeze: %s", reason);
    }
    *parts = status ? 0 : weld_recipe_frozen_parts(r);
    weld_free(r);
    return status;
}

/* --- writing --- */

/* Texts of all elements, and lists of pointers to them. */
typedef struct texts {
    weld_recipe_values values;
    char *lists[WELD_RECIPE_KEYS_MAX][WELD_RECIPE_LIST_MAX];
    char numbers[WELD_RECIPE_KEYS_MAX][WELD_RECIPE_LIST_MAX][32];
    char paths[WELD_RECIPE_KEYS_MAX][WELD_RECIPE_PATH_SIZE];
} texts;

static void fill_text(const weld_recipe *r, size_t i, texts *t) {
    const weld_recipe_key *key = &weld_recipe_keys[i];
    int count = weld_recipe_element_count(r, key);
    for (int element = 0; element < count; element++) {
        bool text = key->type == WELD_RECIPE_TEXT;
        char *to = text ? t->paths[i] : t->numbers[i][element];
        weld_recipe_element_text(r, key, element, to,
                                 text ? sizeof t->paths[i] : sizeof t->numbers[i][element]);
        t->lists[i][element] = to;
    }
    if (key->max_count > 1) {
        t->values.count[i] = (uint32_t)count;
        t->values.value[i] = count ? t->lists[i] : NULL;
    } else if (*t->lists[i][0]) {
        t->values.value[i] = t->lists[i][0];
    }
}

weld_status weld_recipe_text(const weld_recipe *r, char **text, weld_error *err) {
    texts *t = weld_alloc(1, sizeof *t);
    if (!t) {
        return weld_fail_memory(err, "recipe");
    }
    for (size_t i = 0; i < weld_recipe_key_count; i++) {
        fill_text(r, i, t);
    }
    weld_status status = weld_recipe_yaml_write(&t->values, text, err);
    weld_free(t);
    return status;
}

/* --- comparing --- */

static bool may_differ(const weld_recipe_key *key) {
    return strcmp(key->name, "checkpoint_every") == 0 || strcmp(key->name, "keep") == 0 ||
           strcmp(key->name, "precision") == 0 || strcmp(key->name, "events") == 0 ||
           strcmp(key->name, "histograms_every") == 0 ||
           strcmp(key->name, "distillation.teacher") == 0 ||
           strcmp(key->name, "distillation.cache") == 0 ||
           (strcmp(key->section, "data") == 0 &&
            (strcmp(key->name, "train") == 0 || strcmp(key->name, "val") == 0 ||
             strcmp(key->name, "max_bad") == 0));
}

const char *weld_recipe_difference(const weld_recipe *a, const weld_recipe *b, char *key,
                                   size_t key_size, char *value_a, char *value_b,
                                   size_t value_size) {
    for (size_t i = 0; i < weld_recipe_key_count; i++) {
        const weld_recipe_key *k = &weld_recipe_keys[i];
        weld_recipe_key_text(a, k, value_a, value_size);
        weld_recipe_key_text(b, k, value_b, value_size);
        if (strcmp(value_a, value_b) != 0 && !may_differ(k)) {
            snprintf(key, key_size, "%s.%s", k->section, k->name);
            return key;
        }
    }
    return NULL;
}
