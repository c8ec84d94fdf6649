/* Numbers in a file of results that stand for samples and classes of a data set without ids
 * (results_names.h). What they mean is told by all of them together; where that leaves a choice,
 * they are refused. */
#ifndef WELD_TASKS_DETECTION_RESULTS_NUMBERS_H
#define WELD_TASKS_DETECTION_RESULTS_NUMBERS_H

#include "base/memory.h"
#include "base/text.h"
#include "tasks/detection/detections.h"
#include "tasks/detection/results_names.h"

/* A detection before those of an image are together. */
typedef struct weld_results_row {
    weld_found_box box; /* class_index -1: as category says */
    int64_t sample;     /* -1: as image says */
    int64_t image, category;
    uint64_t place; /* in the file */
} weld_results_row;

/* Rows get their samples. by_file: others of the file are told by what a file is called. What the
 * numbers were taken for is added to *note; errors name the path. */
weld_status weld_results_number_images(const weld_results_names *n, const char *path, bool by_file,
                                       weld_array *rows, weld_text *note, weld_error *err);
/* Are ids of the data set's own, which run from 0 or 1 on, counted otherwise in the file? So it
 * seems where all that are unknown, of which the lowest and the highest are given, lie by one
 * beyond the one end, and of the other there is none. Errors: they are. */
weld_status weld_results_check_classes(const weld_results_names *n, const char *path,
                                       const int64_t unknown[2], const weld_array *rows,
                                       weld_error *err);
/* Are ids of the data set's own 0, 1, 2 ..., and no row has the first? So would a file have it that
 * counts from 1 and has nothing of the last class. */
bool weld_results_may_count_from_one(const weld_results_names *n, const weld_array *rows);
/* Classes of data without ids; first: the number of the first class, -1: as they tell. */
weld_status weld_results_number_classes(const weld_results_names *n, const char *path, int first,
                                        weld_array *rows, weld_text *note, weld_error *err);

#endif
