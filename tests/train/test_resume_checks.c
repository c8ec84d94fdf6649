/* What a run that is resumed looks at before it goes on: its data, and what lies in its folder. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>

#include "kernels/kernels.h"
#include "train/tiny_run.h"

/* --- Data --- */

START_TEST(scores_of_one_run_are_all_of_the_same_images) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    write_data(in_base("val.h5"), 14, 2);
    refuse((run_options){.out = "a", .resume = true}, "val.h5: has 14 images, but had 13 when ");
    /* Where it does not evaluate for a time, it is not forgotten. */
    run_options blind = {
        .out = "a", .resume = true, .set = {"data.val=null"}, .stop_at = STEPS_PER_EPOCH + 1};
    run_well(blind);
    ck_assert_ptr_nonnull(strstr(seen.messages, "not evaluated, as the run was on 13 images"));
    refuse((run_options){.out = "a", .resume = true}, "resume with what the run began with");
    write_data(in_base("val.h5"), 13, 2);
    run_well((run_options){.out = "a", .resume = true});
    tear_down();
}
END_TEST

START_TEST(a_packed_file_of_other_pixels_is_other_data) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    write_data(in_base("train.h5"), 42, 3);
    refuse((run_options){.out = "a", .resume = true}, "train.h5: it was another packed file when ");
    tear_down();
}
END_TEST

/* The same images in folders. Whoever moves, replaces or removes one is told what the run saw. */
static void write_folder(const char *name) {
    char command[1000];
    snprintf(command, sizeof command,
             "mkdir -p %s/%s/ant %s/%s/bee && cd %s/%s && for i in 1 2 3 4 5 6; do "
             "cp \"%s/images/grey.png\" ant/$i.png; cp ant/$i.png bee/$i.png; done",
             base, name, base, name, base, name, getenv("WELD_FIXTURES"));
    ck_assert_int_eq(system(command), 0);
}

static void move(const char *from, const char *to) {
    char old[512];
    snprintf(old, sizeof old, "%s", in_base(from));
    ck_assert_int_eq(rename(old, in_base(to)), 0);
}

START_TEST(images_that_were_moved_or_replaced_are_told) {
    set_up();
    write_folder("photos");
    char train[300], val[300];
    snprintf(train, sizeof train, "data.train=%s/photos", base);
    snprintf(val, sizeof val, "data.val=%s/photos", base);
    run_options o = {.out = "a", .set = {train, val, "train.batch_size=6"}, .stop_at = 1};
    run_well(o);
    o.resume = true;
    o.stop_at = 2;
    move("photos/ant/1.png", "photos/bee/7.png");
    refuse(o, "photos: its images had other names, or were in other folders, when ");
    move("photos/bee/7.png", "photos/ant/1.png");
    move("photos/ant/2.png", "photos/ant.png");
    refuse(o, "was trained on 12 images");
    move("photos/ant.png", "photos/ant/2.png");
    int file = open(in_base("photos/bee/3.png"), O_WRONLY | O_APPEND);
    ck_assert_int_eq(write(file, "more", 4), 4);
    close(file);
    refuse(o, "photos: some of its files had other sizes when ");
    ck_assert_int_eq(truncate(in_base("photos/bee/3.png"), 0), 0);
    refuse(o, "photos: some of its files had other sizes when ");
    copy("photos/bee/2.png", "photos/bee/3.png");
    run_well(o);
    tear_down();
}
END_TEST

START_TEST(a_run_of_a_version_that_noted_less_of_its_data_goes_on_and_is_told) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    make_older("a", "train_data", "train_identity");
    make_older("a", "val_data", "val_identity");
    copy("a/last.h5", "older.h5");
    run_well((run_options){.out = "a", .resume = true, .stop_at = 4});
    ck_assert_ptr_null(strstr(seen.messages, "is not checked"));
    copy("older.h5", "a/last.h5");
    write_data(in_base("val.h5"), 14, 2);
    refuse((run_options){.out = "a", .resume = true},
           "val.h5: its images, labels or classes were others when ");
    tear_down();
}
END_TEST

START_TEST(a_run_of_a_version_that_noted_nothing_of_its_data_goes_on_with_a_word) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = 3});
    make_older("a", "train_data", NULL);
    run_well((run_options){.out = "a", .resume = true});
    ck_assert_ptr_nonnull(strstr(seen.messages, "that these are the same is not checked\n"));
    tear_down();
}
END_TEST

