/* Runs that several processes share out end as those of one: the same weights, moments, rows,
 * evaluations and checkpoints, bit for bit, however many there are. */
#define _GNU_SOURCE
#include "train/rank_runs.h"

#include "teach/make_cache.h"
#include "train/tell_ranks.h"

/* With each of these numbers of ranks as by one process. */
static void compare(run_options o, const int *ranks) {
    o.out = "one";
    run_well(o);
    ck_assert_int_ge(result.step, 4);
    ck_assert_int_eq(result.bad_images, 1);
    for (; *ranks; ranks++) {
        char out[16];
        snprintf(out, sizeof out, "by%d", *ranks);
        o.out = out;
        run_over(*ranks, o);
        assert_same_end("one", out);
    }
}

START_TEST(any_number_of_ranks_comes_to_the_same_bits) {
    set_up_everything();
    compare((run_options){.recipe = "all.yaml"}, (const int[]){2, 3, 4, 6, 0});
    tear_down();
}
END_TEST

START_TEST(so_it_does_in_bf16_with_the_backbone_frozen_in_part_and_images_of_several_sizes) {
    set_up_everything();
    compare((run_options){.recipe = "all.yaml",
                          .set = {"train.precision=bf16", "train.freeze=stem", "data.sizes=[6, 8]",
                                  "optimizer.name=sgd"}},
            (const int[]){4, 5, 0});
    tear_down();
}
END_TEST

/* BASE/teacher/last.h5, of a larger network. */
static void make_teacher(void) {
    run_well((run_options){.out = "teacher",
                           .set = {"model.channels=[16]", "train.epochs=1", "train.seed=3"}});
}

START_TEST(so_it_does_with_a_teacher) {
    char teacher[192];
    set_up_everything();
    make_teacher();
    snprintf(teacher, sizeof teacher, "loss.distillation={kind: soft, teacher: %s/teacher/last.h5}",
             base);
    compare((run_options){.recipe = "all.yaml", .set = {teacher}}, (const int[]){3, 0});
    tear_down();
}
END_TEST

static void no_message(void *context, const char *text) {
    (void)context, (void)text;
}
static void no_plan(void *context, const weld_cache_plan *plan) {
    (void)context, (void)plan;
}
static void no_progress(void *context, int64_t done, int64_t total) {
    (void)context, (void)done, (void)total;
}
static void no_bad_image(void *context, int64_t index, const char *reason) {
    (void)context, (void)index, (void)reason;
}
static bool no_stop(void *context) {
    return context != NULL;
}

START_TEST(so_it_does_with_what_a_teacher_said) {
    char teacher[192], cache[192], recipe[128], out[128];
    const char *const set[] = {"data.sampling=all", teacher};
    weld_cache_result made;
    set_up_everything();
    make_teacher();
    snprintf(teacher, sizeof teacher, "loss.distillation={kind: soft, teacher: %s/teacher/last.h5}",
             base);
    snprintf(cache, sizeof cache, "loss.distillation={kind: soft, cache: %s/said.h5}", base);
    snprintf(recipe, sizeof recipe, "%s/all.yaml", base);
    snprintf(out, sizeof out, "%s/said.h5", base);
    const weld_cache_settings s = {.recipe = recipe,
                                   .out = out,
                                   .set = set,
                                   .set_count = 2,
                                   .views = 2,
                                   .message = no_message,
                                   .planned = no_plan,
                                   .progress = no_progress,
                                   .bad_image = no_bad_image,
                                   .stop = no_stop};
    ck_assert_msg(!weld_make_cache(&s, &made, &err), "%s", err.message);
    compare((run_options){.recipe = "all.yaml", .set = {"data.sampling=all", cache}},
            (const int[]){2, 0});
    tear_down();
}
END_TEST

/* In the middle of epochs, and at last without any. */
START_TEST(a_run_goes_on_with_any_other_number_of_ranks) {
    static const int ranks[] = {3, 1, 6, 2, 4};
    set_up_everything();
    run_options o = {.out = "whole",
                     .recipe = "all.yaml",
                     .set = {"train.batch_size=2", "train.epochs=4"}}; /* three updates an epoch */
    run_well(o);
    const int64_t all = result.step;
    o.out = "parts";
    o.resume = true;
    for (int i = 0; i < 5; i++) {
        o.stop_at = i + 1;
        run_over(ranks[i], o);
        weld_model_file last = open_checkpoint("parts", "last.h5");
        ck_assert_int_gt(last.trainer.step, i);
        ck_assert_int_lt(last.trainer.step, all);
        weld_model_file_free(&last);
    }
    o.stop_at = 0;
    run_well(o);
    assert_same_end("whole", "parts");
    tear_down();
}
END_TEST

/* Epochs that took as long as these say. */
static void stand_still(weld_group *group, void *context) {
    static const double waits[] = {0.4, 0.6, 5};
    (void)context;
    weld_trainer *t =
        open_trainer(group, "a", (weld_train_callbacks){.context = &seen, .message = on_message});
    memset(&seen, 0, sizeof seen);
    for (int i = 0; i < 3; i++) {
        const weld_epoch_metrics row = {.ranks = 2,
                                        .times = {.wait = waits[i], .backward = 10 - waits[i]}};
        weld_trainer_tell_waiting(t, &row);
        const bool told = weld_group_rank(group) == 0 && i > 0;
        const char *advice = strstr(seen.messages, "still for data for 6.0 % of the time: where");
        EXPECT((advice != NULL) == told);
        EXPECT(!strstr(seen.messages, " 50.0 %"));
    }
    weld_trainer_close(t);
    free(t);
}

START_TEST(where_data_come_late_it_is_told_once_what_to_do) {
    set_up_everything();
    ck_assert(run_group(&(ranks_options){.size = 2}, stand_still, NULL));
    tear_down();
}
END_TEST

RUN_SUITE("train/ranks", any_number_of_ranks_comes_to_the_same_bits,
          so_it_does_in_bf16_with_the_backbone_frozen_in_part_and_images_of_several_sizes,
          so_it_does_with_a_teacher, so_it_does_with_what_a_teacher_said,
          a_run_goes_on_with_any_other_number_of_ranks,
          where_data_come_late_it_is_told_once_what_to_do)
