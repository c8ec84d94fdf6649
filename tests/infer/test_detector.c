/* Images to boxes, by a network whose boxes are known and whose scores are the image's colour. */
#include "infer/colour_detector.h"
#include "infer/image_runner.h"
#include "infer/model.h"
#include "models/models.h"
#include "suite.h"
#include "weld/detect.h"

enum { ROOM = 10 };

/* Twice as wide as the input, of one colour. */
static weld_image picture(int red, int green) {
    weld_image image = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, 2 * SIZE, SIZE, NULL), WELD_OK);
    for (int i = 0; i < 2 * SIZE * SIZE; i++) {
        image.pixels[3 * i] = (uint8_t)red;
        image.pixels[3 * i + 1] = (uint8_t)green;
        image.pixels[3 * i + 2] = 0;
    }
    return image;
}

/* How many are found in it, in this way. */
static int find(const weld_model *m, const weld_detector_options *options, int red, int green,
                weld_found found[ROOM]) {
    weld_image image = picture(red, green);
    weld_detector *d;
    weld_error err;
    int count = -1;
    ck_assert_msg(!weld_detector_create(m, options, &d, &err), "%s", err.message);
    ck_assert_msg(!weld_detector_run_rgb(d, image.pixels, image.width, image.height, found, ROOM,
                                         &count, &err),
                  "%s", err.message);
    weld_detector_free(d);
    weld_image_free(&image);
    return count;
}

static void check(const weld_found *f, int i, double score) {
    ck_assert_int_eq(f->class_index, scores[i].class_index);
    ck_assert_double_eq_tol(f->score, score, 1e-4);
    ck_assert_double_eq_tol(f->x, 2 * boxes[i][0], 1e-3);
    ck_assert_double_eq_tol(f->y, boxes[i][1], 1e-3);
    ck_assert_double_eq_tol(f->width, 2 * (boxes[i][2] - boxes[i][0]), 1e-3);
    ck_assert_double_eq_tol(f->height, boxes[i][3] - boxes[i][1], 1e-3);
}

