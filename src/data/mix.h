/* Mixing the samples of a batch: mixup (Zhang et al., "mixup: beyond empirical risk minimization",
 * 2018). */
#ifndef WELD_DATA_MIX_H
#define WELD_DATA_MIX_H

#include "data/transform.h"

/* The weight of a batch's own samples: drawn from beta(mixup, mixup) with mix_probability, else 1;
 * a function of (seed, epoch, step). */
double weld_mix_draw(const weld_augmentation *a, uint64_t seed, uint32_t epoch, int64_t step);

/* rows [n, size]: row i becomes lambda * row i + (1 - lambda) * row n-1-i, of the values before.
 * The middle row of an odd number is its own partner and stays as it is. For images and targets
 * alike. */
void weld_mix_rows(double lambda, int64_t n, int64_t size, float *rows, int threads);

#endif
