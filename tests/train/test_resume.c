/* Training runs that are stopped, killed or broken, and what resuming makes of them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "train/tiny_run.h"

START_TEST(a_run_stopped_at_any_update_continues_bit_for_bit) {
    set_up();
    run_well((run_options){.out = "whole"});
    for (int64_t at = 1; at < 3 * STEPS_PER_EPOCH; at += 3) {
        run_well((run_options){.out = "parts", .stop_at = at, .resume = true});
        ck_assert(result.interrupted);
        ck_assert_int_eq(result.step, at);
        ck_assert(seen.start.resumed_step == (at > 1 ? at - 3 : 0));
    }
    run_well((run_options){.out = "parts", .resume = true});
    ck_assert(!result.interrupted);
    assert_same_run("whole", "parts");
    /* Nothing is left to do, and nothing changes. */
    run_well((run_options){.out = "parts", .resume = true});
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(a_run_with_clipping_and_a_moving_average_continues_bit_for_bit) {
    set_up();
    run_options whole = {
        .out = "whole",
        .set = {"optimizer.clip=0.5", "optimizer.clip_mode=norm", "train.ema_decay=0.8"}};
    run_options parts = {
        .out = "parts",
        .set = {"optimizer.clip=0.5", "optimizer.clip_mode=norm", "train.ema_decay=0.8"},
        .resume = true,
        .threads = 2};
    run_well(whole);
    for (parts.stop_at = 2; parts.stop_at < 3 * STEPS_PER_EPOCH; parts.stop_at += 5) {
        run_well(parts);
    }
    parts.stop_at = 0;
    run_well(parts);
    assert_same_run("whole", "parts");
    weld_model_file last = open_checkpoint("whole", "last.h5");
    weld_model_file best = open_checkpoint("whole", "best.h5");
    ck_assert(last.ema && best.ema);
    weld_model_file_free(&last);
    weld_model_file_free(&best);
    json_t *rows = rows_of("whole");
    size_t epochs = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *top1 = json_object_get(json_array_get(rows, i), "ema_top1");
        ck_assert(!top1 || (json_is_number(top1) && json_number_value(top1) > 0));
        epochs += top1 != NULL;
    }
    ck_assert_uint_eq(epochs, 3);
    json_decref(rows);
    tear_down();
}
END_TEST

START_TEST(a_run_with_sgd_continues_bit_for_bit_and_not_with_another_optimizer) {
    set_up();
    run_options o = {.out = "whole",
                     .set = {"optimizer.name=sgd", "optimizer.lr=0.05", "optimizer.nesterov=true",
                             "optimizer.clip=0.02", "train.ema_decay=0.8"}};
    run_well(o);
    o.out = "parts";
    o.resume = true;
    o.threads = 2;
    for (o.stop_at = 2; o.stop_at < 3 * STEPS_PER_EPOCH; o.stop_at += 5) {
        run_well(o);
    }
    refuse((run_options){.out = "parts", .resume = true},
           "was made with optimizer.name sgd, but now it is adamw");
    o.stop_at = 0;
    run_well(o);
    assert_same_run("whole", "parts");
    weld_model_file last = open_checkpoint("whole", "last.h5");
    ck_assert(last.moment1 && !last.moment2);
    weld_model_file_free(&last);
    tear_down();
}
END_TEST

