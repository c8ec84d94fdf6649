/* Data sets to judge models by; see data_options.h. */
#define _XOPEN_SOURCE 700
#include "cli/data_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/model.h"
#include "recipe/recipe_split.h"

static bool is_same_path(const char *a, const char *b) {
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    const bool same = x && y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* The recipe that the weights of m come from; *out NULL: there is none, or none that can be read.
 * To be released with weld_free. */
static weld_status recipe_of(const weld_model *m, weld_recipe **out, weld_error *err) {
    const char *text = m->file.recipe;
    *out = text ? weld_alloc(1, sizeof **out) : NULL;
    if (text && !*out) {
        return weld_fail_memory(err, "recipe");
    }
    if (text && weld_recipe_parse("recipe", text, strlen(text), NULL, 0, *out, NULL)) {
        weld_free(*out);
        *out = NULL;
    }
    return WELD_OK;
}

static weld_status take_validation(const weld_recipe *r, const weld_model *m, int threads,
                                   weld_dataset *ds, weld_error *err) {
    weld_data_split parts;
    if (!r || !(r->data.split > 0)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "--split: the file does not come of a run with data.split: leave it out");
    }
    WELD_TRY(weld_recipe_split(r, weld_model_task(m)->annotation, ds, threads, &parts, err));
    weld_status status = weld_data_split_take(&parts, WELD_PART_VALIDATION, ds, err);
    weld_data_split_free(&parts);
    return status;
}

weld_status cli_open_data(const char *path, const weld_model *m, bool split, int threads,
                          weld_dataset **out, weld_error *err) {
    weld_recipe *r;
    WELD_TRY(recipe_of(m, &r, err));
    weld_status status =
        split ? weld_dataset_open(path, out, err) : weld_dataset_open_to_judge(path, out, err);
    if (!status && split) {
        status = take_validation(r, m, threads, *out, err);
        if (status) {
            weld_dataset_free(*out);
            *out = NULL;
        }
    } else if (!status && r && is_same_path(r->data.train, path)) {
        fprintf(stderr, "note: %s: the model was trained on images of it%s\n", path,
                r->data.split > 0 ? ": --split takes those that it was not trained on" : "");
    }
    weld_free(r);
    return status;
}
