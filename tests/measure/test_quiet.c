/* Whether the machine was quiet: what is read of the files that Linux keeps, and what is said of
 * it. */
#define _GNU_SOURCE
#include <sched.h>

#include "files.h"
#include "measure/quiet.h"
#include "suite.h"

/* The same counts for every cpu there can be. */
static void put_stat(const test_folder *f, const char *counts) {
    char *text = malloc(256 * CPU_SETSIZE);
    int used = sprintf(text, "cpu  9 9 9 9 9 9 9 9 9 9\n");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        used += sprintf(text + used, "cpu%d %s\n", cpu, counts);
    }
    sprintf(text + used, "intr 14297290 0 0\nctxt 52054004\n");
    test_put_file(f, "proc/stat", text);
    free(text);
}

START_TEST(what_the_system_counts_is_read) {
    test_folder f = test_folder_create();
    cpu_set_t mine;
    ck_assert_int_eq(sched_getaffinity(0, sizeof mine, &mine), 0);
    put_stat(&f, "100 20 30 4000 500 6 7 80 0 0"); /* of 10 ms */
    test_put_file(&f, "proc/self/schedstat", "9000000000 9000000000 9\n");
    test_put_file(&f, "proc/self/task/71/schedstat", "3000000000 250000000 10\n");
    test_put_file(&f, "proc/self/task/72/schedstat", "1000000000 500000000 10\n");
    test_put_file(&f, "proc/self/cgroup", "0::/mine\n");
    test_put_file(&f, "sys/fs/cgroup/mine/cpu.stat", "usage_usec 7\nthrottled_usec 1500000\n");
    weld_quiet_moment now = weld_quiet_now(f.path);
    test_folder_remove(f);
    ck_assert_int_eq(now.cpus, CPU_COUNT(&mine));
    ck_assert_double_eq_tol(now.busy, 1.63 * now.cpus, 1e-9);
    ck_assert_double_eq_tol(now.steal, 0.80 * now.cpus, 1e-9);
    ck_assert_double_eq_tol(now.waited, 0.75, 1e-9);
    ck_assert_double_eq_tol(now.throttled, 1.5, 1e-9);
    ck_assert(now.clock > 0 && now.processor > 0);
}
END_TEST

START_TEST(what_the_system_does_not_tell_is_unknown_and_not_quiet) {
    test_folder f = test_folder_create();
    const double seconds[] = {0.010, 0.011};
    char text[WELD_QUIET_TEXT_SIZE];
    weld_quiet_moment begin = weld_quiet_now(f.path), end = weld_quiet_now(f.path);
    weld_quiet q = weld_quiet_between(&begin, &end, seconds, 2);
    ck_assert(q.waited < 0 && q.others < 0 && q.steal < 0 && q.throttled < 0);
    ck_assert_int_gt(q.cpus, 0);
    ck_assert_int_eq(weld_quiet_judge(&q), WELD_QUIET_UNTOLD);
    ck_assert_str_eq(weld_quiet_text(&q, text),
                     "perhaps not quiet: the system does not tell of waiting for cpus, other "
                     "processes and quotas; runs from 10.00 to 11.00 ms");
    test_folder_remove(f);
}
END_TEST

/* Kernels that do not count, systems that only look like Linux, and containers whose cpus have
 * other numbers than those the process is bound to. */
START_TEST(counts_that_cannot_be_are_unknown) {
    test_folder f = test_folder_create();
    put_stat(&f, "0 0 0 0 0 0 0 0 0 0");
    test_put_file(&f, "proc/self/task/71/schedstat", "0 0 0\n");
    weld_quiet_moment now = weld_quiet_now(f.path);
    ck_assert(now.waited < 0 && now.busy < 0 && now.steal < 0);
    test_put_file(&f, "proc/stat", "cpu  9 9 9 9 9 9 9 9 9 9\ncpu4000 9 9 9 9 9 9 9 9 9 9\n");
    test_put_file(&f, "proc/self/task/71/schedstat", "?\n");
    now = weld_quiet_now(f.path);
    ck_assert(now.waited < 0 && now.busy < 0 && now.steal < 0);
    test_folder_remove(f);
}
END_TEST

START_TEST(shares_are_of_the_time_that_threads_could_have_run) {
    weld_quiet_moment begin = {.clock = 100,
                               .processor = 7,
                               .waited = 1,
                               .throttled = 2,
                               .busy = 50,
                               .steal = 3,
                               .cpus = 4};
    weld_quiet_moment end = {.clock = 110,
                             .processor = 7 + 15,
                             .waited = 1 + 5,
                             .throttled = 2 + 1,
                             .busy = 50 + 27,
                             .steal = 3 + 9,
                             .cpus = 4};
    double seconds[20];
    for (int i = 0; i < 20; i++) {
        seconds[i] = 0.5 + 0.001 * i;
    }
    weld_quiet q = weld_quiet_between(&begin, &end, seconds, 20);
    ck_assert_double_eq_tol(q.seconds, 10, 1e-9);
    ck_assert_double_eq_tol(q.processor_seconds, 15, 1e-9);
    ck_assert_double_eq_tol(q.waited, 5.0 / 20, 1e-9);
    ck_assert_double_eq_tol(q.throttled, 1.0 / 16, 1e-9);
    ck_assert_double_eq_tol(q.steal, 9.0 / 36, 1e-9);
    ck_assert_double_eq_tol(q.others, 1.2, 1e-9);
    ck_assert_int_eq(q.cpus, 4);
    ck_assert_double_eq_tol(q.shortest, 0.5, 1e-9);
    ck_assert_double_eq_tol(q.longest, 0.519, 1e-9);
    ck_assert_double_eq_tol(q.most, 0.517, 1e-9); /* the eighteenth */
}
END_TEST

