/* What an evaluation says in detail, as text: lines for people, members of evaluation.json, the
 * confusion matrix as CSV; see classification.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "tasks/classification/classification.h"
#include "tasks/classification/evaluation_details.h"

enum { WORST_CLASSES = 5 };

/* --- For people --- */

/* "66.67 %" or "-", right in `width`. */
static void add_percent(weld_text *t, double value, int width) {
    char text[32] = "-";
    if (isfinite(value)) {
        weld_snprintf(text, sizeof text, "%.2f %%", value);
    }
    weld_text_format(t, "%*s", width, text);
}

/* The classes of the lowest recall, lowest first, of equal ones the first; returns how many. */
static int find_worst(const weld_evaluation_details *d, int worst[WORST_CLASSES]) {
    int count = 0;
    for (int c = 0; c < d->classes; c++) {
        double recall = weld_evaluation_recall(d, c);
        int at = count;
        if (isnan(recall)) {
            continue;
        }
        for (; at > 0 && weld_evaluation_recall(d, worst[at - 1]) > recall; at--) {
            if (at < WORST_CLASSES) {
                worst[at] = worst[at - 1];
            }
        }
        if (at < WORST_CLASSES) {
            worst[at] = c;
        }
        count += count < WORST_CLASSES;
    }
    return count;
}

/* Calibration and the classes of the lowest recall. */
void weld_class_tell(const void *details, const weld_dataset *ds, weld_text *out) {
    const weld_evaluation_details *d = details;
    int worst[WORST_CLASSES], count = find_worst(d, worst);
    weld_text_format(
        out, "calibration error %.2f %%; lowest recall:", weld_evaluation_calibration_error(d));
    for (int i = 0; i < count; i++) {
        weld_text_add(out, i ? ", " : " ");
        weld_text_add_printable(out, weld_dataset_class_name(ds, worst[i]));
        weld_text_add(out, " ");
        add_percent(out, weld_evaluation_recall(d, worst[i]), 0);
    }
    weld_text_add(out, "\n");
}

void weld_class_tell_classes(const void *details, const weld_dataset *ds, weld_text *out) {
    const weld_evaluation_details *d = details;
    weld_text_format(out, "%9s %10s %10s  class\n", "images", "recall", "precision");
    for (int c = 0; c < d->classes; c++) {
        weld_text_format(out, "%9lld ", (long long)d->labelled[c]);
        add_percent(out, weld_evaluation_recall(d, c), 10);
        weld_text_add(out, " ");
        add_percent(out, weld_evaluation_precision(d, c), 10);
        weld_text_add(out, "  ");
        weld_text_add_printable(out, weld_dataset_class_name(ds, c));
        weld_text_add(out, "\n");
    }
}

/* --- JSON --- */

void weld_class_json_classes(const void *details, const weld_dataset *ds, json_t *object) {
    const weld_evaluation_details *d = details;
    json_t *classes = json_array();
    for (int c = 0; c < d->classes; c++) {
        json_array_append_new(classes,
                              json_pack("{s:o, s:I, s:o, s:o}", "name",
                                        weld_json_name(weld_dataset_class_name(ds, c)), "images",
                                        (json_int_t)d->labelled[c], "recall",
                                        weld_json_number(weld_evaluation_recall(d, c)), "precision",
                                        weld_json_number(weld_evaluation_precision(d, c))));
    }
    json_object_set_new(object, "classes", classes);
}

static const char *comma(int64_t i) {
    return i ? ",\n " : "\n ";
}

static void add_calibration(weld_text *t, const weld_evaluation_details *d) {
    weld_text_add(t, "\"calibration\":[");
    for (int i = 0; i < WELD_CALIBRATION_BINS; i++) {
        const weld_calibration_bin *bin = &d->bins[i];
        weld_text_format(t, "%s{", comma(i));
        weld_json_add_member(t, "low", (double)i / WELD_CALIBRATION_BINS);
        weld_text_add(t, ",");
        weld_json_add_member(t, "high", (i + 1.0) / WELD_CALIBRATION_BINS);
        weld_text_format(t, ",\"images\":%lld,", (long long)bin->images);
        weld_json_add_member(t, "confidence", weld_evaluation_confidence(bin));
        weld_text_add(t, ",");
        weld_json_add_member(t, "accuracy", weld_evaluation_accuracy(bin));
        weld_text_add(t, "}");
    }
    weld_text_add(t, "]");
}

static void add_classes(weld_text *t, const weld_evaluation_details *d, const weld_dataset *ds) {
    weld_text_add(t, "\"classes\":[");
    for (int c = 0; c < d->classes; c++) {
        weld_text_format(t, "%s{\"name\":", comma(c));
        weld_json_add_name(t, weld_dataset_class_name(ds, c));
        weld_text_format(t, ",\"images\":%lld,", (long long)d->labelled[c]);
        weld_json_add_member(t, "recall", weld_evaluation_recall(d, c));
        weld_text_add(t, ",");
        weld_json_add_member(t, "precision", weld_evaluation_precision(d, c));
        weld_text_add(t, "}");
    }
    weld_text_add(t, "]");
}

static void add_worst(weld_text *t, const weld_evaluation_details *d, const weld_dataset *ds) {
    weld_text_add(t, "\"worst\":[");
    for (int i = 0; i < d->worst_count; i++) {
        const weld_image_score *score = &d->worst[i].score;
        weld_text_format(t, "%s{\"image\":", comma(i));
        weld_json_add_name(t, weld_dataset_name(ds, d->worst[i].index));
        weld_text_format(t, ",\"label\":%d,\"predicted\":%d,", score->label, score->predicted);
        weld_json_add_member(t, "probability", score->probability);
        weld_text_add(t, ",");
        weld_json_add_member(t, "label_probability", score->label_probability);
        weld_text_add(t, ",");
        weld_json_add_member(t, "loss", score->loss);
        weld_text_add(t, "}");
    }
    weld_text_add(t, "]");
}

void weld_class_write_details(const void *details, const weld_dataset *ds, weld_text *out) {
    const weld_evaluation_details *d = details;
    add_calibration(out, details);
    weld_text_add(out, ",\n");
    add_classes(out, details, ds);
    weld_text_add(out, ",\n");
    weld_text_add(out, "\"confusion\":");
    weld_confusion_json(&d->confusion, out);
    weld_text_add(out, ",\n");
    add_worst(out, details, ds);
}

weld_status weld_class_write_confusion(const char *path, const void *details,
                                       const weld_dataset *ds, weld_error *err) {
    const weld_evaluation_details *d = details;
    return weld_confusion_write(path, &d->confusion, ds, &(weld_confusion_names){.corner = "class"},
                                err);
}
