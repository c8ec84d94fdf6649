/* The evaluation of a report's run: what was confused, how far probabilities can be trusted, and
 * the worst images; see parts.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "images/decode.h"
#include "images/resize.h"
#include "formats/file.h"
#include "formats/json.h"
#include "formats/json_text.h"
#include "infer/explain.h"
#include "report/parts.h"

#define FILE_LIMIT ((uint64_t)256 << 20)

enum {
    CLASSES_MAX = 1 << 20,
    MATRIX_MAX = 40,   /* classes of which the whole matrix is shown */
    PAIRS_SHOWN = 200, /* of the classes most confused */
    WORST_MAX = 1024,
    CALIBRATION_MAX = 1000,
    THUMBNAIL = 96, /* pixels of the longer side, at most */
    QUALITY = 85    /* of JPEG */
};

/* --- Classes and their confusion --- */

typedef struct cell {
    int64_t label, predicted, images;
} cell;

static int more_images(const void *a, const void *b) {
    const cell *x = a, *y = b;
    int order = (x->images < y->images) - (x->images > y->images);
    order = order ? order : (x->label > y->label) - (x->label < y->label);
    return order ? order : (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

static json_t *cell_list(const cell *cells, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("[I, I, I]", (json_int_t)cells[i].label,
                                              (json_int_t)cells[i].predicted,
                                              (json_int_t)cells[i].images));
    }
    return list;
}

static size_t read_cells(weld_json *j, const json_t *list, int64_t classes, cell *cells) {
    const size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(list, i);
        if (!json_is_array(row) || json_array_size(row) != 3) {
            weld_json_fail(j, "confusion: row %zu is no list of three numbers", i);
            return 0;
        }
        cells[i] = (cell){.label = weld_json_int_at(j, row, 0, "confusion", 0, classes - 1),
                          .predicted = weld_json_int_at(j, row, 1, "confusion", 0, classes - 1),
                          .images = weld_json_int_at(j, row, 2, "confusion", 0, INT64_MAX)};
    }
    return count;
}

/* "matrix": all cells, where there are few classes; "confused": the largest that are wrong. */
static weld_status add_confusion(weld_json *j, const json_t *from, int64_t classes, json_t *to) {
    const json_t *list = weld_json_array(j, from, "confusion", 0, WELD_JSON_MAX);
    cell *cells = weld_alloc(json_array_size(list) + 1, sizeof *cells);
    if (!cells) {
        return weld_fail_memory(j->err, "confusion matrix");
    }
    size_t count = list ? read_cells(j, list, classes, cells) : 0, wrong = 0;
    if (classes <= MATRIX_MAX) {
        json_object_set_new(to, "matrix", cell_list(cells, count));
    }
    for (size_t i = 0; i < count; i++) {
        if (cells[i].label != cells[i].predicted && cells[i].images > 0) {
            cells[wrong++] = cells[i];
        }
    }
    qsort(cells, wrong, sizeof *cells, more_images);
    json_object_set_new(to, "confused",
                        cell_list(cells, wrong < PAIRS_SHOWN ? wrong : PAIRS_SHOWN));
    weld_free(cells);
    return WELD_OK;
}

static json_t *number_or_null(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_real(json_number_value(value)) : json_null();
}

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
        json_array_append_new(
            list, json_pack("[I, o, o, o]", (json_int_t)order[i].index, number_or_null(c, "images"),
                            number_or_null(c, "recall"), number_or_null(c, "precision")));
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
            json_object_set_new(bin, keys[k], number_or_null(json_array_get(bins, i), keys[k]));
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
        json_object_set_new(o, "probability", number_or_null(w, "probability"));
        json_object_set_new(o, "label_probability", number_or_null(w, "label_probability"));
        json_object_set_new(o, "loss", number_or_null(w, "loss"));
        json_array_append_new(list, o);
    }
    return list;
}

