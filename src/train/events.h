/* What a training run shows in TensorBoard, beside its metrics.jsonl: events.out.tfevents.* in the
 * run's folder, a file each time the run is started or resumed.
 *
 *     loss/train, learning_rate, speed/images_per_second, time/...   after updates
 *     loss/epoch, loss/val, the task's scores (accuracy/top1, ...)    after epochs
 *     weights/<name>, gradients/<name>                               histograms, at epochs' ends
 *     batch                                                          images of an epoch's first
 *
 * All of it is a function of the trainer, which it leaves alone. Nothing happens where the recipe
 * says train.events: false.
 */
#ifndef WELD_TRAIN_EVENTS_H
#define WELD_TRAIN_EVENTS_H

#include "train/trainer.h"

/* Begin a file. What an earlier one holds of updates after t->state.step will be done again and
 * counts no more. */
weld_status weld_events_open(weld_trainer *t, weld_error *err);

/* After an update, and after an epoch. The scalars of long runs are thinned out evenly: TensorBoard
 * shows no more, and files stay at some megabytes. */
weld_status weld_events_step(weld_trainer *t, const weld_step_metrics *row, weld_error *err);
weld_status weld_events_epoch(weld_trainer *t, const weld_epoch_metrics *row, weld_error *err);

#endif
