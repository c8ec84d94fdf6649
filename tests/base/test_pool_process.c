/* The pool of threads within its process: fork, exit, signals, and that nobody works or wakes while
 * there is nothing to do. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/threads.h"
#include "suite.h"

static void pause_for(double seconds) {
    const struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&t, NULL);
}

static void add_item(void *arg, int64_t item, int thread) {
    (void)thread;
    for (double begin = weld_clock(); item % 16 == 0 && weld_clock() - begin < 50e-6;) {
    }
    atomic_fetch_add((atomic_llong *)arg, item + 1);
}

/* Whether loops of items that take a while add up. */
static bool add_up(int loops) {
    bool right = true;
    for (int i = 0; i < loops; i++) {
        atomic_llong total = 0;
        weld_parallel(2 + i % 3, 100, add_item, &total);
        right = right && total == 5050;
    }
    return right;
}

/* The exit status of a child that does f and calls exit with what it says; 100 and more: killed. */
static int status_of_child(int (*f)(void)) {
    int status;
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        exit(f());
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* --- fork ------------------------------------------------------------------------------------- */

static int use_pool(void) {
    return !add_up(50);
}

START_TEST(a_child_has_a_pool_of_its_own) {
    ck_assert(add_up(50));
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(status_of_child(use_pool), 0);
        ck_assert(add_up(5));
    }
}
END_TEST

static int use_pool_and_fork(void) {
    return !add_up(20) || status_of_child(use_pool) || !add_up(20);
}

START_TEST(so_has_a_child_of_a_child) {
    ck_assert(add_up(20));
    ck_assert_int_eq(status_of_child(use_pool_and_fork), 0);
    ck_assert_int_eq(status_of_child(use_pool_and_fork), 0);
    ck_assert(add_up(20));
}
END_TEST

START_TEST(a_child_may_be_the_first_to_use_it) {
    ck_assert_int_eq(status_of_child(use_pool_and_fork), 0);
    ck_assert(add_up(20));
}
END_TEST

/* A call that ends when it is let go; by whom its items are held. */
typedef struct held {
    bool by_members; /* alone, so that the caller waits for them */
    atomic_bool go;
    atomic_int inside;
    atomic_llong total;
} held;

static void hold(void *arg, int64_t item, int thread) {
    held *h = arg;
    atomic_fetch_add(&h->inside, 1);
    while (!atomic_load(&h->go) && (thread > 0 || !h->by_members)) {
        pause_for(100e-6);
    }
    atomic_fetch_add(&h->total, item + 1);
}

static void *call_held(void *arg) {
    weld_parallel(4, 100, hold, arg);
    return NULL;
}

static void expect_child_right_amid_call(bool by_members) {
    held h = {.by_members = by_members};
    pthread_t host;
    ck_assert_int_eq(pthread_create(&host, NULL, call_held, &h), 0);
    while (atomic_load(&h.inside) == 0) {
        pause_for(100e-6);
    }
    pause_for(by_members ? 5e-3 : 0); /* by now the caller sleeps, if a member came */
    ck_assert_int_eq(status_of_child(use_pool_and_fork), 0);
    ck_assert(add_up(5));
    atomic_store(&h.go, true);
    pthread_join(host, NULL);
    ck_assert_int_eq(h.total, 5050);
}

START_TEST(fork_amid_the_call_of_another_thread_hurts_neither) {
    for (int i = 0; i < 10; i++) {
        expect_child_right_amid_call(false);
        expect_child_right_amid_call(true);
    }
}
END_TEST

static atomic_bool stop;
static atomic_int calls;

static void *call_until_stopped(void *arg) {
    while (!atomic_load(&stop)) {
        if (!add_up(1)) {
            abort();
        }
        atomic_fetch_add(&calls, 1);
    }
    return arg;
}

START_TEST(fork_at_any_moment_of_calls_of_other_threads_hurts_nobody) {
    pthread_t hosts[3];
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&hosts[i], NULL, call_until_stopped, NULL), 0);
    }
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(status_of_child(use_pool), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(hosts[i], NULL);
    }
}
END_TEST

/* --- Nothing to do ---------------------------------------------------------------------------- */

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How often the threads of this process have gone to sleep so far. */
static long sleeps(void) {
    DIR *tasks = opendir("/proc/self/task");
    long total = 0;
    for (struct dirent *e = readdir(tasks); e; e = readdir(tasks)) {
        char path[300], line[200];
        long count = 0;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *status = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (status && fgets(line, sizeof line, status) &&
               sscanf(line, "voluntary_ctxt_switches: %ld", &count) != 1) {
        }
        total += count;
        if (status) {
            fclose(status);
        }
    }
    closedir(tasks);
    return total;
}

