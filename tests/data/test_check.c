/* Looking through data sets: what is broken, odd or twice there is found, by name, and nothing
 * else. */
#include "data/check.h"
#include "tasks/classification/classification.h"

#include "datasets/archives.h"
#include "datasets/folders.h"
#include "datasets/pack.h"
#include "suite.h"

/* "KIND NAME: REASON\n" of everything that was found. */
typedef struct findings {
    char text[16 << 10];
    size_t size;
    int64_t stop_after;
} findings;

static void note(void *arg, weld_finding_kind kind, const char *name, const char *reason) {
    findings *f = arg;
    f->size += (size_t)snprintf(f->text + f->size, sizeof f->text - f->size, "%s %s: %s\n",
                                weld_finding_text(kind), name, reason);
    ck_assert_uint_lt(f->size, sizeof f->text);
}

static void note_skipped(void *arg, const char *name, const char *reason) {
    findings *f = arg;
    f->size += (size_t)snprintf(f->text + f->size, sizeof f->text - f->size, "skipped %s: %s\n",
                                name, reason);
}

static bool go_on(void *arg, int64_t done, int64_t total) {
    const findings *f = arg;
    ck_assert_int_le(done, total);
    return !f->stop_after || done < f->stop_after;
}

static weld_check_report look(const char *path, const char *against, int threads, findings *f) {
    weld_dataset_options opening = {.listing = {true, note_skipped, f}};
    weld_dataset *ds = NULL, *other = NULL;
    weld_check_report report;
    weld_error err = {0};
    weld_status status = weld_dataset_open_with(path, &opening, &ds, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    other = against ? open_dataset(against) : NULL;
    weld_check_options options = {.annotation = &weld_class_annotation,
                                  .against = other,
                                  .threads = threads,
                                  .found = note,
                                  .progress = go_on,
                                  .arg = f};
    ck_assert_int_eq(weld_check(ds, &options, &report, &err), WELD_OK);
    weld_dataset_free(ds);
    weld_dataset_free(other);
    return report;
}

/* Exactly these lines, in any order. */
static void expect(const findings *f, const char *const *lines, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        char line[600];
        snprintf(line, sizeof line, "%s\n", lines[i]);
        ck_assert_msg(strstr(f->text, line) != NULL, "not found: %sin:\n%s", line, f->text);
        size += strlen(line);
    }
    ck_assert_msg(size == f->size, "more than was expected:\n%s", f->text);
}

static void put_bytes(const test_folder *f, const char *name, const void *bytes, size_t size) {
    put_fixture(f, name, "one_pixel.jpg");
    test_write_file(test_path(f, name), bytes, size);
}

/* A fixture without its last bytes. */
static void cut_end(const test_folder *f, const char *name, const char *fixture, off_t bytes) {
    struct stat info;
    put_fixture(f, name, fixture);
    ck_assert_int_eq(stat(test_path(f, name), &info), 0);
    ck_assert_int_eq(truncate(test_path(f, name), info.st_size - bytes), 0);
}

static void put_image(const test_folder *f, const char *name, int width, int height) {
    weld_image image = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, width, height, NULL), WELD_OK);
    memset(image.pixels, width % 251, (size_t)width * (size_t)height * 3);
    ck_assert_int_eq(weld_encode_jpeg(&image, 50, &bytes, NULL), WELD_OK);
    put_bytes(f, name, bytes.data, bytes.size);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
}

