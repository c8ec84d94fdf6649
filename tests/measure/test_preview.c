#define _GNU_SOURCE
#include "train/tiny_run.h"

#include "base/memory.h"
#include "images/contact_sheet.h"
#include "images/decode.h"
#include "data/loader.h"
#include "measure/preview.h"
#include "recipe/recipe.h"
#include "tasks/classification/classification.h"

enum { BATCH = 8, BATCHES = 2, FLOATS = SIDE * SIDE * 3 };

static weld_preview_options options(const char *out, const char *const *set, size_t count) {
    static char recipe[128], path[128];
    snprintf(recipe, sizeof recipe, "%s/tiny.yaml", base);
    snprintf(path, sizeof path, "%s/%s", base, out);
    weld_preview_options o = {.settings = weld_train_defaults(), .out = path, .count = 11};
    o.settings.recipe = recipe;
    o.settings.set = set;
    o.settings.set_count = count;
    o.settings.threads = 1;
    return o;
}

static weld_image draw(weld_preview_options o) {
    weld_preview_report report;
    weld_image sheet = {0};
    ck_assert_msg(!weld_preview(&o, &report, &err), "%s", err.message);
    size_t size;
    unsigned char *bytes = test_read_file(o.out, &size);
    ck_assert_msg(!weld_decode_image(bytes, size, 0, &sheet, &err), "%s", err.message);
    free(bytes);
    ck_assert_int_eq(report.width, sheet.width);
    ck_assert_int_eq(report.height, sheet.height);
    return sheet;
}

static void assert_same(weld_image a, weld_image b) {
    ck_assert_int_eq(a.width, b.width);
    ck_assert_int_eq(a.height, b.height);
    ck_assert_mem_eq(a.pixels, b.pixels, (size_t)a.width * (size_t)a.height * 3);
}

/* The recipe's loader, and a sheet of what it gives. */
static weld_image draw_loader(const char *const *set, size_t set_count, uint32_t epoch,
                              int64_t count) {
    weld_recipe *recipe = malloc(sizeof *recipe);
    ck_assert_int_eq(weld_recipe_read(in_base("tiny.yaml"), set, set_count, NULL, recipe, &err),
                     WELD_OK);
    static float images[BATCHES * BATCH * FLOATS], targets[BATCHES * BATCH * CLASSES];
    static char text[BATCHES * BATCH][64];
    const char *captions[BATCHES * BATCH];
    weld_loader_options o = {.preprocessing = recipe->data.preprocessing,
                             .augmentation = recipe->augment,
                             .batch_size = BATCH,
                             .seed = 7,
                             .shuffle = true,
                             .annotation = &weld_class_annotation,
                             .threads = 2};
    weld_dataset *ds;
    weld_loader *l;
    weld_batch batch;
    weld_image sheet = {0};
    ck_assert_int_eq(weld_dataset_open(in_base("train.h5"), &ds, &err), WELD_OK);
    ck_assert_int_eq(weld_loader_create(ds, &o, &l, &err), WELD_OK);
    for (int b = 0; b < BATCHES; b++) {
        ck_assert_int_eq(
            weld_loader_train_batch(l, epoch, b, NULL, images + b * BATCH * FLOATS, &batch, &err),
            WELD_OK);
        weld_class_targets(&batch, CLASSES, targets + b * BATCH * CLASSES);
    }
    for (int i = 0; i < BATCHES * BATCH; i++) {
        const float *target = targets + i * CLASSES;
        int order[CLASSES] = {0, 1, 2, 3};
        for (int k = 0; k < CLASSES * CLASSES; k++) {
            int a = k % (CLASSES - 1), held = order[a];
            if (target[order[a]] < target[order[a + 1]]) {
                order[a] = order[a + 1];
                order[a + 1] = held;
            }
        }
        int used = sprintf(text[i], "%.2f %s", (double)target[order[0]],
                           weld_dataset_class_name(ds, order[0]));
        if (target[order[1]] >= 0.005f) {
            sprintf(text[i] + used, "\n%.2f %s", (double)target[order[1]],
                    weld_dataset_class_name(ds, order[1]));
        }
        captions[i] = text[i];
    }
    ck_assert_int_eq(
        weld_contact_sheet(&o.preprocessing, images, NULL, captions, count, 8, &sheet, &err),
        WELD_OK);
    weld_loader_free(l);
    weld_dataset_free(ds);
    free(recipe);
    return sheet;
}

START_TEST(a_preview_shows_the_samples_that_the_run_will_see) {
    set_up();
    const char *set[] = {"augment.cutmix=1", "augment.mix_mode=elem", "augment.repeats=2"};
    weld_preview_options o = options("sheet.png", set, 3);
    for (o.epoch = 0; o.epoch < 2; o.epoch++) {
        weld_image got = draw(o), expected = draw_loader(set, 3, (uint32_t)o.epoch, o.count);
        assert_same(got, expected);
        weld_image_free(&got);
        weld_image_free(&expected);
    }
    tear_down();
}
END_TEST

START_TEST(without_augmentation_each_sample_is_all_of_its_class) {
    set_up();
    const char *set[] = {"augment.kind=none"};
    weld_image got = draw(options("sheet.png", set, 1)), expected = draw_loader(set, 1, 0, 11);
    assert_same(got, expected);
    weld_image_free(&got);
    weld_image_free(&expected);
    tear_down();
}
END_TEST

