/* Which class of a network each class of a data set is; see class_names.h. */
#include "tasks/class_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "datasets/layout.h"
#include "serialization/name_list.h"

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

typedef struct differences {
    weld_name_list missing, unknown;
} differences;

/* Both in order of their names; to[i]: where the data's class i is in the model, or -1. Returns how
 * many are in both. */
static int join(const named_class *data, int data_count, const named_class *model, int model_count,
                int *to, differences *d) {
    int i = 0, k = 0, common = 0;
    while (i < data_count || k < model_count) {
        int order = i == data_count    ? 1
                    : k == model_count ? -1
                                       : strcmp(data[i].name, model[k].name);
        if (order < 0) {
            to[data[i].index] = -1;
            weld_name_list_add_quoted(&d->unknown, data[i++].name, "");
        } else if (order > 0) {
            weld_name_list_add_quoted(&d->missing, model[k++].name, "");
        } else {
            to[data[i++].index] = model[k++].index;
            common++;
        }
    }
    return common;
}

/* --- Parts of a data set, which are no classes --- */

static bool is_part_name(const char *name) {
    for (const weld_part_spelling *s = weld_part_spellings; s->text; s++) {
        if (weld_strcasecmp(name, s->text) == 0) {
            return true;
        }
    }
    return false;
}

weld_status weld_class_names_check_parts(const weld_dataset *ds, weld_error *err) {
    const char *path = weld_dataset_path(ds);
    const int count = weld_dataset_class_count(ds);
    for (int i = 0; i < count; i++) {
        if (count < 2 || !is_part_name(weld_dataset_class_name(ds, i))) {
            return WELD_OK;
        }
    }
    return weld_fail(
        err, WELD_ERROR_ARGUMENT,
        "%s: its folders are parts of a data set ('%s', '%s'%s) and no classes: give one of them, "
        "as %s/%s (the folder that has both is for weld train --data)",
        path, weld_dataset_class_name(ds, 0), weld_dataset_class_name(ds, 1),
        count > 2 ? ", ..." : "", path, weld_dataset_class_name(ds, count - 1));
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
    WELD_TRY(weld_class_names_check_parts(ds, err));
    char text[900] = "";
    describe(text, sizeof text, "missing", &d->missing);
    describe(text, sizeof text, "unknown to the model", &d->unknown);
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%.200s: it has %d classes, the model %d%s: give the data the model was made "
                     "for",
                     weld_dataset_path(ds), have, want, text);
}

static weld_status match_names(const weld_dataset *ds, int have, const weld_labels *labels, int *to,
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
        const int common = join(data, have, model, want, to, &d);
        if (common == 0 || (labels->all && d.unknown.count)) {
            status = refuse(ds, have, want, &d, err);
        }
    }
    weld_free(data);
    weld_free(model);
    return status;
}

/* --- Orders, for networks that have no names --- */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The number at *text, without zeros in front: its digits and how many; *text is moved behind. */
static size_t digits(const char **text, const char **first) {
    while (**text == '0') {
        ++*text;
    }
    *first = *text;
    while (is_digit(**text)) {
        ++*text;
    }
    return (size_t)(*text - *first);
}

/* Numbers by value, everything else in lower case: as timm sorts folders. */
static int in_nature(const void *a, const void *b) {
    const char *x = ((const named_class *)a)->name, *y = ((const named_class *)b)->name;
    while (*x && *y) {
        if (is_digit(*x) && is_digit(*y)) {
            const char *first_x, *first_y;
            const size_t length_x = digits(&x, &first_x), length_y = digits(&y, &first_y);
            if (length_x != length_y) {
                return length_x < length_y ? -1 : 1;
            }
            const int order = memcmp(first_x, first_y, length_x);
            if (order) {
                return order;
            }
        } else if (lower(*x) != lower(*y)) {
            /* a text ends where a number begins */
            const int c = is_digit(*x) ? 0 : (unsigned char)lower(*x);
            const int d = is_digit(*y) ? 0 : (unsigned char)lower(*y);
            return c - d;
        } else {
            x++;
            y++;
        }
    }
    return *x ? 1 : *y ? -1 : by_name(a, b);
}

