/* Outputs of networks; see outputs.h. */
#include "models/outputs.h"

#include "graph/graph.h"
#include "models/models.h"

static bool are_logits(const weld_model_config *config, int64_t batch, int64_t size,
                       const weld_shape *shape) {
    (void)size;
    const weld_shape logits = WELD_SHAPE(batch, config->num_classes);
    return weld_shape_equal(shape, &logits);
}

const weld_output_form weld_logits_output[] = {{"logits", are_logits}, {NULL, NULL}};

const weld_output_form *weld_model_outputs(const weld_model_config *config) {
    const weld_model_family *family = weld_family_of(config);
    return family && family->outputs ? family->outputs : weld_logits_output;
}

const char *weld_model_output_misfit(const weld_model_config *config, const weld_graph *g,
                                     int64_t batch, int64_t size) {
    for (const weld_output_form *form = weld_model_outputs(config); form->name; form++) {
        const weld_value *v = weld_graph_output(g, form->name);
        if (!v || v->dtype != WELD_F32 || !form->fits(config, batch, size, &v->shape)) {
            return form->name;
        }
    }
    return NULL;
}
