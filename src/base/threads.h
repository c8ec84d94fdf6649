/* The thread budget and the one parallel loop that everything uses. */
#ifndef WELD_BASE_THREADS_H
#define WELD_BASE_THREADS_H

#include <stdint.h>

/* Threads that this process may use: the smallest of the cpus it is bound to, the cgroup's cpu
 * quota (v1 or v2, rounded up) and OMP_NUM_THREADS where that is set. At least 1. */
int weld_threads_available(void);

/* What weld_threads_available found, for `weld --version --verbose`; 0 where a limit is not set. */
typedef struct weld_thread_limits {
    int affinity, cgroup, omp;
} weld_thread_limits;
weld_thread_limits weld_threads_limits(void);

/* Call run(arg, item, thread) once for every item in 0..count-1, on up to `threads` threads
 * (0: weld_threads_available()). `thread` is in 0..threads-1 and is for scratch memory only: the
 * split of work into items must not depend on it, which is what makes results independent of the
 * number of threads. Returns when all are done. Safe to call from several threads at once. */
typedef void (*weld_parallel_body)(void *arg, int64_t item, int thread);
void weld_parallel(int threads, int64_t count, weld_parallel_body run, void *arg);

#endif
