#define _GNU_SOURCE
#include "train/tiny_run.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "images/encode_png.h"
#include "data/bad_images.h"

enum { IMAGES = 20, BAD = 3, EPOCHS = 3 };

/* Two classes of ten; the first BAD of the first class are no images. */
static void write_folder(void) {
    mkdir(in_base("photos"), 0777);
    mkdir(in_base("photos/ant"), 0777);
    mkdir(in_base("photos/bee"), 0777);
    for (int i = 0; i < IMAGES; i++) {
        uint8_t pixels[SIDE * SIDE * 3];
        weld_image image = {.pixels = pixels, .width = SIDE, .height = SIDE};
        weld_bytes png = {0};
        char name[64];
        memset(pixels, 10 * i, sizeof pixels);
        ck_assert_int_eq(weld_encode_png(&image, &png, NULL), WELD_OK);
        snprintf(name, sizeof name, "photos/%s/%02d.png", i < IMAGES / 2 ? "ant" : "bee", i);
        FILE *file = fopen(in_base(name), "wb");
        fwrite(png.data, 1, i < BAD ? 20 : png.size, file);
        fclose(file);
        weld_bytes_free(&png);
    }
}

static run_options options(const char *out, const char *max_bad) {
    static char train[128];
    snprintf(train, sizeof train, "data.train=%s/photos", base);
    return (run_options){
        .out = out,
        .set = {train, "data.val=null", "train.batch_size=4", "train.ema_decay=null", max_bad}};
}

/* --- A disk that fails --- */

/* Reads of the file of this name fail so often. */
static struct {
    const char *name;
    atomic_int times; /* several threads read */
} failing;

ssize_t pread(int fd, void *data, size_t bytes, off_t offset) {
    char link[64], path[512] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (failing.times > 0 && readlink(link, path, sizeof path - 1) > 0 &&
        strstr(path, failing.name)) {
        failing.times--;
        errno = EIO;
        return -1;
    }
    return ((__typeof__(&pread))dlsym(RTLD_NEXT, "pread"))(fd, data, bytes, offset);
}

/* --- Looking at a run --- */

/* The first row of that kind; NULL: there is none. */
static json_t *first_row(json_t *rows, const char *kind) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "kind")), kind) == 0) {
            return row;
        }
    }
    return NULL;
}

static int count_of(const char *text, const char *words) {
    int count = 0;
    for (; (text = strstr(text, words)); text++) {
        count++;
    }
    return count;
}

START_TEST(each_bad_image_is_named_and_counted_once_in_a_run) {
    set_up();
    write_folder();
    run_well(options("a", NULL));
    ck_assert_int_eq(count_of(seen.messages, "skipped: "), BAD);
    ck_assert_int_eq(result.bad_images, BAD);
    for (int i = 0; i < BAD; i++) {
        char name[32], so_far[96];
        snprintf(name, sizeof name, "ant/%02d.png", i);
        snprintf(so_far, sizeof so_far,
                 "(%d so far; at most 10: half of 20 images; data.max_bad is 100)", i + 1);
        ck_assert_int_eq(count_of(seen.messages, name), 1);
        ck_assert_int_eq(count_of(seen.messages, so_far), 1);
    }
    ck_assert_int_eq(result.step, EPOCHS * IMAGES / 4);
    tear_down();
}
END_TEST

START_TEST(more_bad_images_than_allowed_stop_the_run) {
    set_up();
    write_folder();
    run_well(options("just_enough", "data.max_bad=3"));
    refuse(options("a", "data.max_bad=2"), "photos: more than 2 bad images (data.max_bad): weld "
                                           "check-data lists them all; the last: ");
    for (int i = 0; i < BAD; i++) {
        char name[32];
        snprintf(name, sizeof name, "ant/%02d.png", i);
        ck_assert_ptr_nonnull(strstr(err.message, name));
    }
    refuse(options("none", "data.max_bad=0"), "photos: more than 0 bad images");
    ck_assert_ptr_nonnull(strstr(err.message, "; to go on without them: --resume --set "
                                              "data.max_bad=N, more than now; mended files are "
                                              "other data, for a new run"));
    run_options o = options("none", "data.max_bad=0");
    o.resume = true;
    refuse(o, "photos: more than 0 bad images (data.max_bad): weld check-data lists them all; to ");
    ck_assert_int_eq(seen.step, 0); /* not one more each time */
    o = options("none", "data.max_bad=3");
    o.resume = true;
    run_well(o);
    ck_assert_int_gt(seen.start.resumed_step, 0); /* nothing was lost */
    assert_same_rows("just_enough", "none");
    weld_model_file enough = open_checkpoint("just_enough", "last.h5"),
                    none = open_checkpoint("none", "last.h5");
    assert_same_tensors(enough.weights, none.weights);
    weld_model_file_free(&enough);
    weld_model_file_free(&none);
    tear_down();
}
END_TEST