/* --- The processor --- */

static bool tells_of_kernels(const char *was, const char *is, const char *precision) {
    char set[40];
    snprintf(set, sizeof set, "train.precision=%s", precision);
    setenv("WELD_ISA", was, 1);
    run_well((run_options){.out = "a", .set = {set}, .stop_at = 3});
    setenv("WELD_ISA", is, 1);
    run_well((run_options){.out = "a", .set = {set}, .resume = true});
    unsetenv("WELD_ISA");
    return strstr(seen.messages, "from here on it is rounded otherwise\n") != NULL;
}

static const char *fastest(weld_dtype dtype) {
    const char *name = NULL;
    for (int i = 0; weld_kernels_available(dtype, i); i++) {
        name = weld_kernels_available(dtype, i);
    }
    return name;
}

START_TEST(a_run_that_goes_on_by_other_kernels_is_told) {
    char names[100];
    const char *fp32 = fastest(WELD_F32), *bf16 = fastest(WELD_BF16);
    const char *const precisions[] = {"fp32", "bf16"};
    for (int i = 0; i < 2; i++) {
        const char *fast = i ? bf16 : fp32;
        const bool is_other = strcmp(fast, "ref") != 0; /* some processors have no others */
        set_up();
        ck_assert(!tells_of_kernels("ref", "ref", precisions[i]));
        tear_down();
        set_up();
        ck_assert_int_eq(tells_of_kernels("ref", fast, precisions[i]), is_other);
        snprintf(names, sizeof names,
                 "by the kernels ref in %s, and goes on by %s: ", precisions[i], fast);
        ck_assert(!is_other || strstr(seen.messages, names));
        tear_down();
    }
    /* Those of bf16 are no matter in fp32. */
    set_up();
    ck_assert(!tells_of_kernels(fp32, bf16, "fp32"));
    tear_down();
}
END_TEST

/* --- The folder --- */

static void cut_in_half(const char *name) {
    struct stat info;
    ck_assert_int_eq(stat(in_base(name), &info), 0);
    ck_assert_int_eq(truncate(in_base(name), info.st_size / 2), 0);
}

static void lose(const char *name) {
    ck_assert_int_eq(unlink(in_base(name)), 0);
}

START_TEST(a_best_that_is_lost_or_cut_is_not_claimed_by_a_run_that_goes_on) {
    set_up();
    for (int cut = 0; cut < 2; cut++) {
        const char *out = cut ? "cut" : "lost";
        run_well((run_options){.out = out, .stop_at = STEPS_PER_EPOCH + 1});
        if (cut) {
            cut_in_half("cut/best.h5");
        } else {
            lose("lost/best.h5");
        }
        run_well((run_options){.out = out, .resume = true, .stop_at = STEPS_PER_EPOCH + 2});
        ck_assert(!result.evaluated);
        ck_assert_ptr_nonnull(strstr(seen.messages, "the next will be the best of what follows\n"));
        run_well((run_options){.out = out, .resume = true});
        ck_assert(result.evaluated);
        weld_model_file best = open_checkpoint(out, "best.h5");
        ck_assert_double_eq(best.trainer.best_score, result.best.value);
        weld_model_file_free(&best);
    }
    tear_down();
}
END_TEST

START_TEST(a_run_that_has_ended_without_its_best_says_where_it_still_is) {
    set_up();
    run_options o = {.out = "a", .set = {"train.keep=9"}};
    run_well(o);
    weld_model_file last = open_checkpoint("a", "last.h5");
    const long long best = last.trainer.best_epoch + 1;
    weld_model_file_free(&last);
    char words[96], kept[64];
    snprintf(words, sizeof words, "/a/epoch-%lld.h5 there, which has the same weights", best);
    snprintf(kept, sizeof kept, "a/epoch-%lld.h5", best);
    o.resume = true;
    cut_in_half("a/best.h5");
    refuse(o, words);
    copy(kept, "a/best.h5");
    run_well(o);
    ck_assert(result.evaluated);
    lose("a/best.h5");
    lose(kept);
    refuse(o, "best.h5: is not there any more: the run has ended, and no other follows: ");
    o.extend = 4;
    run_well(o);
    ck_assert(result.evaluated);
    tear_down();
}
END_TEST

#define NOT_OWN "best.h5: is not of the run's best epoch, 1: the next will be the best of "

