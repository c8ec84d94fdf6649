/* The loss of classification, as nodes behind a network's logits. */
#ifndef WELD_TASKS_CLASSIFICATION_LOSS_H
#define WELD_TASKS_CLASSIFICATION_LOSS_H

#include "tasks/loss_options.h"
#include "weld/graph.h"

typedef enum weld_class_loss_kind { WELD_LOSS_CROSS_ENTROPY, WELD_LOSS_BCE } weld_class_loss_kind;

/* Its keys in recipes. */
typedef struct weld_classification_loss {
    int kind; /* a weld_class_loss_kind */
    double label_smoothing;
    int class_weights; /* a weld_balance */
} weld_classification_loss;

weld_classification_loss weld_classification_loss_of(const weld_loss_options *o);

/* To a training graph with outputs "logits" [batch, classes] and perhaps "logits_dist", of a second
 * head, add the input "target" [batch, classes], probabilities, and the output "loss" [1]: the mean
 * over the batch of the cross entropy with smoothed targets, or of the binary one's mean over the
 * classes. With a second head and no teacher it
 * is the mean of the two heads', which both learn the labels.
 *
 * With a teacher it is (1 - alpha) times that plus alpha times the distance of the second head from
 * the teacher (Touvron et al., "Training data-efficient image transformers & distillation through
 * attention", 2021), of the only head where there is no second (Hinton et al., "Distilling the
 * knowledge in a neural network", 2015). A further input "teacher" [batch, classes] tells of it:
 *   HARD  the cross entropy with "teacher", which are probabilities: one-hot rows, or mixed ones;
 *   SOFT  T^2 times the mean over the batch of KL(p || softmax(logits / T)), where p is
 *         softmax("teacher"): the teacher's logits, already divided by T = temperature. Of a second
 *         head it is also divided by the number of classes, as in the reference implementation:
 *         that head learns nothing else, so that its scale matters little. On one head it would
 *         leave the teacher next to nothing beside the labels.
 * No smoothing in either. With class weights targets come smoothed (class_weights.h). */
weld_status weld_classification_loss_build(const weld_loss_options *o, weld_graph *g,
                                           weld_error *err);

/* Targets of a trial's batch, of noise: class i for every k-th sample, for the teacher's too where
 * the session has that input. */
void weld_classification_loss_fill(weld_session *s);

#endif
