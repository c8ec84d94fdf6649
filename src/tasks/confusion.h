/* What is taken for what, counted: the confusion matrix of a task that tells classes, of which only
 * those cells are kept that are not zero.
 */
#ifndef WELD_TASKS_CONFUSION_H
#define WELD_TASKS_CONFUSION_H

#include "base/array.h"
#include "base/text.h"
#include "datasets/dataset.h"

/* So many of class `truth` were taken for class `predicted`. */
typedef struct weld_confusion_cell {
    int32_t truth, predicted;
    int64_t count;
} weld_confusion_cell;

typedef struct weld_confusion {
    weld_array
        cells; /* weld_confusion_cell; after weld_confusion_finish by truth, then predicted */
    size_t sorted;
} weld_confusion;

#define WELD_CONFUSION ((weld_confusion){.cells = {.element = sizeof(weld_confusion_cell)}})

/* One more. Memory is for as many as there are kinds of answers, not for the square of the classes.
 */
weld_status weld_confusion_count(weld_confusion *c, int32_t truth, int32_t predicted,
                                 weld_error *err);
void weld_confusion_finish(weld_confusion *c);
void weld_confusion_clear(weld_confusion *c);
void weld_confusion_free(weld_confusion *c);

/* What stands in a table of it beside the classes. Where `truth` and `predicted` are named, the
 * number of classes stands for what is none of them, which has a row and a column at the end. */
typedef struct weld_confusion_names {
    const char *corner, *truth, *predicted; /* NULL: all are classes */
} weld_confusion_names;

/* As CSV: a row of names, then a row for each true class, its name and how many were taken for each
 * class. Fields are quoted and lines end as RFC 4180 says. */
weld_status weld_confusion_write(const char *path, const weld_confusion *c, const weld_dataset *ds,
                                 const weld_confusion_names *names, weld_error *err);
/* As JSON: a list of [truth, predicted, count]. */
void weld_confusion_json(const weld_confusion *c, weld_text *out);

#endif
