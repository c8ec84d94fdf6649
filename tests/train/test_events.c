/* What TensorBoard is given of a run: as much as metrics.jsonl says, once, however often the run
 * was interrupted. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tensorboard.h"
#include "train/tiny_run.h"

enum { STEPS = 3 * STEPS_PER_EPOCH };

/* What a viewer of the folder would show, by step: see `view`. */
typedef struct view_of {
    int scalars[STEPS + 1]; /* of loss/train */
    float loss[STEPS + 1];
    int top1[STEPS + 1], weights[STEPS + 1], gradients[STEPS + 1], sheets[STEPS + 1];
    int64_t wait, learning_rate; /* how many */
    int files, starts;
} view_of;

static void drop(view_of *v, int64_t first) {
    for (int64_t i = first; i <= STEPS; i++) {
        v->scalars[i] = v->top1[i] = v->weights[i] = v->gradients[i] = v->sheets[i] = 0;
    }
}

static void add(view_of *view, int64_t step, const event_value *v) {
    ck_assert_int_ge(step, 1);
    ck_assert_int_le(step, STEPS);
    if (strcmp(v->tag, "loss/train") == 0) {
        view->scalars[step]++;
        view->loss[step] = v->scalar;
    }
    view->top1[step] += strcmp(v->tag, "accuracy/top1") == 0;
    view->wait += strcmp(v->tag, "time/wait") == 0;
    view->learning_rate += strcmp(v->tag, "learning_rate") == 0;
    view->weights[step] += strncmp(v->tag, "weights/", 8) == 0 && v->histogram.size;
    view->gradients[step] += strncmp(v->tag, "gradients/", 10) == 0 && v->histogram.size;
    if (strcmp(v->tag, "batch") == 0) {
        ck_assert_ptr_nonnull(memmem(v->image.data, v->image.size, "\x89PNG\r\n\x1a\n", 8));
        view->sheets[step]++;
    }
}

/* Read the files in order, and at a session log START forget what came from its step on. */
static view_of view(const char *out) {
    view_of seen_files = {0};
    span file, record;
    for (size_t i = 0; (file = read_event_file(in_base(out), i)).size; i++) {
        size_t at = 0;
        seen_files.files++;
        while (next_record(file, &at, &record)) {
            event e = read_event(record);
            event_value v;
            if (e.is_start) {
                seen_files.starts++;
                drop(&seen_files, e.step);
            }
            while (next_value(&e.summary, &v)) {
                add(&seen_files, e.step, &v);
            }
        }
        free((void *)(uintptr_t)file.data);
    }
    return seen_files;
}

START_TEST(a_run_shows_every_update_and_epoch) {
    set_up();
    run_well((run_options){.out = "a"});
    view_of v = view("a");
    json_t *rows = rows_of("a"), *row;
    size_t i;
    ck_assert_int_eq(v.files, 1);
    ck_assert_int_eq(v.starts, 0);
    ck_assert_int_eq(v.wait, STEPS);
    ck_assert_int_eq(v.learning_rate, STEPS);
    json_array_foreach(rows, i, row) {
        const int step = (int)json_integer_value(json_object_get(row, "step"));
        if (strcmp(json_string_value(json_object_get(row, "kind")), "step") == 0) {
            ck_assert_int_eq(v.scalars[step], 1);
            ck_assert(v.loss[step] == (float)json_number_value(json_object_get(row, "loss")));
        } else {
            ck_assert_int_eq(v.top1[step], 1);
        }
    }
    json_decref(rows);
    tear_down();
}
END_TEST

