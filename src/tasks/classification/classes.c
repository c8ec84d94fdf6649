/* Labels, and whether the classes of a data set are those of a model; see classification.h. */
#include "tasks/classification/classification.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "serialization/name_list.h"

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

/* --- Names --- */

typedef struct named_class {
    const char *name;
    int index;
} named_class;

static int by_name(const void *a, const void *b) {
    const named_class *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Names come from outside: a message must stay one line. */
static void add(weld_name_list *list, const named_class *c, int other) {
    char text[96];
    int used = snprintf(text, sizeof text, "'%.48s'", c->name);
    for (char *at = text; *at; at++) {
        *at = *at > 0 && *at < ' ' ? '?' : *at;
    }
    if (other >= 0) {
        snprintf(text + used, sizeof text - (size_t)used, " (%d, in the model %d)", c->index,
                 other);
    }
    weld_name_list_add(list, text);
}

typedef struct differences {
    weld_name_list missing, unknown, moved;
} differences;

/* Both in order of their names. */
static void find_differences(const named_class *data, int data_count, const named_class *model,
                             int model_count, differences *d) {
    int i = 0, k = 0;
    while (i < data_count || k < model_count) {
        int order = i == data_count    ? 1
                    : k == model_count ? -1
                                       : strcmp(data[i].name, model[k].name);
        if (order < 0) {
            add(&d->unknown, &data[i++], -1);
        } else if (order > 0) {
            add(&d->missing, &model[k++], -1);
        } else {
            if (data[i].index != model[k].index) {
                add(&d->moved, &data[i], model[k].index);
            }
            i++;
            k++;
        }
    }
}

/* Append "; 2 missing: 'cat', 'dog'", unless there are none. */
static void describe(char *text, size_t size, const char *what, const weld_name_list *list) {
    size_t used = strlen(text);
    if (list->count && used < size) {
        snprintf(text + used, size - used, "; %zu %s: %s", list->count, what, list->text);
    }
}

static weld_status refuse(const weld_dataset *ds, int have, int want, const differences *d,
                          weld_error *err) {
    char text[900] = "";
    describe(text, sizeof text, "missing", &d->missing);
    describe(text, sizeof text, "unknown to the model", &d->unknown);
    if (!d->missing.count && !d->unknown.count) { /* else many indices are just shifted */
        describe(text, sizeof text, "at another index", &d->moved);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%.200s: it has %d classes, the model %d%s: give the data the model was made "
                     "for",
                     weld_dataset_path(ds), have, want, text);
}

static weld_status compare_names(const weld_dataset *ds, int have, const weld_labels *labels,
                                 weld_error *err) {
    const int want = labels->count;
    named_class *data = weld_alloc((size_t)have, sizeof *data);
    named_class *model = weld_alloc((size_t)want, sizeof *model);
    weld_status status = WELD_OK;
    if (!data || !model) {
        status = weld_fail_memory(err, "class names");
    } else {
        for (int i = 0; i < have; i++) {
            data[i] = (named_class){weld_dataset_class_name(ds, i), i};
        }
        for (int i = 0; i < want; i++) {
            model[i] = (named_class){labels->names[i], i};
        }
        qsort(data, (size_t)have, sizeof *data, by_name);
        qsort(model, (size_t)want, sizeof *model, by_name);
        differences d = {0};
        find_differences(data, have, model, want, &d);
        if (d.missing.count || d.unknown.count || d.moved.count) {
            status = refuse(ds, have, want, &d, err);
        }
    }
    weld_free(data);
    weld_free(model);
    return status;
}

/* The first index at which names differ, of as many as both have. */
static int first_difference(const weld_dataset *ds, int have, const weld_labels *labels) {
    const int both = have < labels->count ? have : labels->count;
    int i = 0;
    while (i < both && labels->names &&
           strcmp(weld_dataset_class_name(ds, i), labels->names[i]) == 0) {
        i++;
    }
    return labels->names ? i : both;
}

weld_status weld_class_check_labels(const weld_dataset *ds, const weld_labels *labels,
                                    weld_error *err) {
    const char *path = weld_dataset_path(ds);
    const int have = weld_dataset_class_count(ds), i = first_difference(ds, have, labels);
    if (i == have && i == labels->count) {
        return WELD_OK;
    }
    if (labels->of == WELD_LABELS_OF_MODEL) {
        return labels->names ? compare_names(ds, have, labels, err)
                             : refuse(ds, have, labels->count, &(differences){0}, err);
    }
    if (have != labels->count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has %d classes where %s has %d: they must be the same", path, have,
                         labels->path, labels->count);
    }
    const char *is = weld_dataset_class_name(ds, i), *was = labels->names[i];
    return labels->of == WELD_LABELS_OF_DATA
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: class %d is '%s' where %s has '%s': they must be the same", path, i,
                           is, labels->path, was)
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: class %d was '%s', in %s it is '%s': resume with the same data",
                           labels->path, i, was, path, is);
}
