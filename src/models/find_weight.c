/* Weights among the tensors of a file, whatever its naming and form; see models.h. */
#include <stdio.h>

#include "models/models.h"

int weld_model_outputs_seen(const weld_model_family *family, const weld_model_config *config,
                            const weld_shape_index *index, const char *module, const char *inner) {
    for (size_t i = 0; i < 2 * family->naming_count; i++) {
        char name[WELD_TENSOR_NAME_SIZE], called[WELD_TENSOR_NAME_SIZE];
        const bool whole = i % 2 == 0 && *inner;
        snprintf(name, sizeof name, "%s%s%s.weight", module, whole ? "." : "", whole ? inner : "");
        const weld_named_shape *found =
            weld_family_tensor_name(family, config, &family->namings[i / 2], name, called)
                ? weld_shape_index_find(index, called)
                : NULL;
        if (found && found->shape.rank > 0 && found->shape.dim[0] <= WELD_MAX_CLASSES) {
            return (int)found->shape.dim[0];
        }
    }
    return 0;
}
