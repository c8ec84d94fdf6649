/* What each value of a recipe's train.recompute would take. */
#ifndef WELD_MEASURE_RECOMPUTE_COSTS_H
#define WELD_MEASURE_RECOMPUTE_COSTS_H

#include "train/trainer.h"

/* Say, of a run that is open, how much memory a step takes and how many operations it has more than
 * where all is kept: by plans, without making it. */
weld_status weld_trainer_tell_recompute(const weld_trainer *t, weld_error *err);

#endif