START_TEST(a_run_of_bad_images_alone_counts_as_far_as_its_limit) {
    set_up();
    write_folder();
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "photos/%s/%02d.png", i < IMAGES / 2 ? "ant" : "bee", i);
        ck_assert_int_eq(truncate(in_base(name), 20), 0);
    }
    refuse(options("a", "data.max_bad=1000"),
           "photos: more than 10 bad images (half of 20 images; data.max_bad is 1000): ");
    ck_assert_int_eq(count_of(seen.messages, "skipped: "), 11);
    for (int i = 1; i <= 11; i++) {
        char so_far[24];
        snprintf(so_far, sizeof so_far, "(%d so far; ", i);
        ck_assert_int_eq(count_of(seen.messages, so_far), 1);
    }
    tear_down();
}
END_TEST

START_TEST(a_run_that_is_resumed_counts_on) {
    set_up();
    write_folder();
    run_options whole = options("whole", "data.max_bad=3");
    run_well(whole);
    for (int64_t stop = 1; stop < 8; stop++) {
        char out[32];
        snprintf(out, sizeof out, "stopped_%d", (int)stop);
        run_options o = options(out, "data.max_bad=3");
        o.stop_at = stop;
        run_well(o);
        int before = count_of(seen.messages, "skipped: ");
        o.stop_at = 0;
        o.resume = true;
        run_well(o);
        ck_assert_int_eq(before + count_of(seen.messages, "skipped: "), BAD);
        ck_assert_int_eq(result.bad_images, BAD);
    }
    /* The limit is none of what a run is: it may be another one now. */
    run_options o = options("other", "data.max_bad=3");
    o.stop_at = 12;
    run_well(o);
    o = options("other", "data.max_bad=1");
    o.resume = true;
    refuse(o, "more than 1 bad image (data.max_bad): ");
    o = options("other", "data.max_bad=50");
    o.resume = true;
    run_well(o);
    tear_down();
}
END_TEST

START_TEST(a_read_that_fails_for_a_moment_loses_no_image) {
    set_up();
    write_folder();
    run_options o = options("a", "data.max_bad=3");
    run_well(o);
    failing.name = "bee/15.png";
    failing.times = 2;
    o.out = "b";
    run_well(o);
    ck_assert_int_eq(failing.times, 0);
    ck_assert_int_eq(result.bad_images, BAD);
    assert_same_rows("a", "b");
    tear_down();
}
END_TEST

START_TEST(an_image_that_is_given_up_stands_in_the_record_with_the_reason) {
    set_up();
    write_folder();
    failing.name = "bee/15.png";
    failing.times = 1000;
    run_options o = options("a", "train.epochs=1");
    run_well(o);
    failing.times = 0;
    ck_assert_int_eq(result.bad_images, BAD + 1);
    json_t *rows = rows_of("a"), *epoch = first_row(rows, "epoch");
    ck_assert_int_eq(json_integer_value(json_object_get(epoch, "bad_images")), BAD + 1);
    int told = 0, failed = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *reason = json_string_value(json_object_get(json_array_get(rows, i), "reason"));
        told += reason != NULL;
        failed += reason && strstr(reason, "bee/15.png") && strstr(reason, "Input/output error");
    }
    ck_assert_int_eq(told, BAD + 1);
    ck_assert_int_eq(failed, 1);
    json_decref(rows);
    tear_down();
}
END_TEST

/* --- Limits --- */

START_TEST(a_limit_is_a_number_up_to_half_of_all_or_a_share) {
    ck_assert_int_eq(weld_bad_images_limit(100, 1000), 100);
    ck_assert_int_eq(weld_bad_images_limit(100, 100), 50);
    ck_assert_int_eq(weld_bad_images_limit(100, 3), 1);
    ck_assert_int_eq(weld_bad_images_limit(0, 1000), 0);
    ck_assert_int_eq(weld_bad_images_limit(1, 1000), 1);
    ck_assert_int_eq(weld_bad_images_limit(0.29, 100), 29); /* not 28.999... */
    ck_assert_int_eq(weld_bad_images_limit(0.05, 1000), 50);
    ck_assert_int_eq(weld_bad_images_limit(0.9, 1000), 900);
    ck_assert_int_eq(weld_bad_images_limit(0.05, 19), 0);
    set_up();
    write_folder();
    run_well(options("share", "data.max_bad=0.15"));
    refuse(options("less", "data.max_bad=0.1"),
           "photos: more than 2 bad images (data.max_bad, 0.1 of 20 images): ");
    refuse(options("no_number", "data.max_bad=2.5"), "data.max_bad: is a whole number of images");
    tear_down();
}
END_TEST

