/* The recipe of a report's run, beside the defaults of its network; see parts.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "recipe/recipe_keys.h"
#include "report/parts.h"

#define VALUE_SIZE (WELD_RECIPE_PATH_SIZE + 1)

/* What the same network and data give with nothing else said. */
static weld_status read_defaults(const weld_recipe *r, weld_recipe *out) {
    weld_model_config variant;
    char text[1024], sizes[2][256] = {"", ""};
    const bool family =
        !weld_model_config_named(r->model.name, &variant, NULL) && variant.stage_count == 0;
    for (size_t i = 0; i < weld_recipe_key_count && family; i++) {
        const weld_recipe_key *key = &weld_recipe_keys[i];
        if (strcmp(key->section, "model") == 0 && strcmp(key->name, "channels") == 0) {
            weld_recipe_key_text(r, key, sizes[0], sizeof sizes[0]);
        }
        if (strcmp(key->section, "model") == 0 && strcmp(key->name, "depths") == 0) {
            weld_recipe_key_text(r, key, sizes[1], sizeof sizes[1]);
        }
    }
    int length = snprintf(text, sizeof text, "model: {name: %s%s%s%s%s%s}\ndata: {train: data}\n",
                          r->model.name, family ? ", channels: [" : "", sizes[0],
                          family ? "], depths: [" : "", sizes[1], family ? "]" : "");
    return weld_recipe_parse("defaults", text, (size_t)length, NULL, 0, out, NULL);
}

/* Keys without a default of their own. */
static bool must_be_given(const weld_recipe_key *key) {
    return (strcmp(key->section, "model") == 0 && strcmp(key->name, "name") == 0) ||
           (strcmp(key->section, "data") == 0 && strcmp(key->name, "train") == 0);
}

/* [{key, value, default, differs}, ...] */
static json_t *rows_of(const weld_recipe *r, const weld_recipe *defaults, char *value,
                       char *standard) {
    json_t *rows = json_array();
    for (size_t i = 0; i < weld_recipe_key_count; i++) {
        const weld_recipe_key *key = &weld_recipe_keys[i];
        const bool given = must_be_given(key);
        char name[80];
        snprintf(name, sizeof name, "%s.%s", key->section, key->name);
        weld_recipe_key_text(r, key, value, VALUE_SIZE);
        weld_recipe_key_text(defaults, key, standard, VALUE_SIZE);
        json_t *row = json_object();
        json_object_set_new(row, "key", json_string(name));
        json_object_set_new(row, "value", weld_report_text(value));
        json_object_set_new(row, "default", given ? json_null() : weld_report_text(standard));
        json_object_set_new(row, "differs", json_boolean(!given && strcmp(value, standard) != 0));
        json_array_append_new(rows, row);
    }
    return rows;
}

static void describe_network(const weld_recipe *r, json_t *run) {
    const int64_t size = r->data.preprocessing.input_size;
    weld_graph *g;
    json_object_set_new(run, "model", weld_report_text(r->model.name));
    json_object_set_new(run, "classes", json_integer(r->model.num_classes));
    json_object_set_new(run, "input_size", json_integer(size));
    json_object_set_new(run, "epochs_planned", json_integer(r->train.epochs));
    json_object_set_new(run, "batch_size", json_integer(r->train.batch_size));
    if (r->model.num_classes > 0 &&
        !weld_model_build(&r->model, false, 1, size, size, WELD_F32, &g, NULL)) {
        const weld_model_counts counts = weld_graph_counts(g);
        json_object_set_new(run, "parameters", json_integer(counts.parameters));
        json_object_set_new(run, "macs", json_integer(counts.macs));
        weld_graph_free(g);
    }
}

weld_status weld_report_add_recipe(const char *path, json_t *run, weld_recipe *recipe, bool *found,
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
        describe_network(recipe, run);
        status = read_defaults(recipe, defaults);
        if (!status) {
            json_object_set_new(run, "recipe",
                                rows_of(recipe, defaults, values, values + VALUE_SIZE));
        }
    }
    if (status) {
        status = weld_fail(err, status, "%s: its defaults cannot be found", path);
    }
    weld_free(values);
    weld_free(defaults);
    return status;
}
