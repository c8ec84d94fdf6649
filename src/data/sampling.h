/* Which samples an epoch has, where groups (classes, say) are of uneven size and the rare ones are
 * to come more often than there are images of them.
 *
 * An epoch keeps its length n. Group c gets n times its share of the epoch's places, rounded down
 * or up by a draw that is fair over the epochs. Its images fill them evenly: all of them as often
 * as they go in, then some of them, drawn anew each epoch. So a group with fewer images than places
 * has each image several times, numbered from 0 so that each time is augmented in its own way, and
 * of a group with more images than places an epoch leaves out some. All is a function of (data set,
 * seed, epoch).
 */
#ifndef WELD_DATA_SAMPLING_H
#define WELD_DATA_SAMPLING_H

#include "data/annotation.h"

/* How groups with n_c images are weighed against each other. */
typedef enum weld_balance {
    WELD_BALANCE_NONE, /* by n_c: each image alike */
    WELD_BALANCE_FULL, /* each group alike */
    WELD_BALANCE_SQRT  /* by the root of n_c: halfway between (Mahajan et al., "Exploring the limits
                        * of weakly supervised pretraining", 2018, section 2.2) */
} weld_balance;

/* Shares that sum to one; groups without images get none. shares [groups]. */
void weld_group_shares(weld_balance balance, const int64_t *counts, int groups, double *shares);

/* Images of each of the annotation's groups; to be released with weld_free. Errors: memory. */
weld_status weld_count_groups(const weld_dataset *ds, const weld_annotation *annotation,
                              int64_t **counts, weld_error *err);

typedef struct weld_sampling weld_sampling;

/* Reads what group each sample of ds is in, and needs it no more. WELD_ERROR_ARGUMENT: there are no
 * groups. */
weld_status weld_sampling_create(const weld_dataset *ds, const weld_annotation *annotation,
                                 weld_balance balance, weld_sampling **out, weld_error *err);
void weld_sampling_free(weld_sampling *s); /* accepts NULL */

/* A sample and the how manieth time (from 0, modulo 2^16) it is in an epoch, as one number. */
#define WELD_SAMPLE_INDEX(entry) ((entry) & (((int64_t)1 << 48) - 1))
#define WELD_SAMPLE_TIME(entry) ((int64_t)((uint64_t)(entry) >> 48))

/* The samples of an epoch in random order. entries [count of ds]. */
void weld_sampling_draw(weld_sampling *s, uint64_t seed, uint32_t epoch, int64_t *entries);

#endif
