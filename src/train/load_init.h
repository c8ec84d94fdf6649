/* Starting from the weights of another file. */
#ifndef WELD_TRAIN_LOAD_INIT_H
#define WELD_TRAIN_LOAD_INIT_H

#include "train/trainer.h"

/* Copy the weights of the file that the run starts from, which is --init's, into t->weights, which
 * are new, and say how many. Rows of the head stay new where the classes are others; a tensor of
 * the backbone that does not fit is an error that lists them. */
weld_status weld_trainer_load_init(weld_trainer *t, weld_error *err);

#endif