START_TEST(broken_and_odd_images_are_named_with_the_reason) {
    test_folder f = test_folder_create();
    put_image(&f, "cat/good.jpg", 60, 40);
    put_image(&f, "cat/long.jpg", 330, 40);
    put_image(&f, "cat/huge.jpg", 10001, 1300);
    put_image(&f, "cat/tiny.jpg", 40, 31);
    put_bytes(&f, "cat/empty.jpg", "", 0);
    put_bytes(&f, "cat/text.png", "hello", 5);
    put_bytes(&f, "cat/notes.txt", "hello", 5);
    put_bytes(&f, "cat/.hidden.txt", "hello", 5);
    put_fixture(&f, "dog/cut.jpg", "photo.jpg");
    ck_assert_int_eq(truncate(test_path(&f, "dog/cut.jpg"), 1000), 0);
    put_fixture(&f, "dog/ink.jpg", "cmyk.jpg");
    put_fixture(&f, "dog/grey.jpg", "grey.jpg");
    put_fixture(&f, "dog/deep.png", "rgb16.png");
    put_fixture(&f, "dog/exif.JPG", "rotated.jpg");
    put_fixture(&f, "dog/really.jpg", "rgb.png");
    put_fixture(&f, "dog/xray.png", "grey16.png");
    put_fixture(&f, "dog/moves.webp", "animated.webp");
    put_fixture(&f, "dog/moves.png", "animated.png");
    cut_end(&f, "dog/endless.jpg", "photo.jpg", 2);
    cut_end(&f, "dog/endless.png", "rgb.png", 12);
    mkdir(test_path(&f, "ant"), 0777);
    mkdir(test_path(&f, "dog/inner.jpg"), 0777);
    ck_assert_int_eq(mkfifo(test_path(&f, "dog/pipe.jpg"), 0600), 0);
    findings found = {0}, again = {0};
    weld_check_report report = look(f.path, NULL, 2, &found);
    const char *lines[] = {
        "skipped cat/notes.txt: not an image",
        "skipped dog/pipe.jpg: neither a file nor a folder",
        "broken cat/empty.jpg: empty file: not a JPEG, PNG or WebP image",
        "broken cat/text.png: not a JPEG, PNG or WebP image",
        "odd cat/long.jpg: 8.2 times as wide as high: 330 x 40",
        "odd cat/huge.jpg: huge: 10001 x 1300",
        "odd cat/tiny.jpg: tiny: 40 x 31",
        "odd dog/ink.jpg: CMYK",
        "odd dog/grey.jpg: grey",
        "odd dog/deep.png: 16 bits a channel; tiny: 31 x 23",
        "turned dog/exif.JPG: EXIF orientation 6: seen upright, unless data.orientation is ignore",
        "odd dog/really.jpg: is PNG by its contents; tiny: 31 x 23",
        "odd dog/xray.png: grey; 16 bits a channel, from 76 to 442: 45.0 % of it is above 255 and "
        "taken for that, unless data.scale16 says otherwise; tiny: 31 x 23",
        "odd dog/moves.webp: an animation, of which the first image is taken",
        "odd dog/moves.png: an animation, of which the first image is taken; tiny: 31 x 23",
        "odd dog/endless.jpg: the mark of its end is missing, though every pixel is there",
        "odd dog/endless.png: the mark of its end is missing, though every pixel is there; tiny: "
        "31 "
        "x 23",
        "class ant: 0 images, where the median class has 6",
        "broken dog/cut.jpg: truncated JPEG: the data ends at byte 1000, in row 0 of 150",
    };
    expect(&found, lines, sizeof lines / sizeof *lines);
    ck_assert_int_eq(report.images, 17);
    ck_assert_int_eq(report.found[WELD_FINDING_BROKEN], 3);
    ck_assert_int_eq(report.found[WELD_FINDING_ODD], 12);
    ck_assert_int_eq(report.class_images[0], 0);
    ck_assert_int_eq(report.class_images[1], 6);
    ck_assert_int_eq(report.class_most, 11);
    ck_assert_int_eq(report.width.most, 10001);
    weld_free(report.class_images);
    /* In the same order, whatever the number of threads. */
    report = look(f.path, NULL, 1, &again);
    ck_assert_str_eq(again.text, found.text);
    weld_free(report.class_images);
    test_folder_remove(f);
}
END_TEST

START_TEST(the_same_bytes_are_found_within_and_between_classes_and_sets) {
    test_folder f = test_folder_create();
    put_image(&f, "train/cat/a.jpg", 50, 40);
    put_image(&f, "train/cat/b.jpg", 51, 40);
    put_image(&f, "train/cat/c.jpg", 50, 40);
    put_image(&f, "train/dog/d.jpg", 52, 40);
    put_image(&f, "train/dog/e.jpg", 50, 40);
    put_bytes(&f, "train/dog/x.jpg", "broken", 6); /* twice, but of no use anyway */
    put_bytes(&f, "train/dog/y.jpg", "broken", 6);
    put_image(&f, "val/cat/v.jpg", 60, 40);
    put_image(&f, "val/dog/w.jpg", 52, 40);
    findings found = {0};
    char leak[600];
    weld_check_report report = look(test_path(&f, "train"), test_path(&f, "val"), 2, &found);
    snprintf(leak, sizeof leak, "leak dog/d.jpg: the same bytes as %s/val/dog/w.jpg", f.path);
    const char *lines[] = {
        "duplicate cat/c.jpg: the same bytes as cat/a.jpg",
        "conflict dog/e.jpg: the same bytes as cat/a.jpg, of another class",
        "broken dog/x.jpg: not a JPEG, PNG or WebP image",
        "broken dog/y.jpg: not a JPEG, PNG or WebP image",
        leak,
    };
    expect(&found, lines, sizeof lines / sizeof *lines);
    ck_assert_int_eq(report.found[WELD_FINDING_LEAK], 1);
    ck_assert_int_eq(report.width.least, 50);
    ck_assert_int_eq(report.width.median, 50);
    ck_assert_int_eq(report.width.most, 52);
    weld_free(report.class_images);
    test_folder_remove(f);
}
END_TEST

