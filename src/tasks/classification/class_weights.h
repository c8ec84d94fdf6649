/* Weights of the classes in the loss, for data sets of uneven classes.
 *
 * The loss of a sample is -sum_c w_c t_c log softmax(logits)_c with its smoothed target t, and that
 * of a batch the sum over its samples divided by their number: PyTorch's
 * CrossEntropyLoss(weight=w, label_smoothing=s) for targets that are probabilities. (For targets
 * that are indices PyTorch divides by the sum of the labels' weights instead, so that a batch
 * counts the same whatever is in it.) Weights have the mean 1 over what an epoch draws, so that
 * learning rates stay what they were.
 */
#ifndef WELD_TASKS_CLASSIFICATION_CLASS_WEIGHTS_H
#define WELD_TASKS_CLASSIFICATION_CLASS_WEIGHTS_H

#include "data/sampling.h"

/* Of classes with these numbers of images, each class c having the share f_c of the places of an
 * epoch (data/sampling.h): WELD_BALANCE_FULL is 1 / (K f_c) for K classes that have images, which
 * without sampling is n / (K n_c); WELD_BALANCE_SQRT is proportional to 1 / sqrt(f_c);
 * WELD_BALANCE_NONE is 1. Classes without images have weight 0. weights [classes]. Errors: memory.
 */
weld_status weld_class_weights_of(weld_balance weights_balance, weld_balance sampling,
                                  const int64_t *counts, int classes, double *weights,
                                  weld_error *err);

typedef struct weld_class_weights weld_class_weights;

/* Of a data set, for batches of at most `rows`. */
weld_status weld_class_weights_create(const weld_dataset *ds, weld_balance weights_balance,
                                      weld_balance sampling, double label_smoothing, int64_t rows,
                                      weld_class_weights **out, weld_error *err);
void weld_class_weights_free(weld_class_weights *w); /* accepts NULL */

/* Where the targets of a batch belong, as probabilities: [rows, classes]. */
float *weld_class_weights_targets(const weld_class_weights *w);
/* What the cross entropy without smoothing takes in place of the first `count` of them:
 * out [count, classes] = w_c ((1 - s) t + s / K). */
void weld_class_weights_apply(const weld_class_weights *w, int64_t count, float *out);

/* For people: "from 0.21 (cat, 900 images) to 4.1 (bee, 46)". */
void weld_class_weights_text(const weld_class_weights *w, const weld_dataset *ds, char *text,
                             size_t size);
/* In the same form: how often an image comes in an epoch with this sampling. Errors: memory. */
weld_status weld_sampling_text(const weld_dataset *ds, weld_balance sampling, char *text,
                               size_t size, weld_error *err);

#endif
