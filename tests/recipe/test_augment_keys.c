/* Keys of a recipe's augmentation: which kinds and networks they are of. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "recipe/augment_check.h"
#include "recipe/recipe.h"
#include "suite.h"

#define BASE "model: {name: repvit_m0_9}\ndata: {train: photos}\n"

#define FINDS "model: {name: yolo11n}\ndata: {train: photos.json}\n"

static weld_error err;
static weld_recipe recipe; /* large, hence not on the stack */

static weld_status parse(const char *text) {
    memset(&recipe, 0, sizeof recipe);
    return weld_recipe_parse("r.yaml", text, strlen(text), NULL, 0, &recipe, &err);
}

static void accept(const char *text) {
    ck_assert_msg(parse(text) == WELD_OK, "%s", err.message);
}

static void refuse(const char *text, const char *message) {
    ck_assert_msg(parse(text) == WELD_ERROR_ARGUMENT, "accepted:\n%s", text);
    ck_assert_str_eq(err.message, message);
}

START_TEST(networks_that_name_images_have_no_mosaics) {
    refuse(BASE "augment: {kind: detection}\n",
           "r.yaml:3: augment.kind: detection is for networks that find things in images, and this "
           "one is for classification: use imagenet, or start from recipes/finetune.yaml");
    refuse(BASE "augment: {mosaic: 0.5}\n",
           "r.yaml:3: augment.mosaic: is of kind detection: remove the key, or set augment.kind to "
           "detection");
    refuse(BASE "augment: {kind: imagenet, hsv: [0, 0.1, 0]}\n",
           "r.yaml:3: augment.hsv: is of kind detection: remove the key, or set augment.kind to "
           "detection");
    accept(BASE);
    ck_assert_int_eq(recipe.augment.kind, WELD_AUGMENT_IMAGENET);
    ck_assert_double_eq(recipe.augment.mixup, 0.8);
    ck_assert_double_eq(recipe.augment.mosaic, 0);
    ck_assert_double_eq(recipe.augment.hsv[1], 0);
}
END_TEST

/* Its keys are not those of this network. */
START_TEST(a_recipe_for_another_task_is_told_as_that) {
    refuse(
        FINDS "loss: {label_smoothing: 0.1}\n",
        "r.yaml:3: loss.label_smoothing: is for networks for classification, and this one is for "
        "detection, whose loss has box, class, dfl, scale, topk and small_objects: remove the key, "
        "or start from recipes/finetune_detector.yaml");
    ck_assert_int_eq(parse(FINDS "loss: {kind: bce}\n"), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "loss.kind: is for networks for classification, and "
                                              "this one is for detection, whose loss has box, "));
    refuse(BASE "loss: {dfl: 1.5}\n",
           "r.yaml:3: loss.dfl: is for networks for detection, and this one is for classification, "
           "whose loss has kind, label_smoothing and class_weights: remove the key, or start from "
           "recipes/finetune.yaml");
    refuse("model: {name: repvit_m0_9, max_channels: 512}\ndata: {train: photos}\n",
           "r.yaml:1: model.max_channels: is for networks for detection, and this one is for "
           "classification: remove the key, or start from recipes/finetune.yaml");
    /* A key that networks of both tasks have. */
    refuse("model: {name: repvit_m0_9, depth: 2}\ndata: {train: photos}\n",
           "r.yaml:1: model.depth: unknown key: did you mean depths?");
}
END_TEST

START_TEST(one_class_of_whole_images_leaves_nothing_to_learn) {
    refuse("model: {name: repvit_m0_9}\ndata: {train: photos, classes: [cat]}\n",
           "r.yaml:2: data.classes: is one class: of images of it alone there is nothing to learn: "
           "name two or more");
}
END_TEST

START_TEST(a_family_says_all_that_must_be_given) {
    refuse("model: {name: yolo11_on, backbone: regnety_002}\ndata: {train: photos}\n",
           "r.yaml: model.width: missing: a family name takes backbone, width, depth, max_channels "
           "and nested");
}
END_TEST

START_TEST(detectors_have_mosaics_unless_they_say_otherwise) {
    accept(FINDS);
    ck_assert_int_eq(recipe.augment.kind, WELD_AUGMENT_DETECTION);
    ck_assert_double_eq(recipe.augment.mosaic, 1);
    ck_assert_double_eq(recipe.augment.scale, 0.5);
    ck_assert_int_eq(recipe.augment.close_mosaic, 10);
    ck_assert_int_eq(recipe.augment.repeats, 1);
    ck_assert_str_eq(recipe.augment.auto_augment, "none");
    ck_assert_double_eq(recipe.augment.mixup, 0);
    accept(FINDS "augment: {hsv: [0, 0.5, 0.25], blend: 0.1, degrees: 10, repeats: 2}\n");
    ck_assert_double_eq(recipe.augment.hsv[2], 0.25);
    ck_assert_int_eq(recipe.augment.repeats, 2);
    accept(FINDS "augment: {kind: imagenet, hflip: 0}\n");
    ck_assert_double_eq(recipe.augment.mosaic, 0);
    ck_assert_double_eq(recipe.augment.mixup, 0);
    ck_assert_double_eq(recipe.augment.random_erasing, 0.25);
}
END_TEST