/* Scores of so few images stand still soon, so that the rate falls more than once. */
START_TEST(a_run_with_rmsprop_and_a_plateau_continues_bit_for_bit) {
    set_up();
    run_options o = {.out = "whole",
                     .set = {"optimizer.name=rmsproptf", "optimizer.decay_on=all",
                             "schedule.name=plateau", "schedule.patience_epochs=1",
                             "schedule.decay_rate=0.25", "train.ema_decay=0.8",
                             "train.ema_warmup=true", "train.epochs=9"}};
    run_well(o);
    ck_assert_ptr_nonnull(
        strstr(seen.messages, "no better score for 2 epochs: the rate is 0.0025"));
    weld_model_file last = open_checkpoint("whole", "last.h5");
    ck_assert(last.moment1 && last.moment2);
    ck_assert_int_ge(last.trainer.plateau_reductions, 2);
    weld_model_file_free(&last);
    o.out = "parts";
    o.resume = true;
    o.threads = 2;
    for (o.stop_at = 4; o.stop_at < 9 * STEPS_PER_EPOCH; o.stop_at += 7) {
        run_well(o);
    }
    o.stop_at = 0;
    run_well(o);
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(a_run_cools_down_for_epochs_of_its_own_and_can_be_stopped_there) {
    set_up();
    run_options o = {
        .out = "whole",
        .set = {"schedule.cooldown_epochs=2", "schedule.min_lr=1e-4", "train.epochs=2"}};
    run_well(o);
    ck_assert_int_eq(result.epochs, 4);
    json_t *rows = rows_of("whole");
    int at_least = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *lr = json_object_get(json_array_get(rows, i), "lr");
        at_least += json_number_value(lr) == 1e-4;
    }
    ck_assert_int_eq(at_least, 2 * STEPS_PER_EPOCH);
    json_decref(rows);
    o.out = "parts";
    o.stop_at = 3 * STEPS_PER_EPOCH + 2;
    run_well(o);
    ck_assert(result.interrupted);
    o.stop_at = 0;
    o.resume = true;
    run_well(o);
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(a_run_with_all_that_is_mixed_and_repeated_continues_bit_for_bit) {
    set_up();
    const char *const modes[] = {"augment.mix_mode=batch", "augment.mix_mode=pair",
                                 "augment.mix_mode=elem"};
    for (int i = 0; i < 3; i++) {
        char whole_name[16], stopped_name[16];
        snprintf(whole_name, sizeof whole_name, "whole_%d", i);
        snprintf(stopped_name, sizeof stopped_name, "stopped_%d", i);
        run_options o = {.out = whole_name,
                         .set = {"augment.cutmix=1", "augment.repeats=3", modes[i],
                                 "train.batch_size=5", "train.accumulate=2",
                                 "train.ema_decay=0.8"}};
        run_well(o);
        int64_t steps = result.step;
        o.out = stopped_name;
        o.stop_at = 2 + 3 * i;
        run_well(o);
        ck_assert(result.interrupted);
        o.stop_at = 0;
        o.resume = true;
        o.threads = 2;
        run_well(o);
        ck_assert_int_eq(result.step, steps);
        assert_same_run(whole_name, stopped_name);
    }
    tear_down();
}
END_TEST

static bool is_there(const char *name) {
    return access(in_base(name), F_OK) == 0;
}

START_TEST(checkpoints_of_epochs_are_kept_and_can_be_gone_back_to) {
    set_up();
    run_well((run_options){.out = "whole"});
    run_options o = {.out = "a", .set = {"train.keep=2"}, .resume = true};
    o.stop_at = 2 * STEPS_PER_EPOCH + 1;
    run_well(o);
    ck_assert(is_there("a/epoch-1.h5") && is_there("a/epoch-2.h5"));
    o.stop_at = 0;
    run_well(o);
    ck_assert(!is_there("a/epoch-1.h5") && is_there("a/epoch-2.h5") && is_there("a/epoch-3.h5"));
    assert_same_run("whole", "a");
    copy("a/epoch-2.h5", "a/last.h5");
    run_well((run_options){.out = "a", .resume = true}); /* keep may differ */
    ck_assert_int_eq(seen.start.resumed_step, 2 * STEPS_PER_EPOCH);
    assert_same_run("whole", "a");
    tear_down();
}
END_TEST

START_TEST(a_run_stopped_in_an_evaluation_repeats_it) {
    set_up();
    run_well((run_options){.out = "whole"});
    run_well((run_options){.out = "a", .stop_in_evaluation = 2});
    ck_assert(result.interrupted);
    ck_assert_int_eq(result.step, 2 * STEPS_PER_EPOCH);
    ck_assert_int_eq(result.epochs, 1);
    run_well((run_options){.out = "a", .resume = true});
    assert_same_run("whole", "a");
    tear_down();
}
END_TEST

START_TEST(a_run_killed_at_ten_random_moments_ends_as_if_never_killed) {
    set_up();
    int status, kills = 0;
    run_options o = {.out = "killed", .resume = true, .set = {"train.epochs=12"}};
    run_options whole = {.out = "whole", .set = {"train.epochs=12"}};
    ck_assert_int_eq(waitpid(start_child(whole), &status, 0) > 0, 1);
    ck_assert_int_eq(status, 0);
    weld_random r = weld_random_start((uint64_t)time(NULL), 0, 0, WELD_RANDOM_TEST);
    while (kills < 10) {
        pid_t child = start_child(o);
        usleep((useconds_t)weld_random_range(&r, 1e3, 8e4));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) {
            /* It was done before: once more from the start, killed earlier. */
            ck_assert_int_eq(status, 0);
            char command[128];
            snprintf(command, sizeof command, "rm -rf %s/killed", base);
            ck_assert_int_eq(system(command), 0);
            continue;
        }
        kills++;
    }
    ck_assert_int_eq(waitpid(start_child(o), &status, 0) > 0, 1);
    ck_assert_int_eq(status, 0);
    assert_same_run("whole", "killed");
    tear_down();
}
END_TEST

