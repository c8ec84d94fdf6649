/* Temperatures: the number by which the logits of a network for classification are divided before
 * softmax makes probabilities of them, so that of images to which it gives 80 % it gets 80 % right
 * (Guo et al., "On calibration of modern neural networks", 2017). It does not change which class is
 * the likeliest.
 */
#ifndef WELD_INFER_TEMPERATURE_H
#define WELD_INFER_TEMPERATURE_H

#include "infer/evaluate.h"

typedef struct weld_temperature_fit {
    double temperature;
    double loss_before, loss_after; /* mean cross entropy at 1, and at that temperature */
    int64_t images;
} weld_temperature_fit;

/* The temperature of the least mean cross entropy of logits [n, classes]. WELD_ERROR_ARGUMENT:
 * there is none, for every label has the largest logit, or none is better than any. */
weld_status weld_temperature_of(const float *logits, const int32_t *labels, int64_t n, int classes,
                                weld_temperature_fit *out, weld_error *err);

/* The same of what m says of a data set that has taken its labels, whatever temperature it has. */
weld_status weld_temperature_fit_to(const weld_model *m, const weld_dataset *ds,
                                    const weld_evaluator_options *options,
                                    weld_temperature_fit *out, weld_error *err);

#endif