START_TEST(a_best_of_another_run_is_not_taken_for_its_own) {
    static const char *const others[] = {"train.seed=8", "optimizer.lr=0.02"};
    set_up();
    run_well((run_options){.out = "a", .stop_at = STEPS_PER_EPOCH + 1});
    copy("a/last.h5", "last.h5");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *out = i ? "lr" : "seed";
        run_well((run_options){.out = out, .stop_at = STEPS_PER_EPOCH + 1, .set = {others[i]}});
        copy(i ? "lr/best.h5" : "seed/best.h5", "a/best.h5");
        copy("last.h5", "a/last.h5");
        run_well((run_options){.out = "a", .resume = true, .stop_at = STEPS_PER_EPOCH + 2});
        ck_assert_msg(strstr(seen.messages, NOT_OWN) != NULL, "%s: %s", others[i], seen.messages);
    }
    tear_down();
}
END_TEST

/* Write best.h5 as after so many updates, with this much more, of a run of so many epochs. summary
 * may be NULL: as it is. */
static void change_best(int64_t step, double score, double loss, const char *epochs,
                        const char *summary) {
    weld_model_file file = open_checkpoint("a", "best.h5");
    file.trainer.step = step;
    file.trainer.best_score += score;
    file.trainer.best_loss += loss;
    if (summary) {
        free(file.summary);
        file.summary = strdup(summary);
    }
    char *found = strstr(file.recipe, "  epochs: 3\n");
    ck_assert_ptr_nonnull(found);
    memcpy(found, epochs, strlen(epochs));
    ck_assert_msg(!weld_model_file_write(in_base("a/best.h5"), &file, &err), "%s", err.message);
    weld_model_file_free(&file);
}

START_TEST(a_best_of_a_run_like_it_is_known_by_what_the_run_has_noted) {
    const struct {
        int64_t step;
        double score;
        const char *epochs;
        bool is_own;
        double loss;
        const char *summary;
    } cases[] = {
        {STEPS_PER_EPOCH, 0, "  epochs: 3\n", true},
        {STEPS_PER_EPOCH, 0, "  epochs: 2\n", true}, /* it was made longer since */
        {STEPS_PER_EPOCH, 1, "  epochs: 3\n", false},
        {2 * STEPS_PER_EPOCH, 1, "  epochs: 3\n", true}, /* killed before last.h5 was written */
        {2 * STEPS_PER_EPOCH, 1, "  epochs: 2\n", false},
        {STEPS_PER_EPOCH, 0, "  epochs: 3\n", false, .loss = 1e-9},
        {2 * STEPS_PER_EPOCH, 1, "  epochs: 3\n", false, .summary = "{\"init\":\"other.h5\"}"},
    };
    set_up();
    run_well((run_options){.out = "a", .stop_at = STEPS_PER_EPOCH + 1});
    copy("a/last.h5", "last.h5");
    copy("a/best.h5", "best.h5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy("last.h5", "a/last.h5");
        copy("best.h5", "a/best.h5");
        change_best(cases[i].step, cases[i].score, cases[i].loss, cases[i].epochs,
                    cases[i].summary);
        run_well((run_options){.out = "a", .resume = true, .stop_at = STEPS_PER_EPOCH + 2});
        ck_assert_msg((strstr(seen.messages, NOT_OWN) == NULL) == cases[i].is_own, "%zu: %s", i,
                      seen.messages);
    }
    tear_down();
}
END_TEST

START_TEST(a_run_whose_last_is_lost_is_not_begun_anew_over_its_other_checkpoints) {
    set_up();
    run_options o = {.out = "a", .set = {"train.keep=9"}, .stop_at = 2 * STEPS_PER_EPOCH + 1};
    run_well((run_options){.out = "whole"});
    run_well(o);
    lose("a/last.h5");
    lose("a/metrics.jsonl");
    o.stop_at = 0;
    refuse(o, "holds a run already");
    o.resume = true;
    refuse(o, "a: has no last.h5 to go on from, but checkpoints of epochs: copy epoch-2.h5 to "
              "last.h5 to go on from there");
    lose("a/epoch-2.h5");
    lose("a/epoch-1.h5");
    refuse(o, "a: has no last.h5 to go on from, but a best.h5, ");
    tear_down();
}
END_TEST

