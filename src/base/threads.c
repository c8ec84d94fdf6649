/* The thread budget and the parallel loop; see threads.h. */
#define _GNU_SOURCE
#include "base/threads.h"

#include <ctype.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>

#include "base/cgroup.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static int affinity_limit(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

static int cgroup_limit(void) {
    return (int)ceil(weld_cgroup_read("").cpus);
}

static int omp_limit(void) {
    const char *text = getenv("OMP_NUM_THREADS"); /* may be a list: the outermost level counts */
    return text && isdigit((unsigned char)*text) ? atoi(text) : 0;
}

weld_thread_limits weld_threads_limits(void) {
    return (weld_thread_limits){affinity_limit(), cgroup_limit(), omp_limit()};
}

int weld_threads_available(void) {
    weld_thread_limits l = weld_threads_limits();
    int threads = l.affinity > 0 ? l.affinity : 1;
    if (l.cgroup > 0 && l.cgroup < threads) {
        threads = l.cgroup;
    }
    if (l.omp > 0 && l.omp < threads) {
        threads = l.omp;
    }
    return threads;
}

void weld_parallel(int threads, int64_t count, weld_parallel_body run, void *arg) {
    if (threads <= 0) {
        threads = weld_threads_available();
    }
    if (threads > count) {
        threads = (int)count;
    }
    if (threads <= 1) {
        for (int64_t i = 0; i < count; i++) {
            run(arg, i, 0);
        }
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < count; i++) {
        run(arg, i, omp_get_thread_num());
    }
#else
    for (int64_t i = 0; i < count; i++) {
        run(arg, i, 0);
    }
#endif
}
