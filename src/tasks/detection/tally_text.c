/* What an evaluation of a detector says, as text: lines for people, members of evaluation.json, the
 * confusion matrix as CSV; see tally.h. */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/number.h"
#include "datasets/boxes.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "tasks/detection/tally.h"

/* The numbers of a class, by their names in files. */
static const char *const class_keys[] = {"AP",         "AP50",      "AR100", "f1",
                                         "confidence", "precision", "recall"};
enum { CONFIDENCE = 4, CLASS_KEYS = sizeof class_keys / sizeof *class_keys };

static double class_number(const weld_coco_class *k, int i) {
    const double numbers[CLASS_KEYS] = {k->ap,         k->ap50,      k->ar100, k->best_f1,
                                        k->confidence, k->precision, k->recall};
    return numbers[i];
}

/* --- For people --- */

/* " 0.505", or " -" where there is nothing to tell, right in `width`. */
static void add_number(weld_text *t, double value, int width) {
    char text[32] = "-";
    if (isfinite(value)) {
        weld_snprintf(text, sizeof text, "%.3f", value);
    }
    weld_text_format(t, "%*s", width, text);
}

/* The same with as many decimals as it takes to be the number, since a confidence that was rounded
 * leaves others out. */
static void add_exact(weld_text *t, double value, int width) {
    char text[WELD_NUMBER_SIZE];
    weld_snprintf(text, sizeof text, "%.3f", value);
    if (isfinite(value) && weld_strtod(text, NULL) != value) {
        weld_number_text(value, false, 1, text);
    }
    weld_text_format(t, "%*s", width, isfinite(value) ? text : "-");
}

static void add_named(weld_text *t, const char *before, const char *name, double value) {
    weld_text_format(t, "%s%s ", before, name);
    add_number(t, value, 0);
}

void weld_detection_tell(const void *tally, const weld_dataset *ds, weld_text *out) {
    const weld_coco_result *r = ((const weld_detection_tally *)tally)->result;
    for (int i = WELD_COCO_AP75; i < WELD_COCO_FIGURES; i++) {
        add_named(out, i == WELD_COCO_AP75 ? "" : ", ", weld_coco_names[i], r->figures[i]);
    }
    weld_text_format(out, "; areas: %s\n", weld_dataset_has_shape_areas(ds) ? "shapes" : "boxes");
}

void weld_detection_tell_classes(const void *tally, const weld_dataset *ds, weld_text *out) {
    const weld_coco_result *r = ((const weld_detection_tally *)tally)->result;
    weld_text_format(out, "%8s %7s %7s %7s %7s %12s %7s %7s  class\n", "objects", "AP", "AP50",
                     "AR100", "F1", "above", "P", "R");
    for (int c = 0; c < r->classes; c++) {
        const weld_coco_class *k = &r->by_class[c];
        weld_text_format(out, "%8lld", (long long)k->objects);
        for (int i = 0; i < CLASS_KEYS; i++) {
            if (i == CONFIDENCE) {
                add_exact(out, class_number(k, i), 13);
            } else {
                add_number(out, class_number(k, i), 8);
            }
        }
        weld_text_add(out, "  ");
        weld_text_add_printable(out, weld_dataset_class_name(ds, c));
        weld_text_add(out, "\n");
    }
    add_named(out, "mAP50 (ultralytics 8.4)", "", r->ultralytics_8_4.map50);
    add_named(out, ", mAP50-95 (ultralytics 8.4)", "", r->ultralytics_8_4.map);
    add_named(out, "; 8.3:", "", r->ultralytics_8_3.map50);
    add_named(out, ",", "", r->ultralytics_8_3.map);
    weld_text_add(out, "\n");
}

/* --- JSON --- */

void weld_detection_json_classes(const void *tally, const weld_dataset *ds, json_t *object) {
    const weld_coco_result *r = ((const weld_detection_tally *)tally)->result;
    json_t *classes = json_array();
    for (int c = 0; c < r->classes; c++) {
        json_t *k = json_pack("{s:o, s:I}", "name", weld_json_name(weld_dataset_class_name(ds, c)),
                              "objects", (json_int_t)r->by_class[c].objects);
        for (int i = 0; i < CLASS_KEYS; i++) {
            json_object_set_new(k, class_keys[i],
                                weld_json_number(class_number(&r->by_class[c], i)));
        }
        json_array_append_new(classes, k);
    }
    json_object_set_new(object, "classes", classes);
}

