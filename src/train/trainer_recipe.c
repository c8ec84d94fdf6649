/* The recipe of a run, with the file that it starts from and --data in front of its overrides; see
 * trainer.h. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
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

/* --- --data, as overrides in front of the others --- */

/* "data.PART='PATH'" as YAML; PATH is that of FOLDER/NAME, or of FOLDER where name is "". */
static weld_status data_override(const char *part, const char *folder, const char *name, char **out,
                                 weld_error *err) {
    size_t length = strlen(folder) + strlen(name);
    char *path = weld_alloc(length + 2, 1);
    *out = weld_alloc(2 * length + strlen(part) + 16, 1);
    if (!path || !*out) {
        weld_free(path);
        return weld_fail_memory(err, folder);
    }
    sprintf(path, *name ? "%s/%s" : "%s", folder, name);
    char *to = *out + sprintf(*out, "data.%s='", part);
    for (const char *from = path; *from; from++) {
        *to++ = *from;
        if (*from == '\'') { /* doubled between single quotes */
            *to++ = '\'';
        }
    }
    *to = '\'';
    weld_free(path);
    return WELD_OK;
}

static bool holds(const char *folder, const char *name, weld_status *status, weld_error *err) {
    char *path = NULL;
    size_t size = strlen(folder) + strlen(name) + 2;
    if (!*status && !(path = weld_alloc(size, 1))) {
        *status = weld_fail_memory(err, folder);
    }
    if (path) {
        snprintf(path, size, "%s/%s", folder, name);
    }
    bool there = path && exists(path);
    weld_free(path);
    return there;
}

/* Folders of these names are parts of a data set, not classes. */
static bool holds_parts(const char *folder, weld_status *status, weld_error *err) {
    static const char *const names[] = {"val", "val.h5", "training", "validation", "valid", "test"};
    bool any = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        any = any || holds(folder, names[i], status, err);
    }
    return any;
}

/* Either train and val below the folder, as folders or packed, or classes alone. */
static weld_status data_overrides(weld_trainer *t, char *out[2], weld_error *err) {
    const char *folder = t->settings->data, *train = "", *val = "";
    weld_status status = WELD_OK;
    if (holds(folder, "train.h5", &status, err)) {
        train = "train.h5";
    } else if (holds(folder, "train", &status, err)) {
        train = "train";
    } else if (!exists(folder) || holds_parts(folder, &status, err)) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "--data %s: holds neither train.h5 nor a folder train", folder);
    } else {
        weld_trainer_say(t,
                         "--data %s: its folders are the classes and all images are trained on; "
                         "to evaluate too, make folders train and val in it",
                         folder);
    }
    if (*train && holds(folder, "val.h5", &status, err)) {
        val = "val.h5";
    } else if (*train && holds(folder, "val", &status, err)) {
        val = "val";
    }
    status = status ? status : data_override("train", folder, train, &out[0], err);
    if (!status && *val) {
        return data_override("val", folder, val, &out[1], err);
    }
    out[1] = status ? NULL : weld_strdup("data.val=null");
    return status || out[1] ? status : weld_fail_memory(err, folder);
}

/* --- The recipe --- */

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
