/* What goes wrong on a rank of a run ends it on all, with one message and an intact last.h5; and a
 * rank that has other data, or computes otherwise, takes no part. */
#define _GNU_SOURCE
#include "train/rank_runs.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "images/encode_png.h"
#include "train/update.h"

/* --- Runs that end otherwise than well --- */

/* A run on ranks of which one is different: what `before` does in its process. */
typedef struct other_run {
    run_options o, its; /* its: the other's options, where `differs` */
    int other;
    bool differs;
    void (*before)(void); /* NULL: nothing */
    bool stops;           /* it alone is asked to stop, at once */
} other_run;

static char words[WELD_ERROR_MESSAGE_SIZE]; /* what rank 0 said */

/* Into BASE/said.RANK: status and message. */
static void run_other(weld_group *group, void *context) {
    const other_run *r = context;
    char path[32], said[WELD_ERROR_MESSAGE_SIZE + 16];
    const bool is_other = weld_group_rank(group) == r->other;
    run_options o = r->differs && is_other ? r->its : r->o;
    o.group = group;
    o.threads = 1;
    o.stop_at = r->stops && is_other ? -1 : o.stop_at;
    if (r->before && is_other) {
        r->before();
    }
    const weld_status status = run(o);
    snprintf(said, sizeof said, "%d %d %s", status, result.interrupted, err.message);
    snprintf(path, sizeof path, "said.%d", weld_group_rank(group));
    write_text(in_base(path), said);
    if (weld_group_rank(group) == 0) {
        write_text(in_base("messages"), seen.messages);
    }
}

/* All ranks must come to the same; returns the status, with `words`. */
static weld_status run_with(int ranks, other_run r) {
    ck_assert(run_group(&(ranks_options){.size = ranks}, run_other, &r));
    char *first = read_text(in_base("said.0"));
    for (int i = 1; i < ranks; i++) {
        char path[32];
        snprintf(path, sizeof path, "said.%d", i);
        char *text = read_text(in_base(path));
        ck_assert_str_eq(text, first);
        free(text);
    }
    int status, interrupted, at;
    ck_assert_int_eq(sscanf(first, "%d %d %n", &status, &interrupted, &at), 2);
    snprintf(words, sizeof words, "%s", first + at);
    result.interrupted = interrupted;
    free(first);
    return (weld_status)status;
}

static void expect(int ranks, other_run r, weld_status status, const char *part) {
    const weld_status got = run_with(ranks, r);
    ck_assert_msg(strstr(words, part) != NULL, "\"%s\" is not in \"%s\"", part, words);
    ck_assert_int_eq(got, status);
}

static int64_t step_of(const char *out) {
    weld_model_file last = open_checkpoint(out, "last.h5");
    const int64_t step = last.trainer.step;
    weld_model_file_free(&last);
    return step;
}

/* --- At the start --- */

START_TEST(more_ranks_than_batches_are_refused_with_what_to_do) {
    set_up_everything();
    expect(4, (other_run){.o = {.out = "a", .recipe = "all.yaml", .set = {"train.accumulate=2"}}},
           WELD_ERROR_ARGUMENT,
           "4 ranks, but train.accumulate 2: an update has 2 batches to share: start 2");
    ck_assert_ptr_null(strstr(words, "or set"));
    expect(4,
           (other_run){.o = {.out = "a",
                             .recipe = "all.yaml",
                             .set = {"train.accumulate=2", "train.batch_size=16"}}},
           WELD_ERROR_ARGUMENT,
           ": start 2, or set train.batch_size 8 and train.accumulate 4 (batch norm then sees 8 "
           "images)");
    ck_assert_int_ne(access(in_base("a"), F_OK), 0);
    tear_down();
}
END_TEST

/* Rank 2 of three is started with `its`. */
static void refuse_other_call(run_options its, const char *part) {
    const run_options o = {.out = "a", .recipe = "all.yaml", .set = {"train.epochs=1"}};
    expect(3, (other_run){.o = o, .its = its, .other = 2, .differs = true}, WELD_ERROR_ARGUMENT,
           part);
    ck_assert_ptr_eq(strstr(words, "rank 2 ("), words);
    ck_assert_ptr_nonnull(strstr(words, ": give all ranks the same command; "));
    ck_assert_int_ne(access(in_base("a"), F_OK), 0);
    ck_assert_int_ne(access(in_base("b"), F_OK), 0);
}

