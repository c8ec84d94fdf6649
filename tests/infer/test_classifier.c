/* Images to probabilities. */
#include "infer/colours.h"
#include "suite.h"

static weld_classifier *create(const weld_model *m) {
    weld_classifier *c;
    weld_error err;
    ck_assert_msg(weld_classifier_create(m, 1, &c, &err) == WELD_OK, "%s", err.message);
    return c;
}

static int largest(const float *p) {
    int best = 0;
    for (int i = 1; i < COLOURS; i++) {
        best = p[i] > p[best] ? i : best;
    }
    return best;
}

START_TEST(probabilities_are_the_softmax_of_the_logits) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_model *m = colours_open(&folder, 2);
    weld_classifier *c = create(m);
    float p[COLOURS];
    ck_assert_int_eq(weld_classifier_run_file(c, test_path(&data, "red/a.jpg"), p, NULL), WELD_OK);
    ck_assert_str_eq(weld_model_class_name(m, largest(p)), "red");
    ck_assert_double_eq_tol(p[2], exp(2) / (exp(2) + 2), 0.01);
    ck_assert_double_eq_tol((double)p[0] + p[1] + p[2], 1, 1e-6);
    ck_assert_int_eq(weld_classifier_run_file(c, test_path(&data, "green/b.jpg"), p, NULL),
                     WELD_OK);
    ck_assert_str_eq(weld_model_class_name(m, largest(p)), "blue");
    weld_classifier_free(c);
    weld_model_free(m);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(a_file_its_bytes_and_its_pixels_are_the_same_image) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_model *m = colours_open(&folder, 2);
    weld_classifier *c = create(m);
    const char *path = test_path(&data, "blue/b.jpg");
    float by_file[COLOURS], by_bytes[COLOURS], by_pixels[COLOURS];
    size_t size;
    unsigned char *bytes = test_read_file(path, &size);
    weld_image image = {0};
    ck_assert_int_eq(weld_decode_image(bytes, size, 0, &image, NULL), WELD_OK);
    ck_assert_int_eq(weld_classifier_run_file(c, path, by_file, NULL), WELD_OK);
    ck_assert_int_eq(weld_classifier_run_bytes(c, bytes, size, by_bytes, NULL), WELD_OK);
    ck_assert_int_eq(
        weld_classifier_run_rgb(c, image.pixels, image.width, image.height, by_pixels, NULL),
        WELD_OK);
    ck_assert_mem_eq(by_file, by_bytes, sizeof by_file);
    ck_assert_mem_eq(by_file, by_pixels, sizeof by_file);
    free(bytes);
    weld_image_free(&image);
    weld_classifier_free(c);
    weld_model_free(m);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(what_is_no_image_is_refused_and_the_next_one_still_classified) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_model *m = colours_open(&folder, 2);
    weld_classifier *c = create(m);
    weld_error err;
    float p[COLOURS];
    ck_assert_int_eq(weld_classifier_run_file(c, test_path(&data, "nowhere.jpg"), p, &err),
                     WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "nowhere.jpg"));
    test_write_file(test_path(&data, "text.jpg"), "text", 4);
    ck_assert_int_eq(weld_classifier_run_file(c, test_path(&data, "text.jpg"), p, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "text.jpg"));
    ck_assert_int_eq(weld_classifier_run_bytes(c, "", 0, p, &err), WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_classifier_run_rgb(c, (const unsigned char *)"", 0, 5, p, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_classifier_run_file(c, test_path(&data, "red/b.jpg"), p, &err), WELD_OK);
    ck_assert_int_eq(largest(p), 2);
    weld_classifier_free(c);
    weld_model_free(m);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(weights_that_are_not_finite_give_no_probabilities) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_model *m = colours_open(&folder, NAN);
    weld_classifier *c = create(m);
    float p[COLOURS];
    ck_assert_int_eq(weld_classifier_run_file(c, test_path(&data, "red/a.jpg"), p, NULL),
                     WELD_ERROR_NUMERIC);
    weld_classifier_free(c);
    weld_model_free(m);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

RUN_SUITE("infer/classifier", probabilities_are_the_softmax_of_the_logits,
          a_file_its_bytes_and_its_pixels_are_the_same_image,
          what_is_no_image_is_refused_and_the_next_one_still_classified,
          weights_that_are_not_finite_give_no_probabilities)
