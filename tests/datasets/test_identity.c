#define _GNU_SOURCE
#include <unistd.h>

#include "datasets/boxed.h"
#include "datasets/identity.h"
#include "suite.h"

static uint64_t identity_of(const char *path) {
    weld_dataset *ds = open_dataset(path);
    const uint64_t identity = weld_dataset_identity(ds);
    weld_dataset_free(ds);
    return identity;
}

/* Of two images; this box is of one of them. */
static uint64_t coco_identity(const test_folder *f, const char *box, const char *second_class) {
    char text[2000];
    snprintf(
        text, sizeof text,
        "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"},"
        "{\"id\": 2, \"file_name\": \"b.jpg\"}],"
        "\"categories\": [{\"id\": 5, \"name\": \"cat\"}, {\"id\": 9, \"name\": \"%s\"}],"
        "\"annotations\": [{\"image_id\": 1, \"category_id\": 9, \"bbox\": [2, 2, 3, 3]}, {%s}]}",
        second_class, box);
    test_put_file(f, "set.json", text);
    return identity_of(test_path(f, "set.json"));
}

START_TEST(any_change_of_a_box_or_a_class_makes_it_another_data_set) {
    static const char *const boxes[] = {
        "\"image_id\": 2, \"category_id\": 5, \"bbox\": [10, 10, 20.5, 20]",
        "\"image_id\": 1, \"category_id\": 5, \"bbox\": [10, 10, 20.5, 20]",
        "\"image_id\": 2, \"category_id\": 9, \"bbox\": [10, 10, 20.5, 20]",
        "\"image_id\": 2, \"category_id\": 5, \"bbox\": [10, 10, 20.25, 20]",
        "\"image_id\": 2, \"category_id\": 5, \"bbox\": [10, 10, 20.5, 20], \"iscrowd\": 1",
    };
    enum { BOXES = sizeof boxes / sizeof *boxes };
    test_folder f = test_folder_create();
    uint64_t seen[BOXES + 1];
    put_image(&f, "a.jpg", 60, 40);
    put_image(&f, "b.jpg", 60, 40);
    for (int i = 0; i <= BOXES; i++) {
        seen[i] =
            i < BOXES ? coco_identity(&f, boxes[i], "dog") : coco_identity(&f, boxes[0], "cow");
        for (int k = 0; k < i; k++) {
            ck_assert_msg(seen[i] != seen[k], "%d and %d are taken for the same", i, k);
        }
    }
    ck_assert(coco_identity(&f, boxes[0], "dog") == seen[0]);
    test_folder_remove(f);
}
END_TEST

START_TEST(labels_names_and_the_part_that_is_seen_count) {
    test_folder f = test_folder_create();
    weld_error err;
    test_put_file(&f, "set/cat/1.jpg", "");
    test_put_file(&f, "set/dog/2.jpg", "");
    test_put_file(&f, "set/dog/3.jpg", "");
    test_put_file(&f, "list.csv",
                  "image,label\nset/cat/1.jpg,cat\nset/dog/2.jpg,dog\nset/dog/3.jpg,dog\n");
    const uint64_t folder = identity_of(test_path(&f, "set"));
    const uint64_t list = identity_of(test_path(&f, "list.csv"));
    test_put_file(&f, "list.csv",
                  "image,label\nset/cat/1.jpg,cat\nset/dog/2.jpg,cat\nset/dog/3.jpg,dog\n");
    ck_assert(identity_of(test_path(&f, "list.csv")) != list);
    weld_dataset *ds = open_dataset(test_path(&f, "set"));
    ck_assert(weld_dataset_identity(ds) == folder);
    ck_assert_int_eq(weld_dataset_keep(ds, (const unsigned char[]){1, 1, 0}, 1, &err), WELD_OK);
    ck_assert(weld_dataset_identity(ds) != folder);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_list_of_absolute_names_may_move_with_its_images) {
    static const char *const images[][2] = {
        {"one/cat/1.jpg", "one/dog/2.jpg"},
        {"an/other/cat/1.jpg", "an/other/dog/2.jpg"},
        {"one/cow/1.jpg", "one/dog/2.jpg"},
    };
    test_folder f = test_folder_create();
    char text[2000];
    uint64_t seen[3];
    for (int i = 0; i < 3; i++) {
        test_put_file(&f, images[i][0], "");
        test_put_file(&f, images[i][1], "");
        snprintf(text, sizeof text, "image,label\n%s/%s,cat\n%s/%s,dog\n", f.path, images[i][0],
                 f.path, images[i][1]);
        test_put_file(&f, "list.csv", text);
        seen[i] = identity_of(test_path(&f, "list.csv"));
    }
    ck_assert(seen[0] == seen[1]);
    ck_assert(seen[0] != seen[2]);
    test_folder_remove(f);
}
END_TEST

START_TEST(where_a_size_cannot_be_told_none_is_noted) {
    test_folder f = test_folder_create();
    test_put_file(&f, "set/cat/1.jpg", "one");
    test_put_file(&f, "set/dog/2.jpg", "two");
    weld_dataset *ds = open_dataset(test_path(&f, "set"));
    const weld_data_identity before = weld_dataset_identify(ds, 1);
    ck_assert_uint_ne(before.sizes, 0);
    ck_assert_int_eq(unlink(test_path(&f, "set/cat/1.jpg")), 0);
    const weld_data_identity without = weld_dataset_identify(ds, 1);
    ck_assert_uint_ne(without.sizes, 0);
    ck_assert_uint_ne(without.sizes, before.sizes);
    ck_assert_int_eq(symlink("1.jpg", test_path(&f, "set/cat/1.jpg")), 0); /* to itself: ELOOP */
    const weld_data_identity unknown = weld_dataset_identify(ds, 1);
    ck_assert_uint_eq(unknown.sizes, 0);
    ck_assert(unknown.names == before.names && unknown.said == before.said);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/identity", any_change_of_a_box_or_a_class_makes_it_another_data_set,
          labels_names_and_the_part_that_is_seen_count,
          a_list_of_absolute_names_may_move_with_its_images,
          where_a_size_cannot_be_told_none_is_noted)
