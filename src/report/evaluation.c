/* The evaluation of a report's run: each class, what was confused, how far probabilities can be
 * trusted, and the worst images, as the task has them shown (tasks/report_view.h); see parts.h. */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "report/parts.h"

#define FILE_LIMIT ((uint64_t)256 << 20)

enum {
    CLASSES_MAX = 1 << 20,
    CALIBRATION_MAX = 1000,
    CURVES_SHOWN = 12, /* classes whose curves are */
    CURVE_MAX = 1001
};

/* --- Classes --- */

typedef struct place {
    double number; /* by which they are sorted */
    bool known;
    size_t index;
} place;

static int lower_number(const void *a, const void *b) {
    const place *x = a, *y = b;
    int order = y->known - x->known;
    order = order ? order : (x->number > y->number) - (x->number < y->number);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Those of the lowest number first, those that have none at the end; freed with weld_free. */
static place *sort_classes(const weld_report_view *view, const json_t *classes) {
    const size_t count = json_array_size(classes);
    place *order = weld_alloc(count, sizeof *order);
    for (size_t i = 0; order && i < count; i++) {
        const json_t *value = json_object_get(json_array_get(classes, i), view->numbers[0].key);
        order[i] = (place){json_number_value(value), json_is_number(value), i};
    }
    if (order) {
        qsort(order, count, sizeof *order, lower_number);
    }
    return order;
}

/* As text, for the page's numbers are rounded: a confidence that was leaves other boxes out. */
static json_t *exact_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    char text[WELD_NUMBER_SIZE];
    return json_is_number(value)
               ? json_string(weld_number_text(json_number_value(value), false, 1, text))
               : json_null();
}

/* [class, how many things it has, its numbers...] */
static json_t *row_of(const weld_report_view *view, const json_t *c, size_t index) {
    json_t *row = json_pack("[I, o]", (json_int_t)index, weld_report_number(c, view->count));
    for (size_t k = 0; k < WELD_REPORT_NUMBERS && view->numbers[k].key; k++) {
        json_t *(*number)(const json_t *, const char *) =
            view->numbers[k].exact ? exact_number : weld_report_number;
        weld_json_append(&row, number(c, view->numbers[k].key));
    }
    return row;
}

static json_t *curve_of(const json_t *object) {
    json_t *points = json_array();
    const json_t *curve = json_object_get(object, "curve");
    for (size_t i = 0; i < json_array_size(curve) && i < CURVE_MAX; i++) {
        const json_t *p = json_array_get(curve, i);
        weld_json_append(&points,
                         json_is_number(p) ? json_real(json_number_value(p)) : json_null());
    }
    return points;
}

static weld_status add_classes(weld_json *j, const weld_report_view *view, const json_t *classes,
                               size_t most, json_t **to) {
    place *order = sort_classes(view, classes);
    json_t *rows = json_array(), *curves = json_array();
    for (size_t i = 0; order && i < json_array_size(classes) && i < most; i++) {
        const json_t *c = json_array_get(classes, order[i].index);
        weld_json_append(&rows, row_of(view, c, order[i].index));
        if (i < CURVES_SHOWN && order[i].known && json_object_get(c, "curve")) {
            weld_json_append(&curves, json_pack("{s:I, s:o}", "class", (json_int_t)order[i].index,
                                                "points", curve_of(c)));
        }
    }
    weld_json_set(to, "rows", rows);
    weld_json_set(to, "curves", curves);
    weld_free(order);
    return order ? WELD_OK : weld_fail_memory(j->err, "classes");
}

static json_t *class_names(weld_json *j, const json_t *classes) {
    json_t *names = json_array();
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const json_t *c = json_array_get(classes, i);
        weld_json_append(&names, weld_json_name(weld_json_string(j, c, "name")));
    }
    return names;
}

static json_t *calibration_of(weld_json *j, const json_t *from) {
    static const char *const keys[] = {"low", "high", "images", "confidence", "accuracy"};
    const json_t *bins = weld_json_array(j, from, "calibration", 0, CALIBRATION_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(bins); i++) {
        json_t *bin = json_object();
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            weld_json_set(&bin, keys[k], weld_report_number(json_array_get(bins, i), keys[k]));
        }
        weld_json_append(&list, bin);
    }
    return list;
}

