#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/threads.h"
#include "suite.h"

static void count_item(void *arg, int64_t item, int thread) {
    ck_assert_int_ge(thread, 0);
    ck_assert_int_lt(thread, 3);
    atomic_fetch_add((atomic_int *)arg + item, 1);
}

START_TEST(every_item_runs_once) {
    static atomic_int seen[1000];
    weld_parallel(3, 1000, count_item, seen);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(seen[i], 1);
    }
}
END_TEST

START_TEST(the_budget_honours_affinity_and_environment) {
    unsetenv("OMP_NUM_THREADS");
    int all = weld_threads_available();
    ck_assert_int_ge(all, 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    ck_assert_int_eq(weld_threads_available(), 1);
    unsetenv("OMP_NUM_THREADS");
    cpu_set_t set, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &set)) {
            CPU_SET(i, &one);
        }
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(weld_threads_available(), 1);
}
END_TEST

RUN_SUITE("base/threads", every_item_runs_once, the_budget_honours_affinity_and_environment)
