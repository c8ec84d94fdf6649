/* The pool of threads as its callers see it: every item once, numbers of threads that are nobody
 * else's at the time, calls within calls and from many threads at once. Where an item waits for
 * another thread it does so for a while only: on a machine with one cpu nobody comes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/threads.h"
#include "suite.h"

enum { MOST_ITEMS = 1000, MOST_THREADS = 9 };

/* A loop whose items note that they ran, and that nobody else had their thread's number. */
typedef struct loop {
    int threads;
    atomic_int seen[MOST_ITEMS];
    atomic_bool taken[MOST_THREADS];
    atomic_int wrong, running, highest;
} loop;

static void note(void *arg, int64_t item, int thread) {
    loop *l = arg;
    bool fits = thread >= 0 && thread < l->threads;
    if (!fits || atomic_exchange(&l->taken[thread], true)) {
        atomic_fetch_add(&l->wrong, 1);
        return;
    }
    atomic_fetch_add(&l->running, 1);
    atomic_fetch_add(&l->seen[item], 1);
    int highest = atomic_load(&l->highest);
    while (thread > highest && !atomic_compare_exchange_weak(&l->highest, &highest, thread)) {
    }
    for (double begin = weld_clock();
         item % 64 == 0 && atomic_load(&l->running) < 2 && weld_clock() - begin < 200e-6;) {
        sched_yield();
    }
    atomic_fetch_sub(&l->running, 1);
    atomic_store(&l->taken[thread], false);
}

static void expect_each_once(loop *l, int threads, int count) {
    memset(l, 0, sizeof *l);
    l->threads = threads;
    weld_parallel(threads, count, note, l);
    ck_assert_int_eq(l->wrong, 0);
    ck_assert_int_eq(l->running, 0);
    for (int i = 0; i < MOST_ITEMS; i++) {
        ck_assert_msg(l->seen[i] == (i < count), "%d of %d items ran %d times with %d threads", i,
                      count, l->seen[i], threads);
    }
}

static const int counts[] = {0, 1, 2, 3, 5, 8, 9, 64, 65, 640, MOST_ITEMS};
enum { COUNTS = sizeof counts / sizeof *counts };

static void expect_each_once_for_all(void) {
    static loop l;
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        for (int i = 0; i < COUNTS; i++) {
            for (int round = 0; round < 8; round++) {
                expect_each_once(&l, threads, counts[i]);
            }
        }
    }
}

START_TEST(every_item_runs_once_and_threads_at_work_have_numbers_of_their_own) {
    expect_each_once_for_all();
}
END_TEST

START_TEST(the_same_holds_for_numbers_of_threads_drawn_at_random) {
    setenv("WELD_THREADS_RANDOM", "7", 1);
    expect_each_once_for_all();
}
END_TEST

START_TEST(other_threads_take_items_where_there_are_cpus) {
    static loop l;
    double begin = weld_clock();
    while (weld_threads_available() > 1 && l.highest == 0) {
        expect_each_once(&l, 3, 640);
        ck_assert_double_lt(weld_clock() - begin, 60);
    }
}
END_TEST

/* So that each finds in its own cache what it wrote in the loop before. */
static void note_thread(void *arg, int64_t item, int thread) {
    ((int *)arg)[item] = thread;
    for (double begin = weld_clock(); weld_clock() - begin < 5e-6;) {
    }
}

START_TEST(of_two_threads_the_caller_has_the_first_items_and_the_other_the_last) {
    static int threads[MOST_ITEMS];
    int members = 0;
    for (double begin = weld_clock(); weld_threads_available() > 1 && members < 20;) {
        weld_parallel(2, MOST_ITEMS, note_thread, threads);
        for (int i = 1; i < MOST_ITEMS; i++) {
            ck_assert_msg(threads[i] >= threads[i - 1], "item %d was the caller's", i);
        }
        members += threads[MOST_ITEMS - 1];
        ck_assert_double_lt(weld_clock() - begin, 60);
    }
}
END_TEST

/* More items than a word counts: they go by in parts. */
typedef struct tally {
    _Alignas(128) unsigned long long items, sum;
} tally;

