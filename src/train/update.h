/* One update of the weights: its batches, their loss and gradients, the optimizer. */
#ifndef WELD_TRAIN_UPDATE_H
#define WELD_TRAIN_UPDATE_H

#include "train/trainer.h"

/* The next update of the run, on the mean of the gradients of train.accumulate batches: moves the
 * weights, t->state and the seconds of the run on, and fills in *row. A loss that is not finite is
 * WELD_ERROR_NUMERIC and leaves the weights as they were. */
weld_status weld_trainer_update(weld_trainer *t, weld_step_metrics *row, weld_error *err);

/* After it: an error where it has met what the run ends with, too many bad images. Weights and
 * state are as if more were allowed. */
weld_status weld_trainer_ends(const weld_trainer *t, weld_error *err);
/* Time that the epoch and the run took. */
void weld_trainer_add_seconds(weld_trainer *t, double seconds);

#endif
