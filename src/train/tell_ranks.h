/* What a run on several ranks tells of them. Of one process nothing. */
#ifndef WELD_TRAIN_TELL_RANKS_H
#define WELD_TRAIN_TELL_RANKS_H

#include "train/trainer.h"

/* At the start: how many there are, with what, and what a person should think twice about. */
void weld_trainer_tell_ranks(const weld_trainer *t);
/* After some updates were measured, by all ranks: who does what, how fast messages are, and what
 * the ranks come to. */
weld_status weld_trainer_tell_speed(weld_trainer *t, weld_error *err);
/* Into the row of an epoch that is over: how long ranks waited for others in it, on average, and
 * which took longest for its groups. The next epoch begins. */
void weld_trainer_rate_ranks(weld_trainer *t, weld_epoch_metrics *row);
/* Say it, and where much of its time went by until data came, what to do. */
void weld_trainer_tell_waiting(weld_trainer *t, const weld_epoch_metrics *row);

#endif
