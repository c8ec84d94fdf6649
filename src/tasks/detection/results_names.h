/* Which samples and classes of a data set a file of results means.
 *
 * COCO's data sets have ids. YOLO's and VOC's have none, and programs give them some: weld the
 * numbers of images and classes from 0, Ultralytics the stem of an image's file ("bild_7" of
 * "val/bild_7.jpg", a number where it is one) and the numbers of classes from 1. Names tell all of
 * them apart, and numbers do where the file as a whole leaves no choice (results_numbers.h).
 */
#ifndef WELD_TASKS_DETECTION_RESULTS_NAMES_H
#define WELD_TASKS_DETECTION_RESULTS_NAMES_H

#include "datasets/boxes.h"

typedef struct weld_results_names weld_results_names;

enum { WELD_NAMES_NONE = -1, WELD_NAMES_SEVERAL = -2 };

/* A sample, or one of the above; then the first two of several. */
typedef struct weld_named_sample {
    int64_t sample, several[2];
} weld_named_sample;

/* ds must outlive it. Errors: memory. */
weld_status weld_results_names_create(const weld_dataset *ds, weld_results_names **out,
                                      weld_error *err);
void weld_results_names_free(weld_results_names *n); /* accepts NULL */
const weld_dataset *weld_results_names_dataset(const weld_results_names *n);

/* Are the ids of images (of classes) the data set's own, and not just numbers from 0? */
bool weld_results_names_have_images(const weld_results_names *n);
bool weld_results_names_have_classes(const weld_results_names *n);

/* Are the data set's own ids of classes those from 0 or 1 on, without a gap? Then from the first to
 * the last in *range. */
bool weld_results_names_range(const weld_results_names *n, int64_t range[2]);
/* Then: the file counts the same classes from `first`. */
void weld_results_names_count_from(weld_results_names *n, int first);

/* By the ids that the data set has or is given (boxes.h). -1: none. */
int64_t weld_results_names_image(const weld_results_names *n, int64_t id);
int64_t weld_results_names_class(const weld_results_names *n, int64_t id);
/* By its name in the data set. -1: none. */
int64_t weld_results_names_find_class(const weld_results_names *n, const char *name);
/* By a file's name, with its ending or without: as much of its folders as are given, or with
 * folders above them that the data set's own names lack. */
weld_named_sample weld_results_names_find_file(const weld_results_names *n, const char *name);
/* Are files of two samples called the same, but for their folders and endings? */
bool weld_results_names_is_alike(const weld_results_names *n, int64_t a, int64_t b);
/* By a file that is called as a number, "000042.jpg" for 42. */
weld_named_sample weld_results_names_find_number(const weld_results_names *n, int64_t number);

#endif