static void count_item(void *arg, int64_t item, int thread) {
    tally *of = (tally *)arg + thread;
    of->items++;
    of->sum += (unsigned long long)item;
}

START_TEST(millions_of_items_run_once_each) {
    enum { THREADS = 3 };
    const int64_t count = (int64_t)17 << 20;
    tally of[THREADS] = {{0}}, all = {0};
    weld_parallel(THREADS, count, count_item, of);
    for (int i = 0; i < THREADS; i++) {
        all.items += of[i].items;
        all.sum += of[i].sum;
    }
    ck_assert_int_eq(all.items, count);
    ck_assert_int_eq(all.sum, count / 2 * (count - 1));
}
END_TEST

/* In the place of the system's. */
static atomic_bool no_threads;
static atomic_int asked;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    asked++;
    return no_threads ? EAGAIN : create(thread, attr, run, arg);
}

START_TEST(where_no_thread_can_be_had_the_caller_does_all) {
    static loop l;
    no_threads = true;
    for (int i = 0; i < 50; i++) {
        expect_each_once(&l, 4, 640);
    }
    ck_assert_int_eq(l.highest, 0);
    ck_assert_int_lt(asked, 50); /* not in every loop */
    no_threads = false;
    expect_each_once(&l, 4, 640);
}
END_TEST

/* One that is put an end to within a loop would leave members at work on what was its stack. */
static void *cancel_in_loops(void *arg) {
    (void)arg;
    for (;;) {
        static _Thread_local loop l = {.threads = 2};
        weld_parallel(2, 64, note, &l);
        pthread_testcancel();
    }
    return NULL;
}

START_TEST(a_thread_that_is_cancelled_ends_its_loop_first) {
    static loop l;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_in_loops, NULL), 0);
        sched_yield();
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    const double begin = weld_clock();
    while (weld_threads_available() > 1 && l.highest == 0) { /* members still come */
        expect_each_once(&l, 3, 640);
        ck_assert_double_lt(weld_clock() - begin, 60);
    }
}
END_TEST

/* --- Sums: every caller has one of its own ---------------------------------------------------- */

typedef struct sum {
    atomic_llong total;
    int depth, threads, count;
    bool within; /* an item of a loop of several threads, and so all the caller's */
    pthread_t caller;
} sum;

static bool add_up_within(int depth, int threads, int count, bool within);

static void add_item(void *arg, int64_t item, int thread) {
    sum *s = arg;
    bool right = !s->within || (thread == 0 && pthread_equal(s->caller, pthread_self()));
    if (s->depth > 0) {
        bool several = s->threads > 1 && s->count > 1;
        right = add_up_within(s->depth - 1, s->threads, 20 + (int)item % 3, several) && right;
    }
    atomic_fetch_add(&s->total, right ? item + 1 : -1000000);
}

/* Whether the items of a loop, of loops within it at so many levels, add up. */
static bool add_up_within(int depth, int threads, int count, bool within) {
    sum s = {.depth = depth,
             .threads = threads,
             .count = count,
             .within = within,
             .caller = pthread_self()};
    weld_parallel(threads, count, add_item, &s);
    return s.total == (long long)count * (count + 1) / 2;
}

static bool add_up(int depth, int threads, int count) {
    return add_up_within(depth, threads, count, false);
}

START_TEST(loops_within_loops_are_done_by_their_callers) {
    for (int i = 0; i < 20; i++) {
        for (int depth = 1; depth <= 3; depth++) {
            ck_assert(add_up(depth, 1 + i % 5, 12));
        }
    }
}
END_TEST

enum { HOSTS = 8 };

typedef struct host {
    int id, calls, depth;
    bool right;
} host;

static void *call_often(void *arg) {
    host *h = arg;
    h->right = true;
    for (int i = 0; i < h->calls; i++) {
        h->right = add_up(h->depth, 1 + (h->id + i) % 5, 1 + i % 50) && h->right;
    }
    return NULL;
}

