/* Counting how well logits predict labels; see scores.h. */
#include "infer/scores.h"

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

static double negative_log_softmax(const float *logits, int64_t classes, int64_t label) {
    double largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < classes; j++) {
        largest = logits[j] > largest ? logits[j] : largest;
    }
    for (int64_t j = 0; j < classes; j++) {
        sum += exp(logits[j] - largest);
    }
    return log(sum) + largest - logits[label];
}

void weld_scores_add(weld_scores *s, const float *logits, int64_t rows, int64_t classes,
                     const int32_t *labels) {
    for (int64_t i = 0; i < rows; i++) {
        const float *row = logits + i * classes;
        int64_t rank = rank_of(row, classes, labels[i]);
        s->images++;
        s->top1 += rank < 1;
        s->top5 += rank < 5;
        s->loss += negative_log_softmax(row, classes, labels[i]);
    }
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