START_TEST(ranks_that_were_started_to_do_something_else_are_refused) {
    const run_options same = {.out = "a", .recipe = "all.yaml", .set = {"train.epochs=1"}};
    run_options its = same;
    set_up_everything();
    its.out = "b";
    refuse_other_call(its, "/b, rank 0 with --out ");
    its = same;
    its.recipe = "other.yaml"; /* it is not there: nobody looks */
    refuse_other_call(its, "/other.yaml, rank 0 with recipe ");
    its = same;
    its.set[0] = "train.seed=2";
    refuse_other_call(its, "with --set train.seed=2, rank 0 with --set train.epochs=1: ");
    its = same;
    its.set[1] = "train.seed=2";
    refuse_other_call(its, "with --set train.seed=2, rank 0 with no other --set: ");
    its = same;
    its.resume = true;
    refuse_other_call(its, "with --resume, rank 0 with no --resume: ");
    tear_down();
}
END_TEST

START_TEST(shares_that_are_not_even_are_told) {
    set_up_everything();
    expect(4, (other_run){.o = {.out = "a", .recipe = "all.yaml", .set = {"train.epochs=1"}}},
           WELD_OK, "");
    char *messages = read_text(in_base("messages"));
    ck_assert_ptr_nonnull(
        strstr(messages, "4 ranks share 6 batches as 2, 2, 1, 1: at best 75 % of their speed\n"));
    free(messages);
    tear_down();
}
END_TEST

START_TEST(what_rank_0_cannot_begin_nobody_begins) {
    set_up_everything();
    expect(2, (other_run){.o = {.out = "a", .recipe = "none.yaml"}}, WELD_ERROR_NOT_FOUND,
           "none.yaml");
    expect(2, (other_run){.o = {.out = "a", .recipe = "all.yaml", .set = {"model.num_classes=5"}}},
           WELD_ERROR_ARGUMENT, "model.num_classes is 5, but ");
    tear_down();
}
END_TEST

/* --- A host of its own: paths of the recipe are relative, and rank 1 works in another folder ---
 */

static void go_elsewhere(void) {
    if (chdir(in_base("elsewhere"))) {
        exit(96);
    }
}

/* BASE/all.yaml with paths in the working folder, which is BASE; BASE/elsewhere has the same data.
 */
static void set_up_hosts(void) {
    char text[1024];
    size_t size;
    set_up_everything();
    snprintf(text, sizeof text, everything, ".", ".", SIDE);
    write_text(in_base("all.yaml"), text);
    ck_assert_int_eq(mkdir(in_base("elsewhere"), 0777), 0);
    for (int i = 0; i < 2; i++) {
        char to[32];
        const char *name = i ? "val.h5" : "train.h5";
        snprintf(to, sizeof to, "elsewhere/%s", name);
        unsigned char *bytes = test_read_file(in_base(name), &size);
        test_write_file(in_base(to), (const char *)bytes, size);
        free(bytes);
    }
    ck_assert_int_eq(chdir(base), 0);
}

static void tear_down_hosts(void) {
    ck_assert_int_eq(chdir("/"), 0);
    tear_down();
}

START_TEST(data_are_found_on_every_host_and_must_be_the_same) {
    static const char *const others[] = {"ant", "bee", "cat", "elk"};
    other_run r = {.o = {.out = "good", .recipe = "all.yaml"}, .other = 1, .before = go_elsewhere};
    set_up_hosts();
    expect(2, r, WELD_OK, "");
    r.o.out = "a";
    write_data(in_base("elsewhere/train.h5"), 43, 1);
    expect(2, r, WELD_ERROR_ARGUMENT,
           ": ./train.h5 has 43 images, rank 0's 42: give all hosts the same data");
    ck_assert_ptr_eq(strstr(words, "rank 1 ("), words);
    write_data(in_base("elsewhere/train.h5"), 42, 3); /* the same names, other pixels */
    expect(2, r, WELD_ERROR_ARGUMENT, ": ./train.h5 is another packed file than rank 0's");
    write_classes(in_base("elsewhere/train.h5"), others, CLASSES, 42, 1);
    expect(2, r, WELD_ERROR_ARGUMENT, "but others by name, class or box");
    ck_assert_int_eq(unlink(in_base("elsewhere/val.h5")), 0);
    expect(2, r, WELD_ERROR_NOT_FOUND, "./val.h5");
    ck_assert_ptr_eq(strstr(words, "rank 1 ("), words);
    ck_assert_int_ne(access(in_base("a"), F_OK), 0);
    tear_down_hosts();
}
END_TEST

