#include "datasets/folders.h"
#include "datasets/pack.h"
#include "suite.h"

typedef struct notes {
    int bad, calls;
    int64_t done, total;
    char name[64], reason[512];
} notes;

static void note_bad(void *arg, const char *name, const char *reason) {
    notes *n = arg;
    n->bad++;
    snprintf(n->name, sizeof n->name, "%s", name);
    snprintf(n->reason, sizeof n->reason, "%s", reason);
}

static void note_progress(void *arg, int64_t done, int64_t total) {
    notes *n = arg;
    n->calls++;
    n->done = done;
    n->total = total;
}

static weld_pack_report pack_into(const weld_dataset *ds, const char *out, int size, int threads,
                                  notes *n) {
    weld_pack_options options = {.size = size,
                                 .threads = threads,
                                 .progress = note_progress,
                                 .bad_image = note_bad,
                                 .arg = n};
    weld_pack_report report;
    weld_error err = {0};
    ck_assert_msg(weld_pack(ds, out, &options, &report, &err) == WELD_OK, "%s", err.message);
    return report;
}

START_TEST(a_packed_set_equals_its_folder) {
    test_folder f = make_two_classes(), out = test_folder_create();
    const char *path = test_path(&out, "set.h5");
    weld_dataset *from = open_dataset(f.path);
    notes n = {0};
    weld_pack_report report = pack_into(from, path, 0, 2, &n);
    ck_assert_int_eq(report.packed, 7);
    ck_assert_int_eq(report.bad, 0);
    ck_assert_int_eq(report.layout.height, 0);
    ck_assert_int_eq(n.done, 7);
    ck_assert_int_eq(n.total, 7);
    weld_dataset *to = open_dataset(path);
    ck_assert_int_eq(weld_dataset_count(to), 7);
    ck_assert_int_eq(weld_dataset_class_count(to), 2);
    ck_assert_str_eq(weld_dataset_class_name(to, 1), "dog");
    for (int i = 0; i < 7; i++) {
        weld_bytes a = {0}, b = {0};
        ck_assert_str_eq(weld_dataset_name(from, i), weld_dataset_name(to, i));
        ck_assert_int_eq(weld_dataset_label(from, i), weld_dataset_label(to, i));
        ck_assert_int_eq(weld_dataset_read(from, i, &a, NULL), WELD_OK);
        ck_assert_int_eq(weld_dataset_read(to, i, &b, NULL), WELD_OK);
        ck_assert_uint_eq(a.size, b.size);
        ck_assert_int_eq(memcmp(a.data, b.data, a.size), 0);
        weld_bytes_free(&a);
        weld_bytes_free(&b);
    }
    weld_dataset_free(from);
    weld_dataset_free(to);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

START_TEST(bad_images_are_left_out_and_named) {
    test_folder f = make_two_classes(), out = test_folder_create();
    const char *path = test_path(&out, "set.h5");
    put_fixture(&f, "cat/aa.jpg", "evaluation.txt");
    weld_dataset *from = open_dataset(f.path);
    notes n = {0};
    weld_pack_report report = pack_into(from, path, 0, 1, &n);
    ck_assert_int_eq(report.packed, 7);
    ck_assert_int_eq(report.bad, 1);
    ck_assert_int_eq(n.bad, 1);
    ck_assert_str_eq(n.name, "cat/aa.jpg");
    ck_assert_ptr_nonnull(strstr(n.reason, "not a JPEG, PNG or WebP image"));
    weld_dataset *to = open_dataset(path);
    ck_assert_int_eq(weld_dataset_count(to), 7);
    ck_assert_str_eq(weld_dataset_name(to, 1), "cat/b.JPEG");
    weld_dataset_free(from);
    weld_dataset_free(to);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

START_TEST(a_set_of_bad_images_only_is_an_error_and_leaves_nothing) {
    test_folder f = test_folder_create(), out = test_folder_create();
    put_fixture(&f, "cat/aa.jpg", "evaluation.txt");
    weld_dataset *from = open_dataset(f.path);
    weld_pack_options options = {0};
    weld_pack_report report;
    weld_error err = {0};
    for (options.size = 0; options.size < 2; options.size++) {
        ck_assert_int_ne(weld_pack(from, test_path(&out, "set.h5"), &options, &report, &err),
                         WELD_OK);
        ck_assert_ptr_nonnull(strstr(err.message, "no image could be packed"));
        ck_assert_int_eq(test_folder_walk(out.path, 0), 0);
    }
    options.size = -1;
    ck_assert_int_eq(weld_pack(from, test_path(&out, "set.h5"), &options, &report, &err),
                     WELD_ERROR_ARGUMENT);
    weld_dataset_free(from);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

START_TEST(small_images_of_one_size_become_raw_pixels) {
    test_folder f = test_folder_create(), out = test_folder_create();
    const char *path = test_path(&out, "set.h5");
    put_fixture(&f, "cat/a.jpg", "baseline_420.jpg"); /* 53 x 37, all of them */
    put_fixture(&f, "cat/b.jpg", "grey.jpg");
    put_fixture(&f, "dog/c.jpg", "cmyk.jpg");
    weld_dataset *from = open_dataset(f.path);
    notes n = {0};
    weld_pack_report report = pack_into(from, path, 16, 1, &n);
    ck_assert_int_eq(report.packed, 3);
    ck_assert_int_eq(report.layout.height, 16);
    ck_assert_int_eq(report.layout.width, 16 * 53 / 37);
    ck_assert_int_eq(report.layout.channels, 3);
    weld_dataset *to = open_dataset(path);
    weld_image image = {0};
    ck_assert_int_eq(read_sample(to, 2, &image, NULL), WELD_OK);
    ck_assert_int_eq(image.width, 22);
    ck_assert_int_eq(image.height, 16);
    weld_image_free(&image);
    /* And once more, from raw pixels to smaller ones. */
    report = pack_into(to, test_path(&out, "smaller.h5"), 8, 2, &n);
    ck_assert_int_eq(report.layout.height, 8);
    ck_assert_int_eq(report.layout.width, 11);
    weld_dataset_free(from);
    weld_dataset_free(to);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

static void check_raw_parts(const weld_dataset *ds) {
    const weld_rectangle parts[] = {{0, 0, 22, 16}, {5, 3, 9, 8}, {21, 15, 1, 1}};
    weld_bytes bytes = {0};
    weld_image whole = {0}, memory = {0};
    int width, height;
    ck_assert_int_eq(weld_dataset_read(ds, 1, &bytes, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_decode(ds, 1, &bytes, (weld_reading){0}, &whole, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_size(ds, 1, &bytes, (weld_reading){0}, &width, &height, NULL),
                     WELD_OK);
    ck_assert_int_eq(width, 22);
    ck_assert_int_eq(height, 16);
    for (int i = 0; i < 3; i++) {
        weld_decoded_part got;
        const weld_rectangle p = parts[i];
        ck_assert_int_eq(
            weld_dataset_decode_part(ds, 1, &bytes, &p, 1, (weld_reading){0}, &memory, &got, NULL),
            WELD_OK);
        ck_assert_int_eq(got.pixels.width, p.width);
        ck_assert_int_eq(got.pixels.height, p.height);
        ck_assert_float_eq(got.box[2], (float)p.width);
        for (int y = 0; y < p.height; y++) {
            ck_assert_mem_eq(got.pixels.data + (size_t)y * got.pixels.stride,
                             whole.pixels + ((p.y + y) * 22 + p.x) * 3, (size_t)p.width * 3);
        }
    }
    const weld_rectangle outside = {5, 3, 18, 8};
    weld_decoded_part none;
    ck_assert_int_eq(weld_dataset_decode_part(ds, 1, &bytes, &outside, 1, (weld_reading){0},
                                              &memory, &none, NULL),
                     WELD_ERROR_ARGUMENT);
    weld_bytes_free(&bytes);
    weld_image_free(&whole);
    weld_image_free(&memory);
}

START_TEST(a_part_of_raw_pixels_is_that_part_of_the_whole_image) {
    test_folder f = test_folder_create(), out = test_folder_create();
    const char *path = test_path(&out, "set.h5");
    put_fixture(&f, "cat/a.jpg", "baseline_420.jpg");
    put_fixture(&f, "dog/b.jpg", "cmyk.jpg");
    weld_dataset *from = open_dataset(f.path);
    notes n = {0};
    pack_into(from, path, 16, 1, &n);
    weld_dataset *to = open_dataset(path);
    check_raw_parts(to);
    weld_dataset_free(from);
    weld_dataset_free(to);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

START_TEST(other_images_are_reduced_as_jpegs_and_small_ones_kept) {
    test_folder f = make_two_classes(), out = test_folder_create();
    const char *path = test_path(&out, "set.h5");
    weld_dataset *from = open_dataset(f.path);
    notes n = {0};
    /* 53 x 37 is reduced, 31 x 23 stays. */
    weld_pack_report report = pack_into(from, path, 30, 2, &n);
    ck_assert_int_eq(report.layout.height, 0);
    weld_dataset *to = open_dataset(path);
    for (int i = 0; i < 7; i++) {
        weld_image image = {0}, before = {0};
        ck_assert_int_eq(read_sample(from, i, &before, NULL), WELD_OK);
        ck_assert_int_eq(read_sample(to, i, &image, NULL), WELD_OK);
        ck_assert_int_eq(image.height, before.height == 37 ? 30 : 23);
        ck_assert_int_eq(image.width, before.height == 37 ? 42 : 31);
        weld_image_free(&image);
        weld_image_free(&before);
    }
    weld_dataset_free(from);
    weld_dataset_free(to);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    test_folder f = make_two_classes(), out = test_folder_create();
    weld_dataset *from = open_dataset(f.path);
    weld_status status = WELD_ERROR_MEMORY;
    long i = 0;
    for (; status; i++) {
        weld_pack_options options = {.size = 24, .threads = 1};
        weld_pack_report report;
        weld_memory_fail_after(i);
        status = weld_pack(from, test_path(&out, "set.h5"), &options, &report, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert_int_eq(test_folder_walk(out.path, 0), status == WELD_OK);
    }
    ck_assert_int_gt(i, 20);
    weld_dataset_free(from);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

RUN_SUITE("data/pack", a_packed_set_equals_its_folder, bad_images_are_left_out_and_named,
          a_set_of_bad_images_only_is_an_error_and_leaves_nothing,
          small_images_of_one_size_become_raw_pixels,
          a_part_of_raw_pixels_is_that_part_of_the_whole_image,
          other_images_are_reduced_as_jpegs_and_small_ones_kept, failed_allocations_are_reported)
