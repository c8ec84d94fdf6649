/* What the softmax of a teacher's logits is made of. */
#ifndef WELD_TEACH_SOFTMAX_H
#define WELD_TEACH_SOFTMAX_H

#include <math.h>

/* The sum of exp(row - largest), in double; *largest: of the row. */
static inline double weld_softmax_sum(const float *row, int classes, float *largest) {
    double sum = 0;
    *largest = row[0];
    for (int k = 1; k < classes; k++) {
        *largest = fmaxf(*largest, row[k]);
    }
    for (int k = 0; k < classes; k++) {
        sum += exp((double)row[k] - *largest);
    }
    return sum;
}

#endif
