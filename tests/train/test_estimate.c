/* When a run says how long it will take, and what. */
#include <string.h>

#include "suite.h"
#include "train/estimate.h"

/* The run's updates take so long each, after two that take ten times as long. Returns after how
 * many of `most` it is told; 0: not at all. */
static int told_after(weld_train_progress p, double seconds, int most, char *text, size_t size) {
    weld_estimate e = {0};
    double now = 1000;
    int told = 0;
    for (int i = 1; i <= most; i++) {
        now += i <= 2 ? 10 * seconds : seconds;
        if (++p.position > p.steps_per_epoch) {
            p.position = 1;
            p.epoch++;
        }
        const int64_t left = (p.epochs - p.epoch) * p.steps_per_epoch - p.position;
        if (weld_estimate_update(&e, &p, left, now, text, size)) {
            ck_assert_int_eq(told, 0);
            told = i;
        }
    }
    return told;
}

static void expect(weld_train_progress p, double seconds, int after, const char *what) {
    char text[200];
    ck_assert_int_eq(told_after(p, seconds, 500, text, sizeof text), after);
    ck_assert_msg(!after || strncmp(text, what, strlen(what)) == 0, "%s", text);
}

START_TEST(it_is_told_once_by_updates_that_are_like_others) {
    const weld_train_progress p = {.epochs = 100, .steps_per_epoch = 1000};
    expect(p, 0.5, 12,
           "an epoch takes about 8 min 20 s, the run 13 h 53 min more, without "
           "evaluations (by 10 updates)");
    expect(p, 0.11, 48, "an epoch takes about 1 min 50 s, the run 3 h 3 min more");
    expect(p, 30, 5, "an epoch takes about 8 h 20 min, the run 34 days 17 h more");
}
END_TEST

START_TEST(sizes_that_differ_are_measured_for_longer) {
    const weld_train_progress p = {.epochs = 10, .steps_per_epoch = 100, .size = 320};
    expect(p, 30, 32, "an epoch takes about 50 min 0 s, the run 8 h 4 min more");
}
END_TEST

START_TEST(of_a_run_that_goes_on_what_is_left_counts) {
    const weld_train_progress p = {
        .epoch = 8, .epochs = 10, .steps_per_epoch = 100, .position = 50, .step = 850};
    expect(p, 1, 12, "an epoch takes about 1 min 40 s, the run 2 min 18 s more");
}
END_TEST

/* Others had the cpus for a minute. */
START_TEST(one_slow_update_does_not_count) {
    weld_train_progress p = {.epochs = 2, .steps_per_epoch = 1000};
    weld_estimate e = {0};
    char text[200] = "";
    double now = 0;
    for (int i = 1; i <= 12; i++) {
        now += i == 7 ? 60 : 0.25;
        p.position = i;
        ck_assert_int_eq(weld_estimate_update(&e, &p, 2000 - i, now, text, sizeof text), i == 7);
    }
    ck_assert_ptr_nonnull(strstr(text, "an epoch takes about 4 min 10 s, the run 8 min 18 s more"));
}
END_TEST

/* Its own line tells more. */
START_TEST(after_a_short_epoch_nothing_is_told) {
    const weld_train_progress p = {.epochs = 100, .steps_per_epoch = 11};
    expect(p, 1, 0, "");
    expect((weld_train_progress){.epochs = 3, .steps_per_epoch = 100}, 0.01, 0, "");
}
END_TEST

START_TEST(durations_are_rounded_as_a_whole) {
    const weld_train_progress p = {.epochs = 1, .steps_per_epoch = 12};
    expect((weld_train_progress){.epochs = 1, .steps_per_epoch = 60}, 0.996, 12,
           "an epoch takes about 1 min 0 s, the run 48 s more");
    expect(p, 59.95, 5, "an epoch takes about 11 min 59 s, the run 7 min 0 s more");
    expect(p, 299.97, 5, "an epoch takes about 1 h 0 min, the run 35 min 0 s more");
}
END_TEST

RUN_SUITE("train/estimate", it_is_told_once_by_updates_that_are_like_others,
          sizes_that_differ_are_measured_for_longer, of_a_run_that_goes_on_what_is_left_counts,
          one_slow_update_does_not_count, after_a_short_epoch_nothing_is_told,
          durations_are_rounded_as_a_whole)
