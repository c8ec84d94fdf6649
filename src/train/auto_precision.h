/* train.precision: auto: a trial of both precisions at the start of a run. */
#ifndef WELD_TRAIN_AUTO_PRECISION_H
#define WELD_TRAIN_AUTO_PRECISION_H

#include "train/step.h"

/* A training step of a network with new weights on a batch of noise, in fp32 [0] and in bf16 [1].
 */
typedef struct weld_precision_trial {
    double seconds[2]; /* the least of a few */
    double loss[2];
    double gradients_apart; /* |g1 - g0| / |g0| over all parameters */
} weld_precision_trial;

/* Make the trial: the step that `options` say (their precision aside), of a batch that is small
 * but keeps the machine busy. Takes as long as some ten steps of that. */
weld_status weld_precision_try(const weld_model_config *config,
                               const weld_train_step_options *options, weld_precision_trial *out,
                               weld_error *err);

/* bf16 where it saves at least a tenth of the time and says the same but for rounding: its loss is
 * within 5 %, and its gradients are nearer to those of fp32 than half their length. */
weld_precision weld_precision_choose(const weld_precision_trial *trial);

#endif
