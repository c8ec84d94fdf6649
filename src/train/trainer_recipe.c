/* The recipe of a run, with the file that it starts from and --data in front of its overrides; see
 * trainer.h. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "recipe/data_option.h"
#include "train/trainer.h"

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* --- The file to start from --- */

static weld_status read_last(weld_trainer *t, weld_error *err) {
    const weld_train_settings *s = t->settings;
    char *path;
    if (!s->resume || !s->out) {
        return WELD_OK;
    }
    weld_status status = weld_run_folder_last(s->out, &path, err);
    if (!status && exists(path)) {
        status = weld_model_file_read(path, &t->start, err);
        t->resumes = !status;
    }
    weld_free(path);
    return status;
}

static weld_status read_init(weld_trainer *t, weld_error *err) {
    const char *path = t->settings->init;
    weld_status status = weld_model_file_read(path, &t->start, err);
    if (!status && t->start.kind != WELD_MODEL_CHECKPOINT) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: is a merged network: give the file that it was made of", path);
    }
    return status;
}

/* --- The recipe --- */

static weld_status data_overrides(weld_trainer *t, char *out[2], weld_error *err) {
    bool classes_alone;
    weld_status status = weld_data_overrides(t->settings->data, out, &classes_alone, err);
    if (!status && classes_alone) {
        weld_trainer_say(t,
                         "--data %s: its folders are the classes and all images are trained on; "
                         "to evaluate too, make folders train and val in it",
                         t->settings->data);
    }
    return status;
}

static weld_status read_recipe(weld_trainer *t, const char *const *set, size_t count,
                               weld_error *err) {
    weld_recipe_start start = {.model = &t->start.config, .preprocessing = &t->start.preprocessing};
    return weld_recipe_read(t->settings->recipe, set, count, t->start.weights ? &start : NULL,
                            &t->recipe, err);
}

weld_status weld_trainer_read_recipe(weld_trainer *t, weld_error *err) {
    const weld_train_settings *s = t->settings;
    char *data[2] = {NULL, NULL};
    size_t count = 0;
    weld_status status = read_last(t, err);
    if (!status && !t->resumes && s->init) {
        status = read_init(t, err);
    }
    if (!status && s->data) {
        status = data_overrides(t, data, err);
    }
    const char **set = weld_alloc(s->set_count + 2, sizeof *set);
    if (!status && !set) {
        status = weld_fail_memory(err, s->recipe);
    }
    for (size_t i = 0; !status && i < 2 && data[i]; i++) {
        set[count++] = data[i];
    }
    for (size_t i = 0; !status && i < s->set_count; i++) {
        set[count++] = s->set[i];
    }
    status = status ? status : read_recipe(t, set, count, err);
    weld_free(set);
    weld_free(data[0]);
    weld_free(data[1]);
    return status;
}
