/* What a run says before it begins, and runs that are only planned. */
#define _GNU_SOURCE
#include <dirent.h>
#include <math.h>

#include "recipe/recipe.h"
#include "train/tiny_run.h"

static weld_train_plan plan;
static weld_train_group groups[16];
static weld_train_size sizes[8];
static char recipe_text[16384], advice[4096], schedule[256];

/* What is told is only there during the call. */
static void keep_start(void *context, const weld_train_start *start) {
    on_start(context, start);
    ck_assert_uint_le(start->group_count, 16);
    memcpy(groups, start->groups, start->group_count * sizeof *groups);
    ck_assert_int_le(start->size_count, 8);
    memcpy(sizes, start->sizes, (size_t)start->size_count * sizeof *sizes);
    snprintf(advice, sizeof advice, "%s", start->advice);
    snprintf(schedule, sizeof schedule, "%s", start->schedule);
    snprintf(recipe_text, sizeof recipe_text, "%s", start->recipe);
}

static weld_status dry_run(const char *const *set, size_t count) {
    weld_train_settings s = weld_train_defaults();
    memset(&seen, 0, sizeof seen);
    s.recipe = in_base("tiny.yaml");
    s.set = set;
    s.set_count = count;
    s.threads = 1;
    s.callbacks = (weld_train_callbacks){.context = &seen,
                                         .started = keep_start,
                                         .evaluated = on_evaluation,
                                         .message = on_message,
                                         .stop = on_stop};
    return weld_train_dry_run(&s, &plan, &err);
}

static void dry_run_well(const char *const *set, size_t count) {
    ck_assert_msg(!dry_run(set, count), "%s", err.message);
}

static int files_in_base(void) {
    DIR *folder = opendir(base);
    int count = 0;
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count;
}

START_TEST(a_dry_run_measures_a_few_updates_and_writes_nothing) {
    set_up();
    int files = files_in_base();
    char here[512];
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_int_eq(chdir(base), 0);
    static const char *const set[] = {"train.ema_decay=0.9", "train.eval_every=2",
                                      "train.accumulate=2", "train.batch_size=4"};
    dry_run_well(set, 4);
    ck_assert_int_eq(chdir(here), 0);
    ck_assert_int_eq(files_in_base(), files);
    ck_assert_ptr_null(seen.start.out);
    ck_assert_int_eq(plan.steps, 3 * STEPS_PER_EPOCH);
    ck_assert_int_eq(plan.evaluations, 2); /* after the second epoch and the last */
    ck_assert_int_eq(plan.measured, 5);
    ck_assert_double_gt(plan.step_seconds, 0);
    ck_assert_double_gt(plan.evaluation_seconds, 0);
    ck_assert_double_eq_tol(plan.seconds, 15 * plan.step_seconds + 2 * plan.evaluation_seconds,
                            1e-9);
    const size_t trained = 4 * (size_t)seen.start.trained_parameters;
    ck_assert_uint_eq(plan.memory.optimizer, 2 * trained);
    ck_assert_uint_ge(plan.memory.accumulated, trained);
    ck_assert_uint_gt(plan.memory.activations, 0);
    ck_assert_uint_eq(plan.memory.average, plan.memory.weights);
    ck_assert_uint_gt(plan.peak_bytes, plan.memory.activations);
    tear_down();
}
END_TEST

/* As many rounds of one update of each size as of updates where there is one. */
START_TEST(a_dry_run_of_several_sizes_measures_them_all) {
    set_up();
    static const char *const small[] = {"data.sizes=[6, 8]"};
    dry_run_well(small, 1);
    ck_assert_ptr_nonnull(strstr(advice, "statistics from 8 images"));
    ck_assert_int_eq(plan.measured, 2 * 5);
    ck_assert_int_eq(plan.steps, seen.start.steps);
    ck_assert_double_gt(plan.step_seconds, 0);
    ck_assert_double_le(plan.step_seconds, plan.measured_seconds);
    ck_assert_int_eq(seen.start.size_count, 2);
    ck_assert_int_eq(sizes[0].height, 6);
    ck_assert_int_eq(sizes[0].batch, 14);
    ck_assert_int_eq(sizes[1].height, 8);
    ck_assert_int_eq(sizes[1].batch, 8);
    const size_t two = plan.memory.activations;
    /* Of images of twice the side there are a quarter. */
    static const char *const large[] = {"data.sizes=[6, 8, 16]", "augment.kind=imagenet"};
    static const char *const alone[] = {"data.sizes=[16]", "augment.kind=imagenet"};
    dry_run_well(large, 2);
    const size_t three = plan.memory.activations;
    ck_assert_ptr_nonnull(strstr(advice, "statistics from 2 images, which is few: take a "
                                         "train.batch_size of 64 or more")); /* 16 * 4 */
    dry_run_well(alone, 2);
    ck_assert_uint_gt(three, two);
    ck_assert_uint_eq(three, plan.memory.activations);
    tear_down();
}
END_TEST

