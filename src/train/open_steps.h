/* The steps of a training run. */
#ifndef WELD_TRAIN_OPEN_STEPS_H
#define WELD_TRAIN_OPEN_STEPS_H

#include "train/trainer.h"

/* What the recipe says of them, but for the batch, the optimizer and the loss's options. */
weld_train_step_options weld_trainer_step_options(const weld_run_data *d);
/* One for each size of images, and what the groups of an update come to. */
weld_status weld_trainer_open_steps(weld_trainer *t, weld_error *err);

#endif
