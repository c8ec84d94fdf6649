/* Opening and closing a training run. */
#ifndef WELD_TRAIN_TRAINER_OPEN_H
#define WELD_TRAIN_TRAINER_OPEN_H

#include "train/trainer.h"

/* Everything up to the first update: recipe, data, folder, network, and the state of the run that
 * is resumed. dry: without a folder, so that nothing can be written. On an error what was opened is
 * closed. The settings must outlive the trainer, which stays where it is. */
weld_status weld_trainer_open(weld_trainer *t, const weld_train_settings *settings, bool dry,
                              weld_error *err);
void weld_trainer_close(weld_trainer *t);

#endif