/* In MB, as they are told. */
static double activations_with(const char *recompute) {
    const char *const set[] = {"model.depths=[6]", "model.channels=[32]", "data.input_size=32",
                               recompute};
    dry_run_well(set, 4);
    return round((double)plan.memory.activations / 1e6);
}

START_TEST(what_computing_again_would_take_is_told_beside_what_the_run_takes) {
    set_up();
    double none, block, stage, more[2];
    const double kept = activations_with("train.recompute=none");
    const char *told = strstr(seen.messages, "train.recompute:");
    ck_assert_ptr_nonnull(told);
    ck_assert_int_eq(sscanf(told,
                            "train.recompute: none takes %lf MB of activations and gradients, "
                            "block %lf MB with %lf %% more operations, stage %lf MB with %lf %%",
                            &none, &block, &more[0], &stage, &more[1]),
                     5);
    ck_assert_double_eq(none, kept);
    ck_assert_double_eq(block, activations_with("train.recompute=block"));
    ck_assert_double_eq(stage, activations_with("train.recompute=stage"));
    ck_assert(block < none && stage < none);
    /* A forward pass is a third of a step. */
    ck_assert(more[0] > 0 && more[0] < 50 && more[1] > 0 && more[1] < 50);
    tear_down();
}
END_TEST

START_TEST(the_recipe_that_is_told_is_the_one_that_would_run) {
    set_up();
    static const char *const set[] = {"train.epochs=2", "optimizer.name=sgd"};
    dry_run_well(set, 2);
    weld_recipe *again = calloc(1, sizeof *again);
    ck_assert_msg(
        !weld_recipe_parse("said", recipe_text, strlen(recipe_text), NULL, 0, again, &err), "%s",
        err.message);
    ck_assert_int_eq(again->train.epochs, 2);
    ck_assert_int_eq(again->optimizer.name, 1);
    ck_assert_int_eq(again->model.num_classes, CLASSES);
    ck_assert_uint_eq(plan.memory.optimizer, 4 * (size_t)seen.start.trained_parameters);
    free(again);
    tear_down();
}
END_TEST

START_TEST(a_run_of_fewer_updates_than_are_measured_is_measured_all_the_same) {
    set_up();
    static const char *const set[] = {"train.epochs=1", "train.batch_size=42", "data.val=null"};
    dry_run_well(set, 3);
    ck_assert_int_eq(plan.steps, 1);
    ck_assert_int_eq(plan.measured, 5);
    ck_assert_int_eq(plan.evaluations, 0);
    ck_assert_double_eq(plan.seconds, plan.step_seconds);
    tear_down();
}
END_TEST

START_TEST(a_dry_run_can_be_interrupted_and_resumes_nothing) {
    set_up();
    weld_train_settings s = weld_train_defaults();
    memset(&seen, 0, sizeof seen);
    s.recipe = in_base("tiny.yaml");
    s.out = in_base("a");
    s.resume = true;
    ck_assert_int_eq(weld_train_dry_run(&s, &plan, &err), WELD_ERROR_ARGUMENT);
    s.resume = false;
    seen.stop_at = 1;
    seen.step = 1;
    s.callbacks = (weld_train_callbacks){.context = &seen, .stop = on_stop};
    ck_assert_int_eq(weld_train_dry_run(&s, &plan, &err), WELD_ERROR_INTERRUPTED);
    ck_assert_int_ne(access(s.out, F_OK), 0);
    tear_down();
}
END_TEST

static int64_t tensors_of(bool trained, bool weights) {
    int64_t tensors = 0;
    for (size_t i = 0; i < seen.start.group_count; i++) {
        bool same = groups[i].trained == trained && groups[i].weights == weights;
        tensors += same ? groups[i].tensors : 0;
    }
    return tensors;
}

START_TEST(parameters_are_told_by_decay_and_rate) {
    set_up();
    static const char *const set[] = {"optimizer.weight_decay=0.1", "optimizer.head_lr_scale=5"};
    int64_t parameters = 0;
    dry_run_well(set, 2);
    ck_assert_uint_eq(seen.start.group_count, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(groups[i].trained);
        ck_assert_double_eq(groups[i].weight_decay, groups[i].weights ? 0.1 : 0);
        ck_assert(groups[i].lr_scale == 1 || groups[i].lr_scale == 5);
        parameters += groups[i].parameters;
    }
    ck_assert_int_eq(parameters, seen.start.parameters);
    const int64_t weights = tensors_of(true, true), vectors = tensors_of(true, false);
    static const char *const frozen[] = {"train.freeze=backbone"};
    dry_run_well(frozen, 1);
    ck_assert_uint_eq(seen.start.group_count, 3);
    ck_assert_int_eq(tensors_of(true, true), 1);  /* classifier.l.weight */
    ck_assert_int_eq(tensors_of(true, false), 3); /* its bias and batch norm */
    ck_assert_int_eq(tensors_of(false, false), weights + vectors - 4);
    tear_down();
}
END_TEST

