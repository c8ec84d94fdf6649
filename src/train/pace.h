/* How long the updates and evaluations of a run take, by doing a few of them. */
#ifndef WELD_TRAIN_PACE_H
#define WELD_TRAIN_PACE_H

#include "train/trainer.h"

/* Do the first few updates, and an evaluation that ends early, and fill in what *plan has of
 * measured things, updates and evaluations. seconds: for so long at
 * least, updates. The weights of t are spoiled for a run.
 * WELD_ERROR_INTERRUPTED: the caller wants to end. */
weld_status weld_trainer_measure(weld_trainer *t, double seconds, weld_train_plan *plan,
                                 weld_error *err);

#endif
