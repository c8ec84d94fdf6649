/* The thread budget, and the one parallel loop that everything uses.
 *
 * The loop runs on the thread that calls it and on members of a pool, which the process has once:
 * whoever calls, from whichever thread, shares it. Members are started when first wanted, wait for
 * work with a short spin and then asleep, and take items one by one; one that comes late finds
 * nothing to do. Where other programs want the cpus a member that is put aside in the middle of an
 * item makes all others wait, so each measures what that costs and works the less, down to nearly
 * not at all, and more again when it costs nothing (pool.c says how). A result never depends on any
 * of this. */
#ifndef WELD_BASE_THREADS_H
#define WELD_BASE_THREADS_H

#include <stdint.h>

/* Cpus that this process may use: those it is bound to, or the cgroup's cpu quota (v1 or v2,
 * rounded up) where that is less. At least 1. */
int weld_threads_cpus(void);
/* Threads that it may use: so many, or OMP_NUM_THREADS where that is set and less. */
int weld_threads_available(void);
/* What is asked for, up to WELD_THREADS_MAX; 0: weld_threads_available(). */
enum { WELD_THREADS_MAX = 1024 };
int weld_threads_count(int asked);

/* What weld_threads_available found, for `weld --version --verbose`; 0 where a limit is not set. */
typedef struct weld_thread_limits {
    int affinity, cgroup, omp;
} weld_thread_limits;
weld_thread_limits weld_threads_limits(void);

/* Call run(arg, item, thread) once for every item in 0..count-1, on up to `threads` threads
 * (0: weld_threads_available()). `thread` is in 0..threads-1 and is for scratch memory only: no two
 * items that run at once have the same, and the split of work into items must not depend on it,
 * which is what makes results independent of the number of threads. Returns when all are done.
 *
 * Safe to call from several threads at once, and from `run` itself, where all is done by the
 * caller if the outer loop is open to several threads. A child made by fork has a pool of its own;
 * fork must not be called by `run`. */
typedef void (*weld_parallel_body)(void *arg, int64_t item, int thread);
void weld_parallel(int threads, int64_t count, weld_parallel_body run, void *arg);

/* A recorder, while it is set, has each loop of the calling thread that is within no other run by
 * this thread alone, and is told how long each item took (weld_thread_clock), and to how many
 * threads the loop was open: what it would take on any number of them follows from that. NULL:
 * none, as at the start. */
typedef struct weld_parallel_recorder {
    void (*note)(void *context, int threads, int64_t count, int64_t item, double seconds);
    void *context;
} weld_parallel_recorder;
void weld_parallel_record(const weld_parallel_recorder *recorder);

/* What the loops of the calling thread that were open to several threads have come to so far: how
 * long they took, and how long all their items would have taken one after the other, as long each
 * as the caller's own (but no longer than the threads that the loop was open to had time). Of two
 * readings the differences tell how many threads were worth having. */
typedef struct weld_threads_use {
    double seconds, work;
} weld_threads_use;
weld_threads_use weld_threads_used(void);

/* The threads that were worth having between two readings, no more than there are cpus; 1 where no
 * loop was open to more. */
double weld_threads_between(weld_threads_use before, weld_threads_use after);

#endif
