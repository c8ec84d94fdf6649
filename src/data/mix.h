/* Mixing the samples of a batch with one another: mixup (Zhang et al., "mixup: beyond empirical
 * risk minimization", 2018) and cutmix (Yun et al., "CutMix: regularization strategy to train
 * strong classifiers with localizable features", 2019). The partner of sample i of n is sample
 * n-1-i; the middle one of an odd number is its own partner and stays as it is.
 */
#ifndef WELD_DATA_MIX_H
#define WELD_DATA_MIX_H

#include "data/augmentation.h"

/* What is done to one sample. Mixup: pixel = lambda * own + (1 - lambda) * the partner's. Cutmix:
 * pixels x0 <= x < x1, y0 <= y < y1 are the partner's, and lambda is the share of the others. */
typedef struct weld_mix {
    float lambda; /* the sample's share in itself; 1: it stays as it is */
    bool cutmix;
    int x0, y0, x1, y1;
} weld_mix;

/* Draw for the n samples of height x width of a batch; a function of all arguments. Each unit of
 * the mode (the batch; each pair of partners, which get the same; each sample) is mixed with
 * mix_probability: by cutmix with cutmix_probability where both have an alpha above 0, else by the
 * one that has. Of kinds none and detection, and from mixup_off_epoch on, nothing is mixed. */
void weld_mix_draw(const weld_augmentation *a, uint64_t seed, uint32_t epoch, int64_t batch,
                   int64_t n, int height, int width, weld_mix *mixes);

/* The box of cutmix for a lambda and a centre in the image: its sides are trunc(side * sqrt(1 -
 * lambda)) of the image's, brought to an even number, and cut off at the image's edges; the lambda
 * of the result is the share of the image that is left. */
weld_mix weld_cutmix(int height, int width, double lambda, int centre_x, int centre_y);

/* In place, images [n, height, width, 3]. */
void weld_mix_images(const weld_mix *mixes, int64_t n, int height, int width, float *images,
                     int threads);

/* rows [n, size]: row i becomes lambda * row i + (1 - lambda) * row n-1-i, of the values before.
 * For targets, and for all else that is to be mixed as they are. */
void weld_mix_rows(const weld_mix *mixes, int64_t n, int64_t size, float *rows);

#endif
