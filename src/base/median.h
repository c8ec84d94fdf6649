/* The median of measurements. */
#ifndef WELD_BASE_MEDIAN_H
#define WELD_BASE_MEDIAN_H

#include <stddef.h>

/* Sorts values[0..count) and returns the one in the middle (the upper one of two); count > 0. */
double weld_median(double *values, size_t count);

#endif