/* So many threads of the host at once, each with sums of its own. */
static void expect_hosts_right(int hosts, int calls, int depth) {
    pthread_t threads[HOSTS];
    host all[HOSTS];
    for (int i = 0; i < hosts; i++) {
        all[i] = (host){.id = i, .calls = calls, .depth = depth};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &all[i]), 0);
    }
    for (int i = 0; i < hosts; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(all[i].right, "host thread %d", i);
    }
}

START_TEST(threads_of_the_host_call_at_once) {
    expect_hosts_right(HOSTS, 4000, 0);
    expect_hosts_right(HOSTS, 20, 1);
}
END_TEST

static void call_from_new_threads(void *arg, int64_t item, int thread) {
    (void)item;
    (void)thread;
    expect_hosts_right(2, 20, 0);
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(an_item_may_start_threads_that_call) {
    atomic_int done = 0;
    weld_parallel(4, 40, call_from_new_threads, &done);
    ck_assert_int_eq(done, 40);
}
END_TEST

static int threads_of_this_process(void) {
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    ck_assert_ptr_nonnull(tasks);
    for (struct dirent *e = readdir(tasks); e; e = readdir(tasks)) {
        count += e->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

START_TEST(threads_of_the_host_come_and_go_and_leave_none_behind) {
    ck_assert(add_up(0, 5, 100)); /* as many as any of them asks for */
    int before = threads_of_this_process();
    for (int i = 0; i < 300; i += 3) {
        expect_hosts_right(3, 10, 0);
    }
    while (threads_of_this_process() > before) { /* the last ones are on their way out */
        usleep(1000);
    }
}
END_TEST

/* The pool's members are there when the second caller is bound, and not yet when the first is. */
START_TEST(a_caller_bound_to_one_cpu_may_ask_for_more_threads) {
    static loop l;
    cpu_set_t all, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
        for (int round = 0; round < 200; round++) {
            expect_each_once(&l, 4, 3 + round);
        }
        ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
        expect_each_once(&l, 4, 640);
    }
}
END_TEST

typedef struct told {
    pthread_t caller;
    int64_t items, count;
    int threads, elsewhere;
    double seconds;
} told;

static void run_told(void *arg, int64_t item, int thread) {
    told *t = arg;
    (void)item;
    t->elsewhere += thread != 0 || !pthread_equal(pthread_self(), t->caller);
    weld_parallel(4, 3, note, &(loop){.threads = 1}); /* is not told */
}

static void note_told(void *context, int threads, int64_t count, int64_t item, double seconds) {
    told *t = context;
    ck_assert_int_eq(item, t->items++);
    t->threads = threads;
    t->count = count;
    t->seconds += seconds;
}

START_TEST(a_recorder_is_told_of_each_item_in_order_by_the_caller) {
    told t = {.caller = pthread_self()};
    const weld_parallel_recorder recorder = {note_told, &t};
    weld_parallel_record(&recorder);
    weld_parallel(64, 40, run_told, &t);
    weld_parallel_record(NULL);
    ck_assert_int_eq(t.items, 40);
    ck_assert_int_eq(t.count, 40);
    ck_assert_int_eq(t.threads, 40);
    ck_assert_int_eq(t.elsewhere, 0);
    ck_assert_double_gt(t.seconds, 0);
    static loop l;
    expect_each_once(&l, 4, 640);
    ck_assert_int_eq(t.items, 40);
}
END_TEST

RUN_SUITE("base/pool", every_item_runs_once_and_threads_at_work_have_numbers_of_their_own,
          the_same_holds_for_numbers_of_threads_drawn_at_random,
          other_threads_take_items_where_there_are_cpus,
          of_two_threads_the_caller_has_the_first_items_and_the_other_the_last,
          millions_of_items_run_once_each, where_no_thread_can_be_had_the_caller_does_all,
          a_thread_that_is_cancelled_ends_its_loop_first,
          loops_within_loops_are_done_by_their_callers, threads_of_the_host_call_at_once,
          an_item_may_start_threads_that_call,
          threads_of_the_host_come_and_go_and_leave_none_behind,
          a_caller_bound_to_one_cpu_may_ask_for_more_threads,
          a_recorder_is_told_of_each_item_in_order_by_the_caller)
