/* Finding out why a loss is not finite. */
#ifndef WELD_TRAIN_NOT_FINITE_H
#define WELD_TRAIN_NOT_FINITE_H

#include "train/trainer.h"

/* The loss of this batch of the next update (from 0) is not finite: find out why, write
 * not_finite.txt, and return WELD_ERROR_NUMERIC with the story in one line. */
weld_status weld_trainer_fail_not_finite(weld_trainer *t, int64_t batch, weld_error *err);

#endif
