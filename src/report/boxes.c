/* The evaluation of a detector in a report; see parts.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/number.h"
#include "datasets/boxes.h"
#include "images/draw.h"
#include "formats/json_text.h"
#include "report/parts.h"

enum {
    CURVES_SHOWN = 12, /* classes whose curves are */
    CURVE_MAX = 1001,
    WORST_MAX = 1024,
    FOUND_MAX = 30000,
    PICTURE = 320 /* pixels of the longer side, at most */
};

/* --- Classes --- */

typedef struct place {
    double ap;
    size_t index;
} place;

static int lower_ap(const void *a, const void *b) {
    const place *x = a, *y = b;
    const int order = (x->ap > y->ap) - (x->ap < y->ap);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Classes by AP, the lowest first, those without objects at the end; freed with weld_free. */
static place *sort_classes(const json_t *classes) {
    const size_t count = json_array_size(classes);
    place *order = weld_alloc(count, sizeof *order);
    for (size_t i = 0; order && i < count; i++) {
        const json_t *ap = json_object_get(json_array_get(classes, i), "AP");
        order[i] = (place){json_is_number(ap) ? json_number_value(ap) : 2, i};
    }
    if (order) {
        qsort(order, count, sizeof *order, lower_ap);
    }
    return order;
}

static json_t *curve_of(const json_t *object) {
    json_t *points = json_array();
    const json_t *curve = json_object_get(object, "curve");
    for (size_t i = 0; i < json_array_size(curve) && i < CURVE_MAX; i++) {
        const json_t *p = json_array_get(curve, i);
        json_array_append_new(points,
                              json_is_number(p) ? json_real(json_number_value(p)) : json_null());
    }
    return points;
}

/* As text, for the page's numbers are rounded: a confidence that was leaves other boxes out. */
static json_t *exact_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    char text[WELD_NUMBER_SIZE];
    return json_is_number(value)
               ? json_string(weld_number_text(json_number_value(value), false, 1, text))
               : json_null();
}

static weld_status add_classes(weld_json *j, const json_t *classes, int most, json_t *to) {
    static const char *const keys[] = {"objects", "AP",         "AP50",      "AR100",
                                       "f1",      "confidence", "precision", "recall"};
    place *order = sort_classes(classes);
    json_t *rows = json_array(), *curves = json_array();
    if (!order) {
        json_decref(rows);
        json_decref(curves);
        return weld_fail_memory(j->err, "classes");
    }
    for (size_t i = 0; i < json_array_size(classes) && i < (size_t)most; i++) {
        const json_t *c = json_array_get(classes, order[i].index);
        json_t *row = json_array();
        json_array_append_new(row, json_integer((json_int_t)order[i].index));
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            json_array_append_new(row, strcmp(keys[k], "confidence") == 0
                                           ? exact_number(c, keys[k])
                                           : weld_report_number(c, keys[k]));
        }
        json_array_append_new(rows, row);
        if (i < CURVES_SHOWN && order[i].ap <= 1) {
            json_array_append_new(curves,
                                  json_pack("{s:I, s:o}", "class", (json_int_t)order[i].index,
                                            "points", curve_of(c)));
        }
    }
    json_object_set_new(to, "found", rows);
    json_object_set_new(to, "curves", curves);
    weld_free(order);
    return WELD_OK;
}

/* --- Worst images: what is there in green, what was found in red, with its class --- */

static void draw_found(const json_t *found, const json_t *names, weld_image *image) {
    for (size_t i = json_array_size(found); i-- > 0;) {
        const json_t *b = json_array_get(found, i);
        double n[6];
        char label[64];
        for (size_t k = 0; k < 6; k++) {
            n[k] = json_number_value(json_array_get(b, k));
        }
        const char *name = json_string_value(json_array_get(names, (size_t)n[0]));
        weld_snprintf(label, sizeof label, "%.40s %.2f", name ? name : "?", n[1]);
        weld_draw_box(image, n[2], n[3], n[2] + n[4], n[3] + n[5], (weld_colour){220, 40, 40},
                      1 + image->width / 640, label);
    }
}

