/* Boxes of a data set as a step gets them, and what is said of a single image. */
#include "datasets/boxed.h"
#include "suite.h"
#include "tasks/detection/detection.h"

#define IMAGES                                                                                     \
    "\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": 100, \"height\": 80},"          \
    " {\"id\": 2, \"file_name\": \"b.jpg\", \"width\": 100, \"height\": 80}]"
#define CATEGORIES                                                                                 \
    "\"categories\": [{\"id\": 1, \"name\": \"cup\"}, {\"id\": 2, \"name\": \"cat\"}]"

static const weld_task *task = &weld_task_detection;

/* A data set of two images with these annotations. */
static weld_dataset *open_set(test_folder *f, const char *annotations) {
    char text[4000];
    *f = test_folder_create();
    put_image(f, "a.jpg", 100, 80);
    put_image(f, "b.jpg", 100, 80);
    snprintf(text, sizeof text, "{%s, \"annotations\": [%s], %s}", IMAGES, annotations, CATEGORIES);
    test_put_file(f, "set.json", text);
    return open_dataset(test_path(f, "set.json"));
}

/* All of an image of 100 x 80, `scale` times as large and shifted, in a sample of 64 x 64. */
static weld_placement at(double sx, double sy, double x, double y) {
    return (weld_placement){
        .width = 100,
        .height = 80,
        .scale = {sx, sy},
        .shift = {x, y},
        .extent = {-1e9, -1e9, 1e9, 1e9},
        .cell = {0, 0, 64, 64},
    };
}

/* What is left of the boxes of the first image, placed so. */
static weld_array place(const weld_dataset *ds, weld_placement p) {
    weld_array boxes = {.element = task->annotation->element};
    ck_assert_int_eq(task->annotation->read(ds, 0, &boxes, NULL), WELD_OK);
    task->annotation->place(&boxes, 0, &p);
    return boxes;
}

static void expect_placed(const weld_array *boxes, size_t i, int class_index, float x1, float y1,
                          float x2, float y2) {
    ck_assert_uint_lt(i, boxes->count);
    const weld_placed_box *b = &((const weld_placed_box *)boxes->data)[i];
    ck_assert_int_eq(b->class_index, class_index);
    ck_assert_float_eq_tol(b->x1, x1, 1e-4f);
    ck_assert_float_eq_tol(b->y1, y1, 1e-4f);
    ck_assert_float_eq_tol(b->x2, x2, 1e-4f);
    ck_assert_float_eq_tol(b->y2, y2, 1e-4f);
}

static uint32_t flags_of(const weld_array *boxes, size_t i) {
    return ((const weld_placed_box *)boxes->data)[i].flags;
}

