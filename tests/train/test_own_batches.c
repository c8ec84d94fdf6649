/* Batches of a data set for programs that train networks of their own. */
#define _GNU_SOURCE
#include "weld/batches.h"

#include <math.h>

#include "train/tiny_run.h"

enum { BATCH = 8, IMAGES = 42, PIXELS = SIDE * SIDE * 3 };

static weld_error err;
static float images[BATCH * PIXELS], target[BATCH * CLASSES], again[BATCH * PIXELS];

static const weld_tensor image_room = {WELD_F32, {4, {BATCH, SIDE, SIDE, 3}}, images};
static const weld_tensor again_room = {WELD_F32, {4, {BATCH, SIDE, SIDE, 3}}, again};
static const weld_tensor target_room = {WELD_F32, {2, {BATCH, CLASSES}}, target};

static void expect_error(weld_status status, weld_status wanted, const char *says) {
    ck_assert_int_eq(status, wanted);
    ck_assert_msg(strstr(err.message, says), "'%s' is not in: %s", says, err.message);
}

static weld_batches_options options_of(const char *const *augment, size_t count) {
    weld_batches_options o = weld_batches_defaults();
    o.batch_size = BATCH;
    o.preprocessing = weld_preprocessing_of(SIDE);
    o.preprocessing.crop_fraction = 1;
    o.augment = augment;
    o.augment_count = count;
    return o;
}

static weld_batches *open_batches(const weld_batches_options *o) {
    weld_batches *b;
    ck_assert_msg(!weld_batches_open(in_base("train.h5"), o, &b, &err), "%s", err.message);
    return b;
}

static void load(weld_batches *b, uint32_t epoch, int64_t number, weld_tensor room) {
    ck_assert_msg(!weld_batches_train(b, epoch, number, room, target_room, &err), "%s",
                  err.message);
}

/* Image i has the colours of class i % CLASSES, around 60 + 45 ((class + channel) % CLASSES). */
static int class_of(const float *image, const weld_preprocessing *p) {
    int best = -1;
    double nearest = HUGE_VAL;
    for (int k = 0; k < CLASSES; k++) {
        double distance = 0;
        for (int c = 0; c < 3; c++) {
            double mean = 0;
            for (int i = c; i < PIXELS; i += 3) {
                mean += (double)image[i] / (SIDE * SIDE);
            }
            mean = (mean * (double)p->std[c] + (double)p->mean[c]) * 255;
            distance += fabs(mean - (60 + 45 * ((k + c) % CLASSES)));
        }
        best = distance < nearest ? k : best;
        nearest = fmin(nearest, distance);
    }
    return best;
}

START_TEST(an_epoch_has_every_image_with_its_class) {
    static const char *const plain[] = {"kind=none"};
    const weld_batches_options o = options_of(plain, 1);
    set_up();
    weld_batches *b = open_batches(&o);
    int found[CLASSES] = {0};
    ck_assert_int_eq(weld_batches_images(b), IMAGES);
    ck_assert_int_eq(weld_batches_class_count(b), CLASSES);
    ck_assert_str_eq(weld_batches_class_names(b)[2], "cat");
    ck_assert_int_eq(weld_batches_size(b), BATCH);
    ck_assert_int_eq(weld_batches_per_epoch(b), IMAGES / BATCH);
    for (int64_t n = 0; n < weld_batches_per_epoch(b); n++) {
        load(b, 0, n, image_room);
        for (int i = 0; i < BATCH; i++) {
            const int is = class_of(images + i * PIXELS, &o.preprocessing);
            found[is]++;
            for (int k = 0; k < CLASSES; k++) {
                ck_assert_float_eq(target[i * CLASSES + k], k == is ? 1.0f : 0.0f);
            }
        }
    }
    for (int k = 0; k < CLASSES; k++) { /* 10 or 11 of each, two left out in all */
        ck_assert_int_ge(found[k], 8);
        ck_assert_int_le(found[k], 11);
    }
    weld_batches_free(b);
    tear_down();
}
END_TEST

START_TEST(a_batch_depends_on_its_number_alone) {
    weld_batches_options o = options_of(NULL, 0);
    set_up();
    weld_batches *b = open_batches(&o);
    o.threads = 1;
    weld_batches *other = open_batches(&o);
    load(b, 3, 2, image_room);
    load(other, 0, 0, again_room);
    load(other, 3, 2, again_room);
    ck_assert_mem_eq(images, again, sizeof images);
    load(b, 4, 2, image_room);
    ck_assert_mem_ne(images, again, sizeof images);
    weld_batches_free(other);
    o.seed = 1;
    other = open_batches(&o);
    load(b, 3, 2, image_room);
    load(other, 3, 2, again_room);
    ck_assert_mem_ne(images, again, sizeof images);
    weld_batches_free(other);
    weld_batches_free(b);
    tear_down();
}
END_TEST

START_TEST(mixing_shares_images_and_targets) {
    static const char *const mixup[] = {"kind=small",       "auto_augment=none", "color_jitter=0",
                                        "random_erasing=0", "mixup=1",           "cutmix=0",
                                        "repeats=1"};
    const weld_batches_options o = options_of(mixup, sizeof mixup / sizeof *mixup);
    set_up();
    weld_batches *b = open_batches(&o);
    bool shared = false;
    load(b, 0, 0, image_room);
    for (int i = 0; i < BATCH; i++) {
        float sum = 0;
        for (int k = 0; k < CLASSES; k++) {
            const float t = target[i * CLASSES + k];
            shared = shared || (t > 0 && t < 1);
            sum += t;
        }
        ck_assert_float_eq_tol(sum, 1.0f, 1e-6f);
    }
    ck_assert(shared);
    ck_assert_int_eq(weld_batches_train(b, 0, 0, again_room, (weld_tensor){0}, &err), WELD_OK);
    ck_assert_mem_eq(images, again, sizeof images);
    weld_batches_free(b);
    tear_down();
}
END_TEST

