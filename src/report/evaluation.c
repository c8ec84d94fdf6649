/* The evaluation of a report's run: what was confused, how far probabilities can be trusted, and
 * the worst images; see parts.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "datasets/dataset.h"
#include "images/decode.h"
#include "formats/file.h"
#include "formats/json.h"
#include "formats/json_text.h"
#include "infer/explain.h"
#include "report/parts.h"

#define FILE_LIMIT ((uint64_t)256 << 20)

enum {
    CLASSES_MAX = 1 << 20,
    WORST_MAX = 1024,
    CALIBRATION_MAX = 1000,
    THUMBNAIL = 96 /* pixels of the longer side, at most */
};

typedef struct recall {
    double recall;
    size_t index;
} recall;

static int lower_recall(const void *a, const void *b) {
    const recall *x = a, *y = b;
    int order = (x->recall > y->recall) - (x->recall < y->recall);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* "recalls": [[class, images, recall, precision], ...], the lowest recall first; classes without
 * images come last. */
static weld_status add_recalls(weld_json *j, const json_t *classes, int most, json_t *to) {
    const size_t count = json_array_size(classes);
    recall *order = weld_alloc(count, sizeof *order);
    if (!order) {
        return weld_fail_memory(j->err, "recall");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(json_array_get(classes, i), "recall");
        order[i] = (recall){json_is_number(value) ? json_number_value(value) : 1e9, i};
    }
    qsort(order, count, sizeof *order, lower_recall);
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < (size_t)most; i++) {
        const json_t *c = json_array_get(classes, order[i].index);
        json_array_append_new(list, json_pack("[I, o, o, o]", (json_int_t)order[i].index,
                                              weld_report_number(c, "images"),
                                              weld_report_number(c, "recall"),
                                              weld_report_number(c, "precision")));
    }
    json_object_set_new(to, "recalls", list);
    weld_free(order);
    return WELD_OK;
}

static json_t *class_names(weld_json *j, const json_t *classes) {
    json_t *names = json_array();
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const json_t *c = json_array_get(classes, i);
        json_array_append_new(names, weld_json_name(weld_json_string(j, c, "name")));
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
            json_object_set_new(bin, keys[k], weld_report_number(json_array_get(bins, i), keys[k]));
        }
        json_array_append_new(list, bin);
    }
    return list;
}

/* --- Worst images --- */

static json_t *worst_of(weld_json *j, const json_t *from, int64_t classes, size_t most) {
    const json_t *worst = weld_json_array(j, from, "worst", 0, WORST_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(worst) && i < most; i++) {
        const json_t *w = json_array_get(worst, i);
        json_t *o = json_object();
        json_object_set_new(o, "image", weld_json_name(weld_json_string(j, w, "image")));
        json_object_set_new(o, "label", json_integer(weld_json_int(j, w, "label", 0, classes - 1)));
        json_object_set_new(o, "predicted",
                            json_integer(weld_json_int(j, w, "predicted", 0, classes - 1)));
        json_object_set_new(o, "probability", weld_report_number(w, "probability"));
        json_object_set_new(o, "label_probability", weld_report_number(w, "label_probability"));
        json_object_set_new(o, "loss", weld_report_number(w, "loss"));
        json_array_append_new(list, o);
    }
    return list;
}

/* "explained": where the answer came from, which is the right half of the picture. */
static weld_status add_explanation(weld_explainer *e, const weld_image *image, json_t *to,
                                   weld_error *err) {
    weld_explanation found;
    weld_image half = {0};
    const int answer = (int)json_integer_value(json_object_get(to, "predicted"));
    weld_status status = weld_explainer_image(e, image, answer, &found, err);
    if (!status) {
        const int width = found.picture.width / 2, height = found.picture.height;
        status = weld_image_resize_buffer(&half, width, height, err);
        for (int y = 0; !status && y < height; y++) {
            memcpy(half.pixels + (size_t)y * (size_t)width * 3,
                   found.picture.pixels + (size_t)(2 * y + 1) * (size_t)width * 3,
                   (size_t)width * 3);
        }
    }
    status = status ? status : weld_report_add_picture(&half, THUMBNAIL, "explained", to, err);
    weld_explanation_free(&found);
    weld_image_free(&half);
    return status;
}

static weld_status add_picture(const weld_dataset *ds, int64_t index, int scale16,
                               weld_explainer *e, json_t *to, weld_error *err) {
    weld_bytes bytes = {0};
    weld_image image = {0};
    weld_error reason;
    weld_status status = weld_dataset_read(ds, index, &bytes, &reason);
    status = status ? status : weld_dataset_decode(ds, index, &bytes, scale16, &image, &reason);
    status = status ? status : weld_report_add_picture(&image, THUMBNAIL, "picture", to, &reason);
    if (!status && e) {
        status = add_explanation(e, &image, to, &reason);
    }
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, "thumbnail") : WELD_OK;
}

