/* Data sets; see data_options.h. */
#include "cli/data_options.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/progress.h"
#include "datasets/boxes.h"
#include "datasets/tell.h"
#include "formats/file.h"
#include "recipe/recipe_split.h"
#include "tasks/classification/classification.h"

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

/* Are these images that a run by the recipe learned? */
static bool is_learned(const weld_recipe *recipe, const char *path, const weld_dataset *ds) {
    weld_dataset *train;
    if (!weld_is_same_file(recipe->data.train, path)) {
        return false;
    }
    if (!weld_dataset_has_boxes(ds)) {
        return true;
    }
    const bool same = weld_dataset_open(recipe->data.train, &train, NULL) == WELD_OK;
    const bool learned = same && weld_dataset_is_same_part(train, ds);
    if (same) {
        weld_dataset_free(train);
    }
    return learned;
}

/* A network that learned one class of all boxes is judged so: its class has no name in the data. Of
 * other networks names say which boxes count. */
static weld_status merge_classes(const weld_model *m, const weld_recipe *recipe, weld_dataset *ds,
                                 weld_text *notes, weld_error *err) {
    const char *const *names = (const char *const *)m->file.class_names;
    weld_text told = WELD_TEXT;
    weld_status status =
        recipe && recipe->data.classes.single && names
            ? weld_dataset_choose_alike(ds, &recipe->data.classes, names, &told, err)
            : WELD_OK;
    if (!status && told.bytes.count) {
        weld_text_add(notes, weld_dataset_path(ds));
        weld_text_add(notes, ": ");
        weld_text_add(notes, weld_text_get(&told));
        weld_text_add(notes, "\n");
    }
    weld_text_free(&told);
    return status;
}

/* The validation images of another model's run. */
static weld_status open_part(const cli_data_request *r, weld_dataset *ds, weld_error *err) {
    weld_recipe *recipe;
    WELD_TRY(recipe_of(r->split, &recipe, err));
    weld_status status = take_validation(recipe, r->split, r->threads, ds, err);
    weld_free(recipe);
    return status;
}

static weld_status open(const cli_data_request *r, const weld_model *m, const weld_recipe *recipe,
                        weld_dataset **out, weld_error *err) {
    if (r->split) {
        WELD_TRY(weld_dataset_open(r->path, out, err));
        return r->split == m ? take_validation(recipe, m, r->threads, *out, err)
                             : open_part(r, *out, err);
    }
    WELD_TRY(weld_dataset_open_to_judge(r->path, out, err));
    if (recipe && is_learned(recipe, r->path, *out)) {
        cli_say("note: %s: %s was trained on images of it%s", r->path,
                r->letter ? r->letter : "the model",
                recipe->data.split > 0 ? ": --split takes those that it was not trained on" : "");
    }
    return WELD_OK;
}

static void say(void *context, const char *line) {
    (void)context;
    cli_say("note: %s", line);
}

void cli_tell_data(const weld_dataset *ds, int scale16) {
    weld_dataset_tell(ds, scale16, say, NULL);
}

void cli_tell_classes(const weld_dataset *ds) {
    weld_error odd;
    if (!weld_dataset_has_boxes(ds) && weld_class_check_data(ds, &odd)) {
        cli_flush_output();
        cli_say("note: %s", odd.message);
    }
}

weld_status cli_spare_data(const cli_call *call, const weld_dataset *ds, weld_error *err) {
    for (size_t i = 0; i < call->output_count; i++) {
        WELD_TRY(weld_dataset_spare(ds, call->outputs[i], err));
    }
    return WELD_OK;
}

static void tell_classes(const weld_model *m, const weld_adoption *a, weld_text *notes) {
    if (weld_model_task(m)->match_labels && !weld_model_class_name(m, 0)) {
        weld_text_add(notes, "the model has no names of classes, so that the data's are taken in "
                             "their order (--classes gives names)\n");
    }
    if (*a->text) {
        weld_text_add(notes, a->text);
        weld_text_add(notes, "\n");
    }
}

void cli_print_notes(const char *of, weld_text *notes) {
    char line[2000];
    for (const char *at = weld_text_get(notes); *at;) {
        at = weld_take_line(at, line, sizeof line);
        cli_say("note: %s%s%s", of, *of ? ": " : "", line);
    }
}

/* What is said of the classes goes to *notes. */
static weld_status adopt(const cli_data_request *r, const weld_model *m, const weld_recipe *recipe,
                         weld_model_data *out, weld_text *notes, weld_error *err) {
    WELD_TRY(open(r, m, recipe, &out->ds, err));
    WELD_TRY(r->call ? cli_spare_data(r->call, out->ds, err) : WELD_OK);
    if (!r->again) {
        cli_tell_data(out->ds, weld_model_get_preprocessing(m)->scale16);
    }
    WELD_TRY(merge_classes(m, recipe, out->ds, notes, err));
    WELD_TRY(weld_model_adopt_labels(m, out->ds, &out->adopted, err));
    tell_classes(m, &out->adopted, notes);
    return WELD_OK;
}

weld_status cli_open_data(const cli_data_request *r, const weld_model *m, weld_model_data *out,
                          weld_error *err) {
    *out = (weld_model_data){.bad_image = cli_bad_image};
    if (!r->path) {
        return WELD_OK;
    }
    weld_recipe *recipe;
    weld_text own = WELD_TEXT, *notes = r->notes ? r->notes : &own;
    WELD_TRY(recipe_of(m, &recipe, err));
    weld_status status = adopt(r, m, recipe, out, notes, err);
    cli_print_notes("", &own);
    weld_text_free(&own);
    weld_free(recipe);
    if (status) {
        weld_model_data_close(out);
    }
    return status;
}
