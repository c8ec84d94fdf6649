/* What a step makes of labels; see classification.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "tasks/classification/class_weights.h"
#include "tasks/classification/classification.h"
#include "tasks/classification/loss.h"
#include "tasks/drawn_names.h"

void weld_class_targets(const weld_batch *batch, int classes, float *targets) {
    memset(targets, 0, (size_t)batch->count * (size_t)classes * sizeof *targets);
    for (int64_t i = 0; i < batch->count; i++) {
        targets[i * classes + weld_class_label(batch, i)] = 1.0f;
    }
    weld_mix_rows(batch->mixes, batch->count, classes, targets);
}

typedef struct class_targets {
    const weld_dataset *ds;
    weld_target_options options;
    weld_class_weights *weights; /* NULL: none */
} class_targets;

weld_status weld_class_targets_create(const weld_dataset *ds, const weld_target_options *options,
                                      void **targets, weld_error *err) {
    class_targets *t = weld_alloc(1, sizeof *t);
    if (!t) {
        return weld_fail_memory(err, "targets");
    }
    *t = (class_targets){.ds = ds, .options = *options};
    *targets = t;
    const weld_classification_loss own = weld_classification_loss_of(&options->loss);
    return own.class_weights == WELD_BALANCE_NONE
               ? WELD_OK
               : weld_class_weights_create(ds, (weld_balance)own.class_weights,
                                           options->loss.sampling, own.label_smoothing,
                                           options->batch, &t->weights, err);
}

void weld_class_targets_free(void *targets) {
    class_targets *t = targets;
    if (t) {
        weld_class_weights_free(t->weights);
        weld_free(t);
    }
}

size_t weld_class_target_size(const void *targets, int input) {
    (void)input;
    return (size_t)((const class_targets *)targets)->options.classes;
}

/* Probabilities, before weights. */
static float *rows_of(const class_targets *t, float *const *inputs) {
    return t->weights ? weld_class_weights_targets(t->weights) : inputs[0];
}

void weld_class_targets_fill(void *targets, const weld_batch *batch, float *const *inputs) {
    const class_targets *t = targets;
    weld_class_targets(batch, t->options.classes, rows_of(t, inputs));
    if (t->weights) {
        weld_class_weights_apply(t->weights, batch->count, inputs[0]);
    }
}

/* The two classes that it has most of, the second if it shows: "cat 70 %\nbee 30 %" or
 * "0.70 cat\n0.30 bee". */
void weld_class_caption(const void *targets, float *const *inputs, int64_t i,
                        weld_caption_style style, char *text, size_t size) {
    const class_targets *t = targets;
    const int classes = t->options.classes;
    const float *target = rows_of(t, inputs) + i * classes;
    int first = 0, second = -1;
    for (int c = 1; c < classes; c++) {
        if (target[c] > target[first]) {
            second = first;
            first = c;
        } else if (second < 0 || target[c] > target[second]) {
            second = c;
        }
    }
    const int shown[] = {first, second};
    size_t used = 0;
    for (int k = 0; k < (second >= 0 && target[second] >= 0.005f ? 2 : 1); k++) {
        const double share = (double)target[shown[k]];
        char drawn[WELD_DRAWN_NAME_SIZE];
        const char *line = k ? "\n" : "";
        const char *name =
            weld_drawn_name(weld_dataset_class_name(t->ds, shown[k]), shown[k], drawn);
        used += style == WELD_CAPTION_PERCENT
                    ? (size_t)weld_snprintf(text + used, size - used, "%s%.80s %.0f %%", line, name,
                                            100 * share)
                    : (size_t)weld_snprintf(text + used, size - used, "%s%.2f %.100s", line, share,
                                            name);
    }
}

weld_status weld_class_targets_tell(const void *targets, weld_text *out, weld_error *err) {
    const class_targets *t = targets;
    char text[300];
    if (t->options.loss.sampling != WELD_BALANCE_NONE) {
        WELD_TRY(weld_sampling_text(t->ds, t->options.loss.sampling, text, sizeof text, err));
        weld_text_add(out, "data.sampling: times that an image comes in an epoch: ");
        weld_text_add(out, text);
        weld_text_add(out, "\n");
    }
    if (t->weights) {
        weld_class_weights_text(t->weights, t->ds, text, sizeof text);
        weld_text_add(out, "loss.class_weights: ");
        weld_text_add(out, text);
        weld_text_add(out, "\n");
    }
    return out->failed ? weld_fail_memory(err, "targets") : WELD_OK;
}
