/* How a report shows what a task's details in evaluation.json say: lists and numbers that are alike
 * for all tasks ("classes", "curve", "calibration", "confusion") under the task's words, and the
 * worst images as the task has them.
 */
#ifndef WELD_TASKS_REPORT_VIEW_H
#define WELD_TASKS_REPORT_VIEW_H

#include "datasets/dataset.h"
#include "formats/json.h"
#include "images/image.h"

enum { WELD_REPORT_NUMBERS = 8 };

typedef struct weld_report_view {
    const char *things; /* of which there are so many: "Images" */

    /* --- The table of classes, those of the lowest numbers[0] first */
    const char *class_title, *class_note; /* NULL: no note, here and below */
    const char *count;                    /* how many things a class has: a member of it */
    struct {
        const char *key, *label;
        bool exact;                 /* else as pages round it */
    } numbers[WELD_REPORT_NUMBERS]; /* ended by a key NULL */
    bool percent;                   /* else 0 to 1 */
    /* Of "curve", of all and of each class: 0 to 1 by as many shares of 0 to 1. */
    const char *curve_title, *curve_axis;
    /* What stands in the confusion matrix for what is no class. NULL: all are. */
    const char *none;

    /* --- Worst images */
    const char *worst_title, *worst_note;
    int picture; /* pixels of the longer side, at most */
    /* What is shown of an entry of "worst", checked. */
    json_t *(*worst)(weld_json *j, const json_t *entry, int64_t classes);
    /* Draw what an entry that is checked says of image `index` on it. NULL: there is nothing. */
    void (*draw)(const json_t *entry, const json_t *names, const weld_dataset *ds, int64_t index,
                 weld_image *image);
} weld_report_view;

#endif
