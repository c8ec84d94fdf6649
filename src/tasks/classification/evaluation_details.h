/* What an evaluation counts: top-1, top-5 and loss, and beyond them each class, which classes are
 * taken for which, whether probabilities can be believed, and the images that were classified
 * worst.
 *
 * Everything is counted in double or in integers in the order of the images, so that it depends on
 * neither threads nor batch size.
 */
#ifndef WELD_TASKS_CLASSIFICATION_EVALUATION_DETAILS_H
#define WELD_TASKS_CLASSIFICATION_EVALUATION_DETAILS_H

#include "tasks/classification/scores.h"
#include "tasks/confusion.h"
#include "weld/status.h"

enum { WELD_CALIBRATION_BINS = 15, WELD_WORST_IMAGES = 64 };

/* Images whose predicted class has a probability above i / 15 and up to (i + 1) / 15. */
typedef struct weld_calibration_bin {
    int64_t images, correct;
    double probability; /* sum over its images */
} weld_calibration_bin;

typedef struct weld_worst_image {
    int64_t index; /* in the data set */
    weld_image_score score;
} weld_worst_image;

typedef struct weld_evaluation_details {
    int classes;
    weld_scores scores;
    int64_t *labelled, *predicted, *correct; /* by class: images of it, taken for it, both */
    weld_calibration_bin bins[WELD_CALIBRATION_BINS];
    weld_worst_image worst[WELD_WORST_IMAGES]; /* largest loss first, of equal ones the lower index;
                                                * rightly classified images may be among them */
    int worst_count;
    weld_confusion confusion; /* finished by _finish */
} weld_evaluation_details;

/* Start counting anew. *d is zeroed or was in use before. Errors: memory. */
weld_status weld_evaluation_details_begin(weld_evaluation_details *d, int classes, weld_error *err);
/* Add an image, whose loss must be finite; indices rise from one to the next. Errors: memory. */
weld_status weld_evaluation_details_add(weld_evaluation_details *d, int64_t index,
                                        const weld_image_score *score, weld_error *err);
void weld_evaluation_details_finish(weld_evaluation_details *d);
void weld_evaluation_details_free(weld_evaluation_details *d);

/* Share of a class's images that were taken for it, and of those that were taken for it that are of
 * it; in percent, NAN where there are none. */
double weld_evaluation_recall(const weld_evaluation_details *d, int c);
double weld_evaluation_precision(const weld_evaluation_details *d, int c);

/* Expected calibration error in percent (Guo, Pleiss, Sun, Weinberger: "On calibration of modern
 * neural networks", ICML 2017, eq. 3): the mean over all images of the distance between confidence
 * and accuracy of the bin that an image is in. 0 where there are no images. */
double weld_evaluation_calibration_error(const weld_evaluation_details *d);
/* Mean probability and accuracy of a bin, in 0..1; NAN where it is empty. */
double weld_evaluation_confidence(const weld_calibration_bin *bin);
double weld_evaluation_accuracy(const weld_calibration_bin *bin);

#endif
