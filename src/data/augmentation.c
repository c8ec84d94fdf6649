/* Settings of augmentation: defaults and checks; see augmentation.h. */
#include "data/augmentation.h"

#include <math.h>

#include "base/error.h"

weld_augmentation weld_augmentation_defaults(void) {
    return (weld_augmentation){.kind = WELD_AUGMENT_IMAGENET,
                               .crop_scale = {0.08, 1.0},
                               .crop_ratio = {3.0 / 4.0, 4.0 / 3.0},
                               .hflip = 0.5,
                               .auto_augment = "rand-m9-mstd0.5-inc1",
                               .color_jitter = 0.4,
                               .random_erasing = 0.25,
                               .erasing_mode = WELD_ERASE_PIXEL,
                               .mixup = 0.8,
                               .cutmix = 1.0,
                               .cutmix_probability = 0.5,
                               .mix_probability = 1.0,
                               .mix_mode = WELD_MIX_BATCH,
                               .mosaic = 1.0,
                               .scale = 0.5,
                               .translate = 0.1,
                               .hsv = {0.015, 0.7, 0.4},
                               .close_mosaic = 10,
                               .repeats = 3};
}

static bool is_probability(double p) {
    return p >= 0.0 && p <= 1.0;
}

static weld_status check_crop(const weld_augmentation *a, weld_error *err) {
    if (!(a->crop_scale[0] > 0 && a->crop_scale[0] <= a->crop_scale[1] && a->crop_scale[1] <= 1)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "crop_scale is [%g, %g]: two parts of the area are needed, above 0 and "
                         "up to 1, the smaller first",
                         a->crop_scale[0], a->crop_scale[1]);
    }
    if (!(a->crop_ratio[0] > 0 && a->crop_ratio[0] <= a->crop_ratio[1] &&
          isfinite(a->crop_ratio[1]))) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "crop_ratio is [%g, %g]: two aspects are needed, above 0, the smaller "
                         "first",
                         a->crop_ratio[0], a->crop_ratio[1]);
    }
    return WELD_OK;
}

static weld_status check_mixing(const weld_augmentation *a, weld_error *err) {
    if (!(a->mixup >= 0 && a->mixup <= 1000) || !(a->cutmix >= 0 && a->cutmix <= 1000)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "mixup is %g, cutmix %g: both must be in 0..1000", a->mixup, a->cutmix);
    }
    if (!is_probability(a->cutmix_probability)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "cutmix_probability is %g: probabilities are in 0..1",
                         a->cutmix_probability);
    }
    if (a->mixup_off_epoch < 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "mixup_off_epoch is %lld: it must be 0 or more",
                         (long long)a->mixup_off_epoch);
    }
    if (a->repeats < 1 || a->repeats > WELD_MAX_REPEATS) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "repeats is %lld: it must be in 1..%d",
                         (long long)a->repeats, WELD_MAX_REPEATS);
    }
    return WELD_OK;
}

static weld_status check_detection(const weld_augmentation *a, weld_error *err) {
    const double probabilities[6] = {a->mosaic, a->blend,  a->translate,
                                     a->hsv[0], a->hsv[1], a->hsv[2]};
    for (int i = 0; i < 6; i++) {
        if (!is_probability(probabilities[i])) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "mosaic is %g, blend %g, translate %g, hsv [%g, %g, %g]: all must be "
                             "in 0..1",
                             a->mosaic, a->blend, a->translate, a->hsv[0], a->hsv[1], a->hsv[2]);
        }
    }
    if (!(a->perspective >= 0 && a->perspective <= WELD_MAX_PERSPECTIVE)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "perspective is %g: it must be in 0..%g",
                         a->perspective, WELD_MAX_PERSPECTIVE);
    }
    if (!(a->degrees >= 0 && a->degrees <= 180) || !(a->shear >= 0 && a->shear <= WELD_MAX_SHEAR)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "degrees is %g, shear %g: they must be in 0..180 and 0..%d", a->degrees,
                         a->shear, WELD_MAX_SHEAR);
    }
    if (!(a->scale >= 0 && a->scale <= WELD_MAX_SCALE) || a->close_mosaic < 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "scale is %g, close_mosaic %lld: they must be in 0..%g, and 0 or more",
                         a->scale, (long long)a->close_mosaic, WELD_MAX_SCALE);
    }
    return WELD_OK;
}

weld_status weld_augmentation_check(const weld_augmentation *a, weld_error *err) {
    WELD_TRY(check_crop(a, err));
    if (!is_probability(a->hflip) || !is_probability(a->vflip) ||
        !is_probability(a->mix_probability)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "hflip is %g, vflip %g, mix_probability %g: probabilities are in 0..1",
                         a->hflip, a->vflip, a->mix_probability);
    }
    if (!(a->color_jitter >= 0 && a->color_jitter <= WELD_MAX_COLOR_JITTER) ||
        !is_probability(a->random_erasing)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "color_jitter is %g, random_erasing %g: they must be in 0..%d and 0..1",
                         a->color_jitter, a->random_erasing, WELD_MAX_COLOR_JITTER);
    }
    WELD_TRY(check_detection(a, err));
    return check_mixing(a, err);
}