/* Of the first and the last of three epochs. */
START_TEST(histograms_and_sheets_come_at_their_epochs) {
    set_up();
    run_well((run_options){.out = "a"});
    view_of v = view("a");
    weld_model_file file = open_checkpoint("a", "last.h5");
    const int parameters = (int)weld_weights_count(file.moment1);
    weld_model_file_free(&file);
    for (int step = 1; step <= STEPS; step++) {
        const bool end = step == STEPS_PER_EPOCH || step == STEPS;
        ck_assert_int_eq(v.weights[step], end ? parameters : 0);
        ck_assert_int_eq(v.gradients[step], end ? parameters : 0);
        ck_assert_int_eq(v.sheets[step], step == 1 || step == 2 * STEPS_PER_EPOCH + 1);
    }
    run_well((run_options){.out = "b", .set = {"train.histograms_every=0"}});
    v = view("b");
    ck_assert_int_eq(v.weights[STEPS], 0);
    ck_assert_int_eq(v.sheets[1], 0);
    ck_assert_int_eq(v.scalars[STEPS], 1);
    tear_down();
}
END_TEST

/* Interrupted after update 7, gone on with to 12, killed there (last.h5 is that of 7 again), and
 * run to the end. */
START_TEST(what_a_killed_run_did_after_its_checkpoint_is_not_shown_twice) {
    set_up();
    run_well((run_options){.out = "whole"});
    run_well((run_options){.out = "parts", .stop_at = 7});
    char command[512];
    snprintf(command, sizeof command, "cp %s %s", in_base("parts/last.h5"), in_base("seven.h5"));
    ck_assert_int_eq(system(command), 0);
    run_well((run_options){.out = "parts", .resume = true, .stop_at = 12});
    ck_assert_int_eq(rename(in_base("seven.h5"), in_base("parts/last.h5")), 0);
    run_well((run_options){.out = "parts", .resume = true});
    view_of whole = view("whole"), parts = view("parts");
    ck_assert_int_eq(parts.files, 3);
    ck_assert_int_eq(parts.starts, 2);
    ck_assert_mem_eq(whole.scalars, parts.scalars, sizeof whole.scalars);
    ck_assert_mem_eq(whole.loss, parts.loss, sizeof whole.loss);
    ck_assert_mem_eq(whole.top1, parts.top1, sizeof whole.top1);
    ck_assert_mem_eq(whole.weights, parts.weights, sizeof whole.weights);
    ck_assert_mem_eq(whole.gradients, parts.gradients, sizeof whole.gradients);
    ck_assert_mem_eq(whole.sheets, parts.sheets, sizeof whole.sheets);
    tear_down();
}
END_TEST

/* Files may grow to that of last.h5 and little more: histograms do not fit. */
START_TEST(a_disk_that_is_full_of_events_stops_the_run_and_loses_nothing) {
    struct stat info;
    set_up();
    run_well((run_options){.out = "whole", .set = {"train.histograms_every=0"}});
    ck_assert_int_eq(stat(in_base("whole/last.h5"), &info), 0);
    run_well((run_options){.out = "a", .stop_at = 3, .set = {"train.histograms_every=1"}});
    signal(SIGXFSZ, SIG_IGN);
    const rlim_t room = (rlim_t)info.st_size + 4096;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){room, RLIM_INFINITY}), 0);
    refuse((run_options){.out = "a", .resume = true, .set = {"train.histograms_every=1"}},
           "events.out.tfevents.");
    ck_assert_int_eq(err.status, WELD_ERROR_IO);
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &all), 0);
    run_well((run_options){.out = "a", .resume = true, .set = {"train.histograms_every=1"}});
    assert_same_run("whole", "a");
    tear_down();
}
END_TEST

START_TEST(no_events_where_the_recipe_wants_none) {
    set_up();
    run_well((run_options){.out = "a", .set = {"train.events=false", "train.epochs=1"}});
    ck_assert_int_eq(view("a").files, 0);
    tear_down();
}
END_TEST

RUN_SUITE("train/events", a_run_shows_every_update_and_epoch,
          histograms_and_sheets_come_at_their_epochs,
          what_a_killed_run_did_after_its_checkpoint_is_not_shown_twice,
          a_disk_that_is_full_of_events_stops_the_run_and_loses_nothing,
          no_events_where_the_recipe_wants_none)