/* --- Putting it together --- */

static void add_numbers(const weld_task *task, const json_t *from, json_t **to) {
    static const char *const others[] = {"images", "skipped", "loss"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        weld_json_set(to, others[i], weld_report_number(from, others[i]));
    }
    for (int i = 0; i < task->score_count; i++) {
        weld_json_set(to, task->scores[i].key, weld_report_number(from, task->scores[i].key));
    }
}

/* The words of the page. */
static json_t *words(const weld_report_view *view) {
    json_t *labels = json_array();
    for (size_t k = 0; k < WELD_REPORT_NUMBERS && view->numbers[k].key; k++) {
        weld_json_append(&labels, json_string(view->numbers[k].label));
    }
    return json_pack("{s:s, s:s, s:s*, s:o, s:b, s:s*, s:s*, s:s*, s:s, s:s*}", "things",
                     view->things, "class_title", view->class_title, "class_note", view->class_note,
                     "numbers", labels, "percent", (int)view->percent, "curve_title",
                     view->curve_title, "curve_axis", view->curve_axis, "none", view->none,
                     "worst_title", view->worst_title, "worst_note", view->worst_note);
}

/* Of a task that has classes. */
static weld_status add_details(weld_json *j, const weld_task *task, const json_t *from,
                               const weld_recipe *recipe, int most, int images, json_t **run,
                               json_t **to) {
    const weld_report_view *view = task->report;
    const json_t *classes = weld_json_array(j, from, "classes", 1, CLASSES_MAX);
    const int64_t cells = (int64_t)json_array_size(classes) + (view->none != NULL);
    const json_t *confusion = json_object_get(from, "confusion");
    const json_t *parent = json_is_object(confusion) ? confusion : from;
    weld_json_set(to, "view", words(view));
    weld_json_set(to, "names", class_names(j, classes));
    WELD_TRY(add_classes(j, view, classes, (size_t)most, to));
    if (json_object_get(from, "curve")) {
        weld_json_set(to, "curve", curve_of(from));
    }
    if (json_object_get(from, "calibration")) {
        weld_json_set(to, "calibration", calibration_of(j, from));
    }
    confusion =
        weld_json_array(j, parent, parent == from ? "confusion" : "cells", 0, WELD_JSON_MAX);
    WELD_TRY(weld_report_add_confusion(j, confusion, cells, to));
    return weld_report_add_worst(j, task, from, recipe, (size_t)images, run, to);
}

static weld_status make(weld_json *j, const weld_task *task, const json_t *from,
                        const weld_recipe *recipe, int most, int images, json_t **run,
                        json_t **to) {
    weld_json_set(to, "data", weld_json_name(weld_json_string(j, from, "data")));
    add_numbers(task, from, to);
    return task->report ? add_details(j, task, from, recipe, most, images, run, to) : WELD_OK;
}

weld_status weld_report_add_evaluation(const char *path, const weld_task *task,
                                       const weld_recipe *recipe, int classes, int images,
                                       json_t **run, weld_error *err) {
    void *text;
    size_t bytes;
    weld_error reason = {.message = ""};
    weld_status status = weld_file_read(path, FILE_LIMIT, &text, &bytes, &reason);
    if (status == WELD_ERROR_NOT_FOUND) { /* no evaluation yet */
        return WELD_OK;
    }
    if (status) {
        weld_report_note(run, "the evaluation cannot be read: %s", reason.message);
        return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path) : WELD_OK;
    }
    weld_json j = {.where = path, .err = &reason};
    json_t *from = weld_json_parse(&j, text), *to = json_object();
    weld_free(text);
    status = from ? make(&j, task, from, recipe, classes, images, run, &to) : j.status;
    if (!to) { /* and what it lacks may have looked like a fault of the file */
        status = WELD_ERROR_MEMORY;
    } else if (j.status == WELD_ERROR_FORMAT) {
        weld_report_note(run, "the evaluation cannot be read: %s", reason.message);
    } else if (!status) {
        weld_json_set(run, "evaluation", json_incref(to));
    }
    json_decref(from);
    json_decref(to);
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path) : WELD_OK;
}
