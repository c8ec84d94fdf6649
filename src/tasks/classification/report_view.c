/* What a report shows of a classifier's evaluation; see classification.h. */
#include "tasks/classification/classification.h"

static json_t *worst(weld_json *j, const json_t *entry, int64_t classes) {
    static const char *const numbers[] = {"probability", "label_probability", "loss"};
    json_t *shown = json_pack(
        "{s:I, s:I}", "label", (json_int_t)weld_json_int(j, entry, "label", 0, classes - 1),
        "predicted", (json_int_t)weld_json_int(j, entry, "predicted", 0, classes - 1));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *value = json_object_get(entry, numbers[i]);
        weld_json_set(&shown, numbers[i],
                      json_is_number(value) ? json_real(json_number_value(value)) : json_null());
    }
    return shown;
}

const weld_report_view weld_class_report_view = {
    .things = "Images",
    .class_title = "Recall by class, lowest first",
    .count = "images",
    .numbers = {{"recall", "Recall"}, {"precision", "Precision"}},
    .percent = true,
    .worst_title = "Worst images, by loss",
    .picture = 96,
    .worst = worst,
};
