/* Which models are told from each other, as ranks must not have different ones. */
#include "infer/identity.h"

#include "base/memory.h"
#include "infer/colours.h"
#include "suite.h"

typedef char identity[WELD_MODEL_IDENTITY_SIZE];

static void identify(const weld_model *m, identity out) {
    weld_error err;
    ck_assert_msg(!weld_model_identity(m, out, &err), "%s", err.message);
}

enum { KINDS = 13 };

/* The first, and one for each thing that may be other: what images become differs. */
static void vary(weld_preprocessing p[KINDS]) {
    for (int i = 1; i < KINDS; i++) {
        p[i] = p[0];
    }
    p[1].height = 16;
    p[2].width = 16;
    p[3].resize = WELD_FIT_SQUASH;
    p[4].resize = p[5].resize = WELD_FIT_LETTERBOX;
    p[5].padding[2] = 1;
    p[6].crop_fraction = 0.9999999;
    p[7].interpolation = WELD_BICUBIC;
    p[8].mean[2] = 1e-6F;
    p[9].std[0] = 1.0000001F;
    p[10].scale16 = 256;
    p[11].orientation = WELD_ORIENTATION_EXIF;
    p[12].max_pixels = 1000;
}

START_TEST(models_that_see_other_pixels_are_others) {
    identity all[KINDS];
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    weld_preprocessing p[KINDS] = {*weld_model_get_preprocessing(m)};
    vary(p);
    for (int i = 0; i < KINDS; i++) {
        ck_assert_int_eq(weld_model_set_preprocessing(m, &p[i], NULL), WELD_OK);
        identify(m, all[i]);
        for (int k = 0; k < i; k++) {
            ck_assert_str_ne(all[k], all[i]);
        }
    }
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(so_are_those_of_other_weights_or_another_temperature_but_no_copies) {
    identity first, second;
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    identify(m, first);
    weld_model *again = models_open(test_path(&folder, "colours.h5"));
    identify(again, second);
    ck_assert_str_eq(first, second);
    again->file.temperature = 1.5;
    identify(again, second);
    ck_assert_str_ne(first, second);
    weld_model_free(again);
    again = colours_open(&folder, 2);
    identify(again, second);
    ck_assert_str_ne(first, second);
    weld_model_free(again);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(short_memory_is_an_error) {
    identity text;
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    weld_memory_fail_after(0);
    const weld_status status = weld_model_identity(m, text, NULL);
    weld_memory_fail_after(-1);
    ck_assert_int_eq(status, WELD_ERROR_MEMORY);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/identity", models_that_see_other_pixels_are_others,
          so_are_those_of_other_weights_or_another_temperature_but_no_copies,
          short_memory_is_an_error)
