/* Counting how well logits predict labels. */
#ifndef WELD_INFER_SCORES_H
#define WELD_INFER_SCORES_H

#include <stdint.h>

typedef struct weld_scores {
    int64_t images, top1, top5; /* counts */
    double loss;                /* sum of -log softmax(logits)[label] */
} weld_scores;

/* Add `rows` images with logits [rows, classes] and their labels, row by row. Of equal logits the
 * one of the lower class counts as the larger; logits that are not a number are wrong. */
void weld_scores_add(weld_scores *s, const float *logits, int64_t rows, int64_t classes,
                     const int32_t *labels);

/* Percent of all images, and the mean loss; 0 where there are no images. */
double weld_scores_top1(const weld_scores *s);
double weld_scores_top5(const weld_scores *s);
double weld_scores_loss(const weld_scores *s);

#endif