START_TEST(an_evaluation_says_of_how_many_images_it_is) {
    char val[128];
    set_up();
    write_folder();
    snprintf(val, sizeof val, "data.val=%s/photos", base);
    run_well((run_options){.out = "a", .set = {val}});
    ck_assert_ptr_nonnull(
        strstr(seen.messages, "3 of its 20 images are bad: the scores after epoch 1 are of 17\n"));
    json_t *rows = rows_of("a"), *epoch = first_row(rows, "epoch");
    ck_assert_int_eq(json_integer_value(json_object_get(epoch, "val_images")), 17);
    ck_assert_int_eq(json_integer_value(json_object_get(epoch, "val_skipped")), 3);
    json_decref(rows);
    weld_model_file best = open_checkpoint("a", "best.h5");
    ck_assert_ptr_nonnull(strstr(best.summary, "\"val_images\":17,\"val_skipped\":3,"));
    weld_model_file_free(&best);
    tear_down();
}
END_TEST

START_TEST(each_bad_image_of_an_evaluation_is_named_once_in_a_run) {
    char val[128];
    set_up();
    write_folder();
    snprintf(val, sizeof val, "data.val=%s/photos", base);
    run_well((run_options){.out = "a", .set = {val, "train.ema_decay=0.5"}});
    ck_assert_int_eq(count_of(seen.messages, "skipped: "), BAD);
    ck_assert_int_eq(count_of(seen.messages, "3 of its 20 images are bad: "), EPOCHS);
    tear_down();
}
END_TEST

START_TEST(an_evaluation_on_too_few_ends_the_run_which_goes_on_when_they_are_mended) {
    char val[128];
    set_up();
    write_folder();
    snprintf(val, sizeof val, "data.val=%s/photos", base);
    run_well((run_options){.out = "whole", .set = {val}});
    run_options o = {.out = "a", .set = {val, "data.max_bad=2"}};
    refuse(o, "photos: 3 of its 20 images are bad, which is more than 2 (data.max_bad)");
    ck_assert_ptr_nonnull(strstr(err.message, "--resume --set data.max_bad=N, more than now"));
    o.set[1] = "data.max_bad=0.15";
    o.resume = true;
    run_well(o);
    ck_assert_int_eq(seen.start.resumed_step, STEPS_PER_EPOCH); /* nothing was lost */
    assert_same_run("whole", "a");
    for (int i = IMAGES / 2; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "photos/bee/%02d.png", i);
        ck_assert_int_eq(truncate(in_base(name), 20), 0);
    }
    o = (run_options){.out = "b", .set = {val, "train.epochs=1"}};
    refuse(o, "photos: 13 of its 20 images are bad, which is more than 10 (half of 20 images; "
              "data.max_bad is 100)");
    ck_assert_ptr_null(strstr(err.message, "--resume")); /* no other limit would do */
    ck_assert_ptr_nonnull(strstr(err.message, "; mended files are other data, for a new run"));
    tear_down();
}
END_TEST

START_TEST(a_list_of_bad_images_comes_back_from_its_json) {
    weld_bad_images *a, *b;
    ck_assert_int_eq(weld_bad_images_create(4, 20, &a, NULL), WELD_OK);
    ck_assert_int_eq(weld_bad_images_create(1, 20, &b, NULL), WELD_OK);
    ck_assert(weld_bad_images_note(a, 7, "seven"));
    ck_assert(!weld_bad_images_note(a, 7, "seven"));
    ck_assert(weld_bad_images_note(a, 3, "three"));
    ck_assert_int_eq(weld_bad_images_check(a, "set", &err), WELD_OK);
    json_t *array = weld_bad_images_json(a);
    json_array_append_new(array, json_string("9"));
    weld_bad_images_restore(b, array);
    ck_assert_int_eq(weld_bad_images_count(b), 2);
    ck_assert_int_eq(weld_bad_images_check(b, "set", &err), WELD_ERROR_FORMAT);
    ck_assert(!weld_bad_images_note(b, 3, "three"));
    ck_assert(!weld_bad_images_note(b, 4, "four")); /* the run ends here: no need for more */
    ck_assert_int_eq(weld_bad_images_count(b), 2);
    json_decref(array);
    weld_bad_images_free(a);
    weld_bad_images_free(b);
}
END_TEST

RUN_SUITE("data/bad_images", each_bad_image_is_named_and_counted_once_in_a_run,
          more_bad_images_than_allowed_stop_the_run,
          a_run_of_bad_images_alone_counts_as_far_as_its_limit, a_run_that_is_resumed_counts_on,
          a_read_that_fails_for_a_moment_loses_no_image,
          an_image_that_is_given_up_stands_in_the_record_with_the_reason,
          a_limit_is_a_number_up_to_half_of_all_or_a_share,
          an_evaluation_says_of_how_many_images_it_is,
          each_bad_image_of_an_evaluation_is_named_once_in_a_run,
          an_evaluation_on_too_few_ends_the_run_which_goes_on_when_they_are_mended,
          a_list_of_bad_images_comes_back_from_its_json)
