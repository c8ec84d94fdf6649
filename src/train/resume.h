/* Going on from last.h5. */
#ifndef WELD_TRAIN_RESUME_H
#define WELD_TRAIN_RESUME_H

#include "train/trainer.h"

/* Take weights and state from the file that the run starts from, which is last.h5, after checking
 * that it is of this recipe and these data, and that best.h5 is what the run left there. */
weld_status weld_trainer_load_last(weld_trainer *t, weld_error *err);
/* Copy the optimizer's state of that file into the step's. */
weld_status weld_trainer_load_moments(weld_trainer *t, weld_error *err);

#endif
