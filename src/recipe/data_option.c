/* The option --data of commands that take a recipe; see data_option.h. */
#include "recipe/data_option.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

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
    static const char *const names[] = {"val",        "val.h5", "val.tar", "training",
                                        "validation", "valid",  "test"};
    bool any = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        any = any || holds(folder, names[i], status, err);
    }
    return any;
}

/* The first of the names that the folder holds; "" where it holds none. */
static const char *first_held(const char *folder, const char *const names[3], weld_status *status,
                              weld_error *err) {
    for (int i = 0; i < 3; i++) {
        if (holds(folder, names[i], status, err)) {
            return names[i];
        }
    }
    return "";
}

/* Overrides of data.train and data.val, to be freed with weld_free, after errors too. */
static weld_status data_overrides(const char *folder, char *out[2], bool *classes_alone,
                                  weld_error *err) {
    static const char *const train_names[] = {"train.h5", "train.tar", "train"};
    static const char *const val_names[] = {"val.h5", "val.tar", "val"};
    weld_status status = WELD_OK;
    const char *train = first_held(folder, train_names, &status, err);
    const char *val = *train ? first_held(folder, val_names, &status, err) : "";
    if (!status && !*train && (!exists(folder) || holds_parts(folder, &status, err))) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "--data %s: holds neither train.h5 nor train.tar nor a folder train",
                         folder);
    }
    *classes_alone = !*train;
    status = status ? status : data_override("train", folder, train, &out[0], err);
    if (!status && *val) {
        return data_override("val", folder, val, &out[1], err);
    }
    out[1] = status ? NULL : weld_strdup("data.val=null");
    return status || out[1] ? status : weld_fail_memory(err, folder);
}

weld_status weld_recipe_open(const weld_recipe_source *from, weld_recipe *out, bool *classes_alone,
                             weld_error *err) {
    char *data[2] = {NULL, NULL};
    size_t count = 0;
    *classes_alone = false;
    const char **set = weld_alloc(from->set_count + 2, sizeof *set);
    weld_status status = set ? WELD_OK : weld_fail_memory(err, from->path);
    if (!status && from->data) {
        status = data_overrides(from->data, data, classes_alone, err);
    }
    for (size_t i = 0; !status && i < 2 && data[i]; i++) {
        set[count++] = data[i];
    }
    for (size_t i = 0; !status && i < from->set_count; i++) {
        set[count++] = from->set[i];
    }
    status = status ? status : weld_recipe_read(from->path, set, count, from->start, out, err);
    weld_free(set);
    weld_free(data[0]);
    weld_free(data[1]);
    return status;
}