static void add_own(weld_text *t, const char *key, const weld_coco_own *own) {
    weld_text_format(t, "\"%s\":{", key);
    weld_json_add_member(t, "map50", own->map50);
    weld_text_add(t, ",");
    weld_json_add_member(t, "map", own->map);
    weld_text_add(t, "},\n");
}

/* "curve":[1,0.9,...] */
static void add_curve(weld_text *t, const double *curve) {
    weld_text_add(t, "\"curve\":[");
    for (int i = 0; i < WELD_COCO_POINTS; i++) {
        char text[32] = "null";
        if (isfinite(curve[i])) {
            weld_snprintf(text, sizeof text, "%.4g", curve[i]);
        }
        weld_text_format(t, "%s%s", i ? "," : "", text);
    }
    weld_text_add(t, "]");
}

static void add_class(weld_text *t, const weld_coco_class *k, const char *name) {
    weld_text_add(t, "{\"name\":");
    weld_json_add_name(t, name);
    weld_text_format(t, ",\"objects\":%lld,\"found\":%lld,", (long long)k->objects,
                     (long long)k->found);
    for (int i = 0; i < CLASS_KEYS; i++) {
        weld_json_add_member(t, class_keys[i], class_number(k, i));
        weld_text_add(t, ",");
    }
    add_curve(t, k->curve);
    weld_text_add(t, "}");
}

static void add_confusion(weld_text *t, const weld_coco_result *r) {
    weld_text_add(t, "\"confusion\":{");
    weld_json_add_member(t, "confidence", weld_coco_confusion_confidence);
    weld_text_add(t, ",");
    weld_json_add_member(t, "iou", weld_coco_confusion_iou);
    weld_text_add(t, ",\"cells\":");
    weld_confusion_json(r->confusion, t);
    weld_text_add(t, "}");
}

static void add_worst(weld_text *t, const weld_detection_tally *tally, const weld_dataset *ds) {
    weld_text_add(t, "\"worst\":[");
    for (int i = 0; i < tally->worst_count; i++) {
        const weld_mistaken_image *w = &tally->worst[i];
        weld_text_add(t, i ? ",\n {\"image\":" : "\n {\"image\":");
        weld_json_add_name(t, weld_dataset_name(ds, w->index));
        weld_text_format(t, ",\"mistakes\":%lld,\"found\":[", (long long)w->mistakes);
        for (size_t k = 0; k < w->found.count; k++) {
            const weld_found_box *b = &((const weld_found_box *)w->found.data)[k];
            char text[200];
            weld_snprintf(text, sizeof text, "%s[%d,%.4f,%.2f,%.2f,%.2f,%.2f]", k ? "," : "",
                          b->class_index, b->score, b->x, b->y, b->width, b->height);
            weld_text_add(t, text);
        }
        weld_text_add(t, "]}");
    }
    weld_text_add(t, "]");
}

void weld_detection_write_details(const void *tally, const weld_dataset *ds, weld_text *out) {
    const weld_coco_result *r = ((const weld_detection_tally *)tally)->result;
    weld_text_format(out, "\"areas\":\"%s\",\n",
                     weld_dataset_has_shape_areas(ds) ? "shapes" : "boxes");
    add_own(out, "ultralytics_8_3", &r->ultralytics_8_3);
    add_own(out, "ultralytics_8_4", &r->ultralytics_8_4);
    add_curve(out, r->curve);
    weld_text_add(out, ",\n\"classes\":[");
    for (int c = 0; c < r->classes; c++) {
        weld_text_add(out, c ? ",\n " : "\n ");
        add_class(out, &r->by_class[c], weld_dataset_class_name(ds, c));
    }
    weld_text_add(out, "],\n");
    add_confusion(out, r);
    weld_text_add(out, ",\n");
    add_worst(out, tally, ds);
}

weld_status weld_detection_write_confusion(const char *path, const void *tally,
                                           const weld_dataset *ds, weld_error *err) {
    const weld_coco_result *r = ((const weld_detection_tally *)tally)->result;
    const weld_confusion_names names = {"", "false", "missed"};
    return weld_confusion_write(path, r->confusion, ds, &names, err);
}