START_TEST(decay_on_all_is_told_of_norms_and_biases_too) {
    set_up();
    static const char *const set[] = {"optimizer.weight_decay=0.1", "optimizer.decay_on=all"};
    dry_run_well(set, 2);
    ck_assert_uint_eq(seen.start.group_count, 2);
    ck_assert_double_eq(groups[0].weight_decay, 0.1);
    ck_assert_double_eq(groups[1].weight_decay, 0.1);
    tear_down();
}
END_TEST

START_TEST(the_schedule_is_told_and_its_cool_down_counts) {
    set_up();
    static const char *const cosine[] = {"schedule.cooldown_epochs=2"};
    dry_run_well(cosine, 1);
    ck_assert_str_eq(schedule, "a cosine to 1e-05 over 3 epochs, then 2 epochs at that; in the "
                               "first epoch a rise from 1e-06");
    ck_assert_int_eq(seen.start.epochs, 5);
    ck_assert_int_eq(plan.steps, 5 * STEPS_PER_EPOCH);
    ck_assert_double_eq_tol(plan.step_seconds, plan.measured_seconds / (double)plan.measured, 1e-9);
    ck_assert_int_eq(plan.evaluations, 5);
    static const char *const step[] = {"schedule.name=step", "schedule.decay_rate=0.9",
                                       "schedule.decay_epochs=2.4", "schedule.warmup_epochs=0"};
    dry_run_well(step, 4);
    ck_assert_str_eq(schedule, "times 0.9 every 2.4 epochs, down to 1e-05");
    static const char *const plateau[] = {"schedule.name=plateau", "schedule.patience_epochs=1",
                                          "schedule.warmup_epochs=0"};
    dry_run_well(plateau, 3);
    ck_assert_str_eq(schedule, "times 0.1 after 1 epoch without a better score, down to 1e-05");
    tear_down();
}
END_TEST

static void expect_advice(const char *set, const char *words) {
    const char *all[] = {"optimizer.lr_batch=0", "train.ema_warmup=false", set};
    dry_run_well(all, 3);
    ck_assert_msg(strstr(advice, words) != NULL, "%s: said: %s", set, advice);
}

START_TEST(what_seems_unwise_is_said) {
    set_up();
    expect_advice(
        "optimizer.lr_batch=40",
        "an update is on 8 images, far below the 40 that optimizer.lr is for: the rate is "
        "scaled down to 0.002 and");
    expect_advice("optimizer.lr_batch=40", "train.accumulate 5 makes up for both");
    expect_advice("train.batch_size=6", "batch norm takes its statistics from 6 images");
    expect_advice("schedule.warmup_epochs=3", "schedule.warmup_epochs 3 is all of the run's 3");
    expect_advice("train.ema_decay=0.99",
                  "after the run's 15 updates 86.0 % of the average is what it started from");
    expect_advice("train.ema_decay=0.99", "take 0.333333 or less, or null");
    expect_advice("schedule.name=step", "schedule.decay_epochs is all of the run's 3 epochs");
    expect_advice("schedule.name=plateau", "schedule.patience_epochs is all of the run's 3 epochs");
    expect_advice("schedule.min_lr=0.02", "the rate used, 0.01, is below schedule.min_lr 0.02");
    expect_advice("train.batch_size=16",
                  "10 of the 42 images are left out of every epoch, others each time");
    expect_advice("train.shuffle=false", "the last 2 of the 42 images are never trained on");
    static const char *const wise[] = {"train.batch_size=21", "optimizer.lr_batch=84",
                                       "train.ema_decay=0.9", "train.ema_warmup=true"};
    dry_run_well(wise, 4);
    ck_assert_str_eq(advice, "");
    tear_down();
}
END_TEST

RUN_SUITE("measure/dry_run", a_dry_run_measures_a_few_updates_and_writes_nothing,
          a_dry_run_of_several_sizes_measures_them_all,
          what_computing_again_would_take_is_told_beside_what_the_run_takes,
          the_recipe_that_is_told_is_the_one_that_would_run,
          a_run_of_fewer_updates_than_are_measured_is_measured_all_the_same,
          a_dry_run_can_be_interrupted_and_resumes_nothing, parameters_are_told_by_decay_and_rate,
          decay_on_all_is_told_of_norms_and_biases_too,
          the_schedule_is_told_and_its_cool_down_counts, what_seems_unwise_is_said)
