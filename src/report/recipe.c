/* The recipe of a report's run, beside the defaults of its network; see parts.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "recipe/recipe_keys.h"
#include "formats/json_text.h"
#include "report/parts.h"

#define VALUE_SIZE (WELD_RECIPE_PATH_SIZE + 1)

/* What the same network and data give with nothing else said. */
static weld_status read_defaults(const weld_recipe *r, weld_recipe *out) {
    const weld_model_family *family = weld_family_of(&r->model);
    char text[1024], values[256];
    snprintf(text, sizeof text, "data: {train: data}\nmodel: {name: %s", r->model.name);
    for (const weld_key *key = NULL; !weld_model_is_variant(r->model.name) &&
                                     (key = weld_family_next_key(family, key, WELD_KEY_SIZE));) {
        weld_key_text(key, r->model.values, ", ", values, sizeof values);
        weld_append(text, sizeof text, key->max_count > 1 ? ", %s: [%s]" : ", %s: %s", key->name,
                    values);
    }
    weld_append(text, sizeof text, "}\n");
    return weld_recipe_parse("defaults", text, strlen(text), NULL, 0, out, NULL);
}

/* Keys without a default of their own. */
static bool must_be_given(const weld_recipe_key *key) {
    const size_t place = weld_recipe_key_place(key);
    return place == WELD_RECIPE_PLACE(model.name) || place == WELD_RECIPE_PLACE(data.train);
}

/* [{key, value, default, differs}, ...] */
static json_t *rows_of(const weld_recipe *r, const weld_recipe *defaults, char *value,
                       char *standard) {
    json_t *rows = json_array();
    weld_recipe_keys keys;
    weld_recipe_keys_of(r->model.name, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        const weld_recipe_key *key = &keys.at[i];
        const bool given = must_be_given(key);
        char name[80];
        snprintf(name, sizeof name, "%s.%s", key->section, key->row->name);
        weld_recipe_key_text(r, key, value, VALUE_SIZE);
        weld_recipe_key_text(defaults, key, standard, VALUE_SIZE);
        json_t *row = json_object();
        weld_json_set(&row, "key", json_string(name));
        weld_json_set(&row, "value", weld_json_name(value));
        weld_json_set(&row, "default", given ? json_null() : weld_json_name(standard));
        weld_json_set(&row, "differs", json_boolean(!given && strcmp(value, standard) != 0));
        weld_json_append(&rows, row);
    }
    return rows;
}

static void describe_training(const weld_recipe *r, json_t **run) {
    const weld_preprocessing *p = &r->data.preprocessing;
    weld_json_set(run, "model", weld_json_name(r->model.name));
    weld_json_set(run, "classes", json_integer(r->model.num_classes));
    weld_json_set(run, "input_size",
                  p->height == p->width ? json_integer(p->height)
                                        : json_pack("[i, i]", p->height, p->width));
    weld_json_set(run, "epochs_planned", json_integer(weld_recipe_epochs(r)));
    weld_json_set(run, "batch_size", json_integer(r->train.batch_size));
}

weld_status weld_report_add_recipe(const char *path, json_t **run, weld_recipe *recipe, bool *found,
                                   weld_error *err) {
    char *values = weld_alloc(2, VALUE_SIZE);
    weld_recipe *defaults = weld_alloc(1, sizeof *defaults);
    weld_error reason;
    *found = false;
    if (!values || !defaults) {
        weld_free(values);
        weld_free(defaults);
        return weld_fail_memory(err, path);
    }
    weld_status status = weld_recipe_read(path, NULL, 0, NULL, recipe, &reason);
    if (status && status != WELD_ERROR_MEMORY) {
        weld_report_note(run, "the recipe cannot be read: %s", reason.message);
        status = WELD_OK;
    } else if (!status) {
        *found = true;
        describe_training(recipe, run);
        status = read_defaults(recipe, defaults);
        if (!status) {
            weld_json_set(run, "recipe", rows_of(recipe, defaults, values, values + VALUE_SIZE));
        }
    }
    if (status) {
        status = status == WELD_ERROR_MEMORY
                     ? weld_fail_memory(err, path)
                     : weld_fail(err, status, "%s: its defaults cannot be found", path);
    }
    weld_free(values);
    weld_free(defaults);
    return status;
}
