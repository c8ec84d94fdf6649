/* What pixels depend on; see pixel_keys.h. */
#include "recipe/pixel_keys.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/text.h"
#include "recipe/recipe_keys.h"
#include "tasks/task.h"

enum { VALUE_SIZE = 512 };

#define KEY(member) WELD_RECIPE_PLACE(member)

static bool is_one_of(size_t place, const size_t *places, size_t count) {
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        found = found || places[i] == place;
    }
    return found;
}

/* Those that say what is done to one image; how images are mixed and how often they come does not
 * matter here. */
static bool matters(const weld_recipe *r, const weld_recipe_key *key) {
    static const size_t batch[] = {KEY(augment.mixup),          KEY(augment.mix_probability),
                                   KEY(augment.cutmix),         KEY(augment.cutmix_probability),
                                   KEY(augment.repeats),        KEY(augment.mix_mode),
                                   KEY(augment.mixup_off_epoch)};
    static const size_t image[] = {KEY(data.input_size),
                                   KEY(data.preprocessing.mean),
                                   KEY(data.preprocessing.resize),
                                   KEY(data.padding),
                                   KEY(data.preprocessing.scale16),
                                   KEY(data.preprocessing.orientation),
                                   KEY(data.preprocessing.std),
                                   KEY(data.preprocessing.crop_fraction),
                                   KEY(data.preprocessing.interpolation)};
    static const size_t detection[] = {
        KEY(augment.mosaic),      KEY(augment.scale),   KEY(augment.translate),
        KEY(augment.hsv),         KEY(augment.degrees), KEY(augment.shear),
        KEY(augment.perspective), KEY(augment.blend),   KEY(augment.close_mosaic)};
    const size_t place = weld_recipe_key_place(key);
    if (r->augment.kind != WELD_AUGMENT_DETECTION &&
        is_one_of(place, detection, sizeof detection / sizeof *detection)) {
        return false;
    }
    const bool random = r->augment.kind != WELD_AUGMENT_NONE;
    if (strcmp(key->section, "augment") == 0) {
        return random ? !is_one_of(place, batch, sizeof batch / sizeof *batch)
                      : place == KEY(augment.kind);
    }
    return is_one_of(place, image, sizeof image / sizeof *image) ||
           (random && place == KEY(train.seed));
}

weld_status weld_pixel_keys_text(const weld_recipe *r, char **text, weld_error *err) {
    weld_recipe_keys keys;
    weld_text lines = WELD_TEXT;
    weld_recipe_keys_of(r->model.name, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        const weld_recipe_key *key = &keys.at[i];
        if (matters(r, key)) {
            char value[VALUE_SIZE];
            weld_recipe_key_text(r, key, value, sizeof value);
            weld_text_format(&lines, "%s.%s: ", key->section, key->row->name);
            weld_text_add(&lines, value);
            weld_text_add(&lines, "\n");
        }
    }
    *text = weld_strdup(weld_text_get(&lines));
    const bool failed = lines.failed || !*text;
    weld_text_free(&lines);
    return failed ? weld_fail_memory(err, "recipe") : WELD_OK;
}

/* What caches mean that were made before there was a key: as if it had been what it is where nobody
 * sets it. NULL: there always was. */
static const char *value_before(size_t place) {
    return place == KEY(data.preprocessing.resize)        ? "crop"
           : place == KEY(data.padding)                   ? ""
           : place == KEY(data.preprocessing.scale16)     ? "255"
           : place == KEY(data.preprocessing.orientation) ? "ignore"
           : place == KEY(augment.vflip)                  ? "0"
                                                          : NULL;
}

/* What the text says of a key: up to the end of the line; NULL: nothing. */
static const char *find_value(const char *text, const char *section, const char *name) {
    char start[128];
    int length = snprintf(start, sizeof start, "%s.%s: ", section, name);
    while (text && strncmp(text, start, (size_t)length) != 0) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return text ? text + length : NULL;
}

/* Of one number also where it was written in another way, as 100 by a weld that wrote 1.0e+02. */
static bool is_same(const char *was, size_t length, const char *value) {
    char *end_was, *end_value;
    if (length == strlen(value) && memcmp(was, value, length) == 0) {
        return true;
    }
    const double before = weld_strtod(was, &end_was), now = weld_strtod(value, &end_value);
    return length > 0 && end_was == was + length && *value && !*end_value && before == now;
}

weld_status weld_pixel_keys_check(const weld_recipe *r, const char *text, const char *file,
                                  weld_error *err) {
    char value[VALUE_SIZE];
    weld_recipe_keys keys;
    weld_recipe_keys_of(r->model.name, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        const weld_recipe_key *key = &keys.at[i];
        if (!matters(r, key)) {
            continue;
        }
        const char *was = find_value(text, key->section, key->row->name);
        was = was ? was : value_before(weld_recipe_key_place(key));
        const int length = was ? (int)strcspn(was, "\n") : 0;
        weld_recipe_key_text(r, key, value, sizeof value);
        if (!was || !is_same(was, (size_t)length, value)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%.300s: was made with %s.%s %.*s, the recipe has '%.80s': its images "
                             "would be others: set the key, or make another (weld distill-cache)",
                             file, key->section, key->row->name,
                             was ? (length < 80 ? length : 80) : 7, was ? was : "unknown", value);
        }
    }
    return WELD_OK;
}

void weld_samples_identity(const weld_recipe *r, const weld_dataset *ds, char text[17]) {
    const weld_annotation *annotation = weld_task_of(&r->model)->annotation;
    XXH64_hash_t hash = 0;
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        const char *name = weld_dataset_name(ds, i);
        int group = annotation->group ? annotation->group(ds, i) : 0;
        hash = XXH3_64bits_withSeed(name, strlen(name), hash + (uint64_t)group);
    }
    snprintf(text, 17, "%016llx", (unsigned long long)hash);
}
