/* Counting the details of an evaluation; see evaluation_details.h. */
#include "tasks/classification/evaluation_details.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

weld_status weld_evaluation_details_begin(weld_evaluation_details *d, int classes,
                                          weld_error *err) {
    weld_evaluation_details_free(d);
    d->classes = classes;
    d->confusion = WELD_CONFUSION;
    d->labelled = weld_alloc((size_t)classes, sizeof *d->labelled);
    d->predicted = weld_alloc((size_t)classes, sizeof *d->predicted);
    d->correct = weld_alloc((size_t)classes, sizeof *d->correct);
    if (!d->labelled || !d->predicted || !d->correct) {
        weld_evaluation_details_free(d);
        return weld_fail_memory(err, "evaluation");
    }
    return WELD_OK;
}

void weld_evaluation_details_free(weld_evaluation_details *d) {
    weld_free(d->labelled);
    weld_free(d->predicted);
    weld_free(d->correct);
    weld_confusion_free(&d->confusion);
    *d = (weld_evaluation_details){0};
}

static void count_confidence(weld_evaluation_details *d, const weld_image_score *score) {
    int bin = (int)ceil(score->probability * WELD_CALIBRATION_BINS) - 1;
    bin = bin < 0 ? 0 : bin >= WELD_CALIBRATION_BINS ? WELD_CALIBRATION_BINS - 1 : bin;
    d->bins[bin].images++;
    d->bins[bin].correct += score->rank == 0;
    d->bins[bin].probability += score->probability;
}

/* Images come by rising index, so that one of equal loss belongs behind those that are there. */
static void keep_if_worst(weld_evaluation_details *d, int64_t index,
                          const weld_image_score *score) {
    int at = d->worst_count;
    while (at > 0 && d->worst[at - 1].score.loss < score->loss) {
        at--;
    }
    if (at == WELD_WORST_IMAGES) {
        return;
    }
    d->worst_count += d->worst_count < WELD_WORST_IMAGES;
    memmove(&d->worst[at + 1], &d->worst[at],
            (size_t)(d->worst_count - 1 - at) * sizeof d->worst[0]);
    d->worst[at] = (weld_worst_image){index, *score};
}

weld_status weld_evaluation_details_add(weld_evaluation_details *d, int64_t index,
                                        const weld_image_score *score, weld_error *err) {
    WELD_TRY(weld_confusion_count(&d->confusion, score->label, score->predicted, err));
    weld_scores_count(&d->scores, score);
    d->labelled[score->label]++;
    d->predicted[score->predicted]++;
    d->correct[score->label] += score->rank == 0;
    count_confidence(d, score);
    keep_if_worst(d, index, score);
    return WELD_OK;
}

void weld_evaluation_details_finish(weld_evaluation_details *d) {
    weld_confusion_finish(&d->confusion);
}

static double share(double part, int64_t of) {
    return of > 0 ? part / (double)of : NAN;
}

double weld_evaluation_recall(const weld_evaluation_details *d, int c) {
    return 100 * share((double)d->correct[c], d->labelled[c]);
}

double weld_evaluation_precision(const weld_evaluation_details *d, int c) {
    return 100 * share((double)d->correct[c], d->predicted[c]);
}

double weld_evaluation_calibration_error(const weld_evaluation_details *d) {
    double sum = 0;
    for (int i = 0; i < WELD_CALIBRATION_BINS; i++) {
        sum += fabs(d->bins[i].probability - (double)d->bins[i].correct);
    }
    return d->scores.images > 0 ? 100 * sum / (double)d->scores.images : 0;
}

double weld_evaluation_confidence(const weld_calibration_bin *bin) {
    return share(bin->probability, bin->images);
}

double weld_evaluation_accuracy(const weld_calibration_bin *bin) {
    return share((double)bin->correct, bin->images);
}
