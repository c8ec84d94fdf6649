/* For which images tables of positions are; see models.h. */
#include "base/error.h"
#include "models/models.h"

int weld_position_image_size(const weld_model_family *family, const weld_model_config *config,
                             const char *name, const weld_shape *shape) {
    weld_position_grids grids;
    for (int size = 1; family->position_grids && size <= WELD_MAX_INPUT_SIZE; size++) {
        if (!family->position_grids(config, name, size, size, &grids)) {
            return 0;
        }
        const weld_shape wanted = weld_position_shape(&grids);
        if (weld_shape_equal(&wanted, shape) && wanted.dim[1] > 0) {
            return size;
        }
        if (shape->rank != 3 || wanted.dim[1] > shape->dim[1]) {
            return 0;
        }
    }
    return 0;
}

weld_status weld_position_resize_for(const weld_model_family *family,
                                     const weld_model_config *config, const char *name,
                                     const weld_tensor *from, const weld_tensor *to,
                                     weld_error *err) {
    const int before = weld_position_image_size(family, config, name, &from->shape);
    const int after = weld_position_image_size(family, config, name, &to->shape);
    weld_position_grids old, new;
    family->position_grids(config, name, before, before, &old);
    family->position_grids(config, name, after, after, &new);
    return weld_position_resize(&old, from->data, &new, to->data, err);
}

weld_status weld_model_check_input(const weld_model_config *config, int height, int width,
                                   weld_error *err) {
    const weld_model_family *family = weld_family_of(config);
    const int step = family->size_step;
    if (step && (height % step != 0 || width % step != 0)) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "%s takes images whose height and width are multiples of %d, not %d x %d",
                         config->name, step, height, width);
    }
    return height == width || !family->position_grids
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_SHAPE,
                           "%s has tables of positions, which are for square images alone: give "
                           "one number, not %d x %d",
                           config->name, height, width);
}