START_TEST(resuming_where_there_is_nothing_starts_at_the_beginning) {
    set_up();
    run_well((run_options){.out = "a"});
    run_well((run_options){.out = "b", .resume = true});
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

START_TEST(a_folder_that_holds_a_run_is_not_overwritten) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 1});
    refuse((run_options){.out = "a"}, "holds a run already: continue it with --resume");
    tear_down();
}
END_TEST

/* Tries the same folder from inside a running run. */
static void try_same_folder(void *context, const weld_train_progress *p) {
    (void)p;
    weld_train_settings s = weld_train_defaults();
    weld_error inner = {.message = ""};
    s.recipe = in_base("tiny.yaml");
    s.out = in_base("a");
    s.resume = true;
    if (weld_train_run(&s, NULL, &inner) != WELD_OK) {
        snprintf(context, 1024, "%s", inner.message);
    }
}

START_TEST(two_runs_into_one_folder_are_an_error_for_the_second) {
    static char said[1024];
    set_up();
    weld_train_settings s = weld_train_defaults();
    const char *set[] = {"train.epochs=1"};
    s.recipe = in_base("tiny.yaml");
    s.out = in_base("a");
    s.set = set;
    s.set_count = 1;
    s.callbacks.context = said;
    s.callbacks.stepped = try_same_folder;
    ck_assert_msg(!weld_train_run(&s, NULL, &err), "%s", err.message);
    ck_assert_ptr_nonnull(strstr(said, "another training run is using this folder"));
    tear_down();
}
END_TEST

START_TEST(resuming_with_another_recipe_or_other_data_says_what_differs) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    refuse((run_options){.out = "a", .resume = true, .set = {"optimizer.lr=0.02"}},
           "last.h5: was made with optimizer.lr 0.01, but now it is 0.02: resume with ");
    refuse(
        (run_options){
            .out = "a", .resume = true, .recipe = "a/recipe.yaml", .set = {"optimizer.lr=0.02"}},
        "but now it is 0.02: resume with that optimizer.lr again, or ");
    refuse((run_options){.out = "a", .resume = true, .set = {"train.epochs=4"}},
           "was made with train.epochs 3, but now it is 4");
    write_data(in_base("train.h5"), 43, 1);
    refuse((run_options){.out = "a", .resume = true}, "was trained on 42 images");
    tear_down();
}
END_TEST

START_TEST(a_run_of_a_version_with_fewer_keys_is_not_continued) {
    char path[512];
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    snprintf(path, sizeof path, "%s/a/last.h5", base);
    weld_model_file file = open_checkpoint("a", "last.h5");
    char *key = strstr(file.recipe, "  repeats: "), *end = key ? strchr(key, '\n') : NULL;
    ck_assert_ptr_nonnull(end);
    memmove(key, end + 1, strlen(end + 1) + 1);
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    weld_model_file_free(&file);
    refuse((run_options){.out = "a", .resume = true}, "whose recipes have other keys");
    tear_down();
}
END_TEST

START_TEST(a_damaged_checkpoint_stops_the_run_and_is_named) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    int file = open(in_base("a/last.h5"), O_RDWR);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(pwrite(file, "damage", 6, 3000), 6);
    close(file);
    refuse((run_options){.out = "a", .resume = true}, "last.h5");
    tear_down();
}
END_TEST

/* Overwrite one tensor of a checkpoint. */
static void spoil(const char *out, const char *name, float value) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/last.h5", base, out);
    weld_model_file file = open_checkpoint(out, "last.h5");
    weld_tensor t;
    ck_assert(weld_weights_find(file.weights, name, &t));
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        ((float *)t.data)[i] = value;
    }
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    weld_model_file_free(&file);
}

START_TEST(a_loss_that_is_not_finite_names_update_value_and_images) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    spoil("a", "classifier.classifier.l.weight", 3e38f);
    char *before = read_text(in_base("a/metrics.jsonl"));
    ck_assert_int_eq(run((run_options){.out = "a", .resume = true}), WELD_ERROR_NUMERIC);
    ck_assert_ptr_eq(strstr(err.message, "update 4, epoch 0: the loss is not finite: first bad "
                                         "value: linear#"),
                     err.message);
    ck_assert_ptr_nonnull(strstr(err.message, ".png, "));
    char *story = read_text(in_base("a/not_finite.txt")), *after;
    int images = 0;
    for (const char *at = story; (at = strstr(at, ".png")); at++) {
        images++;
    }
    ck_assert_int_eq(images, 8);
    ck_assert_ptr_eq(strstr(story, "update 4, epoch 0: the loss is not finite\n"), story);
    free(story);
    after = read_text(in_base("a/metrics.jsonl")); /* no row, and the checkpoint is as it was */
    ck_assert_str_eq(before, after);
    weld_model_file file = open_checkpoint("a", "last.h5");
    ck_assert_int_eq(file.trainer.step, 3);
    weld_model_file_free(&file);
    free(before);
    free(after);
    tear_down();
}
END_TEST

