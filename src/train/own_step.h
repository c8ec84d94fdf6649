/* A step of a network that a program built, from inside; see weld/step.h. */
#ifndef WELD_TRAIN_OWN_STEP_H
#define WELD_TRAIN_OWN_STEP_H

#include "distributed/exchange.h"
#include "train/step.h"

struct weld_step {
    weld_train_step *step;
    weld_weights *weights, *average; /* average NULL: none */
    weld_step_options options;
    weld_exchange *mean;   /* of the gradients of an update's runs */
    int64_t updates, runs; /* runs: since the latest update */
};

#endif
