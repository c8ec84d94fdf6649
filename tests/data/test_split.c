/* Parts of data sets. */
#define _GNU_SOURCE
#include "data/split.h"

#include <sys/stat.h>

#include "base/memory.h"
#include "files.h"
#include "suite.h"
#include "tasks/classification/classification.h"

static test_folder folder;

/* Images that nobody decodes: `count` of a class, each of its own bytes. */
static void add_class(const char *set, const char *name, int first, int count) {
    char path[300], text[64];
    snprintf(path, sizeof path, "%s/%s", folder.path, set);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder.path, set, name);
    mkdir(path, 0777);
    for (int i = first; i < first + count; i++) {
        snprintf(path, sizeof path, "%s/%s/%s/%03d.png", folder.path, set, name, i);
        snprintf(text, sizeof text, "%s %06d", name, i);
        test_write_file(path, text, strlen(text));
    }
}

static void copy(const char *set, const char *from, const char *to) {
    char path[300];
    size_t size;
    snprintf(path, sizeof path, "%s/%s/%s", folder.path, set, from);
    unsigned char *bytes = test_read_file(path, &size);
    snprintf(path, sizeof path, "%s/%s/%s", folder.path, set, to);
    test_write_file(path, bytes, size);
    free(bytes);
}

static weld_dataset *open_set(const char *set) {
    weld_dataset *ds;
    weld_error err;
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder.path, set);
    ck_assert_msg(!weld_dataset_open(path, &ds, &err), "%s", err.message);
    return ds;
}

static weld_data_split split_of(const weld_dataset *ds, double validation, double fraction,
                                uint64_t seed) {
    const weld_data_split_options options = {.annotation = &weld_class_annotation,
                                             .validation = validation,
                                             .fraction = fraction,
                                             .seed = seed,
                                             .threads = 1};
    weld_data_split s;
    weld_error err;
    ck_assert_msg(!weld_data_split_create(ds, &options, &s, &err), "%s", err.message);
    return s;
}

static int64_t images_of(const weld_data_split *s, const weld_dataset *ds, int label,
                         weld_part part) {
    int64_t count = 0;
    for (int64_t i = 0; i < s->images; i++) {
        count += weld_dataset_label(ds, i) == label && s->part[i] == part;
    }
    return count;
}

static weld_part part_of(const weld_data_split *s, const weld_dataset *ds, const char *name) {
    for (int64_t i = 0; i < s->images; i++) {
        if (strcmp(weld_dataset_name(ds, i), name) == 0) {
            return (weld_part)s->part[i];
        }
    }
    ck_abort_msg("%s is not there", name);
    return WELD_PART_LEFT_OUT;
}