/* Ten seconds on two cpus of which nothing is to be said. */
static const weld_quiet QUIET = {.seconds = 10,
                                 .processor_seconds = 20,
                                 .waited = 0.02,
                                 .others = 0.03,
                                 .cpus = 2,
                                 .shortest = 0.008604,
                                 .most = 0.0089,
                                 .longest = 0.0213,
                                 .alike = true};

static void says(weld_quiet q, weld_quiet_verdict verdict, const char *expected) {
    char text[WELD_QUIET_TEXT_SIZE];
    ck_assert_int_eq(weld_quiet_judge(&q), verdict);
    ck_assert_str_eq(weld_quiet_text(&q, text), expected);
}

START_TEST(each_thing_that_speaks_against_quiet_is_said) {
    weld_quiet q = QUIET;
    says(q, WELD_QUIET_YES, "quiet; runs from 8.60 to 21.30 ms");
    q.waited = 0.31;
    says(q, WELD_QUIET_NO,
         "not quiet: threads waited 31 % of the time for a cpu; runs from 8.60 to 21.30 ms: do not "
         "quote this");
    q = QUIET;
    q.others = 0.96;
    q.steal = 0.12;
    says(q, WELD_QUIET_NO,
         "not quiet: other processes used 1.0 of 2 cpus; the machine's host took 12 % of the time; "
         "runs from 8.60 to 21.30 ms: do not quote this");
    q = QUIET;
    q.throttled = 0.25;
    q.most = 0.020;
    says(q, WELD_QUIET_NO,
         "not quiet: a quota took 25 % of the time; nine in ten runs took up to 2.3 times the "
         "shortest; runs from 8.60 to 21.30 ms: do not quote this");
}
END_TEST

START_TEST(what_is_known_to_disturb_counts_though_other_things_are_unknown) {
    weld_quiet q = QUIET;
    q.throttled = WELD_QUIET_UNKNOWN;
    says(q, WELD_QUIET_UNTOLD,
         "perhaps not quiet: the system does not tell of quotas; runs from 8.60 to 21.30 ms");
    q.waited = 0.5;
    ck_assert_int_eq(weld_quiet_judge(&q), WELD_QUIET_NO);
}
END_TEST

/* One tick more or less on each cpu is a quarter of 40 ms. */
START_TEST(coarse_counts_of_a_short_time_prove_nothing) {
    weld_quiet q = QUIET;
    q.others = 0.4;
    q.steal = 0.2;
    ck_assert_int_eq(weld_quiet_judge(&q), WELD_QUIET_NO);
    q.seconds = 0.04;
    says(q, WELD_QUIET_UNTOLD,
         "perhaps not quiet: the system does not tell of other processes in so short a time "
         "(--steps); runs from 8.60 to 21.30 ms");
    q.others = 0.9;
    ck_assert_int_eq(weld_quiet_judge(&q), WELD_QUIET_NO);
}
END_TEST

START_TEST(the_same_use_by_others_is_less_to_many_cpus) {
    weld_quiet q = QUIET;
    q.others = 0.5;
    ck_assert_int_eq(weld_quiet_judge(&q), WELD_QUIET_NO);
    q.cpus = 16;
    ck_assert_int_eq(weld_quiet_judge(&q), WELD_QUIET_YES);
}
END_TEST

START_TEST(threads_that_wait_for_each_other_and_unlike_runs_do_not_speak_against_quiet) {
    weld_quiet q = QUIET;
    q.waited = 0.46;
    q.most = 0.020;
    q.crowded = true;
    q.alike = false;
    says(q, WELD_QUIET_YES, "quiet; runs from 8.60 to 21.30 ms");
    q.others = 1.2;
    says(q, WELD_QUIET_NO,
         "not quiet: other processes used 1.2 of 2 cpus; runs from 8.60 to 21.30 ms: do not quote "
         "this");
}
END_TEST

RUN_SUITE("measure/quiet", what_the_system_counts_is_read,
          what_the_system_does_not_tell_is_unknown_and_not_quiet, counts_that_cannot_be_are_unknown,
          shares_are_of_the_time_that_threads_could_have_run,
          each_thing_that_speaks_against_quiet_is_said,
          what_is_known_to_disturb_counts_though_other_things_are_unknown,
          coarse_counts_of_a_short_time_prove_nothing, the_same_use_by_others_is_less_to_many_cpus,
          threads_that_wait_for_each_other_and_unlike_runs_do_not_speak_against_quiet)
