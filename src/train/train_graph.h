/* The graph of a training step: the network, its loss and all gradients. */
#ifndef WELD_TRAIN_TRAIN_GRAPH_H
#define WELD_TRAIN_TRAIN_GRAPH_H

#include "passes/fuse_training.h"
#include "recipe/recipe.h"
#include "weld/model.h"

typedef struct weld_train_graph_options {
    int64_t batch, input_size;
    double label_smoothing;
    weld_distillation_kind distillation; /* but for NONE the network must have its second head */
    double alpha, temperature;           /* of the distillation */
    bool bn_eval; /* batch norms use their running statistics and leave them as they are */
    int frozen;   /* parts (models.h) that stay as they are, running statistics and all: gradients
                   * are computed neither for them nor through them */
    weld_dtype dtype;
    weld_fuse_options fuse;
    weld_precision precision; /* with bf16 dtype must be WELD_F32 */
} weld_train_graph_options;

typedef struct weld_train_graph {
    weld_graph *graph;
    size_t parameter_count;
    bool *trained; /* by parameter: not frozen */
} weld_train_graph;

/* Inputs "images" [batch, size, size, 3], normalised, and "target" [batch, classes], probabilities;
 * output "loss" [1]: the mean over the batch of the cross entropy with smoothed targets. With a
 * distillation head and no teacher it is the mean of the two heads', which both learn the labels.
 *
 * With a teacher it is (1 - alpha) times that of the first head plus alpha times the second head's
 * distance from the teacher (Touvron et al., "Training data-efficient image transformers &
 * distillation through attention", 2021), which a further input "teacher" [batch, classes] tells:
 *   HARD  the cross entropy with "teacher", which are probabilities: one-hot rows, or mixed ones;
 *   SOFT  T^2 / classes times the mean over the batch of KL(p || softmax(logits / T)), where p is
 *         softmax("teacher"): the teacher's logits, already divided by T = temperature. That is the
 *         sum of the divergences, times T^2, by the number of logits.
 * No smoothing in either. */
weld_status weld_train_graph_build(const weld_model_config *config,
                                   const weld_train_graph_options *options, weld_train_graph *out,
                                   weld_error *err);
void weld_train_graph_free(weld_train_graph *t);

/* The gradients that a session on the graph computes, by parameter, into gradients[0 ..
 * parameter_count); data is NULL for those that are frozen. */
weld_status weld_train_graph_gradients(const weld_train_graph *t, weld_session *s,
                                       weld_tensor *gradients, weld_error *err);

#endif
