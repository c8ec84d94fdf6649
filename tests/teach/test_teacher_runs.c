/* Training runs that learn from a teacher: resumed anywhere, and what is refused. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "teach/teacher.h"
#include "train/tiny_run.h"

/* The runs of this file learn from BASE/teacher/last.h5, by BASE/taught.yaml. */
static void set_up_teacher(const char *kind) {
    char text[1024];
    set_up();
    run_well((run_options){.out = "teacher",
                           .set = {"model.channels=[16]", "train.epochs=1", "train.seed=3"}});
    snprintf(text, sizeof text,
             "model: {name: repvit, channels: [8], depths: [1], stem_stride: 1}\n"
             "data: {train: %s/train.h5, val: %s/val.h5, input_size: %d, crop_fraction: 1}\n"
             "augment: {kind: small}\n"
             "loss: {distillation: {kind: %s, teacher: %s/teacher/last.h5, temperature: 2}}\n"
             "optimizer: {lr: 0.01, lr_batch: 8}\n"
             "schedule: {warmup_epochs: 1}\n"
             "train: {epochs: 3, batch_size: 4, accumulate: 2, seed: 7, checkpoint_every: 2,\n"
             "        ema_decay: 0.9}\n",
             base, base, SIDE, kind, base);
    write_text(in_base("taught.yaml"), text);
}

static void expect_resumed_bit_for_bit(const char *kind) {
    set_up_teacher(kind);
    run_well((run_options){.out = "whole", .recipe = "taught.yaml"});
    ck_assert_ptr_nonnull(strstr(seen.messages, "teacher: "));
    ck_assert_int_eq(seen.start.steps_per_epoch, STEPS_PER_EPOCH);
    for (int64_t at = 1; at < 3 * STEPS_PER_EPOCH; at += 4) {
        run_well((run_options){.out = "parts",
                               .recipe = "taught.yaml",
                               .stop_at = at,
                               .resume = true,
                               .threads = 1 + (int)(at / 4 % 2)});
    }
    run_well((run_options){.out = "parts", .recipe = "taught.yaml", .resume = true});
    assert_same_run("whole", "parts");
    tear_down();
}

START_TEST(a_run_with_a_hard_teacher_accumulation_and_an_average_continues_bit_for_bit) {
    expect_resumed_bit_for_bit("hard");
}
END_TEST

START_TEST(a_run_with_a_soft_teacher_accumulation_and_an_average_continues_bit_for_bit) {
    expect_resumed_bit_for_bit("soft");
}
END_TEST

START_TEST(a_run_with_a_teacher_killed_in_its_epochs_ends_as_if_never_killed) {
    int status;
    set_up_teacher("soft");
    run_options o = {.out = "killed", .recipe = "taught.yaml", .resume = true};
    run_well((run_options){.out = "whole", .recipe = "taught.yaml"});
    weld_random r = weld_random_start((uint64_t)time(NULL), 0, 0, WELD_RANDOM_TEST);
    for (int kills = 0; kills < 3; kills++) {
        pid_t child = start_child(o);
        usleep((useconds_t)weld_random_range(&r, 1e4, 6e4));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
    }
    ck_assert_int_eq(waitpid(start_child(o), &status, 0) > 0, 1);
    ck_assert_int_eq(status, 0);
    assert_same_run("whole", "killed");
    tear_down();
}
END_TEST

/* What a run is taught shows in its losses and only there. */
START_TEST(the_teacher_matters_and_its_share_is_alpha) {
    set_up_teacher("soft");
    run_well((run_options){.out = "a", .recipe = "taught.yaml"});
    run_well(
        (run_options){.out = "b", .recipe = "taught.yaml", .set = {"loss.distillation.alpha=0.1"}});
    json_t *a = rows_of("a"), *b = rows_of("b");
    double x = json_number_value(json_object_get(json_array_get(a, 0), "loss"));
    double y = json_number_value(json_object_get(json_array_get(b, 0), "loss"));
    ck_assert_double_ne(x, y);
    json_decref(a);
    json_decref(b);
    tear_down();
}
END_TEST

START_TEST(resuming_with_another_teacher_is_refused_but_a_moved_file_is_not) {
    char command[256];
    set_up_teacher("hard");
    run_well((run_options){.out = "a", .recipe = "taught.yaml", .stop_at = 3});
    snprintf(command, sizeof command, "loss.distillation.teacher=%s/a/last.h5", base);
    refuse((run_options){.out = "a", .recipe = "taught.yaml", .resume = true, .set = {command}},
           "last.h5: learned from teacher ");
    ck_assert_int_eq(rename(in_base("teacher/last.h5"), in_base("moved.h5")), 0);
    snprintf(command, sizeof command, "loss.distillation.teacher=%s/moved.h5", base);
    run_well((run_options){.out = "a", .recipe = "taught.yaml", .resume = true, .set = {command}});
    refuse((run_options){.out = "b", .recipe = "taught.yaml"}, "loss.distillation.teacher: ");
    tear_down();
}
END_TEST

