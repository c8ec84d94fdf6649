/* Which segments of a network a training step computes again in its backward pass. */
#ifndef WELD_TRAIN_RECOMPUTE_SEGMENTS_H
#define WELD_TRAIN_RECOMPUTE_SEGMENTS_H

#include "models/models.h"
#include "train/step.h"

/* The options by which the graph of a step is planned. */
weld_session_options weld_train_session_options(const weld_train_step_options *o);

/* The graph of a step, with gradients after all other passes, as options->recompute says
 * (passes/rematerialize.h). The last segments, which the backward pass begins with, are kept as far
 * as that takes hardly more memory. */
weld_status weld_recompute_segments(const weld_model_config *config, const weld_graph *g,
                                    const weld_train_step_options *options, weld_graph **out,
                                    weld_error *err);

#endif
