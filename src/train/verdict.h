/* What ranks settle between them in an update: each says how its share went, rank 0 makes a verdict
 * of all, and nobody moves the weights but by that. */
#ifndef WELD_TRAIN_VERDICT_H
#define WELD_TRAIN_VERDICT_H

#include "train/record.h"

typedef struct weld_verdict {
    weld_error err; /* the run ends with this, and the update is not made */
    weld_error end; /* the run ends with this after the update */
    bool stop;      /* a rank is asked to end the run after this update */
    bool doubtful;  /* it is to come, when all have looked at the bad images that were met */
    int64_t samples;
    int size;    /* of their images, where there are several; else 0 */
    double loss; /* of all samples, added up group after group */
    double parts[WELD_LOSS_PARTS_MAX];
    double counts[WELD_COUNTS_MAX];
    weld_update_rates rates; /* of the update */
} weld_verdict;

/* Tell what this rank has to say, and hear what is made of it: bad images are counted and groups
 * added up as if one process had gone through them; the first that failed in that order decides.
 * The status is the verdict's. Meanwhile the last gradients may be on their way. */
weld_status weld_verdict_settle(weld_trainer *t, const weld_update_record *mine, weld_verdict *out,
                                weld_error *err);

#endif
