/* The start of a run on several ranks: rank 0's decisions and state go to all of them, and it is
 * made sure that they have the same data and compute the same.
 *
 * Each function but the first is called by all ranks at once and ends on all with the same status.
 * One process has nothing to do in them.
 */
#ifndef WELD_TRAIN_START_RANKS_H
#define WELD_TRAIN_START_RANKS_H

#include "train/trainer.h"

/* Take this rank's share of an update's groups, once the recipe says how many there are. An error
 * where there are fewer than ranks; rank 0 says it where some ranks will wait for others. */
weld_status weld_start_share(weld_trainer *t, weld_error *err);

/* t->recipe_text and the name of the folder, which rank 0 alone opens. */
weld_status weld_start_tell_recipe(weld_trainer *t, weld_error *err);
/* The weights with their average, where the run stands, and how it was evaluated there. */
weld_status weld_start_send_weights(weld_trainer *t, weld_error *err);
/* The optimizer's state, and its parameters' scales. */
weld_status weld_start_send_moments(weld_trainer *t, weld_error *err);

/* start_call.c: recipe, data, folder and the other settings that rank 0 alone goes by. */
weld_status weld_start_compare_call(weld_trainer *t, bool dry, weld_error *err);
/* start_compare.c: programs, data sets and teachers... */
weld_status weld_start_compare_data(weld_trainer *t, weld_error *err);
/* ...by what they compute; others than rank 0's are an error but in a mixed run... */
weld_status weld_start_compare_kernels(weld_trainer *t, weld_error *err);
/* ...and what the first batch of the next update comes to: its pixels, targets, loss and gradients;
 * of cpus of several kinds (ranks.mixed) its pixels alone. Nothing moves. */
weld_status weld_start_compare_batch(weld_trainer *t, weld_error *err);

#endif