START_TEST(a_teacher_of_other_classes_is_refused_by_name) {
    static const char *const names[] = {"ant", "bee", "cat", "elk"};
    set_up_teacher("hard");
    write_classes(in_base("train.h5"), names, 4, 42, 1);
    write_classes(in_base("val.h5"), names, 4, 13, 1);
    refuse((run_options){.out = "a", .recipe = "taught.yaml"}, "missing: 'dog'");
    ck_assert_ptr_nonnull(strstr(err.message, "loss.distillation.teacher: "));
    tear_down();
}
END_TEST

/* What a teacher says of images in the order of the classes of `data`. */
static void ask(const char *data, const float *images, float *logits, weld_teacher_facts *facts) {
    const weld_preprocessing usual = weld_preprocessing_of(SIDE);
    const weld_teacher_options options = {.preprocessing = &usual, .batch = 2, .threads = 1};
    weld_dataset *ds = NULL;
    weld_teacher *t;
    ck_assert(!data || !weld_dataset_open(data, &ds, &err));
    ck_assert_msg(!weld_teacher_open(in_base("teacher/last.h5"), ds, &options, &t, &err), "%s",
                  err.message);
    weld_teacher_run(t, SIDE, SIDE, images, 2, logits);
    *facts = weld_teacher_get_facts(t);
    weld_teacher_free(t);
    weld_dataset_free(ds);
}

START_TEST(a_teacher_is_asked_about_the_datas_classes_by_name) {
    static const char *const other[] = {"dog", "bee", "ant", "cat"}, *const some[] = {"dog", "bee"};
    float images[2 * SIDE * SIDE * 3], own[8], moved[8], few[4];
    weld_teacher_facts facts;
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    set_up_teacher("soft");
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        images[i] = (float)weld_random_normal(&r);
    }
    write_classes(in_base("other.h5"), other, 4, 8, 1);
    write_classes(in_base("some.h5"), some, 2, 8, 1);
    ask(NULL, images, own, &facts);
    ask(in_base("other.h5"), images, moved, &facts);
    ask(in_base("some.h5"), images, few, &facts);
    ck_assert_int_eq(facts.classes, 2);
    ck_assert_int_eq(facts.own_classes, 4);
    for (int i = 0; i < 2; i++) { /* its own are ant, bee, cat, dog */
        const float *row = own + 4 * i;
        ck_assert_mem_eq(moved + 4 * i, ((float[]){row[3], row[1], row[0], row[2]}), 16);
        ck_assert_mem_eq(few + 2 * i, ((float[]){row[3], row[1]}), 8);
    }
    tear_down();
}
END_TEST

START_TEST(a_merged_teacher_teaches_the_same) {
    char path[256], set[300];
    weld_model *m;
    weld_merge_report report;
    set_up_teacher("soft");
    ck_assert_msg(!weld_model_open(in_base("teacher/last.h5"), &m, &err), "%s", err.message);
    snprintf(path, sizeof path, "%s/merged.h5", base);
    ck_assert_msg(!weld_model_merge(m, NULL, 1, path, &report, &err), "%s", err.message);
    weld_model_free(m);
    snprintf(set, sizeof set, "loss.distillation.teacher=%s", path);
    run_well((run_options){.out = "a", .recipe = "taught.yaml"});
    run_well((run_options){.out = "b", .recipe = "taught.yaml", .set = {set}});
    assert_same_rows("a", "b"); /* merging is the first thing that is done to the other */
    tear_down();
}
END_TEST

START_TEST(a_teacher_sees_images_of_several_sizes) {
    set_up_teacher("soft");
    run_options o = {.out = "whole", .recipe = "taught.yaml", .set = {"data.sizes=[6, 8, 10]"}};
    run_well(o);
    const int64_t steps = result.step;
    o.out = "parts";
    o.resume = true;
    for (o.stop_at = 1; o.stop_at < steps; o.stop_at += 3) {
        o.threads = 1 + (int)(o.stop_at % 2);
        run_well(o);
    }
    o.stop_at = 0;
    run_well(o);
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(a_run_with_a_teacher_in_bf16_trains) {
    set_up_teacher("soft");
    run_well((run_options){.out = "a", .recipe = "taught.yaml", .set = {"train.precision=bf16"}});
    ck_assert_int_eq(result.epochs, 3);
    run_well((run_options){.out = "b", .recipe = "taught.yaml", .set = {"train.precision=auto"}});
    ck_assert_int_eq(result.epochs, 3);
    tear_down();
}
END_TEST

RUN_SUITE("teach/teacher_runs",
          a_run_with_a_hard_teacher_accumulation_and_an_average_continues_bit_for_bit,
          a_run_with_a_soft_teacher_accumulation_and_an_average_continues_bit_for_bit,
          a_run_with_a_teacher_killed_in_its_epochs_ends_as_if_never_killed,
          the_teacher_matters_and_its_share_is_alpha,
          resuming_with_another_teacher_is_refused_but_a_moved_file_is_not,
          a_teacher_of_other_classes_is_refused_by_name,
          a_teacher_is_asked_about_the_datas_classes_by_name, a_merged_teacher_teaches_the_same,
          a_teacher_sees_images_of_several_sizes, a_run_with_a_teacher_in_bf16_trains)
