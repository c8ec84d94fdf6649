#define _GNU_SOURCE
#include "train/tiny_run.h"

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
        char name[32], so_far[64];
        snprintf(name, sizeof name, "ant/%02d.png", i);
        snprintf(so_far, sizeof so_far, "(%d so far; data.max_bad is 100)", i + 1);
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
    refuse(o, "more than 1 bad images");
    o = options("other", "data.max_bad=50");
    o.resume = true;
    run_well(o);
    tear_down();
}
END_TEST

START_TEST(a_list_of_bad_images_comes_back_from_its_json) {
    weld_bad_images *a, *b;
    ck_assert_int_eq(weld_bad_images_create(4, &a, NULL), WELD_OK);
    ck_assert_int_eq(weld_bad_images_create(1, &b, NULL), WELD_OK);
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
    weld_bad_images_note(b, 4, "four"); /* there is no room for more, and no need */
    ck_assert_int_eq(weld_bad_images_count(b), 2);
    json_decref(array);
    weld_bad_images_free(a);
    weld_bad_images_free(b);
}
END_TEST

RUN_SUITE("data/bad_images", each_bad_image_is_named_and_counted_once_in_a_run,
          more_bad_images_than_allowed_stop_the_run, a_run_that_is_resumed_counts_on,
          a_list_of_bad_images_comes_back_from_its_json)
