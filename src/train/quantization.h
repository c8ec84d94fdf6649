/* Training for codes: the merged network, rounded, in the place of the network
 * (passes/fake_quantize.h).
 *
 * Ranges of activations are found by images of data.train, as where a network is quantised as it is
 * (infer/quantize_try.h), by the better of its methods. They are found at the start and again until
 * quantize.freeze_ranges, by the weights of that moment alone, so that a run that is resumed has
 * the same.
 */
#ifndef WELD_TRAIN_QUANTIZATION_H
#define WELD_TRAIN_QUANTIZATION_H

#include "train/trainer.h"

weld_fake_bits weld_trainer_bits(const weld_recipe *r);

/* An error where the recipe asks for it and the run cannot. Before anything but the recipe is
 * there. */
weld_status weld_trainer_check_quantization(const weld_trainer *t, weld_error *err);
/* When the weights are there, and those of a run that is resumed its codes. */
weld_status weld_trainer_open_quantization(weld_trainer *t, weld_error *err);
void weld_trainer_close_quantization(weld_trainer *t);

/* What is trained and evaluated: the weights, with the table of codes where there is one. */
weld_weights *weld_trainer_run_weights(const weld_trainer *t);

/* Rank 0's codes to all ranks. */
weld_status weld_trainer_send_codes(weld_trainer *t, weld_error *err);

/* Before an update: find the ranges, if it is time. All ranks call it. */
weld_status weld_trainer_find_ranges(weld_trainer *t, weld_error *err);

/* Of a run that is resumed: the optimizer's, of learned steps. */
void weld_trainer_load_step_moments(weld_trainer *t);

/* For a checkpoint. */
void weld_trainer_note_codes(weld_trainer *t, weld_model_file *file);

#endif