START_TEST(data_that_were_moved_are_found_where_it_is_said) {
    set_up();
    run_options o = {.out = "a", .stop_at = 3};
    run_well((run_options){.out = "whole"});
    run_well(o);
    ck_assert_int_eq(mkdir(in_base("moved"), 0777), 0);
    ck_assert_int_eq(rename(in_base("train.h5"), in_base("moved/train.h5")), 0);
    ck_assert_int_eq(rename(in_base("val.h5"), in_base("moved/val.h5")), 0);
    o.stop_at = 0;
    o.resume = true;
    refuse(o, ": where the run's data were moved, say where they are now with --data");
    o.data = in_base("moved");
    run_well(o);
    assert_same_rows("whole", "a");
    tear_down();
}
END_TEST

START_TEST(a_run_without_any_checkpoint_begins_anew_only_where_there_was_none) {
    set_up();
    run_options o = {.out = "a", .stop_at = 2};
    run_well((run_options){.out = "whole"});
    run_well(o);
    lose("a/last.h5");
    o.stop_at = 0;
    o.resume = true;
    run_well(o);
    ck_assert_ptr_nonnull(
        strstr(seen.messages, "a: the run ended before its first checkpoint: it begins anew"));
    assert_same_run("whole", "a");
    char *record = read_text(in_base("a/metrics.jsonl"));
    lose("a/last.h5");
    lose("a/best.h5");
    refuse(o, "a: has no checkpoint to go on from, but metrics.jsonl of a run that had one");
    char *after = read_text(in_base("a/metrics.jsonl"));
    ck_assert_str_eq(after, record);
    free(record);
    free(after);
    tear_down();
}
END_TEST

static void put(const char *name, const char *from, size_t bytes) {
    size_t size;
    unsigned char *data = test_read_file(in_base(from), &size);
    ck_assert_uint_le(bytes, size);
    test_write_file(in_base(name), data, bytes ? bytes : size);
    free(data);
}

START_TEST(a_last_that_is_none_is_told_with_what_there_is_to_go_on_from) {
    set_up();
    run_options o = {.out = "a", .set = {"train.keep=9"}, .stop_at = 2 * STEPS_PER_EPOCH + 1};
    run_well((run_options){.out = "whole", .set = {"train.keep=9"}});
    run_well(o);
    static const char way_out[] = "; to go on, put a copy of epoch-2.h5 in its place";
    o.stop_at = 0;
    o.resume = true;
    put("a/last.h5", "a/epoch-2.h5", 3000);
    refuse(o, "last.h5: expected ");
    ck_assert_ptr_nonnull(strstr(err.message, way_out));
    test_write_file(in_base("a/last.h5"), "", 0);
    refuse(o, "last.h5: is empty");
    ck_assert_ptr_nonnull(strstr(err.message, way_out));
    put("a/last.h5", "tiny.yaml", 0);
    refuse(o, "last.h5: not a model file of weld");
    ck_assert_ptr_nonnull(strstr(err.message, way_out));
    put("a/last.h5", "a/best.h5", 0);
    refuse(o, "last.h5: has no optimizer state");
    ck_assert_ptr_nonnull(strstr(err.message, way_out));
    lose("a/last.h5");
    ck_assert_int_eq(mkdir(in_base("a/last.h5"), 0777), 0);
    refuse(o, "last.h5: this is a folder");
    ck_assert_ptr_nonnull(strstr(err.message, way_out));
    ck_assert_int_eq(rmdir(in_base("a/last.h5")), 0);
    put("a/last.h5", "a/epoch-2.h5", 0);
    run_well(o);
    assert_same_run("whole", "a");
    test_write_file(in_base("a/last.h5"), "", 0);
    for (int i = 1; i <= 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/epoch-%d.h5", i);
        lose(name);
    }
    refuse(o, "; without it another run can begin from the best weights, with --init ");
    lose("a/best.h5");
    refuse(o, "; the folder has no other checkpoint");
    tear_down();
}
END_TEST

#define OTHER_ROWS "metrics.jsonl: its rows are not those that stood there when last.h5 was written"

