/* Training with what a teacher said, kept in a file, in its place. */
#define _GNU_SOURCE
#include <math.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "teach/make_cache.h"
#include "train/tiny_run.h"

/* --- Making caches --- */

typedef struct maker_seen {
    weld_cache_plan plan;
    int64_t stop_at, done, bad;
} maker_seen;

static maker_seen made;

static void on_plan(void *context, const weld_cache_plan *plan) {
    ((maker_seen *)context)->plan = *plan;
}

static void on_note(void *context, const char *text) {
    (void)context;
    ck_assert_ptr_nonnull(text);
}

static void on_progress(void *context, int64_t done, int64_t total) {
    ck_assert_int_le(done, total);
    ((maker_seen *)context)->done = done;
}

static void on_bad(void *context, int64_t index, const char *reason) {
    (void)index;
    ck_assert_ptr_nonnull(reason);
    ((maker_seen *)context)->bad++;
}

static bool must_stop(void *context) {
    const maker_seen *m = context;
    return m->stop_at && m->done >= m->stop_at;
}

typedef struct cache_options {
    const char *out, *set;
    int views, top, threads;
    int64_t stop_at; /* rows */
} cache_options;

static weld_cache_result cache_result;

static weld_status make_cache(cache_options o) {
    char out[256], recipe[256];
    memset(&made, 0, sizeof made);
    memset(&err, 0, sizeof err);
    made.stop_at = o.stop_at;
    snprintf(out, sizeof out, "%s/%s", base, o.out);
    snprintf(recipe, sizeof recipe, "%s/taught.yaml", base);
    weld_cache_settings s = {.recipe = recipe,
                             .out = out,
                             .set = &o.set,
                             .set_count = o.set != NULL,
                             .views = o.views,
                             .top = o.top,
                             .threads = o.threads ? o.threads : 1,
                             .context = &made,
                             .message = on_note,
                             .planned = on_plan,
                             .progress = on_progress,
                             .bad_image = on_bad,
                             .stop = must_stop};
    return weld_make_cache(&s, &cache_result, &err);
}

static void make_cache_well(cache_options o) {
    ck_assert_msg(make_cache(o) == WELD_OK, "%s", err.message);
}

/* BASE/teacher/last.h5, and BASE/taught.yaml that learns from it. Train images: 42, or 150 so that
 * a view takes several batches. */
static void set_up_teacher(const char *kind, const char *augment, int images) {
    char text[1024];
    set_up();
    if (images != 42) {
        write_data(in_base("train.h5"), images, 1);
    }
    run_well((run_options){.out = "teacher",
                           .set = {"model.channels=[16]", "train.epochs=1", "train.seed=3"}});
    snprintf(text, sizeof text,
             "model: {name: repvit, channels: [8], depths: [1], stem_stride: 1}\n"
             "data: {train: %s/train.h5, val: %s/val.h5, input_size: %d, crop_fraction: 1}\n"
             "augment: {kind: small, repeats: 1, %s}\n"
             "loss: {distillation: {kind: %s, teacher: %s/teacher/last.h5, temperature: 2}}\n"
             "optimizer: {lr: 0.01, lr_batch: 8}\n"
             "schedule: {warmup_epochs: 1}\n"
             "train: {epochs: 3, batch_size: 4, accumulate: 2, seed: 7, checkpoint_every: 2,\n"
             "        ema_decay: 0.9}\n",
             base, base, SIDE, augment, kind, base);
    write_text(in_base("taught.yaml"), text);
}

static const char *cache_option(const char *name) {
    static char text[300];
    snprintf(text, sizeof text, "loss.distillation.cache=%s/%s", base, name);
    return text;
}

/* --- Tests --- */

static void expect_near_rows(const char *a, const char *b, double tolerance) {
    json_t *x = rows_of(a), *y = rows_of(b);
    ck_assert_uint_eq(json_array_size(x), json_array_size(y));
    ck_assert_uint_gt(json_array_size(x), 10);
    for (size_t i = 0; i < json_array_size(x); i++) {
        double p = json_number_value(json_object_get(json_array_get(x, i), "loss"));
        double q = json_number_value(json_object_get(json_array_get(y, i), "loss"));
        ck_assert_msg(fabs(p - q) <= tolerance * fabs(p), "row %zu: %g and %g", i, p, q);
    }
    json_decref(x);
    json_decref(y);
}

