/* The images that a network is quantised by: chosen, decoded and prepared as evaluation does.
 *
 * Of each class come first those whose name and a fixed seed make the smallest number, and all
 * first ones come before all second ones: so any number of them from the first on is spread over
 * the classes, and does not depend on where the data set lies or in what form.
 */
#ifndef WELD_INFER_CALIBRATION_H
#define WELD_INFER_CALIBRATION_H

#include "data/loader.h"

/* order[0 .. *count): the first `most` samples of ds in that order; to be released with weld_free.
 */
weld_status weld_calibration_choose(const weld_dataset *ds, int64_t most, int64_t **order,
                                    int64_t *count, weld_error *err);

typedef struct weld_calibration weld_calibration;

typedef struct weld_calibration_options {
    const weld_preprocessing *preprocessing;
    const int64_t *order; /* [count]; not needed later */
    int64_t count;
    int64_t wanted;                     /* good ones, the first in that order; 0: all */
    bool half;                          /* leave as many of what may be good as are taken */
    int threads;                        /* 0: all */
    weld_bad_image_function *bad_image; /* may be NULL; index: of the data set */
    void *arg;
} weld_calibration_options;

/* Reads all once; those that cannot be read are told, and are not among the images. ds must outlive
 * it. WELD_ERROR_FORMAT: none can be read. */
weld_status weld_calibration_create(const weld_dataset *ds, const weld_calibration_options *options,
                                    weld_calibration **out, weld_error *err);
/* Images [first, first + count) of c, which must outlive it. */
weld_status weld_calibration_part(const weld_calibration *c, int64_t first, int64_t count,
                                  weld_calibration **out, weld_error *err);
void weld_calibration_free(weld_calibration *c); /* accepts NULL */

int64_t weld_calibration_count(const weld_calibration *c);
int64_t weld_calibration_skipped(const weld_calibration *c);
/* Of the order, how many were looked at. */
int64_t weld_calibration_seen(const weld_calibration *c);
/* The image's number in the data set. */
int64_t weld_calibration_sample(const weld_calibration *c, int64_t i);
const char *weld_calibration_name(const weld_calibration *c, int64_t i);
/* Floats of an image, [height, width, 3]. */
size_t weld_calibration_floats(const weld_calibration *c);
/* Images [first, first + count) into `images`. An error where one could be read before and cannot
 * be now. */
weld_status weld_calibration_read(const weld_calibration *c, int64_t first, int64_t count,
                                  float *images, weld_error *err);

#endif
