/* Some classes of a data set, or all as one. */
#include "base/memory.h"
#include "datasets/boxed.h"
#include "datasets/class_choice.h"
#include "datasets/pack.h"
#include "suite.h"

#define BOX(image, category, box)                                                                  \
    "{\"image_id\": " image ", \"category_id\": " category ", \"bbox\": [" box "]}"
#define CATEGORY(id, name, parent)                                                                 \
    "{\"id\": " id ", \"name\": \"" name "\", \"supercategory\": \"" parent "\"}"

/* Three images of cats (2), cups (7) and dogs (9), and what they all are (0). */
static test_folder make_set(void) {
    test_folder f = test_folder_create();
    put_image(&f, "a.jpg", 60, 40);
    put_image(&f, "b.jpg", 60, 40);
    put_image(&f, "c.jpg", 60, 40);
    test_put_file(
        &f, "set.json",
        "{\"images\": [{\"id\": 4, \"file_name\": \"a.jpg\"}, {\"id\": 5, \"file_name\": "
        "\"b.jpg\"}, {\"id\": 6, \"file_name\": \"c.jpg\"}],"
        "\"categories\": [" CATEGORY("7", "cup", "things") "," CATEGORY("2", "cat", "things") "," CATEGORY(
            "9", "dog",
            "things") "," CATEGORY("0", "things",
                                   "none") "],"
                                           "\"annotations\": [" BOX("4", "2", "1, 2, 3, 4") "," BOX(
                                               "4", "9",
                                               "5, 6, 7, 8") "," BOX("4", "7",
                                                                     "1, 2, 3, 4") "," BOX("5", "7",
                                                                                           "9, 9, "
                                                                                           "9, 9") "]}");
    return f;
}

static weld_class_choice choice_of(const char *const *names, bool single) {
    weld_class_choice choice = {.single = single};
    for (; *names; names++) {
        snprintf(choice.names[choice.count++], WELD_CHOICE_NAME_SIZE, "%s", *names);
    }
    return choice;
}
#define CHOICE(single, ...) choice_of((const char *const[]){__VA_ARGS__, NULL}, single)

static void expect_told(weld_text *told, const char *what) {
    ck_assert_msg(strstr(weld_text_get(told), what) != NULL, "\"%s\" is not in: %s", what,
                  weld_text_get(told));
}

/* What is told is to be released. */
static weld_text choose(weld_dataset *ds, weld_class_choice choice) {
    weld_text told = WELD_TEXT;
    weld_error err;
    ck_assert_msg(!weld_dataset_choose_classes(ds, &choice, &told, &err), "%s", err.message);
    return told;
}

static void expect_classes(const weld_dataset *ds, const char *const *names, int count) {
    ck_assert_int_eq(weld_dataset_class_count(ds), count);
    for (int i = 0; i < count; i++) {
        ck_assert_str_eq(weld_dataset_class_name(ds, i), names[i]);
    }
}

static void expect_dogs_and_cats(weld_dataset *ds) {
    weld_text told = choose(ds, CHOICE(false, "dog", "cat"));
    expect_classes(ds, (const char *const[]){"cat", "dog"}, 2);
    expect_told(&told, "data.classes: 2 of 4 classes ('cat', 'dog'): 2 boxes of others are left "
                       "out, and 1 image that has no more boxes stays as background");
    ck_assert_int_eq(weld_dataset_count(ds), 3);
    ck_assert_int_eq(box_count(ds, 0), 2);
    expect_box(box_of(ds, 0, 0), 0, 1, 2, 3, 4);
    expect_box(box_of(ds, 0, 1), 1, 5, 6, 7, 8);
    ck_assert_int_eq(box_count(ds, 1), 0);
    ck_assert_int_eq(weld_dataset_category_id(ds, 0), 2);
    ck_assert_int_eq(weld_dataset_category_id(ds, 1), 9);
    weld_text_free(&told);
}

