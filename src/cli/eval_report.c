/* What weld eval prints; see eval_report.h. */
#include "cli/eval_report.h"

#include <math.h>
#include <stdio.h>

#include "cli/input_options.h"
#include "cli/inspect.h"

enum { WORST_CLASSES = 5 };

void eval_print(const weld_evaluation *e, const weld_preprocessing *input) {
    if (input) {
        printf("size %d, crop %g, %s: ", input->input_size, input->crop_fraction,
               cli_interpolation_name(input->interpolation));
    }
    printf("%lld images: top-1 %.2f %%, top-5 %.2f %%, loss %.4f\n", (long long)e->images, e->top1,
           e->top5, e->loss);
    fflush(stdout);
}

/* "66.67 %" or "-", right in `width`. */
static void print_percent(double value, int width) {
    char text[32] = "-";
    if (isfinite(value)) {
        snprintf(text, sizeof text, "%.2f %%", value);
    }
    printf("%*s", width, text);
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

void eval_print_summary(const weld_evaluation_details *d, const weld_dataset *ds) {
    int worst[WORST_CLASSES], count = find_worst(d, worst);
    printf("calibration error %.2f %%; lowest recall:", weld_evaluation_calibration_error(d));
    for (int i = 0; i < count; i++) {
        printf(i ? ", " : " ");
        inspect_print(weld_dataset_class_name(ds, worst[i]));
        putchar(' ');
        print_percent(weld_evaluation_recall(d, worst[i]), 0);
    }
    putchar('\n');
}

void eval_print_classes(const weld_evaluation_details *d, const weld_dataset *ds) {
    printf("%9s %10s %10s  class\n", "images", "recall", "precision");
    for (int c = 0; c < d->classes; c++) {
        printf("%9lld ", (long long)d->labelled[c]);
        print_percent(weld_evaluation_recall(d, c), 10);
        putchar(' ');
        print_percent(weld_evaluation_precision(d, c), 10);
        printf("  ");
        inspect_print(weld_dataset_class_name(ds, c));
        putchar('\n');
    }
}

json_t *eval_json(const weld_evaluation *e, const weld_preprocessing *input,
                  const weld_evaluation_details *details, const weld_dataset *ds) {
    json_t *object = json_pack(
        "{s:I, s:I, s:f, s:f, s:f, s:f, s:i, s:f, s:s}", "images", (json_int_t)e->images, "skipped",
        (json_int_t)e->skipped, "top1", e->top1, "top5", e->top5, "loss", e->loss,
        "calibration_error", e->calibration_error, "input_size", input->input_size, "crop_fraction",
        input->crop_fraction, "interpolation", cli_interpolation_name(input->interpolation));
    json_t *classes = details ? json_array() : NULL;
    for (int c = 0; details && c < details->classes; c++) {
        json_array_append_new(
            classes, json_pack("{s:o, s:I, s:o, s:o}", "name",
                               inspect_string(weld_dataset_class_name(ds, c)), "images",
                               (json_int_t)details->labelled[c], "recall",
                               inspect_number(weld_evaluation_recall(details, c)), "precision",
                               inspect_number(weld_evaluation_precision(details, c))));
    }
    if (classes) {
        json_object_set_new(object, "classes", classes);
    }
    return object;
}