/* One more digit in a time, as another run of the same recipe has it. */
START_TEST(a_log_of_another_run_than_the_checkpoint_is_told) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = STEPS_PER_EPOCH + 2});
    run_well((run_options){.out = "a", .resume = true, .stop_at = STEPS_PER_EPOCH + 3});
    ck_assert_ptr_null(strstr(seen.messages, OTHER_ROWS));
    char *log = read_text(in_base("a/metrics.jsonl"));
    char *digit = strrchr(log, '}') - 1;
    *digit = *digit == '9' ? '8' : '9';
    write_text(in_base("a/metrics.jsonl"), log);
    free(log);
    run_well((run_options){.out = "a", .resume = true});
    ck_assert_msg(strstr(seen.messages, OTHER_ROWS) != NULL, "%s", seen.messages);

    /* Rows of other lengths. */
    run_well((run_options){.out = "b", .stop_at = STEPS_PER_EPOCH + 2});
    log = read_text(in_base("b/metrics.jsonl"));
    memcpy(log + strlen(log) - 2, "\n{", 2);
    write_text(in_base("b/metrics.jsonl"), log);
    free(log);
    run_well((run_options){.out = "b", .resume = true});
    ck_assert_ptr_nonnull(strstr(seen.messages, "or is of another run: the rest of the log"));
    tear_down();
}
END_TEST

static void cut_log(void *context, const weld_train_progress *p) {
    (void)context;
    (void)p;
    ck_assert_int_eq(truncate(in_base("a/metrics.jsonl"), 0), 0);
}

static bool stop_soon(void *context) {
    (void)context;
    return true;
}

START_TEST(a_log_that_is_cut_during_the_run_costs_no_checkpoint) {
    set_up();
    char recipe[256], out[256];
    snprintf(recipe, sizeof recipe, "%s", in_base("tiny.yaml"));
    snprintf(out, sizeof out, "%s", in_base("a"));
    weld_train_settings s = weld_train_defaults();
    s.recipe = recipe;
    s.out = out;
    s.threads = 1;
    s.callbacks = (weld_train_callbacks){.stepped = cut_log, .stop = stop_soon};
    ck_assert_msg(weld_train_run(&s, &result, &err) == WELD_OK, "%s", err.message);
    run_well((run_options){.out = "a", .resume = true});
    ck_assert_int_eq(result.step, 3 * STEPS_PER_EPOCH);
    tear_down();
}
END_TEST

START_TEST(zeros_at_the_end_of_the_log_are_cut_off) {
    set_up();
    run_well((run_options){.out = "a", .stop_at = STEPS_PER_EPOCH + 2});
    struct stat info;
    ck_assert_int_eq(stat(in_base("a/metrics.jsonl"), &info), 0);
    int file = open(in_base("a/metrics.jsonl"), O_WRONLY);
    static const char zeros[100];
    ck_assert_int_eq(pwrite(file, zeros, sizeof zeros, info.st_size - (off_t)sizeof zeros),
                     sizeof zeros);
    close(file);
    run_well((run_options){.out = "a", .resume = true});
    ck_assert_ptr_nonnull(strstr(seen.messages, "the rest of the log until there is lost\n"));
    json_t *rows = rows_of("a"); /* all of them JSON */
    ck_assert_uint_eq(json_array_size(rows), 3 * STEPS_PER_EPOCH + 3 - 1);
    json_decref(rows);
    tear_down();
}
END_TEST

RUN_SUITE("train/resume_checks", scores_of_one_run_are_all_of_the_same_images,
          a_packed_file_of_other_pixels_is_other_data, images_that_were_moved_or_replaced_are_told,
          a_run_of_a_version_that_noted_less_of_its_data_goes_on_and_is_told,
          a_run_of_a_version_that_noted_nothing_of_its_data_goes_on_with_a_word,
          a_run_that_goes_on_by_other_kernels_is_told,
          a_best_that_is_lost_or_cut_is_not_claimed_by_a_run_that_goes_on,
          a_run_that_has_ended_without_its_best_says_where_it_still_is,
          a_best_of_another_run_is_not_taken_for_its_own,
          a_best_of_a_run_like_it_is_known_by_what_the_run_has_noted,
          a_run_whose_last_is_lost_is_not_begun_anew_over_its_other_checkpoints,
          data_that_were_moved_are_found_where_it_is_said,
          a_run_without_any_checkpoint_begins_anew_only_where_there_was_none,
          a_last_that_is_none_is_told_with_what_there_is_to_go_on_from,
          a_log_of_another_run_than_the_checkpoint_is_told,
          a_log_that_is_cut_during_the_run_costs_no_checkpoint,
          zeros_at_the_end_of_the_log_are_cut_off)
