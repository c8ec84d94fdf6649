/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A stream is a pure function of (seed, epoch, index, purpose), so that an augmented sample or a
 * dropout mask never depends on which thread draws it, or when.
 */
#ifndef WELD_BASE_RANDOM_H
#define WELD_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is for; two purposes never share numbers. Values are part of the file format of a
 * resumable run: append, never renumber. */
typedef enum weld_random_purpose {
    WELD_RANDOM_INIT = 1,    /* parameter initialisation; index: hash of the parameter's name */
    WELD_RANDOM_SHUFFLE = 2, /* order of an epoch */
    WELD_RANDOM_AUGMENT = 3, /* crop, flip, ... of one sample */
    WELD_RANDOM_MIX = 4,     /* mixup and cutmix of one batch; index: step */
    WELD_RANDOM_DROPOUT = 5,
    WELD_RANDOM_TEST = 6,
    WELD_RANDOM_SAMPLING = 7, /* which samples an epoch takes, where some are taken more often */
    WELD_RANDOM_ERASE = 8,    /* random erasing of one sample, with what it is filled with */
    WELD_RANDOM_COMPOSE = 9,  /* which images one sample is made of */
    WELD_RANDOM_SIZE = 10, /* size of an update's images, where there are several; index: update */
    WELD_RANDOM_RESAMPLE = 11 /* images of a resample; index: resample */
} weld_random_purpose;

typedef struct weld_random {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    unsigned used;
} weld_random;

/* Ten rounds of Philox4x32: out = f(counter, key). */
void weld_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

weld_random weld_random_start(uint64_t seed, uint32_t epoch, uint64_t index,
                              weld_random_purpose purpose);
uint32_t weld_random_u32(weld_random *r);
uint64_t weld_random_u64(weld_random *r);
double weld_random_uniform(weld_random *r);                        /* [0, 1), 53 bits */
double weld_random_range(weld_random *r, double low, double high); /* [low, high) */
uint64_t weld_random_below(weld_random *r, uint64_t n);            /* 0..n-1, unbiased; n > 0 */
double weld_random_normal(weld_random *r);                         /* mean 0, variance 1 */
/* n of them in float, quickly, out of whole blocks: what is left of the current one is dropped.
 * None is beyond +-6.7. */
void weld_random_normals(weld_random *r, float *out, size_t n);
double weld_random_beta(weld_random *r, double a, double b); /* a, b > 0 */

/* Fisher-Yates shuffle of `order[0..n)`. */
void weld_random_shuffle(weld_random *r, int64_t *order, int64_t n);

/* 64-bit FNV-1a of a string, to make an index out of a name. */
uint64_t weld_hash_name(const char *name);

#endif