static void draw_truth(const weld_dataset *ds, int64_t index, weld_image *image) {
    int64_t count;
    const weld_box *boxes = weld_dataset_boxes(ds, index, &count);
    for (int64_t i = 0; i < count; i++) {
        const weld_box *b = &boxes[i];
        weld_draw_box(image, b->x, b->y, b->x + b->width, b->y + b->height,
                      (weld_colour){40, 200, 80}, 1 + image->width / 640, NULL);
    }
}

/* Something that cannot be decoded has no picture. */
static weld_status add_picture(const weld_dataset *ds, int64_t index, int scale16,
                               const json_t *names, json_t *to, weld_error *err) {
    weld_bytes bytes = {0};
    weld_image image = {0};
    weld_error reason;
    weld_status status = weld_dataset_read(ds, index, &bytes, &reason);
    status = status ? status : weld_dataset_decode(ds, index, &bytes, scale16, &image, &reason);
    if (!status) {
        draw_truth(ds, index, &image);
        draw_found(json_object_get(to, "found"), names, &image);
        status = weld_report_add_picture(&image, PICTURE, "picture", to, &reason);
    }
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, "picture") : WELD_OK;
}

static weld_status add_pictures(const weld_dataset *ds, int scale16, const json_t *names,
                                json_t *worst, weld_error *err) {
    weld_status status = WELD_OK;
    for (int64_t i = 0; i < weld_dataset_count(ds) && !status; i++) {
        for (size_t k = 0; k < json_array_size(worst) && !status; k++) {
            json_t *w = json_array_get(worst, k);
            const char *image = json_string_value(json_object_get(w, "image"));
            if (image && strcmp(weld_dataset_name(ds, i), image) == 0 &&
                !json_object_get(w, "picture")) {
                status = add_picture(ds, i, scale16, names, w, err);
            }
        }
    }
    return status;
}

static json_t *worst_of(weld_json *j, const json_t *from, int64_t classes, size_t most) {
    const json_t *worst = weld_json_array(j, from, "worst", 0, WORST_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(worst) && i < most; i++) {
        const json_t *w = json_array_get(worst, i);
        const json_t *found = weld_json_array(j, w, "found", 0, FOUND_MAX);
        for (size_t k = 0; k < json_array_size(found); k++) {
            weld_json_int_at(j, json_array_get(found, k), 0, "found", 0, classes - 1);
        }
        json_array_append_new(list,
                              json_pack("{s:o, s:I, s:O?}", "image",
                                        weld_json_name(weld_json_string(j, w, "image")), "mistakes",
                                        (json_int_t)weld_json_int(j, w, "mistakes", 0, INT64_MAX),
                                        "found", found));
    }
    return list;
}

weld_status weld_report_add_boxes(weld_json *j, const json_t *from, const weld_recipe *recipe,
                                  int most, int images, json_t *run, json_t *to) {
    const json_t *classes = json_object_get(from, "classes"), *names = json_object_get(to, "names");
    const int64_t count = (int64_t)json_array_size(classes);
    const json_t *cells =
        weld_json_array(j, json_object_get(from, "confusion"), "cells", 0, WELD_JSON_MAX);
    weld_dataset *ds = NULL;
    WELD_TRY(add_classes(j, classes, most, to));
    json_object_set_new(to, "curve", curve_of(from));
    WELD_TRY(weld_report_add_confusion(j, cells, count + 1, to));
    json_t *worst = worst_of(j, from, count, (size_t)images);
    json_object_set_new(to, "worst", worst);
    if (j->status || !json_array_size(worst)) {
        return WELD_OK;
    }
    WELD_TRY(weld_report_open_images(weld_json_string(j, from, "data"), recipe, run, &ds, j->err));
    weld_status status = WELD_OK;
    if (ds && weld_dataset_has_boxes(ds)) {
        const int scale16 = recipe ? recipe->data.preprocessing.scale16 : 0;
        status = add_pictures(ds, scale16, names, worst, j->err);
    }
    weld_dataset_free(ds);
    for (size_t i = 0; i < json_array_size(worst); i++) {
        json_object_del(json_array_get(worst, i), "found"); /* it is drawn */
    }
    return status;
}