START_TEST(boxes_are_told_in_pixels_of_the_image_best_first) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder);
    weld_found found[ROOM];
    ck_assert_int_eq(find(m, NULL, 204, 102, found), 3);
    check(&found[0], 0, 0.8);
    check(&found[1 + (found[1].class_index == 1 ? 1 : 0)], 1, 0.4);
    check(&found[1 + (found[1].class_index == 1 ? 0 : 1)], 2, 0.4);
    ck_assert_int_eq(find(m, NULL, 204, 51, found), 2); /* 0.2 is not above 0.25 */
    ck_assert_int_eq(find(m, NULL, 0, 0, found), 0);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(options_say_what_is_told) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder);
    weld_found found[ROOM];
    ck_assert_int_eq(find(m, &(weld_detector_options){.confidence = 0.1}, 204, 51, found), 3);
    ck_assert_int_eq(find(m, &(weld_detector_options){.confidence = 0.5}, 204, 102, found), 1);
    ck_assert_int_eq(find(m, &(weld_detector_options){.most = 2}, 204, 102, found), 2);
    /* Of the two the better one suppresses the other: they overlap by 0.75. */
    ck_assert_int_eq(find(m, &(weld_detector_options){.agnostic = 1}, 204, 102, found), 2);
    check(&found[0], 0, 0.8);
    check(&found[1], 2, 0.4);
    const weld_detector_options loose = {.agnostic = 1, .iou = 0.8};
    ck_assert_int_eq(find(m, &loose, 204, 102, found), 3);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_file_its_bytes_and_its_pixels_are_the_same_image) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder);
    const char *path = test_path(&folder, "a.jpg");
    weld_image image = picture(250, 120), decoded = {0};
    weld_bytes bytes = {0};
    weld_detector *d;
    weld_found by_file[ROOM], by_bytes[ROOM], by_pixels[ROOM];
    int of_file, of_bytes, of_pixels, of_little_room;
    ck_assert(!weld_encode_jpeg(&image, 90, &bytes, NULL));
    test_write_file(path, bytes.data, bytes.size);
    ck_assert(!weld_decode_image(bytes.data, bytes.size, 0, &decoded, NULL));
    ck_assert(!weld_detector_create(m, NULL, &d, NULL));
    ck_assert(!weld_detector_run_file(d, path, by_file, ROOM, &of_file, NULL));
    ck_assert(!weld_detector_run_bytes(d, bytes.data, bytes.size, by_bytes, ROOM, &of_bytes, NULL));
    ck_assert(!weld_detector_run_rgb(d, decoded.pixels, decoded.width, decoded.height, by_pixels,
                                     ROOM, &of_pixels, NULL));
    ck_assert_int_eq(of_file, 3);
    ck_assert_int_eq(of_bytes, 3);
    ck_assert_int_eq(of_pixels, 3);
    ck_assert_mem_eq(by_file, by_bytes, 3 * sizeof *by_file);
    ck_assert_mem_eq(by_file, by_pixels, 3 * sizeof *by_file);
    ck_assert(!weld_detector_run_file(d, path, by_bytes, 1, &of_little_room, NULL));
    ck_assert_int_eq(of_little_room, 1);
    ck_assert_mem_eq(by_file, by_bytes, sizeof *by_file);
    weld_detector_free(d);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    weld_image_free(&decoded);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_is_no_image_is_refused_and_the_next_one_still_seen) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder);
    weld_image image = picture(204, 102);
    weld_detector *d;
    weld_found found[ROOM];
    weld_error err;
    int count;
    ck_assert(!weld_detector_create(m, NULL, &d, NULL));
    ck_assert_int_eq(
        weld_detector_run_file(d, test_path(&folder, "no.jpg"), found, ROOM, &count, &err),
        WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "no.jpg"));
    ck_assert_int_eq(weld_detector_run_bytes(d, "text", 4, found, ROOM, &count, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_detector_run_rgb(d, image.pixels, 0, 5, found, ROOM, &count, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert(!weld_detector_run_rgb(d, image.pixels, image.width, image.height, found, ROOM,
                                     &count, &err));
    ck_assert_int_eq(count, 3);
    weld_detector_free(d);
    weld_image_free(&image);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(options_beyond_their_range_and_classifiers_are_refused) {
    static const weld_detector_options wrong[] = {
        {.confidence = 1.5}, {.confidence = -0.1}, {.confidence = NAN}, {.iou = 1.1},
        {.iou = NAN},        {.most = -1},         {.most = 30001}};
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder), *classifier = colours_open(&folder, 2);
    weld_detector *d;
    weld_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(weld_detector_create(m, &wrong[i], &d, &err), WELD_ERROR_ARGUMENT);
        ck_assert_ptr_null(d);
    }
    ck_assert_ptr_nonnull(strstr(err.message, "30001"));
    ck_assert_int_eq(weld_detector_create(classifier, NULL, &d, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_null(d);
    ck_assert_str_eq(err.message, "the network is for classification: it finds no boxes");
    weld_model_free(m);
    weld_model_free(classifier);
    test_folder_remove(folder);
}
END_TEST

/* Black, but for one of sixteen squares, which is red. */
static weld_image mostly_black(void) {
    weld_image image = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, 4 * SIZE, 4 * SIZE, NULL), WELD_OK);
    memset(image.pixels, 0, (size_t)48 * SIZE * SIZE);
    for (int y = 2 * SIZE; y < 3 * SIZE; y++) {
        for (int x = SIZE; x < 2 * SIZE; x++) {
            image.pixels[3 * (4 * SIZE * y + x)] = 255;
        }
    }
    return image;
}

/* What is said of it in text, with tiles of `side` pixels. */
static weld_text say(const weld_model *m, int threads, int side) {
    weld_image image = mostly_black();
    const weld_task *task = weld_model_task(m);
    const weld_labels labels = weld_model_labels(m);
    const weld_tiling tiling = {.side = side};
    unsigned char values[WELD_TASK_VALUES_SIZE];
    weld_question question = {.labels = &labels, .values = values};
    weld_array tiles = {.element = 1};
    weld_text text = WELD_TEXT;
    const weld_tensor *outputs;
    weld_image_runner *r;
    ck_assert(!weld_task_answer_values(task, false, NULL, 0, values, NULL));
    ck_assert(!weld_image_runner_create(m, threads, &r, NULL));
    ck_assert(!weld_image_runner_gather(r, &image, &tiling, &question, &tiles, NULL));
    ck_assert(
        !weld_image_runner_run_rgb(r, image.pixels, image.width, image.height, &outputs, NULL));
    question.placement = weld_image_runner_placement(r);
    question.tiles = &tiles;
    ck_assert(!task->answer(outputs, &question, &text, NULL, NULL));
    weld_array_free(&tiles);
    weld_image_runner_free(r);
    weld_image_free(&image);
    return text;
}

/* All of it is one sixteenth as red as one of its tiles, which is surely enough. */
START_TEST(what_is_small_in_a_large_image_is_found_in_its_tiles) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder);
    weld_text whole = say(m, 1, 0), too_large = say(m, 1, 4 * SIZE), tiles = say(m, 1, SIZE),
              of_threads = say(m, 3, SIZE);
    ck_assert_str_eq(weld_text_get(&whole), "  nothing\n");
    ck_assert_str_eq(weld_text_get(&too_large), "  nothing\n");
    ck_assert_str_eq(weld_text_get(&tiles), "  100.00 %  40.0, 72.0 to 48.0, 88.0  red\n"
                                            "   50.00 %  40.0, 72.0 to 46.0, 88.0  blue\n");
    ck_assert_str_eq(weld_text_get(&of_threads), weld_text_get(&tiles));
    weld_text_free(&whole);
    weld_text_free(&too_large);
    weld_text_free(&tiles);
    weld_text_free(&of_threads);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/detector", boxes_are_told_in_pixels_of_the_image_best_first,
          options_say_what_is_told, a_file_its_bytes_and_its_pixels_are_the_same_image,
          what_is_no_image_is_refused_and_the_next_one_still_seen,
          options_beyond_their_range_and_classifiers_are_refused,
          what_is_small_in_a_large_image_is_found_in_its_tiles)
