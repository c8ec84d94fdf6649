/* Counting how well logits predict labels; see scores.h. */
#include "tasks/classification/scores.h"

#include <math.h>

/* How many classes come before the label's. */
static int64_t rank_of(const float *logits, int64_t classes, int64_t label) {
    float own = logits[label];
    int64_t rank = 0;
    for (int64_t j = 0; j < classes; j++) {
        /* Written so that a NaN anywhere comes first. */
        rank += j < label ? !(logits[j] < own) : j > label && !(logits[j] <= own);
    }
    return isnan(own) ? classes : rank;
}

int weld_best_class(const float *logits, int classes) {
    int best = 0;
    for (int i = 1; i < classes; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

weld_image_score weld_image_score_of(const float *logits, int64_t classes, int32_t label) {
    double sum = 0;
    const int predicted = weld_best_class(logits, (int)classes);
    double largest = logits[predicted];
    for (int64_t j = 0; j < classes; j++) {
        sum += exp(logits[j] - largest);
    }
    return (weld_image_score){.label = label,
                              .predicted = predicted,
                              .rank = rank_of(logits, classes, label),
                              .probability = 1 / sum,
                              .label_probability = exp(logits[label] - largest) / sum,
                              .loss = log(sum) + largest - logits[label]};
}

void weld_scores_count(weld_scores *s, const weld_image_score *image) {
    s->images++;
    s->top1 += image->rank < 1;
    s->top5 += image->rank < 5;
    s->loss += image->loss;
}

static double share(const weld_scores *s, double part) {
    return s->images > 0 ? part / (double)s->images : 0;
}

double weld_scores_top1(const weld_scores *s) {
    return 100 * share(s, (double)s->top1);
}

double weld_scores_top5(const weld_scores *s) {
    return 100 * share(s, (double)s->top5);
}

double weld_scores_loss(const weld_scores *s) {
    return share(s, s->loss);
}
