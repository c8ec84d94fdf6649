/* Weights among the tensors of a file, whatever its naming and form; see models.h. */
#include <stdarg.h>
#include <stdio.h>

#include "base/locale.h"
#include "models/models.h"

static const weld_shape *find(const weld_model_config *config, const weld_shape_index *index,
                              const char *module, const char *inner) {
    const weld_model_family *family = index->family;
    for (size_t i = 0; i < 2 * family->naming_count; i++) {
        char name[WELD_TENSOR_NAME_SIZE], called[WELD_TENSOR_NAME_SIZE];
        const bool whole = i % 2 == 0 && *inner;
        snprintf(name, sizeof name, "%s%s%s.weight", module, whole ? "." : "", whole ? inner : "");
        const weld_named_shape *found =
            weld_family_tensor_name(family, config, &family->namings[i / 2], name, called)
                ? weld_shape_index_find(index, called)
                : NULL;
        if (found && found->shape.rank > 0 && found->shape.dim[0] <= WELD_MAX_CLASSES) {
            return &found->shape;
        }
    }
    return NULL;
}

const weld_shape *weld_model_shape_seen(const weld_model_config *config,
                                        const weld_shape_index *index, const char *inner,
                                        const char *module, ...) {
    char text[WELD_TENSOR_NAME_SIZE];
    va_list args;
    va_start(args, module);
    weld_vsnprintf(text, sizeof text, module, args);
    va_end(args);
    return find(config, index, text, inner);
}

int weld_model_outputs_seen(const weld_model_config *config, const weld_shape_index *index,
                            const char *inner, const char *module, ...) {
    char text[WELD_TENSOR_NAME_SIZE];
    va_list args;
    va_start(args, module);
    weld_vsnprintf(text, sizeof text, module, args);
    va_end(args);
    const weld_shape *shape = find(config, index, text, inner);
    return shape ? (int)shape->dim[0] : 0;
}