/* Two classes of twelve images, of one shade each. */
static void put_photos(const char *folder, int shade) {
    weld_image image = {0};
    char path[64];
    ck_assert_int_eq(weld_image_resize_buffer(&image, SIDE, SIDE, NULL), WELD_OK);
    for (int i = 0; i < 24; i++) {
        weld_bytes png = {0};
        memset(image.pixels, shade + i, (size_t)SIDE * SIDE * 3);
        ck_assert_int_eq(weld_encode_png(&image, &png, NULL), WELD_OK);
        snprintf(path, sizeof path, "%s/%c/%02d.png", folder, 'a' + i % 2, i);
        test_put_file(&tiny_folder, path, "");
        test_write_file(in_base(path), png.data, png.size);
        weld_bytes_free(&png);
    }
    weld_image_free(&image);
}

START_TEST(files_of_the_same_names_with_other_pixels_are_found_before_the_first_update) {
    const other_run r = {
        .o = {.out = "a", .recipe = "all.yaml", .set = {"data.train=./photos", "data.val=null"}},
        .other = 1,
        .before = go_elsewhere};
    set_up_hosts();
    put_photos("photos", 80);
    put_photos("elsewhere/photos", 81);
    expect(2, r, WELD_ERROR_ARGUMENT,
           ": makes other pixels of the first batch than rank 0: its files have other contents");
    ck_assert_ptr_eq(strstr(words, "rank 1 ("), words);
    ck_assert_int_ne(access(in_base("a"), F_OK), 0);
    tear_down_hosts();
}
END_TEST

static void use_plain_kernels(void) {
    setenv("WELD_ISA", "ref", 1);
}

START_TEST(cpus_that_compute_other_bits_are_told_apart) {
    const weld_kernels *best;
    set_up_everything();
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &best, &err), WELD_OK);
    if (strcmp(best->name, "ref") != 0) {
        expect(2,
               (other_run){.o = {.out = "a", .recipe = "all.yaml"},
                           .other = 1,
                           .before = use_plain_kernels},
               WELD_ERROR_ARGUMENT, ": computes by ref, ref in bf16, rank 0 by ");
        ck_assert_ptr_nonnull(strstr(words, "mpirun -x WELD_ISA="));
    }
    tear_down();
}
END_TEST

/* --- In a run --- */

/* Met by all ranks at once. */
START_TEST(too_many_bad_images_end_a_run_as_they_end_that_of_one_process) {
    set_up_everything();
    for (int i = 0; i < 42; i += 6) {
        damage(in_base("train.h5"), i);
    }
    run_options o = {.out = "one", .recipe = "all.yaml", .set = {"data.max_bad=2"}};
    ck_assert_int_eq(run(o), WELD_ERROR_FORMAT);
    weld_error alone = err;
    char *told = strdup(seen.messages);
    o.out = "a";
    expect(3, (other_run){.o = o}, WELD_ERROR_FORMAT, "more than 2 bad images (data.max_bad)");
    ck_assert_str_eq(words, alone.message);
    char *messages = read_text(in_base("messages"));
    ck_assert_str_eq(strstr(messages, "skipped: "), strstr(told, "skipped: "));
    free(told);
    free(messages);
    tear_down();
}
END_TEST

/* Rank 1 meets it in one of the epochs. */
START_TEST(an_image_that_is_bad_on_one_host_alone_ends_the_run_and_is_named) {
    other_run r = {.o = {.out = "a", .recipe = "all.yaml"}, .other = 1, .before = go_elsewhere};
    set_up_hosts();
    damage(in_base("elsewhere/train.h5"), 20);
    expect(2, r, WELD_ERROR_IO, ": but rank 0 (");
    ck_assert_ptr_eq(strstr(words, "rank 1 ("), words);
    ck_assert_ptr_nonnull(strstr(words, "train.h5: sample 20"));
    ck_assert_ptr_nonnull(strstr(words, ") can use it, and results would depend on whose turn"));
    damage(in_base("train.h5"), 20); /* on all hosts: it is a bad image as any other */
    r.o.resume = true;
    expect(2, r, WELD_OK, "");
    tear_down_hosts();
}
END_TEST

static void spoil(const char *out) {
    char path[512];
    weld_tensor t;
    weld_model_file file = open_checkpoint(out, "last.h5");
    ck_assert(weld_weights_find(file.weights, "classifier.classifier.l.weight", &t));
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        ((float *)t.data)[i] = 3e38f;
    }
    snprintf(path, sizeof path, "%s/%s/last.h5", base, out);
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    weld_model_file_free(&file);
}

