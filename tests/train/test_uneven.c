/* Training on classes of uneven size: what balanced sampling and class weights do to the rare one,
 * and resuming with both. */
#define _GNU_SOURCE
#include "train/tiny_run.h"

enum { RARE = CLASSES - 1 };

/* Images with much noise around a colour that is near those of the other classes. */
static void write_uneven(const char *path, const int *counts, uint64_t seed) {
    static const char *const names[CLASSES] = {"ant", "bee", "cat", "dog"};
    weld_packed_layout layout = {.height = SIDE, .width = SIDE, .channels = 3};
    weld_packed_writer *w;
    unsigned char pixels[SIDE * SIDE * 3];
    ck_assert_int_eq(weld_packed_writer_create(path, layout, names, CLASSES, &w, &err), WELD_OK);
    for (int c = 0; c < CLASSES; c++) {
        for (int i = 0; i < counts[c]; i++) {
            weld_random r = weld_random_start(seed, (uint32_t)c, (uint64_t)i, WELD_RANDOM_TEST);
            char name[32];
            double shift = 12 * weld_random_normal(&r);
            for (size_t p = 0; p < sizeof pixels; p++) {
                double middle = 128 + shift + 10 * c * (p % 3 == 0);
                pixels[p] = (unsigned char)(middle + weld_random_range(&r, -40, 40));
            }
            snprintf(name, sizeof name, "%s/%03d.png", names[c], i);
            ck_assert_int_eq(weld_packed_writer_add(w, pixels, sizeof pixels, c, name, &err),
                             WELD_OK);
        }
    }
    ck_assert_int_eq(weld_packed_writer_finish(w, &err), WELD_OK);
    weld_packed_writer_free(w);
}

static void set_up_uneven(void) {
    set_up();
    write_uneven(in_base("train.h5"), (const int[CLASSES]){60, 60, 60, 6}, 1);
    write_uneven(in_base("val.h5"), (const int[CLASSES]){40, 40, 40, 40}, 2);
}

/* Percent of a class's images, from the run's evaluation.json. */
static double recall(const char *out, int c) {
    char path[512];
    json_error_t problem;
    double value;
    snprintf(path, sizeof path, "%s/%s/evaluation.json", base, out);
    json_t *root = json_load_file(path, 0, &problem);
    ck_assert_msg(root != NULL, "%s: %s", path, problem.text);
    value = json_number_value(
        json_object_get(json_array_get(json_object_get(root, "classes"), (size_t)c), "recall"));
    json_decref(root);
    return value;
}

START_TEST(balance_raises_the_recall_of_the_rare_class) {
    set_up_uneven();
#define COMMON "train.epochs=8", "train.eval_every=0", "augment.hflip=0", "augment.mixup=0"
    run_well((run_options){.out = "all", .set = {COMMON}});
    run_well((run_options){.out = "sampled", .set = {COMMON, "data.sampling=balanced"}});
    ck_assert_ptr_nonnull(
        strstr(seen.messages, "epoch: from 0.775 (ant, 60 images) to 7.75 (dog, 6)"));
    run_well((run_options){.out = "weighted", .set = {COMMON, "loss.class_weights=balanced"}});
    ck_assert_ptr_nonnull(strstr(seen.messages, "(ant, 60 images) to 7.75 (dog, 6)"));
    double plain = recall("all", RARE);
    ck_assert_msg(recall("sampled", RARE) > plain + 20, "%g %% and %g %%", plain,
                  recall("sampled", RARE));
    ck_assert_msg(recall("weighted", RARE) > plain + 20, "%g %% and %g %%", plain,
                  recall("weighted", RARE));
    tear_down();
}
END_TEST

START_TEST(a_run_with_sampling_and_weights_continues_bit_for_bit) {
    set_up_uneven();
    run_options whole = {.out = "whole",
                         .set = {"data.sampling=sqrt", "loss.class_weights=balanced",
                                 "train.accumulate=2", "train.epochs=2"}};
    run_options parts = whole;
    parts.out = "parts";
    parts.resume = true;
    parts.threads = 2;
    run_well(whole);
    for (parts.stop_at = 3; parts.stop_at < 22; parts.stop_at += 6) {
        run_well(parts);
    }
    parts.stop_at = 0;
    run_well(parts);
    assert_same_run("whole", "parts");
    char *a = read_text(in_base("whole/evaluation.json"));
    char *b = read_text(in_base("parts/evaluation.json"));
    ck_assert_str_eq(a, b);
    free(a);
    free(b);
    tear_down();
}
END_TEST

/* Of classes that an epoch has equally many of all weights are 1: the loss is the usual one, though
 * its smoothing comes another way. */
START_TEST(weights_of_even_classes_leave_the_loss_as_it_is) {
    set_up();
    write_data(in_base("train.h5"), 40, 1);
    run_well((run_options){.out = "usual"});
    run_well((run_options){.out = "weighted", .set = {"loss.class_weights=balanced"}});
    json_t *usual = rows_of("usual"), *weighted = rows_of("weighted");
    for (size_t i = 0; i < 4; i++) { /* a few updates, before roundings grow */
        double x = json_number_value(json_object_get(json_array_get(usual, i), "loss"));
        double y = json_number_value(json_object_get(json_array_get(weighted, i), "loss"));
        ck_assert_double_gt(x, 0.5);
        ck_assert_double_eq_tol(x, y, 1e-4);
    }
    json_decref(usual);
    json_decref(weighted);
    tear_down();
}
END_TEST

START_TEST(sampling_without_a_shuffle_or_with_a_cached_teacher_is_refused) {
    set_up();
    refuse((run_options){.out = "a", .set = {"data.sampling=balanced", "train.shuffle=false"}},
           "data.sampling");
    refuse((run_options){.out = "a",
                         .set = {"data.sampling=sqrt", "loss.distillation.kind=soft",
                                 "loss.distillation.cache=said.h5"}},
           "data.sampling");
    refuse((run_options){.out = "a", .set = {"data.sampling=often"}}, "all, balanced, sqrt");
    tear_down();
}
END_TEST

/* A new network knows nothing: of each class it says yes or no with a chance of one half. */
START_TEST(binary_cross_entropy_asks_of_each_class_by_itself) {
    set_up();
    run_well((run_options){.out = "run", .set = {"loss.kind=bce", "augment.mixup=0.8"}});
    json_t *rows = rows_of("run"), *first = json_array_get(rows, 0);
    ck_assert_double_eq_tol(json_number_value(json_object_get(first, "loss")), log(2), 0.1);
    json_decref(rows);
    refuse((run_options){.out = "other", .set = {"loss.kind=bce", "loss.class_weights=balanced"}},
           "loss.class_weights: are for cross entropy");
    tear_down();
}
END_TEST

RUN_SUITE("train/uneven", binary_cross_entropy_asks_of_each_class_by_itself,
          balance_raises_the_recall_of_the_rare_class,
          a_run_with_sampling_and_weights_continues_bit_for_bit,
          weights_of_even_classes_leave_the_loss_as_it_is,
          sampling_without_a_shuffle_or_with_a_cached_teacher_is_refused)