/* By their names, in one pass over the data set. */
static weld_status add_pictures(const weld_dataset *ds, int scale16, weld_explainer *e,
                                json_t *worst, weld_error *err) {
    weld_status status = WELD_OK;
    for (int64_t i = 0; i < weld_dataset_count(ds) && !status; i++) {
        const char *name = weld_dataset_name(ds, i);
        for (size_t k = 0; k < json_array_size(worst) && !status; k++) {
            json_t *w = json_array_get(worst, k);
            const char *image = json_string_value(json_object_get(w, "image"));
            if (image && strcmp(name, image) == 0 && !json_object_get(w, "picture")) {
                status = add_picture(ds, i, scale16, e, w, err);
            }
        }
    }
    return status;
}

/* Of the run's best weights, beside its evaluation; NULL where they cannot be read, or are of other
 * classes. */
static weld_status open_explainer(const char *evaluation, int64_t classes, weld_model **m,
                                  weld_explainer **e, weld_error *err) {
    char path[PATH_MAX];
    const char *slash = strrchr(evaluation, '/');
    const int folder = slash ? (int)(slash + 1 - evaluation) : 0;
    *m = NULL;
    *e = NULL;
    if (snprintf(path, sizeof path, "%.*sbest.h5", folder, evaluation) >= (int)sizeof path) {
        return WELD_OK;
    }
    weld_status status = weld_model_open(path, m, NULL);
    if (!status && weld_model_get_config(*m)->num_classes == classes) {
        status = weld_explainer_create(*m, 0, e, NULL);
    }
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path) : WELD_OK;
}

static weld_status find_pictures(const char *evaluation, int64_t classes, const char *named,
                                 const weld_recipe *recipe, json_t *run, json_t *worst,
                                 weld_error *err) {
    const int scale16 = recipe ? recipe->data.preprocessing.scale16 : 0;
    weld_dataset *ds = NULL;
    if (!json_array_size(worst)) {
        return WELD_OK;
    }
    WELD_TRY(weld_report_open_images(named, recipe, run, &ds, err));
    weld_model *m = NULL;
    weld_explainer *e = NULL;
    weld_status status = ds ? open_explainer(evaluation, classes, &m, &e, err) : WELD_OK;
    if (!status && ds) {
        status = add_pictures(ds, scale16, e, worst, err);
    }
    weld_explainer_free(e);
    weld_model_free(m);
    weld_dataset_free(ds);
    return status;
}

/* --- Putting it together --- */

static void add_numbers(const weld_task *task, const json_t *from, json_t *to) {
    static const char *const others[] = {"images", "skipped", "loss"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        json_object_set_new(to, others[i], weld_report_number(from, others[i]));
    }
    for (int i = 0; i < task->score_count; i++) {
        json_object_set_new(to, task->scores[i].key, weld_report_number(from, task->scores[i].key));
    }
}

static weld_status make(weld_json *j, const weld_task *task, const json_t *from,
                        const weld_recipe *recipe, int most, int images, json_t *run, json_t *to) {
    const json_t *classes =
        task->tell_classes ? weld_json_array(j, from, "classes", 1, CLASSES_MAX) : NULL;
    const int64_t count = (int64_t)json_array_size(classes);
    json_object_set_new(to, "data", weld_json_name(weld_json_string(j, from, "data")));
    add_numbers(task, from, to);
    if (!classes) {
        return WELD_OK;
    }
    json_object_set_new(to, "names", class_names(j, classes));
    if (json_is_object(json_object_get(from, "confusion"))) {
        return weld_report_add_boxes(j, from, recipe, most, images, run, to);
    }
    json_object_set_new(to, "calibration", calibration_of(j, from));
    weld_status status = add_recalls(j, classes, most, to);
    const json_t *cells = weld_json_array(j, from, "confusion", 0, WELD_JSON_MAX);
    status = status ? status : weld_report_add_confusion(j, cells, count, to);
    json_t *worst = worst_of(j, from, count, (size_t)images);
    json_object_set_new(to, "worst", worst);
    if (!status && !j->status) {
        status = find_pictures(j->where, count, weld_json_string(j, from, "data"), recipe, run,
                               worst, j->err);
    }
    return status;
}

weld_status weld_report_add_evaluation(const char *path, const weld_task *task,
                                       const weld_recipe *recipe, int classes, int images,
                                       json_t *run, weld_error *err) {
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
    status = from ? make(&j, task, from, recipe, classes, images, run, to) : WELD_OK;
    if (j.status) {
        weld_report_note(run, "the evaluation cannot be read: %s", reason.message);
    } else if (!status) {
        json_object_set(run, "evaluation", to);
    }
    json_decref(from);
    json_decref(to);
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path) : WELD_OK;
}