START_TEST(a_preview_needs_no_images_to_evaluate_on_and_no_more_samples_than_there_are) {
    set_up();
    const char *set[] = {"data.val=nowhere"};
    weld_preview_options o = options("sheet.png", set, 1);
    weld_preview_report report;
    o.count = 1000;
    ck_assert_msg(!weld_preview(&o, &report, &err), "%s", err.message);
    ck_assert_int_eq(report.samples, STEPS_PER_EPOCH * BATCH);
    ck_assert_int_eq(report.batches, STEPS_PER_EPOCH);
    tear_down();
}
END_TEST

/* A sheet of the first samples of a loader's first batches of each size; *most: of how many sizes
 * an epoch had some. */
static weld_image draw_sizes(uint32_t epoch, int64_t of_each, int *most) {
    static const int sizes[] = {6, 8, 10};
    static float batch_images[BATCH * FLOATS], images[3 * BATCH * 10 * 10 * 3];
    static char text[3 * BATCH][64];
    const char *captions[3 * BATCH];
    weld_sheet_size drawn[3 * BATCH];
    int done[3] = {0};
    weld_loader_options o = {.preprocessing = {.height = 8,
                                               .width = 8,
                                               .crop_fraction = 1,
                                               .interpolation = WELD_BICUBIC,
                                               .mean = {0.485f, 0.456f, 0.406f},
                                               .std = {0.229f, 0.224f, 0.225f}},
                             .augmentation = weld_augmentation_defaults(),
                             .batch_size = BATCH,
                             .sizes = sizes,
                             .size_count = 3,
                             .seed = 7,
                             .shuffle = true,
                             .annotation = &weld_class_annotation,
                             .threads = 2};
    o.augmentation.kind = WELD_AUGMENT_NONE;
    weld_dataset *ds;
    weld_loader *l;
    weld_batch batch;
    weld_image sheet = {0};
    ck_assert_int_eq(weld_dataset_open(in_base("train.h5"), &ds, &err), WELD_OK);
    ck_assert_msg(!weld_loader_create(ds, &o, &l, &err), "%s", err.message);
    int64_t count = 0;
    float *to = images;
    for (int64_t b = 0; b < weld_loader_train_batches(l, epoch); b++) {
        ck_assert_int_eq(weld_loader_train_batch(l, epoch, b, NULL, batch_images, &batch, &err),
                         WELD_OK);
        const int which = batch.height / 2 - 3;
        const size_t floats = (size_t)batch.height * (size_t)batch.width * 3;
        for (int64_t i = 0; i < of_each && i < batch.count && !done[which]; i++, count++) {
            memcpy(to, batch_images + (size_t)i * floats, floats * sizeof *to);
            to += floats;
            drawn[count] = (weld_sheet_size){batch.height, batch.width};
            sprintf(text[count], "1.00 %s\n%d x %d",
                    weld_dataset_class_name(ds, weld_class_label(&batch, i)), batch.height,
                    batch.width);
            captions[count] = text[count];
        }
        done[which] = 1;
    }
    const int all = done[0] + done[1] + done[2];
    *most = all > *most ? all : *most;
    ck_assert_int_eq(
        weld_contact_sheet(&o.preprocessing, images, drawn, captions, count, 8, &sheet, &err),
        WELD_OK);
    weld_loader_free(l);
    weld_dataset_free(ds);
    return sheet;
}

START_TEST(of_several_sizes_samples_of_each_are_shown) {
    set_up();
    const char *set[] = {"augment.kind=none", "data.sizes=[6, 8, 10]"};
    weld_preview_options o = options("sheet.png", set, 2);
    o.count = 9;
    int most = 0;
    for (o.epoch = 0; o.epoch < 6; o.epoch++) {
        weld_image got = draw(o), expected = draw_sizes((uint32_t)o.epoch, 3, &most);
        assert_same(got, expected);
        weld_image_free(&got);
        weld_image_free(&expected);
    }
    ck_assert_int_eq(most, 3);
    tear_down();
}
END_TEST

START_TEST(what_cannot_be_drawn_or_written_is_an_error_and_leaves_no_file) {
    set_up();
    const char *set[] = {"data.train=nowhere"};
    weld_preview_options o = options("sheet.png", set, 1);
    weld_preview_report report;
    ck_assert_int_ne(weld_preview(&o, &report, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "nowhere"));
    o = options("no/such/folder/sheet.png", NULL, 0);
    ck_assert_int_ne(weld_preview(&o, &report, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "no/such/folder"));
    ck_assert_int_ne(access(in_base("sheet.png"), F_OK), 0);
    tear_down();
}
END_TEST

START_TEST(a_lack_of_memory_is_reported) {
    set_up();
    weld_preview_options o = options("sheet.png", NULL, 0);
    weld_preview_report report;
    weld_status status = WELD_ERROR_MEMORY;
    for (long successes = 0; status; successes += 1 + successes / 16) {
        weld_memory_fail_after(successes);
        status = weld_preview(&o, &report, &err);
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%ld: %s", successes,
                      err.message);
        ck_assert_int_eq(access(o.out, F_OK) == 0, status == WELD_OK);
    }
    tear_down();
}
END_TEST

RUN_SUITE("measure/preview", a_preview_shows_the_samples_that_the_run_will_see,
          without_augmentation_each_sample_is_all_of_its_class,
          of_several_sizes_samples_of_each_are_shown,
          a_preview_needs_no_images_to_evaluate_on_and_no_more_samples_than_there_are,
          what_cannot_be_drawn_or_written_is_an_error_and_leaves_no_file,
          a_lack_of_memory_is_reported)
