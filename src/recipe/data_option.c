/* The option --data of commands that take a recipe; see data_option.h. */
#include "recipe/data_option.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

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

/* Names of the parts of a data set, as people have them; the first that is there counts. */
static const char *const train_names[] = {"train", "training", NULL};
static const char *const val_names[] = {"val", "valid", "validation", "test", NULL};

/* Is `entry` called so, in any case, as a folder or a file of this ending? */
static bool is_called(const char *entry, const char *name, const char *ending) {
    const size_t length = strlen(name);
    return strncasecmp(entry, name, length) == 0 && strcasecmp(entry + length, ending) == 0;
}

/* The entry of the folder that is one of the names, a packed file before an archive before a
 * folder; "" where there is none. */
static void find_part(DIR *folder, const char *const *names, char found[NAME_MAX + 1]) {
    static const char *const endings[] = {".h5", ".tar", ""};
    *found = '\0';
    for (; *names && !*found; names++) {
        for (int i = 0; i < 3 && !*found; i++) {
            const struct dirent *entry;
            rewinddir(folder);
            while (!*found && (entry = readdir(folder))) {
                if (is_called(entry->d_name, *names, endings[i])) {
                    snprintf(found, NAME_MAX + 1, "%s", entry->d_name);
                }
            }
        }
    }
}

/* Overrides of data.train and data.val, to be freed with weld_free, after errors too. */
static weld_status data_overrides(const char *folder, char *out[2], bool *classes_alone,
                                  weld_error *err) {
    char train[NAME_MAX + 1] = "", val[NAME_MAX + 1] = "";
    DIR *entries = opendir(folder);
    if (entries) {
        find_part(entries, train_names, train);
        find_part(entries, val_names, val);
        closedir(entries);
    }
    if ((!entries && access(folder, F_OK) != 0) || (!*train && *val)) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "--data %s: holds neither train.h5 nor train.tar nor a folder train",
                         folder);
    }
    *classes_alone = !*train;
    weld_status status = data_override("train", folder, train, &out[0], err);
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
