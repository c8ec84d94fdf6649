/* Two models on the same images, by scores that no image has by itself: which does better, and
 * whether that is chance.
 *
 * Images are drawn again and again, as many as there are, each as often as chance has it, and both
 * models are scored on those (the paired bootstrap: Efron and Tibshirani, "An introduction to the
 * bootstrap", 1993, chapters 13 and 16): where the difference comes to lie is where it might have
 * with other images. What the models said is measured once.
 */
#ifndef WELD_INFER_RESAMPLED_H
#define WELD_INFER_RESAMPLED_H

#include "infer/evaluate.h"

enum {
    WELD_RESAMPLES = 1000,
    /* With fewer images there is no interval: all of five go one way by chance once in sixteen
     * times, and resamples of them cannot but go that way too. */
    WELD_RESAMPLED_LEAST = 6,
    WELD_RESAMPLED_FEW = 30 /* below, intervals are too narrow by what may matter */
};

/* Second minus first, with the interval that holds 95 of 100 resamples, and how often a difference
 * of no sign, or the other, comes out, twice. NAN where there are too few images, or too few
 * resamples have the score. */
typedef struct weld_resampled_score {
    double value[2]; /* on all images */
    double difference, low, high, p;
} weld_resampled_score;

/* A class that both models know and of which there is something. */
typedef struct weld_resampled_class {
    int index[2];     /* in the data set of each */
    const char *name; /* lives as long as the first data set */
    weld_resampled_score score;
} weld_resampled_class;

typedef struct weld_resampled {
    int64_t images;  /* that both saw */
    int only_one[2]; /* classes that have a score and that only this model knows */
    int score_count; /* those of the task that are told while a run goes on: means over classes */
    weld_resampled_score scores[WELD_SCORES_MAX];
    weld_array classes; /* of weld_resampled_class, by the first score */
} weld_resampled;

/* As weld_paired_run, of a task that can be scored so; the same bits for any number of threads. */
weld_status weld_resampled_run(const weld_model *const models[2], const weld_dataset *const ds[2],
                               const weld_evaluator_options *options, weld_resampled *out,
                               weld_error *err);
void weld_resampled_free(weld_resampled *r);

#endif
