/* The first image of a data set, as a network sees it. */
#ifndef WELD_TESTS_DATASETS_FIRST_IMAGE_H
#define WELD_TESTS_DATASETS_FIRST_IMAGE_H

#include "data/loader.h"
#include "suite.h"

/* Of images of this size, which are taken whole. */
static weld_loader_options first_image_options(int size, weld_augmentation_kind kind) {
    weld_loader_options o = {.preprocessing = weld_preprocessing_of(size),
                             .augmentation = weld_augmentation_defaults(),
                             .batch_size = 1,
                             .threads = 1};
    o.preprocessing.crop_fraction = 1;
    o.augmentation.kind = kind;
    return o;
}

/* For evaluation where nothing is augmented, else for training. */
static void load_first_image(const weld_dataset *ds, weld_loader_options o, float *out) {
    weld_loader *l;
    weld_batch batch;
    weld_error err = {0};
    ck_assert_msg(!weld_loader_create(ds, &o, &l, &err), "%s", err.message);
    ck_assert_int_eq(o.augmentation.kind == WELD_AUGMENT_NONE
                         ? weld_loader_eval_batch(l, 0, out, &batch, &err)
                         : weld_loader_train_batch(l, 0, 0, NULL, out, &batch, &err),
                     WELD_OK);
    weld_loader_free(l);
}

#endif
