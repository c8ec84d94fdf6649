/* What a checkpoint says of its training, as JSON, for people and programs, and what a run that
 * goes on takes of it.
 *
 *   epochs, steps           done
 *   train_images            in the data set
 *   val_images, val_loss    of the evaluation of these very weights, with its scores by their keys;
 *                           the images are those that were counted. Absent: they were not evaluated
 *   val_skipped             further ones, which were bad; absent: none
 *   ema_KEY                 the first score of their moving average, and
 *   ema_val_images, ema_val_skipped   what it is of, where that is not what theirs are of
 *   weights                 "average": best.h5 of train.best ema
 *   init, teacher           what training started from; what it learns from beside the labels
 *   mixed                   true: of ranks on cpus of several kinds, in some part of the run
 *
 * and in what can be resumed: bad_images, their indices; train_data, val_data, by which the data
 * are known (datasets/identity.h); gradient_order, "tree" with more than three batches an update;
 * kernels, the tables of fp32 and bf16 that this process computes by.
 */
#ifndef WELD_TRAIN_SUMMARY_H
#define WELD_TRAIN_SUMMARY_H

#include "train/trainer.h"

/* Of last.h5 and its like, or of best.h5; to be released with weld_free. */
weld_status weld_summary_text(const weld_trainer *t, bool to_resume, char **text, weld_error *err);

/* A run that is resumed started where the first one did, learns from the same teacher and the same
 * data, counts on from the same bad images, and has been evaluated where its weights have. Errors:
 * what is not the same. */
weld_status weld_summary_take(weld_trainer *t, weld_error *err);

#endif
