/* What more or fewer ranks than a dry run was started with are expected to come to, told. */
#ifndef WELD_TRAIN_TELL_EXPECTED_H
#define WELD_TRAIN_TELL_EXPECTED_H

#include "distributed/measure.h"
#include "train/trainer.h"

/* By the updates that were measured and what messages take: rank 0's part of a dry run. */
void weld_trainer_tell_expected(const weld_trainer *t, const weld_group_speed *speed);

#endif