START_TEST(evaluation_goes_through_all_images_in_order) {
    const weld_batches_options o = options_of(NULL, 0);
    set_up();
    weld_batches *b = open_batches(&o);
    int labels[BATCH], loaded = 0;
    ck_assert_int_eq(weld_batches_evaluations(b), (IMAGES + BATCH - 1) / BATCH);
    for (int64_t n = 0; n < weld_batches_evaluations(b); n++) {
        int64_t count;
        ck_assert_int_eq(weld_batches_evaluate(b, n, image_room, labels, &count, &err), WELD_OK);
        for (int64_t i = 0; i < count; i++, loaded++) {
            ck_assert_int_eq(labels[i], loaded % CLASSES);
            ck_assert_int_eq(class_of(images + i * PIXELS, &o.preprocessing), labels[i]);
        }
    }
    ck_assert_int_eq(loaded, IMAGES);
    weld_batches_free(b);
    tear_down();
}
END_TEST

START_TEST(what_does_not_fit_is_an_error_that_says_what_would) {
    static const char *const unknown[] = {"mixup=0", "colour=1"}, *const range[] = {"mixup=-1"};
    weld_batches_options o = options_of(NULL, 0);
    weld_tensor five = {WELD_F32, {2, {BATCH, 5}}, target};
    weld_batches *b, *none;
    int64_t count;
    set_up();
    b = open_batches(&o);
    expect_error(weld_batches_train(b, 0, 0, image_room, five, &err), WELD_ERROR_SHAPE,
                 "target of f32 [8, 5], which must be of f32 [8, 4]");
    expect_error(weld_batches_train(b, 0, 0, target_room, target_room, &err), WELD_ERROR_SHAPE,
                 "must be of f32 [8, 8, 8, 3]");
    expect_error(weld_batches_train(b, 0, 5, image_room, target_room, &err), WELD_ERROR_ARGUMENT,
                 "batch 5 of 5");
    expect_error(weld_batches_evaluate(b, -1, image_room, NULL, &count, &err), WELD_ERROR_ARGUMENT,
                 "batch -1 of 6");
    weld_batches_free(b);
    o = options_of(unknown, 2);
    expect_error(weld_batches_open(in_base("train.h5"), &o, &none, &err), WELD_ERROR_ARGUMENT,
                 "colour=1");
    ck_assert_ptr_null(none);
    o = options_of(range, 1);
    expect_error(weld_batches_open(in_base("train.h5"), &o, &none, &err), WELD_ERROR_ARGUMENT,
                 "mixup=-1");
    o = options_of(NULL, 0);
    o.batch_size = 0;
    expect_error(weld_batches_open(in_base("train.h5"), &o, &none, &err), WELD_ERROR_ARGUMENT,
                 "batch_size");
    expect_error(weld_batches_open(in_base("nowhere"), NULL, &none, &err), WELD_ERROR_NOT_FOUND,
                 "nowhere");
    tear_down();
}
END_TEST

static void take_message(void *context, const char *text) {
    int *count = context;
    ck_assert(strstr(text, "broken.png"));
    ++*count;
}

/* Two classes of two images, of which one is none. */
static void write_broken_folder(void) {
    size_t size;
    unsigned char *photo = test_read_fixture("images/photo.jpg", &size);
    test_put_file(&tiny_folder, "photos/a/broken.png", "no image");
    test_put_file(&tiny_folder, "photos/b/0.jpg", "");
    test_write_file(in_base("photos/a/1.jpg"), photo, size);
    test_write_file(in_base("photos/b/0.jpg"), photo, size);
    test_write_file(in_base("photos/b/1.jpg"), photo, size);
    free(photo);
}

START_TEST(bad_images_are_named_once_and_limited) {
    weld_batches_options o = options_of(NULL, 0);
    weld_batches *b;
    int told = 0;
    set_up();
    write_broken_folder();
    o.batch_size = 2;
    o.message = take_message;
    o.context = &told;
    weld_tensor two = image_room;
    two.shape.dim[0] = 2;
    ck_assert_msg(!weld_batches_open(in_base("photos"), &o, &b, &err), "%s", err.message);
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        for (int64_t n = 0; n < weld_batches_per_epoch(b); n++) {
            ck_assert_msg(!weld_batches_train(b, epoch, n, two, (weld_tensor){0}, &err), "%s",
                          err.message);
        }
    }
    ck_assert_int_eq(told, 1);
    weld_batches_free(b);
    o.max_bad = 0;
    ck_assert_int_eq(weld_batches_open(in_base("photos"), &o, &b, &err), WELD_OK);
    weld_status status = WELD_OK;
    for (uint32_t epoch = 0; !status && epoch < 20; epoch++) {
        status = weld_batches_train(b, epoch, 0, two, (weld_tensor){0}, &err);
    }
    expect_error(status, WELD_ERROR_FORMAT, "broken.png");
    weld_batches_free(b);
    tear_down();
}
END_TEST

RUN_SUITE("train/own_batches", an_epoch_has_every_image_with_its_class,
          a_batch_depends_on_its_number_alone, mixing_shares_images_and_targets,
          evaluation_goes_through_all_images_in_order,
          what_does_not_fit_is_an_error_that_says_what_would, bad_images_are_named_once_and_limited)
