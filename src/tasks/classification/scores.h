/* How well logits predict a label, and counting it over images. */
#ifndef WELD_TASKS_CLASSIFICATION_SCORES_H
#define WELD_TASKS_CLASSIFICATION_SCORES_H

#include <stdint.h>

/* The class of the largest of `classes` logits, of equal ones the first. */
int weld_best_class(const float *logits, int classes);

/* Of one image. Where logits are not finite, loss is not either. */
typedef struct weld_image_score {
    int32_t label, predicted; /* predicted: weld_best_class */
    int64_t rank;             /* classes that come before the label; 0: it is predicted */
    double probability, label_probability; /* softmax(logits) of the two */
    double loss;                           /* -log of the latter */
} weld_image_score;

/* Of equal logits the one of the lower class counts as the larger; logits that are not a number are
 * wrong: rank is then above 0 whatever is predicted. */
weld_image_score weld_image_score_of(const float *logits, int64_t classes, int32_t label);

typedef struct weld_scores {
    int64_t images, top1, top5; /* counts */
    double loss;                /* sum of -log softmax(logits)[label] */
} weld_scores;

void weld_scores_count(weld_scores *s, const weld_image_score *image);

/* Percent of all images, and the mean loss; 0 where there are no images. */
double weld_scores_top1(const weld_scores *s);
double weld_scores_top5(const weld_scores *s);
double weld_scores_loss(const weld_scores *s);

#endif
