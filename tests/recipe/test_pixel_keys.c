/* What a teacher's cache remembers of the images that it was made of. */
#include "recipe/pixel_keys.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "suite.h"

static weld_recipe read_recipe(const char *augment) {
    static weld_recipe r;
    weld_error err = {0};
    char text[300];
    const int length =
        snprintf(text, sizeof text, "model: {name: repvit_m0_9}\ndata: {train: x}\naugment: {%s}\n",
                 augment);
    ck_assert_msg(!weld_recipe_parse("r.yaml", text, (size_t)length, NULL, 0, &r, &err), "%s",
                  err.message);
    return r;
}

/* Take the line of a key out of a cache's text, as if it had been made before there was the key. */
static void forget(char *text, const char *key) {
    char *line = strstr(text, key);
    ck_assert_ptr_nonnull(line);
    const char *end = strchr(line, '\n') + 1;
    memmove(line, end, strlen(end) + 1);
}

START_TEST(a_cache_older_than_a_key_fits_recipes_that_do_not_set_it) {
    static const char *const younger[] = {"augment.vflip", "data.resize", "data.padding",
                                          "data.scale16"};
    const weld_recipe plain = read_recipe(""), flipped = read_recipe("vflip: 0.5");
    char *text;
    weld_error err = {0};
    ck_assert_int_eq(weld_pixel_keys_text(&plain, &text, NULL), WELD_OK);
    for (size_t i = 0; i < sizeof younger / sizeof *younger; i++) {
        forget(text, younger[i]);
    }
    ck_assert_int_eq(weld_pixel_keys_check(&plain, text, "old.safetensors", NULL), WELD_OK);
    ck_assert_int_eq(weld_pixel_keys_check(&flipped, text, "old.safetensors", &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "old.safetensors: was made with augment.vflip 0, the recipe "
                                      "has '0.5'") != NULL,
                  "%s", err.message);
    forget(text, "augment.hflip");
    ck_assert_int_eq(weld_pixel_keys_check(&plain, text, "old.safetensors", &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "augment.hflip unknown") != NULL, "%s", err.message);
    weld_free(text);
}
END_TEST

START_TEST(a_number_may_have_been_written_in_another_way) {
    const weld_recipe plain = read_recipe("");
    char *text;
    weld_error err = {0};
    ck_assert_int_eq(weld_pixel_keys_text(&plain, &text, NULL), WELD_OK);
    forget(text, "augment.hflip");
    char other[4096];
    snprintf(other, sizeof other, "%saugment.hflip: 5.0e-01\n", text);
    ck_assert_int_eq(weld_pixel_keys_check(&plain, other, "old.safetensors", NULL), WELD_OK);
    snprintf(other, sizeof other, "%saugment.hflip: 5.0e-02\n", text);
    ck_assert_int_eq(weld_pixel_keys_check(&plain, other, "old.safetensors", &err),
                     WELD_ERROR_ARGUMENT);
    weld_free(text);
}
END_TEST

RUN_SUITE("recipe/pixel_keys", a_cache_older_than_a_key_fits_recipes_that_do_not_set_it,
          a_number_may_have_been_written_in_another_way)