/* The image no larger than a thumbnail, as it is where it is small. */
static weld_status shrink(const weld_image *in, weld_image *out, weld_error *err) {
    const int longer = in->width > in->height ? in->width : in->height;
    const double scale = longer > THUMBNAIL ? (double)THUMBNAIL / longer : 1;
    const int width = (int)(in->width * scale + 0.5), height = (int)(in->height * scale + 0.5);
    const weld_pixels pixels = weld_image_pixels(in);
    weld_resize_scratch scratch = {0};
    weld_resize_request request = {
        .filter = WELD_BICUBIC, .width = width > 0 ? width : 1, .height = height > 0 ? height : 1};
    request.full_width = request.width;
    request.full_height = request.height;
    weld_status status = weld_image_resize_buffer(out, request.width, request.height, err);
    status = status ? status : weld_resize_pixels(&pixels, &request, &scratch, out->pixels, err);
    weld_resize_scratch_free(&scratch);
    return status;
}

static char *base64(const char *prefix, const weld_bytes *bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t start = strlen(prefix);
    char *text = weld_alloc(start + (bytes->size + 2) / 3 * 4 + 1, 1), *at = text;
    if (!text) {
        return NULL;
    }
    memcpy(at, prefix, start);
    at += start;
    for (size_t i = 0; i < bytes->size; i += 3) {
        const size_t left = bytes->size - i;
        const uint32_t word = (uint32_t)bytes->data[i] << 16 |
                              (left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0) |
                              (left > 2 ? bytes->data[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            *at++ = k <= left ? digits[word >> (18 - 6 * k) & 63] : '=';
        }
    }
    return text;
}

/* "picture" of a worst image: a data URL. An image that cannot be decoded has none. */
/* `image`, small, as a data URL under `key`. bytes and small: memory. */
static weld_status add_url(const weld_image *image, const char *key, weld_image *small,
                           weld_bytes *bytes, json_t *to, weld_error *err) {
    WELD_TRY(shrink(image, small, err));
    WELD_TRY(weld_encode_jpeg(small, QUALITY, bytes, err));
    char *url = base64("data:image/jpeg;base64,", bytes);
    json_object_set_new(to, key, url ? json_string(url) : NULL);
    weld_free(url);
    return url ? WELD_OK : WELD_ERROR_MEMORY;
}

/* "explained": where the answer came from, which is the right half of the picture. */
static weld_status add_explanation(weld_explainer *e, const weld_image *image, weld_image *small,
                                   weld_bytes *bytes, json_t *to, weld_error *err) {
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
    status = status ? status : add_url(&half, "explained", small, bytes, to, err);
    weld_explanation_free(&found);
    weld_image_free(&half);
    return status;
}

static weld_status add_picture(const weld_dataset *ds, int64_t index, int scale16,
                               weld_explainer *e, json_t *to, weld_error *err) {
    weld_bytes bytes = {0};
    weld_image image = {0}, small = {0};
    weld_error reason;
    weld_status status = weld_dataset_read(ds, index, &bytes, &reason);
    status = status ? status : weld_dataset_decode(ds, index, &bytes, scale16, &image, &reason);
    status = status ? status : add_url(&image, "picture", &small, &bytes, to, &reason);
    if (!status && e) {
        status = add_explanation(e, &image, &small, &bytes, to, &reason);
    }
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    weld_image_free(&small);
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
    const char *const paths[] = {named, recipe ? recipe->data.val : ""};
    const int scale16 = recipe ? recipe->data.preprocessing.scale16 : 0;
    weld_dataset *ds = NULL;
    weld_status status = WELD_ERROR_NOT_FOUND;
    for (int i = 0; i < 2 && status && json_array_size(worst); i++) {
        status = *paths[i] ? weld_dataset_open(paths[i], &ds, NULL) : WELD_ERROR_NOT_FOUND;
    }
    if (status == WELD_ERROR_MEMORY) {
        return weld_fail_memory(err, named);
    }
    if (status && json_array_size(worst)) {
        weld_report_note(run, "the images of %s cannot be read any more: they are told by name",
                         *named ? named : "the evaluation");
    }
    weld_model *m = NULL;
    weld_explainer *e = NULL;
    if (!status) {
        status = open_explainer(evaluation, classes, &m, &e, err);
        status = status ? status : add_pictures(ds, scale16, e, worst, err);
    } else {
        status = WELD_OK;
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
        json_object_set_new(to, others[i], number_or_null(from, others[i]));
    }
    for (int i = 0; i < task->score_count; i++) {
        json_object_set_new(to, task->scores[i].key, number_or_null(from, task->scores[i].key));
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
    json_object_set_new(to, "calibration", calibration_of(j, from));
    weld_status status = add_recalls(j, classes, most, to);
    status = status ? status : add_confusion(j, from, count, to);
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
