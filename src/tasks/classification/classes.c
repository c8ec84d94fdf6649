/* Labels, and data that has one class; see classification.h. */
#include "tasks/classification/classification.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "serialization/name_list.h"
#include "tasks/class_names.h"

static weld_status read_label(const weld_dataset *ds, int64_t index, weld_array *out,
                              weld_error *err) {
    const int32_t label = weld_dataset_label(ds, index);
    return weld_array_append(out, &label, 1) ? WELD_OK : weld_fail_memory(err, "labels");
}

const weld_annotation weld_class_annotation = {.element = sizeof(int32_t),
                                               .read = read_label,
                                               .group_count = weld_dataset_class_count,
                                               .group = weld_dataset_label,
                                               .group_name = weld_dataset_class_name};

int32_t weld_class_label(const weld_batch *batch, int64_t i) {
    return *(const int32_t *)batch->annotations[i].data;
}

/* --- One class --- */

/* The folders that the images of the one class lie in: of "images/ant/0.jpg" "ant". In the order of
 * the data set those of one folder follow each other. */
static void list_folders(const weld_dataset *ds, weld_name_list *list) {
    char last[64] = "";
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        const char *below = strchr(weld_dataset_name(ds, i), '/');
        const char *end = below ? strchr(below + 1, '/') : NULL;
        if (end) {
            char folder[64];
            snprintf(folder, sizeof folder, "%.*s", (int)(end - below - 1), below + 1);
            if (strcmp(folder, last) != 0) {
                weld_name_list_add_quoted(list, folder, "");
                snprintf(last, sizeof last, "%s", folder);
            }
        }
    }
}

weld_status weld_class_check_data(const weld_dataset *ds, weld_error *err) {
    if (weld_dataset_class_count(ds) != 1) {
        return weld_class_names_check_parts(ds, err);
    }
    weld_name_list folders = {.count = 0};
    const char *name = weld_dataset_class_name(ds, 0), *path = weld_dataset_path(ds);
    list_folders(ds, &folders);
    return folders.count
               ? weld_fail(
                     err, WELD_ERROR_ARGUMENT,
                     "%.200s: has one class, '%.48s', of which there is nothing to learn; the "
                     "folders in it look like classes, or hold them (%s): give %.200s/%.48s "
                     "or what is below it",
                     path, name, folders.text, path, name)
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%.200s: has one class, '%.48s', of which there is nothing to learn: "
                           "give the folder that holds a folder for each class (what is none of "
                           "them can be one more)",
                           path, name);
}

weld_status weld_class_check_network(int64_t classes, weld_error *err) {
    return classes != 1
               ? WELD_OK
               : weld_fail(
                     err, WELD_ERROR_ARGUMENT,
                     "the network has one output, so that the probability of its class is 100 "
                     "%% for any image: a network that answers yes or no by the sign of one "
                     "logit is not known here; `weld run` gives the logit");
}
