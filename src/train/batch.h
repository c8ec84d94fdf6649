/* The batches of a run: from its data into the inputs of its step. */
#ifndef WELD_TRAIN_BATCH_H
#define WELD_TRAIN_BATCH_H

#include "train/trainer.h"

/* Of the next update's batches (from 0), the number of its run, which decides what dropout draws.
 */
uint64_t weld_trainer_run_number(const weld_trainer *t, int64_t batch);
/* Take the step for batches of one of the loader's shapes. */
void weld_trainer_take_step(weld_trainer *t, int shape);
/* Batch `number` of the update, from 0, into the inputs of the step that is for its shape... */
weld_status weld_trainer_load_batch(weld_trainer *t, int64_t number, weld_batch *out,
                                    weld_error *err);
/* ...or its images alone, before they are mixed... */
weld_status weld_trainer_load_unmixed(weld_trainer *t, int64_t number, weld_batch *out,
                                      weld_error *err);
/* ...and what the teacher, if there is one, makes of it. */
weld_status weld_trainer_ask_teacher(weld_trainer *t, const weld_batch *batch, weld_error *err);

#endif
