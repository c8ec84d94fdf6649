/* What networks put out: the outputs of their evaluation graphs, by name and form. */
#ifndef WELD_MODELS_OUTPUTS_H
#define WELD_MODELS_OUTPUTS_H

#include <stdbool.h>

#include "weld/model.h"

typedef struct weld_output_form {
    const char *name;
    /* Is this its shape for `batch` images of size x size? */
    bool (*fits)(const weld_model_config *config, int64_t batch, int64_t size,
                 const weld_shape *shape);
} weld_output_form;

/* "logits" [batch, num_classes], ended by a name NULL as all such lists are. */
extern const weld_output_form weld_logits_output[];

/* Of the family that the config is of. */
const weld_output_form *weld_model_outputs(const weld_model_config *config);

/* The first of them that g, which may come from a file, does not have in f32 and of its form; NULL:
 * it has all. */
const char *weld_model_output_misfit(const weld_model_config *config, const weld_graph *g,
                                     int64_t batch, int64_t size);

#endif
