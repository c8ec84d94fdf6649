/* What a report shows of a detector's evaluation; see tally.h. */
#include "base/locale.h"
#include "datasets/boxes.h"
#include "images/draw.h"
#include "tasks/detection/tally.h"
#include "tasks/drawn_names.h"

enum { FOUND_MAX = 30000 /* boxes of an image */ };

static json_t *worst(weld_json *j, const json_t *entry, int64_t classes) {
    const json_t *found = weld_json_array(j, entry, "found", 0, FOUND_MAX);
    for (size_t k = 0; k < json_array_size(found); k++) {
        weld_json_int_at(j, json_array_get(found, k), 0, "found", 0, classes - 1);
    }
    return json_pack("{s:I}", "mistakes",
                     (json_int_t)weld_json_int(j, entry, "mistakes", 0, INT64_MAX));
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

/* The surest last, above the others. */
static void draw(const json_t *entry, const json_t *names, const weld_dataset *ds, int64_t index,
                 weld_image *image) {
    const json_t *found = json_object_get(entry, "found");
    draw_truth(ds, index, image);
    for (size_t i = json_array_size(found); i-- > 0;) {
        const json_t *b = json_array_get(found, i);
        double n[6];
        char text[WELD_DRAWN_NAME_SIZE], label[WELD_DRAWN_NAME_SIZE + 16];
        for (size_t k = 0; k < 6; k++) {
            n[k] = json_number_value(json_array_get(b, k));
        }
        const char *name = json_string_value(json_array_get(names, (size_t)n[0]));
        weld_snprintf(label, sizeof label, "%s %.2f",
                      weld_drawn_name(name ? name : "?", (int)n[0], text), n[1]);
        weld_draw_box(image, n[2], n[3], n[2] + n[4], n[3] + n[5], (weld_colour){220, 40, 40},
                      1 + image->width / 640, label);
    }
}

const weld_report_view weld_detection_report_view = {
    .things = "Objects",
    .class_title = "Classes, lowest AP first",
    .class_note =
        "F1 is the best there is, of what scores above the number beside it (predict --conf), "
        "with its precision and recall.",
    .count = "objects",
    .numbers = {{"AP", "AP"},
                {"AP50", "AP50"},
                {"AR100", "AR100"},
                {"f1", "F1"},
                {"confidence", "above", .exact = true},
                {"precision", "Precision"},
                {"recall", "Recall"}},
    .curve_title = "Precision by recall at IoU 0.5",
    .curve_axis = "recall",
    .none = "nothing",
    .worst_title = "Images with most mistakes",
    .worst_note = "Green: what is there. Red: what was found, with its score.",
    .picture = 320,
    .worst = worst,
    .draw = draw,
};
