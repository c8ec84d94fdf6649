/* The graph of a training step: the network, its loss and all gradients. */
#ifndef WELD_TRAIN_TRAIN_GRAPH_H
#define WELD_TRAIN_TRAIN_GRAPH_H

#include "passes/fuse_training.h"
#include "weld/model.h"

typedef struct weld_train_graph_options {
    int64_t batch, input_size;
    double label_smoothing;
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
 * output "loss" [1]: the mean over the batch of the cross entropy with smoothed targets, and with a
 * distillation head the mean of the two heads' (no teacher here: both learn the labels). */
weld_status weld_train_graph_build(const weld_model_config *config,
                                   const weld_train_graph_options *options, weld_train_graph *out,
                                   weld_error *err);
void weld_train_graph_free(weld_train_graph *t);

/* The gradients that a session on the graph computes, by parameter, into gradients[0 ..
 * parameter_count); data is NULL for those that are frozen. */
weld_status weld_train_graph_gradients(const weld_train_graph *t, weld_session *s,
                                       weld_tensor *gradients, weld_error *err);

#endif
