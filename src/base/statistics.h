/* What many numbers are like: mean, spread and range, and how many are no numbers at all. */
#ifndef WELD_BASE_STATISTICS_H
#define WELD_BASE_STATISTICS_H

#include "weld/tensor.h"

/* Starts zeroed. Of elements that are finite; all zero where there are none. */
typedef struct weld_statistics {
    int64_t finite, not_finite; /* how many */
    double mean, min, max;
    double squares; /* sum of squared differences from the mean */
} weld_statistics;

/* Add `count` elements of any type but WELD_BF16. */
void weld_statistics_add(weld_statistics *s, weld_dtype dtype, const void *data, int64_t count);
/* The standard deviation, of the elements as all there are (numpy.std). */
double weld_statistics_std(const weld_statistics *s);

#endif
