/* Evaluations of a run that lose an image for a moment: what they are of is said, and scores on
 * other images are not compared. */
#define _GNU_SOURCE
#include "train/tiny_run.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "images/encode_png.h"

enum { IMAGES = 12 };

/* This file cannot be read in the evaluations of these numbers; 0: always can. */
static const char *lost_name = "val/dog/11.png";
static atomic_int lost_in, lost_until;

ssize_t pread(int fd, void *data, size_t bytes, off_t offset) {
    char link[64], path[512] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const int number = seen.evaluated + 1;
    const int last = lost_until > lost_in ? lost_until : lost_in;
    if (lost_in && number >= lost_in && number <= last &&
        readlink(link, path, sizeof path - 1) > 0 && strstr(path, lost_name)) {
        errno = EIO;
        return -1;
    }
    return ((__typeof__(&pread))dlsym(RTLD_NEXT, "pread"))(fd, data, bytes, offset);
}

/* tiny_run's data, with photos to evaluate on: three of each class. */
static void set_up_photos(void) {
    static const char *const classes[] = {"ant", "bee", "cat", "dog"};
    set_up();
    mkdir(in_base("val"), 0777);
    for (int i = 0; i < IMAGES; i++) {
        uint8_t pixels[SIDE * SIDE * 3];
        weld_image image = {.pixels = pixels, .width = SIDE, .height = SIDE};
        weld_bytes png = {0};
        char name[64];
        snprintf(name, sizeof name, "val/%s", classes[i / 3]);
        mkdir(in_base(name), 0777);
        memset(pixels, 20 * i, sizeof pixels);
        ck_assert_int_eq(weld_encode_png(&image, &png, NULL), WELD_OK);
        snprintf(name, sizeof name, "val/%s/%02d.png", classes[i / 3], i);
        test_write_file(in_base(name), png.data, png.size);
        weld_bytes_free(&png);
    }
}

static run_options options(const char *out, const char *more) {
    static char val[128];
    snprintf(val, sizeof val, "data.val=%s/val", base);
    return (run_options){.out = out, .set = {val, more}};
}

/* Member of the row of an epoch, from 0; NAN where it is null. */
static double number(const char *out, int epoch, const char *key) {
    json_t *rows = rows_of(out);
    const json_t *value = NULL;
    for (size_t i = 0; i < json_array_size(rows) && epoch >= 0; i++) {
        const json_t *row = json_array_get(rows, i);
        epoch -= strcmp(json_string_value(json_object_get(row, "kind")), "epoch") == 0;
        value = json_object_get(row, key);
    }
    ck_assert_ptr_nonnull(value);
    const double found = json_is_number(value) ? json_number_value(value) : NAN;
    json_decref(rows);
    return found;
}

static void assert_said(const char *words) {
    ck_assert_msg(strstr(seen.messages, words) != NULL, "said: %s", seen.messages);
}

START_TEST(the_average_says_of_how_many_images_its_scores_are) {
    char path[512];
    set_up_photos();
    lost_in = 2; /* the first is of the weights */
    run_options o = options("a", "train.ema_decay=0.5");
    o.set[2] = "train.epochs=1";
    run_well(o);
    assert_said("1 of its 12 images are bad where the moving average was evaluated: its scores "
                "after epoch 1 are of 11, and not compared with the weights'\n");
    ck_assert_double_eq(number("a", 0, "val_images"), IMAGES);
    ck_assert_double_eq(number("a", 0, "val_skipped"), 0);
    ck_assert_double_eq(number("a", 0, "ema_val_images"), IMAGES - 1);
    ck_assert_double_eq(number("a", 0, "ema_val_skipped"), 1);
    weld_model_file best = open_checkpoint("a", "best.h5");
    ck_assert(strstr(best.summary, "\"val_images\":12,"));
    ck_assert(strstr(best.summary, "\"ema_val_images\":11,\"ema_val_skipped\":1"));
    ck_assert(isnan(best.trainer.best_average));
    weld_model_file_free(&best);
    snprintf(path, sizeof path, "%s/a/best.h5", base);
    ck_assert_msg(!weld_model_file_import(path, &(weld_import_options){.key = "ema"}, &best, &err),
                  "%s", err.message);
    ck_assert(strstr(best.summary, "\"val_images\":11,") &&
              strstr(best.summary, "\"val_skipped\":1"));
    weld_model_file_free(&best);

    /* What was noted is noted again by a run that goes on from there. */
    lost_in = 2;
    o = options("b", "train.ema_decay=0.5");
    o.set[2] = "train.epochs=2";
    o.stop_at = STEPS_PER_EPOCH + 1;
    run_well(o);
    lost_in = 0;
    o.resume = true;
    o.stop_at = 0;
    run_well(o);
    ck_assert_double_eq(number("b", 0, "ema_val_images"), IMAGES - 1);
    ck_assert_double_eq(number("b", 1, "ema_val_images"), IMAGES);
    tear_down();
}
END_TEST