START_TEST(chosen_classes_keep_the_order_and_the_ids_of_the_data) {
    test_folder f = make_set();
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    expect_dogs_and_cats(ds);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_packed_file_has_all_classes_to_choose_from) {
    test_folder f = make_set();
    const weld_pack_options options = {.size = 0};
    weld_pack_report report;
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_int_eq(weld_pack(ds, test_path(&f, "set.h5"), &options, &report, NULL), WELD_OK);
    weld_dataset_free(ds);
    ds = open_dataset(test_path(&f, "set.h5"));
    expect_dogs_and_cats(ds);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_name_that_is_not_there_is_an_error_with_those_that_are) {
    test_folder f = make_set();
    weld_class_choice choice = CHOICE(false, "cat", "cow");
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    weld_text told = WELD_TEXT;
    weld_error err;
    ck_assert_int_eq(weld_dataset_choose_classes(ds, &choice, &told, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(
        err.message, "set.json: data.classes: 'cow' is none of its 4 classes: there are 'things', "
                     "'cat', 'cup', 'dog'"));
    ck_assert_int_eq(weld_dataset_choose_alike(ds, &choice, NULL, &told, &err), WELD_OK);
    expect_classes(ds, (const char *const[]){"cat"}, 1);
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(what_names_no_class_for_itself_is_told_until_others_are_chosen) {
    test_folder f = make_set();
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    ck_assert_ptr_nonnull(strstr(weld_dataset_passed(ds), "1 category without boxes, of which "
                                                          "others are kinds: data.classes"));
    weld_text told = choose(ds, CHOICE(false, "cup", "cat", "dog"));
    ck_assert_str_eq(weld_dataset_passed(ds), "");
    expect_told(&told, ": 0 boxes of others are left out");
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* A cat and a cup are in one place. */
START_TEST(all_classes_become_one) {
    test_folder f = make_set();
    const weld_class_choice all = {.single = true};
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    weld_text told = choose(ds, all);
    expect_classes(ds, (const char *const[]){"object"}, 1);
    expect_told(&told, "data.single_class: 4 classes become one, 'object', in which 1 box is "
                       "the same as another");
    ck_assert_int_eq(box_count(ds, 0), 3);
    expect_box(box_of(ds, 0, 1), 0, 5, 6, 7, 8);
    ck_assert_uint_eq(box_of(ds, 0, 0).flags, 0);
    ck_assert_uint_eq(box_of(ds, 0, 2).flags, WELD_BOX_UNUSED);
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(the_only_class_keeps_its_name) {
    test_folder f = make_set();
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    weld_text told = choose(ds, CHOICE(true, "dog"));
    expect_classes(ds, (const char *const[]){"dog"}, 1);
    ck_assert_ptr_null(strstr(weld_text_get(&told), "single_class"));
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_network_of_one_class_is_judged_by_all_that_were_chosen) {
    test_folder f = make_set();
    static const char *const names[] = {"pet"};
    const weld_class_choice choice = CHOICE(true, "dog", "cat");
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    weld_text told = WELD_TEXT;
    ck_assert_int_eq(weld_dataset_choose_alike(ds, &choice, names, &told, NULL), WELD_OK);
    expect_classes(ds, names, 1);
    ck_assert_int_eq(box_count(ds, 0), 2);
    ck_assert_int_eq(box_count(ds, 1), 0);
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_network_finds_its_classes_among_the_chosen) {
    test_folder f = make_set();
    static const char *const names[] = {"cow", "dog"};
    static const int to[] = {-1, 1};
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    weld_text told = choose(ds, CHOICE(false, "dog", "cat"));
    ck_assert_int_eq(weld_dataset_take_classes(ds, names, 2, to, NULL), WELD_OK);
    ck_assert_int_eq(box_count(ds, 0), 1);
    expect_box(box_of(ds, 0, 0), 1, 5, 6, 7, 8);
    ck_assert_int_eq(weld_dataset_category_id(ds, 1), 9);
    ck_assert_int_eq(weld_dataset_category_id(ds, 0), -1);
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Else boxes of all classes would count. */
START_TEST(a_network_of_one_class_is_not_judged_by_data_without_the_chosen) {
    test_folder f = make_set();
    weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
    const char *const object[] = {"object"};
    const weld_class_choice choice = CHOICE(true, "person", "rider");
    weld_text told = WELD_TEXT;
    weld_error err;
    ck_assert_int_eq(weld_dataset_choose_alike(ds, &choice, object, &told, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "'person' is none of its 4 classes"));
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(images_of_other_classes_are_left_out) {
    test_folder f = make_two_classes();
    put_fixture(&f, "ant/a.jpg", "grey.jpg");
    weld_dataset *ds = open_dataset(f.path);
    weld_text told = choose(ds, CHOICE(false, "dog", "ant"));
    expect_classes(ds, (const char *const[]){"ant", "dog"}, 2);
    expect_told(&told, "2 of 3 classes ('ant', 'dog'): 3 images of others are left out");
    ck_assert_int_eq(weld_dataset_count(ds), 5);
    for (int64_t i = 0; i < 5; i++) {
        ck_assert_int_eq(weld_dataset_label(ds, i), i > 0);
        ck_assert_int_eq(strncmp(weld_dataset_name(ds, i), i ? "dog/" : "ant/", 4), 0);
    }
    weld_text_free(&told);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_lack_of_memory_is_told) {
    test_folder f = make_set();
    const weld_class_choice choice = CHOICE(true, "dog", "cat");
    long successes = 0;
    for (weld_status status = WELD_ERROR_MEMORY; status; successes++) {
        weld_dataset *ds = open_dataset(test_path(&f, "set.json"));
        weld_text told = WELD_TEXT;
        ck_assert_int_lt(successes, 100);
        weld_memory_fail_after(successes);
        status = weld_dataset_choose_classes(ds, &choice, &told, NULL);
        weld_memory_fail_after(-1);
        ck_assert(!status || status == WELD_ERROR_MEMORY);
        weld_text_free(&told);
        weld_dataset_free(ds);
    }
    ck_assert_int_gt(successes, 3);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("datasets/class_choice", chosen_classes_keep_the_order_and_the_ids_of_the_data,
          a_packed_file_has_all_classes_to_choose_from,
          a_name_that_is_not_there_is_an_error_with_those_that_are,
          what_names_no_class_for_itself_is_told_until_others_are_chosen, all_classes_become_one,
          the_only_class_keeps_its_name, a_network_of_one_class_is_judged_by_all_that_were_chosen,
          a_network_of_one_class_is_not_judged_by_data_without_the_chosen,
          a_network_finds_its_classes_among_the_chosen, images_of_other_classes_are_left_out,
          a_lack_of_memory_is_told)