typedef struct orders {
    named_class *bytes, *natural; /* the data's classes, sorted */
} orders;

/* The first place at which two orders differ; `count` where they do not. */
static int first_place(const named_class *a, const named_class *b, int count) {
    int i = 0;
    while (i < count && a[i].index == b[i].index) {
        i++;
    }
    return i;
}

static weld_status choose_order(const weld_dataset *ds, const weld_labels *labels, const orders *o,
                                int *to, weld_error *err) {
    const int count = labels->count;
    const int differ = first_place(o->bytes, o->natural, count);
    bool sorted = true; /* else somebody gave the data an order of their own */
    for (int i = 0; i < count; i++) {
        sorted = sorted && o->bytes[i].index == i;
        to[i] = i;
    }
    if (labels->order == WELD_CLASS_ORDER_ANY && differ < count && sorted) {
        return weld_fail(
            err, WELD_ERROR_ARGUMENT,
            "%.200s: the model has no names of classes, and the data's come in two "
            "orders: bytewise, class %d is '%.48s' (torchvision sorts so), or natural, "
            "class %d is '%.48s' (timm does): give the names (--classes FILE) or say "
            "which (--class-order bytes or natural)",
            weld_dataset_path(ds), differ, o->bytes[differ].name, differ, o->natural[differ].name);
    }
    for (int i = 0; i < count && labels->order != WELD_CLASS_ORDER_ANY; i++) {
        const bool natural = labels->order == WELD_CLASS_ORDER_NATURAL;
        to[(natural ? o->natural : o->bytes)[i].index] = i;
    }
    return WELD_OK;
}

static weld_status match_order(const weld_dataset *ds, const weld_labels *labels, int *to,
                               weld_error *err) {
    const int count = labels->count;
    orders o = {weld_alloc((size_t)count, sizeof *o.bytes),
                weld_alloc((size_t)count, sizeof *o.natural)};
    weld_status status = WELD_OK;
    if (!o.bytes || !o.natural) {
        status = weld_fail_memory(err, "class names");
    } else {
        for (int i = 0; i < count; i++) {
            o.bytes[i] = o.natural[i] = (named_class){weld_dataset_class_name(ds, i), i};
        }
        qsort(o.bytes, (size_t)count, sizeof *o.bytes, by_name);
        qsort(o.natural, (size_t)count, sizeof *o.natural, in_nature);
        status = choose_order(ds, labels, &o, to, err);
    }
    weld_free(o.bytes);
    weld_free(o.natural);
    return status;
}

/* --- */

/* The first index at which names differ, of as many as both have. */
static int first_difference(const weld_dataset *ds, int have, const weld_labels *labels) {
    const int both = have < labels->count ? have : labels->count;
    int i = 0;
    while (i < both && strcmp(weld_dataset_class_name(ds, i), labels->names[i]) == 0) {
        i++;
    }
    return i;
}

/* A run goes on with what it had, or not at all. */
static weld_status check_run(const weld_dataset *ds, int have, const weld_labels *labels,
                             weld_error *err) {
    const char *path = weld_dataset_path(ds);
    const int i = first_difference(ds, have, labels);
    if (have != labels->count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has %d classes where %s has %d: they must be the same", path, have,
                         labels->path, labels->count);
    }
    return i == have
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: class %d was '%s', in %s it is '%s': resume with the same "
                           "data",
                           labels->path, i, labels->names[i], path, weld_dataset_class_name(ds, i));
}

weld_status weld_class_names_match(const weld_dataset *ds, const weld_labels *labels, int *to,
                                   weld_error *err) {
    const int have = weld_dataset_class_count(ds);
    if (labels->names && labels->of == WELD_LABELS_OF_RUN) {
        for (int i = 0; i < have; i++) {
            to[i] = i;
        }
        return check_run(ds, have, labels, err);
    }
    if (labels->names) {
        return match_names(ds, have, labels, to, err);
    }
    WELD_TRY(weld_class_names_check_parts(ds, err));
    return have == labels->count ? match_order(ds, labels, to, err)
                                 : refuse(ds, have, labels->count, &(differences){0}, err);
}
