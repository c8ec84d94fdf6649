/* Mean, spread and range of many numbers; see statistics.h. Blocks of elements are summed up one by
 * one and put together as Chan, Golub and LeVeque do (Updating formulae and a pairwise algorithm
 * for computing sample variances, 1979). */
#include "base/statistics.h"

#include <math.h>

enum { BLOCK = 1024 };

static double element(weld_dtype dtype, const void *data, int64_t i) {
    switch (dtype) {
    case WELD_F32:
        return (double)((const float *)data)[i];
    case WELD_F64:
        return ((const double *)data)[i];
    case WELD_I64:
        return (double)((const int64_t *)data)[i];
    case WELD_U8:
        return (double)((const uint8_t *)data)[i];
    case WELD_I8:
        return (double)((const int8_t *)data)[i];
    case WELD_I32:
        return (double)((const int32_t *)data)[i];
    case WELD_BF16:
        break;
    }
    return NAN;
}

static void add_block(weld_statistics *s, const double *x, int count) {
    double sum = 0, squares = 0, least = x[0], largest = x[0];
    for (int i = 0; i < count; i++) {
        sum += x[i];
        least = x[i] < least ? x[i] : least;
        largest = x[i] > largest ? x[i] : largest;
    }
    double mean = sum / count, before = (double)s->finite, all = before + count;
    for (int i = 0; i < count; i++) {
        squares += (x[i] - mean) * (x[i] - mean);
    }
    double apart = mean - s->mean;
    s->squares += squares + apart * apart * before * count / all;
    s->mean += apart * count / all;
    s->min = before > 0 && s->min < least ? s->min : least;
    s->max = before > 0 && s->max > largest ? s->max : largest;
    s->finite += count;
}

void weld_statistics_add(weld_statistics *s, weld_dtype dtype, const void *data, int64_t count) {
    double block[BLOCK];
    int filled = 0;
    for (int64_t i = 0; i < count; i++) {
        double x = element(dtype, data, i);
        if (!isfinite(x)) {
            s->not_finite++;
            continue;
        }
        block[filled++] = x;
        if (filled == BLOCK) {
            add_block(s, block, filled);
            filled = 0;
        }
    }
    if (filled > 0) {
        add_block(s, block, filled);
    }
}

double weld_statistics_std(const weld_statistics *s) {
    return s->finite > 0 ? sqrt(s->squares / (double)s->finite) : 0;
}
