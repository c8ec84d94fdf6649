/* What a run tells before its first update: what it will do, and what a person should think twice
 * about. */
#ifndef WELD_TRAIN_TELL_START_H
#define WELD_TRAIN_TELL_START_H

#include "train/trainer.h"

/* Call the caller's `started`. */
weld_status weld_trainer_tell_start(const weld_trainer *t, weld_error *err);

/* Of activations and gradients, for the size that needs most. */
size_t weld_trainer_arena_bytes(const weld_trainer *t);
/* What is allocated for the run, apart from the data set. */
weld_train_memory weld_trainer_memory(const weld_trainer *t);

#endif
