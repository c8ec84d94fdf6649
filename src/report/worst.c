/* The worst images of an evaluation, small and with what is to be said of them; see parts.h. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "formats/json_text.h"
#include "images/decode.h"
#include "infer/explain.h"
#include "report/parts.h"

enum { WORST_MAX = 1024 };

/* What pictures are made of. */
typedef struct maker {
    const weld_task *task;
    const json_t *entries, *names; /* entries: those of evaluation.json */
    weld_dataset *ds;
    weld_reading how;
    weld_model *m;
    weld_explainer *explainer; /* NULL: nothing is explained */
    weld_error *err;
} maker;

/* "explained": where the answer came from, which is the right half of the picture. */
static weld_status add_explanation(const maker *k, const weld_image *image, json_t *to,
                                   weld_error *err) {
    weld_explanation found;
    weld_image half = {0};
    const int answer = (int)json_integer_value(json_object_get(to, "predicted"));
    weld_status status = weld_explainer_image(k->explainer, image, answer, &found, err);
    if (!status) {
        const int width = found.picture.width / 2, height = found.picture.height;
        status = weld_image_resize_buffer(&half, width, height, err);
        for (int y = 0; !status && y < height; y++) {
            memcpy(half.pixels + (size_t)y * (size_t)width * 3,
                   found.picture.pixels + (size_t)(2 * y + 1) * (size_t)width * 3,
                   (size_t)width * 3);
        }
    }
    status = status
                 ? status
                 : weld_report_add_picture(&half, k->task->report->picture, "explained", to, err);
    weld_explanation_free(&found);
    weld_image_free(&half);
    return status;
}

/* Something that cannot be decoded has no picture. */
static weld_status add_picture(const maker *k, int64_t index, const json_t *entry, json_t *to) {
    const weld_report_view *view = k->task->report;
    weld_bytes bytes = {0};
    weld_image image = {0};
    weld_error reason;
    weld_status status = weld_dataset_read(k->ds, index, &bytes, &reason);
    status = status ? status : weld_dataset_decode(k->ds, index, &bytes, k->how, &image, &reason);
    if (!status && view->draw) {
        view->draw(entry, k->names, k->ds, index, &image);
    }
    status =
        status ? status : weld_report_add_picture(&image, view->picture, "picture", to, &reason);
    if (!status && k->explainer) {
        status = add_explanation(k, &image, to, &reason);
    }
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(k->err, "thumbnail") : WELD_OK;
}

/* By their names, in one pass over the data set. */
static weld_status add_pictures(const maker *k, json_t *worst) {
    weld_status status = WELD_OK;
    for (int64_t i = 0; i < weld_dataset_count(k->ds) && !status; i++) {
        const char *name = weld_dataset_name(k->ds, i);
        for (size_t w = 0; w < json_array_size(worst) && !status; w++) {
            json_t *to = json_array_get(worst, w);
            const char *image = json_string_value(json_object_get(to, "image"));
            if (image && strcmp(name, image) == 0 && !json_object_get(to, "picture")) {
                status = add_picture(k, i, json_array_get(k->entries, w), to);
            }
        }
    }
    return status;
}

/* Of the run's best weights, beside its evaluation, where classes are predicted; none where these
 * weights cannot be read, or are of other classes. */
static weld_status open_explainer(maker *k, const char *evaluation, const json_t *worst) {
    char path[PATH_MAX];
    const char *slash = strrchr(evaluation, '/');
    const int folder = slash ? (int)(slash + 1 - evaluation) : 0;
    if (!json_object_get(json_array_get(worst, 0), "predicted") ||
        snprintf(path, sizeof path, "%.*sbest.h5", folder, evaluation) >= (int)sizeof path) {
        return WELD_OK;
    }
    weld_status status = weld_model_open(path, &k->m, NULL);
    if (!status && weld_model_get_config(k->m)->num_classes == (int64_t)json_array_size(k->names)) {
        status = weld_explainer_create(k->m, 0, &k->explainer, NULL);
    }
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(k->err, path) : WELD_OK;
}

static weld_status find_pictures(maker *k, const weld_json *j, const char *named,
                                 const weld_recipe *recipe, json_t **run, json_t *worst) {
    WELD_TRY(weld_report_open_images(named, recipe, run, &k->ds, k->err));
    weld_status status = WELD_OK;
    if (k->ds && !weld_task_check_data(k->task, k->ds, NULL)) {
        status = open_explainer(k, j->where, worst);
        status = status ? status : add_pictures(k, worst);
    }
    weld_explainer_free(k->explainer);
    weld_model_free(k->m);
    weld_dataset_free(k->ds);
    return status;
}

weld_status weld_report_add_worst(weld_json *j, const weld_task *task, const json_t *from,
                                  const weld_recipe *recipe, size_t most, json_t **run,
                                  json_t **to) {
    const json_t *names = json_object_get(*to, "names");
    maker k = {.task = task,
               .entries = weld_json_array(j, from, "worst", 0, WORST_MAX),
               .names = names,
               .how = recipe ? weld_reading_of(&recipe->data.preprocessing) : (weld_reading){0},
               .err = j->err};
    json_t *worst = json_array();
    weld_status status = WELD_OK;
    for (size_t i = 0; i < json_array_size(k.entries) && i < most; i++) {
        const json_t *entry = json_array_get(k.entries, i);
        json_t *shown = task->report->worst(j, entry, (int64_t)json_array_size(names));
        weld_json_set(&shown, "image", weld_json_name(weld_json_string(j, entry, "image")));
        weld_json_append(&worst, shown);
    }
    if (!j->status && json_array_size(worst)) {
        status = find_pictures(&k, j, weld_json_string(j, from, "data"), recipe, run, worst);
    }
    weld_json_set(to, "worst", worst);
    return status;
}