START_TEST(a_loss_that_is_not_finite_names_the_images_of_its_batch_alone) {
    set_up();
    run_options o = {.out = "a", .set = {"train.batch_size=4", "train.accumulate=2"}};
    o.stop_at = 3;
    run_well(o);
    spoil("a", "classifier.classifier.l.weight", 3e38f);
    o.resume = true;
    ck_assert_int_eq(run(o), WELD_ERROR_NUMERIC);
    ck_assert_ptr_eq(strstr(err.message, "update 4, epoch 0: the loss is not finite: first bad "
                                         "value: linear#"),
                     err.message);
    ck_assert_ptr_nonnull(strstr(err.message, " (all 4 in "));
    tear_down();
}
END_TEST

START_TEST(a_cause_is_not_sought_in_what_the_bad_update_left_behind) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    spoil("a", "features.0.0.c.weight", 3e38f); /* overflows before the first batch norm */
    ck_assert_int_eq(run((run_options){.out = "a", .resume = true}), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "first bad value: conv2d#") != NULL, "%s", err.message);
    tear_down();
}
END_TEST

START_TEST(weights_that_are_not_finite_never_replace_a_checkpoint) {
    set_up();
    run_options o = {.out = "a",
                     .set = {"optimizer.lr=100", "optimizer.weight_decay=100",
                             "schedule.warmup_epochs=0", "data.val=null"}};
    ck_assert_int_eq(run(o), WELD_ERROR_NUMERIC);
    weld_model_file file = open_checkpoint("a", "last.h5");
    for (size_t i = 0; i < weld_weights_count(file.weights); i++) {
        weld_tensor w = weld_weights_tensor(file.weights, i);
        for (int64_t j = 0; w.dtype == WELD_F32 && j < weld_shape_count(&w.shape); j++) {
            ck_assert(isfinite(((float *)w.data)[j]));
        }
    }
    weld_model_file_free(&file);
    tear_down();
}
END_TEST

/* A limit on the size of files acts like a full disk: writing fails in the middle. */
START_TEST(a_checkpoint_that_cannot_be_written_leaves_the_old_one) {
    set_up();
    run_well((run_options){.out = "whole"});
    run_well((run_options){.out = "a", .stop_at = 3});
    struct stat size;
    ck_assert_int_eq(stat(in_base("a/last.h5"), &size), 0);
    struct rlimit old, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = (rlim_t)size.st_size / 2;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    weld_status status = run((run_options){.out = "a", .resume = true});
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(status, WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "last.h5"));
    weld_model_file file = open_checkpoint("a", "last.h5");
    ck_assert_int_eq(file.trainer.step, 3);
    weld_model_file_free(&file);
    run_well((run_options){.out = "a", .resume = true});
    assert_same_run("whole", "a");
    tear_down();
}
END_TEST

RUN_SUITE("train/resume", a_run_stopped_at_any_update_continues_bit_for_bit,
          a_run_with_clipping_and_a_moving_average_continues_bit_for_bit,
          a_run_with_sgd_continues_bit_for_bit_and_not_with_another_optimizer,
          a_run_with_rmsprop_and_a_plateau_continues_bit_for_bit,
          a_run_cools_down_for_epochs_of_its_own_and_can_be_stopped_there,
          a_run_with_all_that_is_mixed_and_repeated_continues_bit_for_bit,
          checkpoints_of_epochs_are_kept_and_can_be_gone_back_to,
          a_run_stopped_in_an_evaluation_repeats_it,
          a_run_killed_at_ten_random_moments_ends_as_if_never_killed,
          resuming_where_there_is_nothing_starts_at_the_beginning,
          a_folder_that_holds_a_run_is_not_overwritten,
          two_runs_into_one_folder_are_an_error_for_the_second,
          resuming_with_another_recipe_or_other_data_says_what_differs,
          a_run_of_a_version_with_fewer_keys_is_not_continued,
          a_damaged_checkpoint_stops_the_run_and_is_named,
          a_loss_that_is_not_finite_names_update_value_and_images,
          a_loss_that_is_not_finite_names_the_images_of_its_batch_alone,
          a_cause_is_not_sought_in_what_the_bad_update_left_behind,
          weights_that_are_not_finite_never_replace_a_checkpoint,
          a_checkpoint_that_cannot_be_written_leaves_the_old_one)