START_TEST(boxes_go_where_their_pixels_go) {
    test_folder f;
    weld_dataset *ds = open_set(
        &f, "{\"id\": 1, \"image_id\": 1, \"category_id\": 2, \"bbox\": [10, 20, 30, 40]}");
    weld_array boxes = place(ds, at(0.5, 0.5, 3, 7));
    ck_assert_uint_eq(boxes.count, 1);
    expect_placed(&boxes, 0, 1, 8, 17, 23, 37);
    weld_array_free(&boxes);
    /* A mirror image: x becomes 60 - x / 2. */
    boxes = place(ds, at(-0.5, 0.5, 60, 0));
    expect_placed(&boxes, 0, 1, 40, 10, 55, 30);
    weld_array_free(&boxes);
    /* What hangs over the sample is cut off. */
    boxes = place(ds, at(1, 1, -20, 30));
    expect_placed(&boxes, 0, 1, 0, 50, 20, 64);
    weld_array_free(&boxes);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(what_is_hardly_seen_is_left_out) {
    test_folder f;
    weld_dataset *ds =
        open_set(&f, "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [40, 10, 40, 40]},"
                     "{\"id\": 2, \"image_id\": 1, \"category_id\": 2, \"bbox\": [0, 0, 4, 60]},"
                     "{\"id\": 3, \"image_id\": 1, \"category_id\": 2, \"bbox\": [0, 0, 0, 6]}");
    /* Half the size: the second is 2 wide, which is too little. It is there to be counted. */
    weld_array boxes = place(ds, at(0.5, 0.5, 0, 0));
    ck_assert_uint_eq(boxes.count, 2);
    expect_placed(&boxes, 0, 0, 20, 5, 40, 25);
    ck_assert_uint_eq(flags_of(&boxes, 0), 0);
    ck_assert_uint_eq(flags_of(&boxes, 1), WELD_PLACED_TINY);
    weld_array_free(&boxes);
    /* So far down that a sixth of it is cut off: nobody would say that it was small. */
    boxes = place(ds, at(0.5, 0.5, 0, 39));
    ck_assert_uint_eq(boxes.count, 1);
    weld_array_free(&boxes);
    boxes = place(ds, at(1, 1, 0, 39));
    ck_assert_uint_eq(boxes.count, 2);
    ck_assert_uint_eq(flags_of(&boxes, 0), WELD_PLACED_CUT);
    ck_assert_uint_eq(flags_of(&boxes, 1), WELD_PLACED_CUT);
    weld_array_free(&boxes);
    /* Of the first 4 of 40 columns are left: not more than a tenth. */
    boxes = place(ds, at(1, 1, 20, 0));
    ck_assert_uint_eq(boxes.count, 1);
    expect_placed(&boxes, 0, 1, 20, 0, 24, 60);
    weld_array_free(&boxes);
    boxes = place(ds, at(1, 1, 19, 0));
    ck_assert_uint_eq(boxes.count, 2);
    /* A canvas that has only those columns leaves all of what there is of it. */
    weld_array_free(&boxes);
    weld_placement p = at(1, 1, 20, 0);
    p.extent[2] = 64;
    boxes = place(ds, p);
    ck_assert_uint_eq(boxes.count, 2);
    weld_array_free(&boxes);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* One batch of both images, as they are. */
static void fill(const weld_dataset *ds, int parts, float *rows, size_t room) {
    const weld_target_options options = {.batch = 2, .parts = parts, .classes = 2};
    weld_array boxes[2];
    void *targets;
    weld_placement whole = at(1, 1, 0, 0);
    whole.cell = (weld_rectangle){0, 0, 100, 80};
    for (int i = 0; i < 2; i++) {
        boxes[i] = (weld_array){.element = task->annotation->element};
        ck_assert_int_eq(task->annotation->read(ds, i, &boxes[i], NULL), WELD_OK);
        task->annotation->place(&boxes[i], 0, &whole);
    }
    const weld_batch batch = {.count = 2, .annotations = boxes};
    ck_assert_int_eq(task->targets_create(ds, &options, &targets, NULL), WELD_OK);
    ck_assert_uint_eq(task->target_size(targets, 0) * 2, room);
    task->targets_fill(targets, &batch, &rows);
    task->targets_free(targets);
    weld_array_free(&boxes[0]);
    weld_array_free(&boxes[1]);
}

START_TEST(a_step_gets_all_boxes_of_any_sample_that_may_come) {
    test_folder f;
    weld_dataset *ds =
        open_set(&f, "{\"id\": 1, \"image_id\": 1, \"category_id\": 2, \"bbox\": [10, 20, 30, 40]},"
                     "{\"id\": 2, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 50, 50], "
                     "\"iscrowd\": 1}");
    float rows[2 * 2 * 4 * 6];
    fill(ds, 4, rows, sizeof rows / sizeof *rows);
    static const float expected[2][6] = {{1, 10, 20, 40, 60, 0}, {0, 0, 0, 50, 50, 1}};
    for (int k = 0; k < 6; k++) {
        ck_assert_float_eq(rows[k], expected[0][k]);
        ck_assert_float_eq(rows[6 + k], expected[1][k]);
    }
    for (int row = 2; row < 16; row++) { /* the rest of the first image, and the second */
        ck_assert_float_eq(rows[row * 6], -1);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_step_gets_what_is_too_small_last_and_counts_no_part) {
    test_folder f;
    weld_dataset *ds =
        open_set(&f, "{\"id\": 1, \"image_id\": 1, \"category_id\": 2, \"bbox\": [10, 20, 1, 40]},"
                     "{\"id\": 2, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 50, 1], "
                     "\"iscrowd\": 1},"
                     "{\"id\": 3, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 50, 50]}");
    float rows[2 * 3 * 6], *inputs[] = {rows};
    char text[64];
    fill(ds, 1, rows, sizeof rows / sizeof *rows);
    static const float expected[3][6] = {
        {0, 0, 0, 50, 50, 0}, {1, 10, 20, 11, 60, 3}, {-1, 0, 0, 0, 0, 0}};
    for (int k = 0; k < 12; k++) {
        ck_assert_float_eq(rows[k], expected[k / 6][k % 6]);
    }
    ck_assert_float_eq(rows[12], -1);
    const weld_target_options options = {.batch = 2, .parts = 1, .classes = 2};
    void *targets;
    ck_assert_int_eq(task->targets_create(ds, &options, &targets, NULL), WELD_OK);
    task->caption(targets, inputs, 0, WELD_CAPTION_PERCENT, text, sizeof text);
    ck_assert_str_eq(text, "1 box, 1 too small");
    task->caption(targets, inputs, 1, WELD_CAPTION_PERCENT, text, sizeof text);
    ck_assert_str_eq(text, "0 boxes");
    task->targets_free(targets);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Images of 100 x 80 in samples of 50 x 64: half as large. */
START_TEST(how_many_are_small_in_the_sample_is_told_before_training) {
    test_folder f;
    weld_dataset *ds =
        open_set(&f, "{\"id\": 1, \"image_id\": 1, \"category_id\": 2, \"bbox\": [10, 20, 15, 40]},"
                     "{\"id\": 2, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 5, 5], "
                     "\"iscrowd\": 1},"
                     "{\"id\": 3, \"image_id\": 2, \"category_id\": 1, \"bbox\": [0, 0, 40, 17]}");
    weld_target_options options = {.batch = 2, .parts = 1, .classes = 2, .height = 64, .width = 50};
    void *targets;
    weld_text text = WELD_TEXT;
    ck_assert_int_eq(task->targets_create(ds, &options, &targets, NULL), WELD_OK);
    ck_assert_int_eq(task->targets_tell(targets, &text, NULL), WELD_OK);
    ck_assert_ptr_nonnull(strstr(weld_text_get(&text), "50.0 % of the objects (1 of 2) are less "
                                                       "than 8 pixels wide or high in images of "
                                                       "50 x 64"));
    task->targets_free(targets);
    weld_text_free(&text);
    options.width = 54;
    text = WELD_TEXT;
    ck_assert_int_eq(task->targets_create(ds, &options, &targets, NULL), WELD_OK);
    ck_assert_int_eq(task->targets_tell(targets, &text, NULL), WELD_OK);
    ck_assert_str_eq(weld_text_get(&text), "");
    task->targets_free(targets);
    weld_text_free(&text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(folders_of_classes_have_nothing_to_detect) {
    test_folder f = test_folder_create();
    put_image(&f, "cat/a.jpg", 40, 40);
    put_image(&f, "dog/a.jpg", 40, 40);
    weld_dataset *ds = open_dataset(f.path);
    const weld_target_options options = {.batch = 1, .parts = 1, .classes = 2};
    void *targets;
    weld_error err;
    ck_assert_int_eq(task->targets_create(ds, &options, &targets, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "has no boxes"));
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* --- A single image: three cells, of which one says what another says --- */

static float boxes[3][4] = {{10, 20, 30, 60}, {11, 20, 30, 60}, {40, 0, 60, 10}};
static float scores[3][2] = {{0.1f, 0.9f}, {0, 0.8f}, {0.5f, 0.3f}};
static const weld_tensor outputs[] = {{WELD_F32, {3, {1, 3, 4}}, boxes},
                                      {WELD_F32, {3, {1, 3, 2}}, scores}};

START_TEST(answers_are_in_pixels_of_the_image) {
    static const char *const names[] = {"cup", "cat"};
    const weld_labels labels = {.count = 2, .names = names};
    const weld_placement p = at(0.5, 0.5, 10, 0); /* a box of 10..30 is 0..40 of the image */
    const weld_question question = {.labels = &labels, .placement = &p};
    json_t *json;
    ck_assert_int_eq(task->answer(outputs, &question, NULL, &json, NULL), WELD_OK);
    ck_assert_uint_eq(json_array_size(json), 2);
    const json_t *first = json_array_get(json, 0), *second = json_array_get(json, 1);
    ck_assert_str_eq(json_string_value(json_object_get(first, "class")), "cat");
    ck_assert_double_eq_tol(json_number_value(json_object_get(first, "score")), 0.9, 1e-6);
    ck_assert_double_eq_tol(json_number_value(json_object_get(first, "x")), 0, 1e-9);
    ck_assert_double_eq_tol(json_number_value(json_object_get(first, "y")), 40, 1e-9);
    ck_assert_double_eq_tol(json_number_value(json_object_get(first, "width")), 40, 1e-9);
    ck_assert_double_eq_tol(json_number_value(json_object_get(first, "height")), 40, 1e-9);
    ck_assert_str_eq(json_string_value(json_object_get(second, "class")), "cup");
    json_decref(json);

    weld_text lines = WELD_TEXT;
    ck_assert_int_eq(task->label_lines(outputs, &question, true, &lines, NULL), WELD_OK);
    ck_assert_str_eq(weld_text_get(&lines), "1 0.200000 0.750000 0.400000 0.500000 0.900000\n"
                                            "0 0.800000 0.125000 0.400000 0.250000 0.500000\n");
    weld_text_free(&lines);
    lines = WELD_TEXT;
    ck_assert_int_eq(task->label_lines(outputs, &question, false, &lines, NULL), WELD_OK);
    ck_assert_str_eq(weld_text_get(&lines), "1 0.200000 0.750000 0.400000 0.500000\n"
                                            "0 0.800000 0.125000 0.400000 0.250000\n");
    weld_text_free(&lines);
}
END_TEST

START_TEST(what_is_asked_decides_what_is_told) {
    const weld_labels labels = {.count = 2};
    const weld_placement p = at(1, 1, 0, 0);
    unsigned char values[WELD_TASK_VALUES_SIZE];
    const weld_question question = {.labels = &labels, .placement = &p, .values = values};
    static const struct {
        const char *key, *value;
        size_t count;
    } cases[] = {{"conf", "0.6", 1}, {"conf", "0.25", 2}, {"iou", "0.97", 3}, {"max_det", "1", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json;
        weld_keys_set_standard(task->answer_keys, task->answer_key_count, values);
        ck_assert_int_eq(
            weld_key_set(weld_key_find(task->answer_keys, task->answer_key_count, cases[i].key),
                         values, cases[i].value, NULL),
            WELD_OK);
        ck_assert_int_eq(task->answer(outputs, &question, NULL, &json, NULL), WELD_OK);
        ck_assert_uint_eq(json_array_size(json), cases[i].count);
        json_decref(json);
    }
}
END_TEST

START_TEST(two_networks_say_the_same_if_their_boxes_are) {
    float moved[3][4], other[3][2];
    memcpy(moved, boxes, sizeof moved);
    memcpy(other, scores, sizeof other);
    const weld_tensor others[] = {{WELD_F32, {3, {1, 3, 4}}, moved},
                                  {WELD_F32, {3, {1, 3, 2}}, other}};
    moved[0][0] += 0.5f;
    ck_assert(task->same_answer(outputs, others, 0));
    moved[0][0] += 2;
    ck_assert(!task->same_answer(outputs, others, 0));
    memcpy(moved, boxes, sizeof moved);
    other[2][0] = 0.2f; /* which leaves the other class of that cell */
    ck_assert(!task->same_answer(outputs, others, 0));
}
END_TEST

RUN_SUITE("tasks/detection/boxes", boxes_go_where_their_pixels_go, what_is_hardly_seen_is_left_out,
          a_step_gets_all_boxes_of_any_sample_that_may_come,
          a_step_gets_what_is_too_small_last_and_counts_no_part,
          how_many_are_small_in_the_sample_is_told_before_training,
          folders_of_classes_have_nothing_to_detect, answers_are_in_pixels_of_the_image,
          what_is_asked_decides_what_is_told, two_networks_say_the_same_if_their_boxes_are)
