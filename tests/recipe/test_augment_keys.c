/* Keys of a recipe's augmentation: which kinds and networks they are of. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "recipe/recipe.h"
#include "suite.h"

#define BASE "model: {name: repvit_m0_9}\ndata: {train: photos}\n"

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
           "one is told one thing of an image: use imagenet");
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

START_TEST(what_is_written_is_read_again) {
    char *text, *again;
    accept(BASE);
    ck_assert_int_eq(weld_recipe_text(&recipe, &text, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(text, "mosaic: 0"));
    accept(text);
    ck_assert_int_eq(weld_recipe_text(&recipe, &again, &err), WELD_OK);
    ck_assert_str_eq(text, again);
    weld_free(text);
    weld_free(again);
}
END_TEST

RUN_SUITE("recipe/augment_keys", networks_that_name_images_have_no_mosaics,
          what_is_written_is_read_again)
