/* The evaluations of a training run. */
#ifndef WELD_TRAIN_EVALUATION_H
#define WELD_TRAIN_EVALUATION_H

#include "train/trainer.h"

/* The graph that is evaluated, whose leaves are those of the network. */
weld_status weld_trainer_build_evaluation(weld_trainer *t, weld_error *err);
/* What evaluates the weights and their average, where there is something to evaluate on. */
weld_status weld_trainer_open_evaluators(weld_trainer *t, weld_error *err);
void weld_trainer_close_evaluation(weld_trainer *t);

/* Evaluate the weights, and beside them their moving average where there is one, for
 * t->evaluation.last and last_ema. WELD_ERROR_INTERRUPTED: the caller wants to end. */
weld_status weld_trainer_evaluate(weld_trainer *t, weld_error *err);

#endif