START_TEST(what_does_not_go_with_boxes_is_refused) {
    refuse(FINDS "augment:\n  kind: detection\n  mixup: 0.2\n",
           "r.yaml:5: augment.mixup: mixes batches: of kind detection there is augment.blend: set "
           "it to 0");
    refuse(
        FINDS "augment: {auto_augment: rand}\n",
        "r.yaml:3: augment.auto_augment: is not of kind detection, which has augment.hsv: set it "
        "to none");
    refuse(FINDS "augment: {kind: imagenet, cutmix: 1}\n",
           "r.yaml:3: augment.cutmix: moves or mixes images and not what is said of their parts: "
           "remove the key; augment.kind detection has mosaics and more");
    refuse("model: {name: yolo11n}\ndata:\n  train: photos.json\n  resize: squash\n",
           "r.yaml:4: data.resize: augment.kind detection shows whole images: use letterbox");
    refuse(FINDS "augment: {scale: 1}\n",
           "r.yaml:3: augment.scale: 1 is out of range: give 0 to 0.95");
    refuse(FINDS "augment: {perspective: 0.01}\n",
           "r.yaml:3: augment.perspective: 0.01 is out of range: give 0 to 0.001");
    refuse(
        FINDS "augment: {kind: imagenet, perspective: 0.0005}\n",
        "r.yaml:3: augment.perspective: is of kind detection: remove the key, or set augment.kind "
        "to detection");
    refuse(FINDS "augment: {hsv: [0.1, 0.2]}\n",
           "r.yaml:3: augment.hsv: takes a list of 3 values, as [1, 2, 3]");
}
END_TEST

START_TEST(the_end_of_mosaics_is_fitted_with_the_run) {
    accept(FINDS "train: {epochs: 100}\n");
    weld_recipe_fit(&recipe, 30);
    ck_assert_int_eq(recipe.augment.close_mosaic, 3);
    weld_recipe_fit(&recipe, 2);
    ck_assert_int_eq(recipe.augment.close_mosaic, 1);
}
END_TEST

static void write_and_read(const char *recipe_text) {
    char *text, *again;
    accept(recipe_text);
    ck_assert_int_eq(weld_recipe_text(&recipe, &text, &err), WELD_OK);
    accept(text);
    ck_assert_int_eq(weld_recipe_text(&recipe, &again, &err), WELD_OK);
    ck_assert_str_eq(text, again);
    weld_free(text);
    weld_free(again);
}

START_TEST(what_is_written_is_read_again) {
    write_and_read(BASE);
    ck_assert_double_eq(recipe.augment.mosaic, 0);
    write_and_read(FINDS "augment: {mosaic: 0.75, close_mosaic: 3}\n");
    ck_assert_double_eq(recipe.augment.mosaic, 0.75);
    ck_assert_int_eq(recipe.augment.close_mosaic, 3);
    write_and_read(BASE "augment: {kind: none}\n");
    ck_assert_double_eq(recipe.augment.mosaic, 0);
    write_and_read(FINDS "augment: {kind: none, mosaic: 0.5}\n");
    ck_assert_double_eq(recipe.augment.mosaic, 0.5);
}
END_TEST

static void expect_told(const char *augment, const char *line) {
    char text[400];
    weld_text notes = WELD_TEXT;
    snprintf(text, sizeof text, FINDS "%s", augment);
    ck_assert_msg(!weld_recipe_parse("r.yaml", text, strlen(text), NULL, 0, &recipe, &err), "%s",
                  err.message);
    weld_recipe_tell_augment(&recipe, &notes);
    ck_assert_str_eq(weld_text_get(&notes), line);
    weld_text_free(&notes);
}

START_TEST(what_kind_none_switches_off_is_told) {
    expect_told("augment: {kind: none, mosaic: 0.5, translate: 0, hsv: [0, 0.7, 0.4]}\n",
                "augment.kind none: there is no mosaic, hsv, which the recipe sets: images are as "
                "in evaluation\n");
    expect_told("augment: {kind: none}\n", "");
    expect_told("augment: {mosaic: 0.5}\n", "");
}
END_TEST

RUN_SUITE("recipe/augment_keys", what_kind_none_switches_off_is_told,
          networks_that_name_images_have_no_mosaics, a_recipe_for_another_task_is_told_as_that,
          one_class_of_whole_images_leaves_nothing_to_learn, a_family_says_all_that_must_be_given,
          detectors_have_mosaics_unless_they_say_otherwise, what_does_not_go_with_boxes_is_refused,
          the_end_of_mosaics_is_fitted_with_the_run, what_is_written_is_read_again)