START_TEST(a_loss_that_is_not_finite_on_two_ranks_is_told_as_one_process_tells_it) {
    set_up_everything();
    run_options o = {.out = "a", .recipe = "all.yaml", .stop_at = 1};
    run_well(o);
    spoil("a");
    o.resume = true;
    ck_assert_int_eq(run(o), WELD_ERROR_NUMERIC);
    const weld_error alone = err;
    char *story = read_text(in_base("a/not_finite.txt"));
    ck_assert_int_eq(unlink(in_base("a/not_finite.txt")), 0);
    expect(2, (other_run){.o = o}, WELD_ERROR_NUMERIC,
           "update 2, epoch 0: the loss is not finite: first bad value: ");
    ck_assert_str_eq(words, alone.message);
    char *again = read_text(in_base("a/not_finite.txt"));
    ck_assert_str_eq(again, story);
    ck_assert_int_eq(step_of("a"), 1);
    free(story);
    free(again);
    tear_down();
}
END_TEST

static void limit_files(void) {
    const struct rlimit small = {.rlim_cur = 2000, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small)) {
        exit(96);
    }
}

START_TEST(a_full_disk_of_rank_0_ends_all_and_leaves_the_old_checkpoint) {
    set_up_everything();
    run_options o = {.out = "a",
                     .recipe = "all.yaml",
                     .set = {"train.events=false", "train.batch_size=2"},
                     .stop_at = 1};
    run_well(o);
    o.stop_at = 0;
    o.resume = true;
    expect(3, (other_run){.o = o, .other = 0, .before = limit_files}, WELD_ERROR_IO, "last.h5");
    ck_assert_int_eq(step_of("a"), 1);
    run_over(2, o);
    o.out = "whole";
    run_well(o);
    assert_same_end("whole", "a");
    tear_down();
}
END_TEST

/* --- Asked to stop --- */

START_TEST(any_rank_may_be_asked_to_stop) {
    set_up_everything();
    run_options o = {.out = "a", .recipe = "all.yaml", .set = {"train.batch_size=2"}};
    expect(3, (other_run){.o = o, .other = 2, .stops = true}, WELD_OK, "");
    ck_assert(result.interrupted);
    ck_assert_int_eq(step_of("a"), 1);
    o.resume = true;
    run_over(2, o);
    o.resume = false;
    o.out = "whole";
    run_well(o);
    assert_same_end("whole", "a");
    tear_down();
}
END_TEST

/* --- Replicas --- */

/* After an update the largest tensor of rank 1 is another by a bit of each weight, which the next
 * one finds, whichever part of it is looked at. */
static void train_with_bad_memory(weld_group *group, void *context) {
    weld_step_metrics row;
    (void)context;
    weld_trainer *t = open_trainer(group, "a", (weld_train_callbacks){0});
    EXPECT(weld_trainer_update(t, &row, &err) == WELD_OK);
    weld_tensor w = weld_weights_tensor(t->weights, 0);
    for (size_t i = 0; i < weld_weights_count(t->weights); i++) {
        const weld_tensor x = weld_weights_tensor(t->weights, i);
        w = weld_tensor_bytes(&x) > weld_tensor_bytes(&w) ? x : w;
    }
    for (int64_t i = 0; weld_group_rank(group) == 1 && i < weld_shape_count(&w.shape); i++) {
        ((float *)w.data)[i] = nextafterf(((float *)w.data)[i], 9);
    }
    EXPECT(weld_trainer_update(t, &row, &err) == WELD_ERROR_NUMERIC);
    EXPECT_TEXT(err.message, "rank 1 (");
    EXPECT_TEXT(err.message, "has other weights than rank 0 (");
    weld_trainer_close(t);
    free(t);
}

START_TEST(a_replica_that_has_become_another_is_found) {
    set_up_everything();
    ck_assert(run_group(&(ranks_options){.size = 2}, train_with_bad_memory, NULL));
    tear_down();
}
END_TEST

RUN_SUITE("train/rank_errors", more_ranks_than_batches_are_refused_with_what_to_do,
          ranks_that_were_started_to_do_something_else_are_refused,
          shares_that_are_not_even_are_told, what_rank_0_cannot_begin_nobody_begins,
          data_are_found_on_every_host_and_must_be_the_same,
          files_of_the_same_names_with_other_pixels_are_found_before_the_first_update,
          cpus_that_compute_other_bits_are_told_apart,
          too_many_bad_images_end_a_run_as_they_end_that_of_one_process,
          an_image_that_is_bad_on_one_host_alone_ends_the_run_and_is_named,
          a_loss_that_is_not_finite_on_two_ranks_is_told_as_one_process_tells_it,
          a_full_disk_of_rank_0_ends_all_and_leaves_the_old_checkpoint,
          any_rank_may_be_asked_to_stop, a_replica_that_has_become_another_is_found)
