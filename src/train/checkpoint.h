/* Checkpoints of a training run. */
#ifndef WELD_TRAIN_CHECKPOINT_H
#define WELD_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

/* Write last.h5. Weights that are not finite are an error, and the file stays as it was. */
weld_status weld_trainer_save_last(weld_trainer *t, weld_error *err);
/* Write best.h5: the same without the optimizer's state. Best is what train.best says: the weights,
 * with which their moving average goes, or that average in their place. Beside it evaluation.json,
 * with the details of the evaluation that found these weights best. */
weld_status weld_trainer_save_best(weld_trainer *t, weld_error *err);
/* Where train.keep says so: write epoch-N.h5, after N epochs, which is as last.h5. */
weld_status weld_trainer_save_epoch(weld_trainer *t, weld_error *err);

#endif
