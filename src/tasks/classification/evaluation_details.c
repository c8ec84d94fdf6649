/* Counting the details of an evaluation; see evaluation_details.h. */
#include "tasks/classification/evaluation_details.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Cells are appended, and equal ones put together when so many have come that are not sorted yet,
 * or as many as there are sorted ones. */
enum { UNSORTED_CELLS = 4096 };

weld_status weld_evaluation_details_begin(weld_evaluation_details *d, int classes,
                                          weld_error *err) {
    weld_evaluation_details_free(d);
    d->classes = classes;
    d->cells.element = sizeof(weld_confusion_cell);
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
    weld_array_free(&d->cells);
    *d = (weld_evaluation_details){0};
}

static int by_classes(const void *a, const void *b) {
    const weld_confusion_cell *x = a, *y = b;
    int order = (x->label > y->label) - (x->label < y->label);
    return order ? order : (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

static void put_equal_cells_together(weld_evaluation_details *d) {
    weld_confusion_cell *cells = d->cells.data;
    size_t kept = 0;
    if (d->cells.count == d->cells_sorted) {
        return;
    }
    qsort(cells, d->cells.count, sizeof *cells, by_classes);
    for (size_t i = 1; i < d->cells.count; i++) {
        if (by_classes(&cells[kept], &cells[i]) == 0) {
            cells[kept].images += cells[i].images;
        } else {
            cells[++kept] = cells[i];
        }
    }
    d->cells.count = d->cells_sorted = kept + 1;
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
    weld_confusion_cell cell = {score->label, score->predicted, 1};
    if (d->cells.count >= 2 * d->cells_sorted + UNSORTED_CELLS) {
        put_equal_cells_together(d);
    }
    if (!weld_array_append(&d->cells, &cell, 1)) {
        return weld_fail_memory(err, "evaluation");
    }
    weld_scores_count(&d->scores, score);
    d->labelled[score->label]++;
    d->predicted[score->predicted]++;
    d->correct[score->label] += score->rank == 0;
    count_confidence(d, score);
    keep_if_worst(d, index, score);
    return WELD_OK;
}

void weld_evaluation_details_finish(weld_evaluation_details *d) {
    put_equal_cells_together(d);
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
