/* Texts beside tensors: what they say, and that they come back. */
#include "suite.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/memory.h"
#include "models/models.h"
#include "serialization/model_metadata.h"
#include "serialization/model_text.h"

static weld_model_file example(void) {
    static char *names[] = {"cat", "d\"og\n", "gr\xc3\xbcn", "\xff\xfe odd \x80"};
    weld_model_file mf = {.preprocessing = {.height = 64,
                                            .width = 64,
                                            .crop_fraction = 0.875,
                                            .interpolation = WELD_BILINEAR,
                                            .mean = {0.1F, 0.2F, 0.3F},
                                            .std = {0.5F, 0.25F, 1}},
                          .class_names = names,
                          .summary = "{\"epochs\": 3}"};
    ck_assert_int_eq(weld_model_config_named("repvit_m0_9", &mf.config, NULL), WELD_OK);
    mf.config.num_classes = 4;
    return mf;
}

static const char *text_of(const weld_metadata *m, const char *key) {
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->items[i].key, key) == 0) {
            return m->items[i].text;
        }
    }
    return NULL;
}

START_TEST(texts_come_back_as_they_were) {
    weld_model_file mf = example();
    weld_metadata m;
    weld_error err;
    ck_assert_int_eq(weld_metadata_create(&mf, &m, &err), WELD_OK);
    ck_assert_str_eq(text_of(&m, WELD_METADATA_VERSION), weld_version());
    ck_assert_str_eq(text_of(&m, WELD_METADATA_FORM), WELD_FORM_TRAINING);
    ck_assert_str_eq(text_of(&m, WELD_METADATA_SUMMARY), mf.summary);
    weld_model_config config;
    weld_preprocessing p;
    char **names;
    ck_assert_int_eq(
        weld_model_config_from_text(text_of(&m, WELD_METADATA_CONFIG), "config", &config, &err),
        WELD_OK);
    ck_assert_str_eq(config.name, "repvit_m0_9");
    ck_assert_int_eq(config.num_classes, 4);
    ck_assert_int_eq(
        weld_preprocessing_from_text(text_of(&m, WELD_METADATA_PREPROCESSING), "p", &p, &err),
        WELD_OK);
    ck_assert_int_eq(p.height, 64);
    ck_assert_double_eq(p.crop_fraction, 0.875);
    ck_assert_int_eq(p.interpolation, WELD_BILINEAR);
    ck_assert_mem_eq(p.mean, mf.preprocessing.mean, sizeof p.mean);
    static const unsigned char mean[] = {26, 51, 76}; /* what a letterbox would have around it */
    ck_assert_mem_eq(p.padding, mean, sizeof p.padding);
    ck_assert_mem_eq(p.std, mf.preprocessing.std, sizeof p.std);
    ck_assert_int_eq(weld_class_names_from_text(text_of(&m, WELD_METADATA_CLASS_NAMES), "names", 4,
                                                &names, &err),
                     WELD_OK);
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(names[i], mf.class_names[i]);
    }
    weld_class_names_free(names, 4);
    weld_metadata_free(&m);
    ck_assert_uint_eq(m.count, 0);
}
END_TEST

/* Nothing is said of it where it is what it always was. */
START_TEST(the_white_of_16_bit_grey_is_kept) {
    weld_preprocessing p = example().preprocessing, back;
    char *text;
    weld_error err;
    for (p.scale16 = 0; p.scale16 <= 255; p.scale16 += 255) {
        ck_assert_int_eq(weld_preprocessing_to_text(&p, &text, &err), WELD_OK);
        ck_assert_ptr_null(strstr(text, "scale16"));
        ck_assert_int_eq(weld_preprocessing_from_text(text, "p", &back, &err), WELD_OK);
        ck_assert_int_eq(back.scale16, 255);
        weld_free(text);
    }
    p.scale16 = 4095;
    ck_assert_int_eq(weld_preprocessing_to_text(&p, &text, &err), WELD_OK);
    ck_assert_int_eq(weld_preprocessing_from_text(text, "p", &back, &err), WELD_OK);
    ck_assert_int_eq(back.scale16, 4095);
    char *value = strstr(text, "4095");
    ck_assert_ptr_nonnull(value);
    memcpy(value, " 254", 4);
    ck_assert_int_eq(weld_preprocessing_from_text(text, "p", &back, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, "scale16") != NULL, "%s", err.message);
    weld_free(text);
    p.scale16 = 254;
    ck_assert_int_eq(weld_preprocessing_to_text(&p, &text, &err), WELD_ERROR_ARGUMENT);
}
END_TEST