/* Members may be late in going to sleep, on a busy machine; but then they sleep. A member that woke
 * every 50 ms, which is as long as one rests, would do so 20 times. */
static void expect_all_asleep(void) {
    long times = 1000;
    for (int i = 0; i < 20 && times >= 15; i++) {
        long before = sleeps();
        pause_for(1);
        times = sleeps() - before;
    }
    ck_assert_int_lt(times, 15);
    double before = cpu_seconds();
    pause_for(0.5);
    ck_assert_double_lt(cpu_seconds() - before, 0.1);
}

START_TEST(members_sleep_while_there_is_nothing_to_do) {
    ck_assert(add_up(200));
    double before = cpu_seconds();
    pause_for(0.5);
    ck_assert_double_lt(cpu_seconds() - before, 0.1);
    expect_all_asleep();
}
END_TEST

START_TEST(members_that_rested_beside_other_work_sleep_too) {
    enum { MOST = 64 };
    pid_t others[MOST];
    int count = weld_threads_available() < MOST ? weld_threads_available() : MOST;
    for (int i = 0; i < count; i++) {
        others[i] = fork();
        ck_assert_int_ge(others[i], 0);
        while (others[i] == 0) {
        }
    }
    for (double begin = weld_clock(); weld_clock() - begin < 1;) {
        ck_assert(add_up(1));
    }
    for (int i = 0; i < count; i++) {
        kill(others[i], SIGKILL);
        waitpid(others[i], NULL, 0);
    }
    expect_all_asleep();
}
END_TEST

/* --- exit ------------------------------------------------------------------------------------- */

static int end_with_members_asleep(void) {
    int status = !add_up(20);
    pause_for(5e-3);
    return status;
}

static int end_amid_calls(void) {
    pthread_t hosts[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&hosts[i], NULL, call_until_stopped, NULL);
    }
    while (atomic_load(&calls) < 20) {
        pause_for(100e-6);
    }
    return 0;
}

START_TEST(a_program_may_exit_at_any_moment) {
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(status_of_child(use_pool), 0);
        ck_assert_int_eq(status_of_child(end_with_members_asleep), 0);
        ck_assert_int_eq(status_of_child(end_amid_calls), 0);
    }
}
END_TEST

/* --- Signals ---------------------------------------------------------------------------------- */

static pthread_t handled_by;
static atomic_int handled;

static void handle(int signal) {
    (void)signal;
    handled_by = pthread_self();
    atomic_fetch_add(&handled, 1);
}

/* While the host's only thread takes none, a signal has to wait. */
START_TEST(signals_are_handled_by_the_threads_of_the_host) {
    sigset_t set, pending;
    signal(SIGINT, handle);
    ck_assert(add_up(50));
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    ck_assert_int_eq(kill(getpid(), SIGINT), 0);
    ck_assert(add_up(50));
    pause_for(0.05);
    ck_assert_int_eq(handled, 0);
    sigpending(&pending);
    ck_assert(sigismember(&pending, SIGINT));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    ck_assert_int_eq(handled, 1);
    ck_assert(pthread_equal(handled_by, pthread_self()));
    ck_assert(add_up(50));
}
END_TEST

static volatile char *forbidden;

static void end_by_fault(int signal) {
    _exit(signal == SIGSEGV ? 42 : 1);
}

static void fault_on_member(void *arg, int64_t item, int thread) {
    (void)arg;
    (void)item;
    if (thread > 0) {
        *forbidden = 1;
    }
    pause_for(1e-3);
}

static int make_fault(void) {
    forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, end_by_fault);
    for (int i = 0; i < 3000; i++) { /* a minute or so, and no member came */
        weld_parallel(4, 20, fault_on_member, NULL);
    }
    return 0;
}

/* Crash reporters are handlers too. */
START_TEST(a_fault_of_a_member_is_handled_by_the_host) {
    if (weld_threads_available() > 1) {
        ck_assert_int_eq(status_of_child(make_fault), 42);
    }
}
END_TEST

RUN_SUITE("base/pool_process", a_child_has_a_pool_of_its_own, so_has_a_child_of_a_child,
          a_child_may_be_the_first_to_use_it, fork_amid_the_call_of_another_thread_hurts_neither,
          fork_at_any_moment_of_calls_of_other_threads_hurts_nobody,
          members_sleep_while_there_is_nothing_to_do,
          members_that_rested_beside_other_work_sleep_too, a_program_may_exit_at_any_moment,
          signals_are_handled_by_the_threads_of_the_host,
          a_fault_of_a_member_is_handled_by_the_host)
