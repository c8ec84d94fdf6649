/* Operations by their kind; see operation.h. */
#include "images/operation.h"

#include "images/affine.h"
#include "images/blur.h"
#include "images/color.h"

/* Shears and translations, by what they change of the map that leaves all in place. */
static weld_status move(const weld_operation *o, int entry, double value, const uint8_t fill[3],
                        weld_image *image, weld_bytes *scratch, weld_error *err) {
    double m[6] = {1, 0, 0, 0, 1, 0};
    m[entry] = value;
    return weld_image_affine(image, m, o->filter, fill, scratch, err);
}

weld_status weld_operation_apply(const weld_operation *o, const uint8_t fill[3], weld_image *image,
                                 weld_bytes *scratch, weld_error *err) {
    const double a = o->argument;
    switch (o->kind) {
    case WELD_OPERATION_AUTO_CONTRAST:
        weld_image_auto_contrast(image);
        break;
    case WELD_OPERATION_EQUALIZE:
        weld_image_equalize(image);
        break;
    case WELD_OPERATION_INVERT:
        weld_image_invert(image);
        break;
    case WELD_OPERATION_POSTERIZE:
        weld_image_posterize(image, (int)a);
        break;
    case WELD_OPERATION_SOLARIZE:
        weld_image_solarize(image, (int)a);
        break;
    case WELD_OPERATION_SOLARIZE_ADD:
        weld_image_solarize_add(image, (int)a);
        break;
    case WELD_OPERATION_COLOR:
        weld_image_color(image, a);
        break;
    case WELD_OPERATION_CONTRAST:
        weld_image_contrast(image, a);
        break;
    case WELD_OPERATION_BRIGHTNESS:
        weld_image_brightness(image, a);
        break;
    case WELD_OPERATION_SHARPNESS:
        return weld_image_sharpness(image, a, scratch, err);
    case WELD_OPERATION_ROTATE:
        return weld_image_rotate(image, a, o->filter, fill, scratch, err);
    case WELD_OPERATION_SHEAR_X:
        return move(o, 1, a, fill, image, scratch, err);
    case WELD_OPERATION_SHEAR_Y:
        return move(o, 3, a, fill, image, scratch, err);
    case WELD_OPERATION_TRANSLATE_X:
        return move(o, 2, a * image->width, fill, image, scratch, err);
    case WELD_OPERATION_TRANSLATE_Y:
        return move(o, 5, a * image->height, fill, image, scratch, err);
    case WELD_OPERATION_GREY:
        weld_image_grey(image);
        break;
    case WELD_OPERATION_GAUSSIAN_BLUR:
        return weld_image_gaussian_blur(image, a, scratch, err);
    }
    return WELD_OK;
}