static void expect_as_live(const char *kind) {
    set_up_teacher(kind, "mix_probability: 0", 42);
    make_cache_well((cache_options){.out = "c.st", .views = 3, .top = 4});
    ck_assert_int_eq(made.plan.images, 42);
    ck_assert_int_eq(made.plan.top, 4);
    ck_assert_uint_eq(made.plan.bytes, 3 * 42 * (4 * 4 + 4));
    ck_assert_int_eq(made.done, 3 * 42);
    run_well((run_options){.out = "live", .recipe = "taught.yaml"});
    run_well(
        (run_options){.out = "cached", .recipe = "taught.yaml", .set = {cache_option("c.st")}});
    ck_assert_ptr_nonnull(strstr(seen.messages, "cached teacher: "));
    expect_near_rows("live", "cached", 2e-3);
    tear_down();
}

START_TEST(a_cache_of_all_classes_teaches_as_the_teacher_does) {
    expect_as_live("soft");
    expect_as_live("hard");
}
END_TEST

START_TEST(a_run_with_a_cached_teacher_continues_bit_for_bit) {
    set_up_teacher("soft", "mixup: 0.8, cutmix: 1", 42);
    make_cache_well((cache_options){.out = "c.st", .views = 2, .top = 2});
    run_options parts = {.out = "parts",
                         .recipe = "taught.yaml",
                         .set = {cache_option("c.st")},
                         .resume = true,
                         .threads = 2};
    run_well((run_options){.out = "whole", .recipe = "taught.yaml", .set = {cache_option("c.st")}});
    for (parts.stop_at = 2; parts.stop_at < 3 * STEPS_PER_EPOCH; parts.stop_at += 5) {
        run_well(parts);
    }
    parts.stop_at = 0;
    run_well(parts);
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(the_teacher_itself_is_not_needed_any_more) {
    set_up_teacher("hard", "mixup: 0.8", 42);
    make_cache_well((cache_options){.out = "c.st"});
    ck_assert_int_eq(made.plan.views, 3); /* as many as epochs */
    ck_assert_int_eq(made.plan.top, 4);   /* as many as classes */
    ck_assert_int_eq(remove(in_base("teacher/last.h5")), 0);
    run_well((run_options){.out = "a", .recipe = "taught.yaml", .set = {cache_option("c.st")}});
    ck_assert_int_eq(result.epochs, 3);
    tear_down();
}
END_TEST

static void expect_same_files(const char *a, const char *b) {
    char command[600];
    snprintf(command, sizeof command, "cmp %s/%s %s/%s", base, a, base, b);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(making_a_cache_goes_on_where_it_was_stopped_and_ends_with_the_same_bytes) {
    set_up_teacher("soft", "mixup: 0.8", 150);
    make_cache_well((cache_options){.out = "whole.st", .views = 2, .threads = 2});
    make_cache_well((cache_options){.out = "parts.st", .views = 2, .stop_at = 64});
    ck_assert(cache_result.interrupted);
    make_cache_well((cache_options){.out = "parts.st", .views = 2, .stop_at = 200});
    ck_assert(cache_result.interrupted);
    ck_assert_int_eq(made.plan.done, 64);
    ck_assert_int_ne(access(in_base("parts.st"), F_OK), 0);
    make_cache_well((cache_options){.out = "parts.st", .views = 2});
    ck_assert(!cache_result.interrupted);
    ck_assert_int_ge(made.plan.done, 200);
    expect_same_files("whole.st", "parts.st");
    tear_down();
}
END_TEST

START_TEST(another_recipe_is_refused_by_the_key_that_differs) {
    set_up_teacher("soft", "mixup: 0.8", 42);
    make_cache_well((cache_options){.out = "c.st", .views = 2});
    char cache[300];
    snprintf(cache, sizeof cache, "%s", cache_option("c.st"));
    refuse((run_options){.out = "a", .recipe = "taught.yaml", .set = {cache, "augment.hflip=0.25"}},
           "c.st: was made with augment.hflip 0.5, the recipe has '0.25'");
    refuse((run_options){.out = "a", .recipe = "taught.yaml", .set = {cache, "augment.vflip=0.25"}},
           "c.st: was made with augment.vflip 0, the recipe has '0.25'");
    refuse((run_options){.out = "a", .recipe = "taught.yaml", .set = {cache, "train.seed=8"}},
           "was made with train.seed 7, the recipe has '8'");
    refuse((run_options){.out = "a",
                         .recipe = "taught.yaml",
                         .set = {cache, "data.mean=[0.1, 0.2, 0.3]"}},
           "was made with data.mean ");
    /* How images are mixed, and for how long one trains, is another matter. */
    run_well((run_options){.out = "a",
                           .recipe = "taught.yaml",
                           .set = {cache, "augment.mixup=0.2", "train.epochs=1"}});
    write_data(in_base("train.h5"), 43, 1);
    refuse((run_options){.out = "b", .recipe = "taught.yaml", .set = {cache}},
           "c.st: is of 42 images of 4 classes, ");
    static const char *const names[] = {"ant", "bee", "cat", "elk"};
    write_classes(in_base("train.h5"), names, 4, 42, 1);
    write_classes(in_base("val.h5"), names, 4, 13, 1);
    refuse((run_options){.out = "b", .recipe = "taught.yaml", .set = {cache}},
           "c.st: the names or labels of its images are not those of ");
    tear_down();
}
END_TEST

START_TEST(resuming_with_another_cache_is_refused) {
    set_up_teacher("soft", "mixup: 0.8", 42);
    make_cache_well((cache_options){.out = "c.st", .views = 2});
    make_cache_well((cache_options){.out = "d.st", .views = 3});
    run_well((run_options){
        .out = "a", .recipe = "taught.yaml", .stop_at = 3, .set = {cache_option("c.st")}});
    refuse(
        (run_options){
            .out = "a", .recipe = "taught.yaml", .resume = true, .set = {cache_option("d.st")}},
        "last.h5: learned from cache ");
    ck_assert_int_eq(rename(in_base("c.st"), in_base("d.st")), 0);
    run_well((run_options){
        .out = "a", .recipe = "taught.yaml", .resume = true, .set = {cache_option("d.st")}});
    tear_down();
}
END_TEST

START_TEST(what_a_python_program_said_is_learned) {
    char set[600];
    set_up_teacher("soft", "mixup: 0.8", 42);
    snprintf(set, sizeof set, "loss.distillation.cache=%s/distillation/python_cache.safetensors",
             getenv("WELD_FIXTURES"));
    run_well((run_options){.out = "a", .recipe = "taught.yaml", .set = {set}});
    ck_assert_ptr_nonnull(strstr(seen.messages, "a Python program, 1 view, 3 of 4 classes; it does "
                                                "not say how its images were augmented"));
    tear_down();
}
END_TEST

START_TEST(a_recipe_without_a_teacher_is_told_to_name_one) {
    set_up_teacher("soft", "mixup: 0.8", 42);
    ck_assert_int_ne(make_cache((cache_options){.out = "c.st",
                                                .set = "loss.distillation={kind: none, "
                                                       "teacher: null}"}),
                     WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "loss.distillation.teacher: missing"));
    tear_down();
}
END_TEST

START_TEST(running_out_of_memory_is_an_error_like_any_other) {
    set_up_teacher("soft", "mixup: 0.8", 42);
    make_cache_well((cache_options){.out = "c.st", .views = 1});
    int failures[3] = {0};
    for (int what = 0; what < 3; what++) { /* a cache, a run with it, a run with the teacher */
        weld_status status = WELD_ERROR_MEMORY;
        for (long n = 0; status != WELD_OK; n += 1 + n / 12) {
            char out[32];
            snprintf(out, sizeof out, "r%d-%ld", what, n);
            run_options o = {.out = out,
                             .recipe = "taught.yaml",
                             .set = {"train.epochs=1", what == 1 ? cache_option("c.st") : NULL}};
            weld_memory_fail_after(n);
            status = what ? run(o) : make_cache((cache_options){.out = "d.st", .views = 1});
            weld_memory_fail_after(-1);
            if (status) {
                ck_assert_msg(status == WELD_ERROR_MEMORY, "%s", err.message);
                failures[what]++;
            }
        }
        ck_assert_int_gt(failures[what], 20);
    }
    tear_down();
}
END_TEST

RUN_SUITE("teach/cached_teacher", a_cache_of_all_classes_teaches_as_the_teacher_does,
          a_run_with_a_cached_teacher_continues_bit_for_bit,
          the_teacher_itself_is_not_needed_any_more,
          making_a_cache_goes_on_where_it_was_stopped_and_ends_with_the_same_bytes,
          another_recipe_is_refused_by_the_key_that_differs, resuming_with_another_cache_is_refused,
          what_a_python_program_said_is_learned, a_recipe_without_a_teacher_is_told_to_name_one,
          running_out_of_memory_is_an_error_like_any_other)
