/* The order in which an epoch of training goes through a data set.
 *
 * A pure function of (options, epoch): a run can be taken up at any position of any epoch, and what
 * it has seen before and will see after is the same. With repeats R (repeated augmentation: Hoffer
 * et al., "Augment your batch", 2020; Berman et al., "MultiGrain", 2019) each sample of the
 * shuffled data set stands R times in a row, while an epoch keeps its usual length: it gets through
 * 1/R of the images, each augmented in R ways. Where samples are drawn by their class
 * (data/sampling.h), one that comes T times in an epoch stands there T * R times.
 */
#ifndef WELD_DATA_ORDER_H
#define WELD_DATA_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "data/sampling.h"

typedef struct weld_order_options {
    int64_t count; /* samples in the data set, at least 1 */
    uint64_t seed;
    bool shuffle;    /* anew for every epoch; otherwise the data set's own order */
    int64_t repeats; /* at least 1 */
    /* Draws the samples of each epoch; outlives the order. Needs `shuffle`. NULL: each once. */
    weld_sampling *sampling;
} weld_order_options;

typedef struct weld_order weld_order;

weld_status weld_order_create(const weld_order_options *options, weld_order **out, weld_error *err);
void weld_order_free(weld_order *o); /* accepts NULL */

/* Make `epoch` the one that is asked about. Costs a pass over the data set where it was another. */
void weld_order_set_epoch(weld_order *o, uint32_t epoch);

/* What stands at a position of the epoch, from 0; beyond its end the order goes on, and beyond the
 * last sample of the data set it starts again. *repeat: the how manieth time, from 0 and
 * modulo 2^16, the sample stands there. */
int64_t weld_order_sample(const weld_order *o, int64_t position, int64_t *repeat);

#endif
