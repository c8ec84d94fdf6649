/* What a recipe says of the loss: values of the task's own keys, and what all tasks may use. */
#ifndef WELD_TASKS_LOSS_OPTIONS_H
#define WELD_TASKS_LOSS_OPTIONS_H

#include "data/sampling.h"
#include "weld/graph.h"

/* What is learned from a teacher: its most probable class, or its probabilities. */
typedef enum weld_distillation_kind {
    WELD_DISTILL_NONE,
    WELD_DISTILL_HARD,
    WELD_DISTILL_SOFT
} weld_distillation_kind;

/* Most bytes of a task's struct. */
#define WELD_TASK_VALUES_SIZE 128

typedef struct weld_loss_options {
    const void *values;    /* of the task's keys: its struct, aligned or not */
    weld_balance sampling; /* which samples an epoch has */
    weld_distillation_kind distillation;
    double alpha, temperature; /* of the distillation */
    size_t target_size;        /* of targets: floats of their first input; 0: there are none yet */
} weld_loss_options;

/* Add to the graph of a network for training what the loss needs: inputs beside "images", and the
 * output "loss", of one element. */
typedef weld_status weld_build_loss(const weld_loss_options *options, weld_graph *g,
                                    weld_error *err);

#endif
