/* Some classes of a data set; see class_choice.h. */
#include "datasets/class_choice.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/dataset_private.h"
#include "serialization/name_list.h"

static weld_name_list names_of(const weld_dataset *ds) {
    weld_name_list names = {.count = 0};
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        weld_name_list_add_quoted(&names, weld_dataset_class_name(ds, i), "");
    }
    return names;
}

static weld_status fail_unknown(const weld_dataset *ds, const char *name, weld_error *err) {
    const weld_name_list names = names_of(ds);
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%.200s: data.classes: '%.60s' is none of its %d classes: there are %s",
                     weld_dataset_path(ds), name, weld_dataset_class_count(ds), names.text);
}

/* to[i]: what class i becomes, -1 where it is not chosen. */
static weld_status number_classes(const weld_dataset *ds, const weld_class_choice *choice,
                                  bool lenient, int *to, int *count, weld_error *err) {
    const int all = weld_dataset_class_count(ds);
    *count = 0;
    for (int i = 0; i < all; i++) {
        to[i] = choice->count ? -1 : 0;
    }
    for (int i = 0; i < choice->count; i++) {
        const int found = weld_dataset_find_class(ds, choice->names[i]);
        if (found < 0 && !lenient) {
            return fail_unknown(ds, choice->names[i], err);
        }
        if (found >= 0) {
            to[found] = 0;
        }
    }
    for (int i = 0; i < all; i++) {
        if (to[i] == 0) {
            to[i] = (*count)++;
        }
    }
    return WELD_OK;
}

/* What a data set has of boxes, or of images with a class. */
typedef struct amounts {
    int64_t things, background, unused;
} amounts;

static amounts count_all(const weld_dataset *ds) {
    amounts a = {.things = weld_dataset_count(ds)};
    if (!weld_dataset_has_boxes(ds)) {
        return a;
    }
    a.things = 0;
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        int64_t count;
        const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
        a.things += count;
        a.background += count == 0;
        for (int64_t k = 0; k < count; k++) {
            a.unused += (boxes[k].flags & WELD_BOX_UNUSED) != 0;
        }
    }
    return a;
}

static void add_separator(weld_text *told) {
    weld_text_add(told, told->bytes.count ? "; " : "");
}

static void tell_chosen(const weld_dataset *ds, int of, const amounts *before, weld_text *told) {
    const bool has_boxes = weld_dataset_has_boxes(ds);
    const amounts now = count_all(ds);
    const int64_t less = before->things - now.things;
    const int64_t emptied = now.background - before->background;
    const weld_name_list names = names_of(ds);
    add_separator(told);
    weld_text_format(told, "data.classes: %zu of %d classes (", names.count, of);
    weld_text_add(told, names.text);
    weld_text_format(told, "): %lld %s of others %s left out", (long long)less,
                     has_boxes ? weld_plural(less, "box", "boxes")
                               : weld_plural(less, "image", "images"),
                     weld_plural(less, "is", "are"));
    if (emptied > 0) {
        weld_text_format(told, ", and %lld %s no more boxes %s as background", (long long)emptied,
                         weld_plural(emptied, "image that has", "images that have"),
                         weld_plural(emptied, "stays", "stay"));
    }
}

static weld_status choose(weld_dataset *ds, const weld_class_choice *choice, bool lenient, int *to,
                          weld_text *told, weld_error *err) {
    const int all = weld_dataset_class_count(ds);
    const amounts before = count_all(ds);
    int count;
    WELD_TRY(number_classes(ds, choice, lenient, to, &count, err));
    if (count == 0 && choice->single && all > 1) { /* all of them would count */
        return fail_unknown(ds, choice->names[0], err);
    }
    if (count == all || count == 0) {
        return WELD_OK;
    }
    WELD_TRY(weld_dataset_take_classes(ds, NULL, count, to, err));
    tell_chosen(ds, all, &before, told);
    if (ds->boxes) {
        ds->boxes->faults[WELD_BOX_PARENT] = 0; /* it was seen to */
    }
    return weld_dataset_sum_up(ds, err);
}

/* Boxes of several classes in one place become the same. */
static weld_status make_one(weld_dataset *ds, const char *const *name, int *to, weld_text *told,
                            weld_error *err) {
    const int all = weld_dataset_class_count(ds);
    const int64_t before = count_all(ds).unused;
    if (all == 1 && strcmp(weld_dataset_class_name(ds, 0), *name) == 0) {
        return WELD_OK;
    }
    memset(to, 0, (size_t)all * sizeof *to);
    WELD_TRY(weld_dataset_take_classes(ds, name, 1, to, err));
    WELD_TRY(weld_box_store_find_twins(ds->boxes, err));
    const int64_t twins = count_all(ds).unused - before;
    add_separator(told);
    weld_text_format(told, "data.single_class: %d class%s one, '%.96s'", all,
                     all == 1 ? " becomes" : "es become", *name);
    if (twins) {
        weld_text_format(told, ", in which %lld %s the same as another, trained on once",
                         (long long)twins, weld_plural(twins, "box is", "boxes are"));
    }
    return WELD_OK;
}

static weld_status choose_all(weld_dataset *ds, const weld_class_choice *choice, bool lenient,
                              const char *const *name, weld_text *told, weld_error *err) {
    static const char *const object[] = {"object"};
    int *to = weld_alloc((size_t)weld_dataset_class_count(ds), sizeof *to);
    weld_status status = to ? WELD_OK : weld_fail_memory(err, weld_dataset_path(ds));
    if (!status && choice->count) {
        status = choose(ds, choice, lenient, to, told, err);
    }
    if (!status && choice->single && weld_dataset_has_boxes(ds) &&
        (name || weld_dataset_class_count(ds) > 1)) {
        status = make_one(ds, name ? name : object, to, told, err);
    }
    weld_free(to);
    return status;
}

weld_status weld_dataset_choose_classes(weld_dataset *ds, const weld_class_choice *choice,
                                        weld_text *told, weld_error *err) {
    return choose_all(ds, choice, false, NULL, told, err);
}

weld_status weld_dataset_choose_alike(weld_dataset *ds, const weld_class_choice *choice,
                                      const char *const *name, weld_text *told, weld_error *err) {
    return choose_all(ds, choice, true, name, told, err);
}