START_TEST(what_is_unknown_is_absent) {
    weld_model_file mf = example();
    weld_metadata m;
    mf.kind = WELD_MODEL_DEPLOY;
    mf.class_names = NULL;
    mf.summary = NULL;
    ck_assert_int_eq(weld_metadata_create(&mf, &m, NULL), WELD_OK);
    ck_assert_str_eq(text_of(&m, WELD_METADATA_FORM), WELD_FORM_MERGED);
    ck_assert_ptr_null(text_of(&m, WELD_METADATA_CLASS_NAMES));
    ck_assert_ptr_null(text_of(&m, WELD_METADATA_SUMMARY));
    weld_metadata_free(&m);
}
END_TEST

/* The text of a configuration without one of its keys. */
static char *without(const weld_model_config *config, const char *key) {
    char *text;
    ck_assert_int_eq(weld_model_config_to_text(config, &text, NULL), WELD_OK);
    json_t *root = json_loads(text, 0, NULL);
    weld_free(text);
    ck_assert_msg(json_object_del(root, key) == 0, "there is no %s", key);
    text = json_dumps(root, 0);
    json_decref(root);
    return text;
}

/* Files of a version that had fewer keys open, as what networks were then; but sizes cannot lack.
 */
START_TEST(keys_that_came_later_may_be_absent) {
    weld_model_config config, read;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named("mobilenetv3_small_050", &config, NULL), WELD_OK);
    char *text = without(&config, "padding");
    ck_assert_int_eq(weld_model_config_from_text(text, "x.h5: config", &read, &err), WELD_OK);
    ck_assert_ptr_null(weld_model_difference(&read, &config, WELD_KEY_SIZE | WELD_KEY_UNTOLD));
    free(text);
    text = without(&config, "stem_channels");
    ck_assert_int_eq(weld_model_config_from_text(text, "x.h5: config", &read, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "x.h5: config: no stem_channels: the file was not made by weld");
    free(text);
}
END_TEST

START_TEST(class_names_that_are_none_are_refused) {
    const char *bad[] = {"[\"a\"]",        "[\"a\", \"b\", \"c\"]", "{\"a\": 1, \"b\": 2}",
                         "[\"a\", 3]",     "[\"a\", [0]]",          "[\"a\", [256]]",
                         "[\"a\", [1.5]]", "[\"a\", \"\\u0000\"]",  "[\"a\"",
                         "[\"a\", null]",  "[\"a\", \"\xff\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char **names = NULL;
        weld_error err = {0};
        ck_assert_msg(weld_class_names_from_text(bad[i], "x.onnx: names", 2, &names, &err) ==
                          WELD_ERROR_FORMAT,
                      "%s", bad[i]);
        ck_assert_ptr_null(names);
        ck_assert_ptr_nonnull(strstr(err.message, "x.onnx: names: "));
    }
}
END_TEST

START_TEST(memory_that_is_short_is_an_error_and_no_leak) {
    weld_model_file mf = example();
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        weld_metadata m = {0};
        char **names = NULL;
        ck_assert_int_lt(n, 100);
        weld_memory_fail_after(n);
        status = weld_metadata_create(&mf, &m, NULL);
        if (status == WELD_OK) {
            status = weld_class_names_from_text(text_of(&m, WELD_METADATA_CLASS_NAMES), "names", 4,
                                                &names, NULL);
        }
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_class_names_free(names, 4);
        weld_metadata_free(&m);
    }
}
END_TEST

static long json_left = -1; /* allocations until the one that finds no memory; negative: none */

static void *allocate_for_json(size_t size) {
    return json_left >= 0 && json_left-- == 0 ? NULL : malloc(size);
}

/* A network that is handed the images as another one would, because a member got lost, is wrong. */
START_TEST(preprocessing_is_written_whole_or_not_at_all) {
    weld_preprocessing p = example().preprocessing;
    char *whole, *text;
    weld_error err;
    p.orientation = WELD_ORIENTATION_EXIF;
    p.max_pixels = 1000000;
    p.scale16 = 4095;
    p.resize = WELD_FIT_LETTERBOX;
    ck_assert_int_eq(weld_preprocessing_to_text(&p, &whole, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(whole, "exif"));
    ck_assert_ptr_nonnull(strstr(whole, "1000000"));
    json_set_alloc_funcs(allocate_for_json, free);
    weld_status status = WELD_ERROR_MEMORY;
    long n = 0;
    for (; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 1000);
        json_left = n;
        status = weld_preprocessing_to_text(&p, &text, &err);
        json_left = -1;
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%s", err.message);
    }
    json_set_alloc_funcs(malloc, free);
    ck_assert_int_gt(n, 1);
    ck_assert_str_eq(text, whole);
    weld_free(text);
    weld_free(whole);
}
END_TEST

RUN_SUITE("serialization/metadata", texts_come_back_as_they_were, the_white_of_16_bit_grey_is_kept,
          what_is_unknown_is_absent, keys_that_came_later_may_be_absent,
          class_names_that_are_none_are_refused, memory_that_is_short_is_an_error_and_no_leak,
          preprocessing_is_written_whole_or_not_at_all)