START_TEST(scores_of_fewer_images_are_never_the_best_where_there_are_others) {
    set_up_photos();
    for (int lost = 1; lost <= 3; lost++) {
        char out[16], words[200];
        snprintf(out, sizeof out, "run_%d", lost);
        lost_in = lost;
        run_well(options(out, NULL));
        weld_model_file best = open_checkpoint(out, "best.h5");
        ck_assert_int_ne(best.trainer.best_epoch, lost - 1);
        ck_assert_int_eq(best.trainer.best_images, IMAGES);
        weld_model_file_free(&best);
        ck_assert_double_eq(number(out, lost - 1, "val_images"), IMAGES - 1);
        snprintf(words, sizeof words,
                 lost == 1 ? "epoch 2: the scores are of 12 images, those of the best so far of "
                             "11: they are not compared, and these are the best now\n"
                           : "epoch %d: the scores are of 11 images, those of the best so far of "
                             "12: they are not compared, and that stays the best\n",
                 lost);
        assert_said(words);
    }
    tear_down();
}
END_TEST

START_TEST(an_image_that_is_always_lost_lets_scores_be_compared) {
    set_up_photos();
    lost_in = 0;
    ck_assert_int_eq(truncate(in_base(lost_name), 20), 0);
    run_options o = options("a", "train.ema_decay=0.5");
    run_well(o);
    ck_assert_ptr_null(strstr(seen.messages, "not compared"));
    ck_assert_double_eq(number("a", 2, "ema_val_images"), IMAGES - 1);
    weld_model_file best = open_checkpoint("a", "best.h5");
    const int64_t e = best.trainer.best_epoch;
    weld_model_file_free(&best);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_le(number("a", i, "top1"), number("a", (int)e, "top1"));
    }
    tear_down();
}
END_TEST

/* A run whose scores are always the same on the same images. */
static run_options standing_still(const char *patience) {
    run_options o = options("a", "optimizer.lr=0");
    o.set[2] = "schedule.warmup_lr=0";
    o.set[3] = "schedule.min_lr=0";
    o.set[4] = "train.bn_eval=true";
    o.set[5] = "train.epochs=5";
    o.set[6] = patience;
    return o;
}

/* One of each class: without an image that is answered wrongly the score is better. */
static const char *const one_of_each[] = {"val/ant/00.png", "val/bee/03.png", "val/cat/06.png",
                                          "val/dog/11.png"};

START_TEST(scores_are_compared_again_where_an_image_is_lost_for_good) {
    int better = 0;
    for (int i = 0; i < CLASSES; i++) {
        set_up_photos();
        lost_name = one_of_each[i];
        lost_in = 2;
        lost_until = 9;
        run_well(standing_still("train.patience=9"));
        lost_until = 0;
        assert_said("epoch 2: the scores are of 11 images, those of the best so far of 12: they "
                    "are not compared, and that stays the best\n");
        assert_said("epoch 3: the scores are of 11 images, those of the best so far of 12: they "
                    "are compared, since the evaluation before had no more\n");
        const bool wrong = number("a", 2, "top1") > number("a", 0, "top1");
        weld_model_file best = open_checkpoint("a", "best.h5");
        ck_assert_int_eq(best.trainer.best_epoch, wrong ? 4 : 0);
        weld_model_file_free(&best);
        better += wrong;
        tear_down();
    }
    ck_assert_int_gt(better, 0);
}
END_TEST

START_TEST(scores_of_fewer_images_are_none_of_those_that_patience_counts) {
    for (int i = 0; i < CLASSES; i++) {
        set_up_photos();
        lost_name = one_of_each[i];
        lost_in = 3;
        run_well(standing_still("train.patience=2"));
        ck_assert_int_eq(result.epochs, 4); /* the first, one without a better score, one that is
                                               passed over, and another without a better score */
        tear_down();
    }
}
END_TEST

RUN_SUITE("train/lost_images", the_average_says_of_how_many_images_its_scores_are,
          scores_of_fewer_images_are_never_the_best_where_there_are_others,
          an_image_that_is_always_lost_lets_scores_be_compared,
          scores_are_compared_again_where_an_image_is_lost_for_good,
          scores_of_fewer_images_are_none_of_those_that_patience_counts)