START_TEST(every_class_gives_its_share_and_keeps_some) {
    folder = test_folder_create();
    add_class("a", "ant", 0, 40);
    add_class("a", "bee", 0, 5);
    add_class("a", "cat", 0, 2);
    add_class("a", "dog", 0, 1);
    weld_dataset *ds = open_set("a");
    weld_data_split s = split_of(ds, 0.1, 1, 0);
    char text[400];
    ck_assert_int_eq(images_of(&s, ds, 0, WELD_PART_VALIDATION), 4);
    ck_assert_int_eq(images_of(&s, ds, 1, WELD_PART_VALIDATION), 1);
    ck_assert_int_eq(images_of(&s, ds, 2, WELD_PART_VALIDATION), 1);
    ck_assert_int_eq(images_of(&s, ds, 3, WELD_PART_VALIDATION), 0);
    ck_assert_str_eq(weld_data_split_text(&s, text, sizeof text),
                     "42 images are trained on, 6 evaluated on; 1 class of one image has none to "
                     "evaluate on");
    weld_data_split_free(&s);
    s = split_of(ds, 0.5, 0.25, 0);
    ck_assert_int_eq(images_of(&s, ds, 0, WELD_PART_VALIDATION), 20);
    ck_assert_int_eq(images_of(&s, ds, 0, WELD_PART_TRAIN), 5);
    ck_assert_int_eq(images_of(&s, ds, 0, WELD_PART_LEFT_OUT), 15);
    ck_assert_int_eq(images_of(&s, ds, 3, WELD_PART_TRAIN), 1);
    weld_data_split_free(&s);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_parts_depend_on_names_and_seed_and_on_no_other_class) {
    folder = test_folder_create();
    add_class("a", "bee", 0, 30);
    add_class("b", "ant", 0, 7);
    add_class("b", "bee", 10, 20);
    add_class("b", "bee", 0, 10);
    weld_dataset *a = open_set("a"), *b = open_set("b");
    weld_data_split s = split_of(a, 0.3, 0.5, 1), t = split_of(b, 0.3, 0.5, 1);
    weld_data_split other = split_of(a, 0.3, 0.5, 2);
    int64_t differ = 0;
    for (int64_t i = 0; i < s.images; i++) {
        ck_assert_int_eq(s.part[i], part_of(&t, b, weld_dataset_name(a, i)));
        differ += s.part[i] != other.part[i];
    }
    ck_assert_int_gt(differ, 0);
    weld_data_split_free(&s);
    weld_data_split_free(&t);
    weld_data_split_free(&other);
    weld_dataset_free(a);
    weld_dataset_free(b);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_smaller_fraction_is_part_of_a_larger) {
    folder = test_folder_create();
    add_class("a", "ant", 0, 50);
    weld_dataset *ds = open_set("a");
    weld_data_split small = split_of(ds, 0, 0.2, 0), large = split_of(ds, 0, 0.6, 0);
    ck_assert_int_eq(small.count[WELD_PART_TRAIN], 10);
    ck_assert_int_eq(large.count[WELD_PART_TRAIN], 30);
    for (int64_t i = 0; i < 50; i++) {
        ck_assert(small.part[i] != WELD_PART_TRAIN || large.part[i] == WELD_PART_TRAIN);
    }
    weld_data_split_free(&small);
    weld_data_split_free(&large);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

START_TEST(images_of_the_same_bytes_stay_on_one_side) {
    folder = test_folder_create();
    add_class("a", "ant", 0, 20);
    add_class("a", "bee", 0, 20);
    for (int i = 0; i < 20; i++) { /* each ant twice more, and every other one among the bees */
        char from[32], to[32];
        snprintf(from, sizeof from, "ant/%03d.png", i);
        snprintf(to, sizeof to, "ant/%03d-copy.png", i);
        copy("a", from, to);
        snprintf(to, sizeof to, "ant/%03d-again.png", i);
        copy("a", from, to);
        snprintf(to, sizeof to, "bee/ant-%03d.png", i);
        if (i % 2) {
            copy("a", from, to);
        }
    }
    weld_dataset *ds = open_set("a");
    weld_data_split s = split_of(ds, 0.25, 1, 0);
    for (int i = 0; i < 20; i++) {
        char from[32], to[32];
        snprintf(from, sizeof from, "ant/%03d.png", i);
        snprintf(to, sizeof to, "ant/%03d-copy.png", i);
        ck_assert_int_eq(part_of(&s, ds, from), part_of(&s, ds, to));
        snprintf(to, sizeof to, "bee/ant-%03d.png", i);
        if (i % 2) {
            ck_assert_int_eq(part_of(&s, ds, from), part_of(&s, ds, to));
        }
    }
    ck_assert_int_eq(s.twins, 50);
    ck_assert_int_gt(images_of(&s, ds, 0, WELD_PART_VALIDATION), 5);
    weld_data_split_free(&s);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_data_set_sees_its_part_alone) {
    folder = test_folder_create();
    add_class("a", "ant", 0, 10);
    add_class("a", "bee", 0, 10);
    weld_dataset *ds = open_set("a"), *train = open_set("a"), *val = open_set("a");
    weld_data_split s = split_of(ds, 0.2, 1, 0);
    weld_error err;
    ck_assert_int_eq(weld_data_split_take(&s, WELD_PART_TRAIN, train, &err), WELD_OK);
    ck_assert_int_eq(weld_data_split_take(&s, WELD_PART_VALIDATION, val, &err), WELD_OK);
    ck_assert_int_eq(weld_dataset_count(train), 16);
    ck_assert_int_eq(weld_dataset_count(val), 4);
    for (int64_t i = 0; i < 4; i++) {
        weld_bytes bytes = {0};
        char text[64];
        const char *name = weld_dataset_name(val, i);
        ck_assert_int_eq(part_of(&s, ds, name), WELD_PART_VALIDATION);
        ck_assert_int_eq(weld_dataset_read(val, i, &bytes, &err), WELD_OK);
        snprintf(text, sizeof text, "%.3s %06d", name, atoi(name + 4));
        ck_assert_uint_eq(bytes.size, strlen(text));
        ck_assert_mem_eq(bytes.data, text, bytes.size);
        weld_bytes_free(&bytes);
    }
    ck_assert_int_ne(weld_data_split_take(&s, WELD_PART_TRAIN, train, &err), WELD_OK);
    weld_data_split_free(&s);
    weld_dataset_free(ds);
    weld_dataset_free(train);
    weld_dataset_free(val);
    test_folder_remove(folder);
}
END_TEST

START_TEST(nothing_to_spare_and_no_memory_are_errors) {
    const weld_data_split_options options = {
        .annotation = &weld_class_annotation, .validation = 0.1, .fraction = 1, .threads = 1};
    weld_data_split s;
    weld_error err;
    folder = test_folder_create();
    add_class("a", "ant", 0, 1);
    add_class("a", "bee", 0, 1);
    add_class("b", "bee", 0, 9);
    weld_dataset *ds = open_set("a"), *more = open_set("b");
    ck_assert_int_eq(weld_data_split_create(ds, &options, &s, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "no class has images to spare") != NULL, "%s", err.message);
    weld_status status = WELD_ERROR_MEMORY;
    for (int n = 0; status == WELD_ERROR_MEMORY && n < 100; n++) {
        weld_memory_fail_after(n);
        status = weld_data_split_create(more, &options, &s, &err);
        weld_memory_fail_after(-1);
        ck_assert_int_eq(status, s.part ? WELD_OK : WELD_ERROR_MEMORY);
    }
    ck_assert_int_eq(status, WELD_OK);
    weld_data_split_free(&s);
    weld_dataset_free(ds);
    weld_dataset_free(more);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("data/split", every_class_gives_its_share_and_keeps_some,
          the_parts_depend_on_names_and_seed_and_on_no_other_class,
          a_smaller_fraction_is_part_of_a_larger, images_of_the_same_bytes_stay_on_one_side,
          a_data_set_sees_its_part_alone, nothing_to_spare_and_no_memory_are_errors)