START_TEST(what_of_the_other_set_cannot_be_read_is_named) {
    test_folder f = test_folder_create();
    put_image(&f, "train/cat/a.jpg", 50, 40);
    put_image(&f, "train/dog/b.jpg", 51, 40);
    put_image(&f, "val/cat/gone.jpg", 50, 40);
    put_image(&f, "val/dog/w.jpg", 51, 40);
    weld_dataset *ds = open_dataset(test_path(&f, "train"));
    weld_dataset *other = open_dataset(test_path(&f, "val"));
    ck_assert_int_eq(unlink(test_path(&f, "val/cat/gone.jpg")), 0);
    findings found = {0};
    weld_check_report report;
    const weld_check_options options = {
        .annotation = &weld_class_annotation, .against = other, .found = note, .arg = &found};
    ck_assert_int_eq(weld_check(ds, &options, &report, NULL), WELD_OK);
    ck_assert_int_eq(report.found[WELD_FINDING_UNREAD], 1);
    ck_assert_int_eq(report.found[WELD_FINDING_LEAK], 1);
    ck_assert_ptr_nonnull(strstr(found.text, "unread "));
    ck_assert_ptr_nonnull(strstr(found.text, "/val/cat/gone.jpg: cannot open: No such file"));
    weld_free(report.class_images);
    weld_dataset_free(ds);
    weld_dataset_free(other);
    test_folder_remove(f);
}
END_TEST

START_TEST(uneven_classes_are_told) {
    test_folder f = test_folder_create();
    for (int i = 0; i < 22; i++) {
        char name[64];
        snprintf(name, sizeof name, "cat/%d.jpg", i);
        put_image(&f, name, 40 + i, 40);
        snprintf(name, sizeof name, "dog/%d.jpg", i);
        put_image(&f, name, 40 + i, 41);
    }
    put_image(&f, "eel/1.jpg", 40, 42);
    put_image(&f, "eel/2.jpg", 41, 42);
    put_image(&f, "fox/1.jpg", 40, 43);
    findings found = {0};
    weld_check_report report = look(f.path, NULL, 2, &found);
    const char *lines[] = {"class fox: 1 image, where the median class has 12"};
    expect(&found, lines, 1); /* two of 12 are few, but not that few */
    ck_assert_int_eq(report.class_least, 1);
    ck_assert_int_eq(report.class_most, 22);
    weld_free(report.class_images);
    test_folder_remove(f);
}
END_TEST

START_TEST(archives_and_packed_files_are_looked_through_as_well) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    size_t size;
    unsigned char *bytes = read_image_fixture("cmyk.jpg", &size);
    tar_add(&t, '0', "cat/ink.jpg", bytes, size);
    tar_add(&t, '0', "cat/none.txt", "x", 1);
    tar_add(&t, '0', "dog/cut.jpg", bytes, size / 2);
    tar_add(&t, '0', "dog/ink.jpg", bytes, size);
    tar_add(&t, '5', "eel", NULL, 0);
    tar_end(&t);
    tar_write(&t, &f, "t.tar");
    free(bytes);
    findings found = {0};
    weld_check_report report = look(test_path(&f, "t.tar"), NULL, 2, &found);
    ck_assert_int_eq(report.images, 3);
    ck_assert_int_eq(report.found[WELD_FINDING_BROKEN], 1);
    ck_assert_int_eq(report.found[WELD_FINDING_ODD], 2);
    ck_assert_int_eq(report.found[WELD_FINDING_CONFLICT], 1);
    ck_assert_int_eq(report.found[WELD_FINDING_CLASS], 2);
    ck_assert_msg(strstr(found.text, "skipped cat/none.txt") != NULL, "%s", found.text);
    weld_free(report.class_images);
    /* Raw pixels are grey and small on purpose. */
    put_fixture(&f, "set/cat/a.jpg", "one_pixel.jpg");
    put_fixture(&f, "set/cat/b.jpg", "grey.jpg");
    weld_dataset *ds = open_dataset(test_path(&f, "set"));
    weld_pack_options options = {.size = 8};
    weld_pack_report packed;
    ck_assert_int_eq(weld_pack(ds, test_path(&f, "set.h5"), &options, &packed, NULL), WELD_OK);
    weld_dataset_free(ds);
    found = (findings){0};
    report = look(test_path(&f, "set.h5"), NULL, 2, &found);
    ck_assert_int_eq(report.images, 2);
    weld_free(report.class_images);
    test_folder_remove(f);
}
END_TEST

START_TEST(it_stops_where_it_is_told_to) {
    test_folder f = test_folder_create();
    for (int i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "cat/%d.jpg", i);
        put_fixture(&f, name, "one_pixel.jpg");
    }
    findings found = {.stop_after = 100};
    weld_check_report report = look(f.path, NULL, 2, &found);
    ck_assert(report.stopped);
    ck_assert_int_lt(report.images, 300);
    weld_free(report.class_images);
    test_folder_remove(f);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    test_folder f = test_folder_create();
    put_fixture(&f, "cat/a.jpg", "photo.jpg");
    put_fixture(&f, "cat/b.jpg", "photo.jpg");
    weld_dataset *ds = open_dataset(f.path);
    weld_check_options options = {
        .annotation = &weld_class_annotation, .threads = 1, .against = ds};
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_check_report report;
        weld_memory_fail_after(i);
        status = weld_check(ds, &options, &report, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_free(report.class_images);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/check", broken_and_odd_images_are_named_with_the_reason,
          the_same_bytes_are_found_within_and_between_classes_and_sets,
          what_of_the_other_set_cannot_be_read_is_named, uneven_classes_are_told,
          archives_and_packed_files_are_looked_through_as_well, it_stops_where_it_is_told_to,
          failed_allocations_are_reported)
