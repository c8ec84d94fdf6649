/* Two models on the same images: which does better, and how sure that is.
 *
 * An image is right or wrong for each model, so that the difference of their scores comes of those
 * on which they part: n10 that the first alone gets right, n01 that the second alone does.
 */
#ifndef WELD_INFER_PAIRED_H
#define WELD_INFER_PAIRED_H

#include "infer/evaluate.h"

/* Of n images: second minus first, shares of images, with an interval that holds the true
 * difference in 95 of 100 cases. Agresti and Min, "Simple improved confidence intervals for
 * comparing matched proportions", 2005: half an image is added to each of the four cells. */
typedef struct weld_paired_difference {
    double value, low, high;
    double p; /* McNemar's exact test: how often chance alone would part them as far or further */
} weld_paired_difference;
weld_paired_difference weld_paired_difference_of(int64_t n, int64_t n10, int64_t n01);

/* One image that both saw. */
typedef struct weld_paired_image {
    int64_t number;   /* in the data set as it is stored */
    const char *name; /* lives as long as the first data set */
    int label;        /* of the first model */
    int answer[2];    /* of each model, by its own numbers */
    bool right[2];
} weld_paired_image;

typedef struct weld_paired {
    int64_t images;      /* that both saw, and of these... */
    int64_t right[2][2]; /* ...by whether the first and the second were right: [1][0] is n10 */
    double score[2];     /* shares that were right */
    double loss[2];
    double loss_difference, loss_low, loss_high; /* second minus first, 95 % by the normal law */
    weld_paired_difference difference;
    weld_array differ; /* of weld_paired_image: answers that are not the same, in order */
} weld_paired;

/* Each model has a data set of its own, an opening of the same one that has taken its labels, and
 * prepares images in its own way. WELD_ERROR_ARGUMENT: the models are for different tasks, or for
 * one whose images are not right or wrong; there is no image that both know. */
weld_status weld_paired_run(const weld_model *const models[2], const weld_dataset *const ds[2],
                            const weld_evaluator_options *options, weld_paired *out,
                            weld_error *err);
void weld_paired_free(weld_paired *p);

#endif
