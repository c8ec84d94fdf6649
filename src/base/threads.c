/* The thread budget; see threads.h. */
#define _GNU_SOURCE
#include "base/threads.h"

#include <ctype.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>

#include "base/cgroup.h"

static int affinity_limit(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

static int cgroup_limit(void) {
    return (int)ceil(weld_cgroup_read("").cpus);
}

static int omp_limit(void) {
    const char *text = getenv("OMP_NUM_THREADS"); /* may be a list: the outermost level counts */
    const long limit = text && isdigit((unsigned char)*text) ? strtol(text, NULL, 10) : 0;
    return limit < WELD_THREADS_MAX ? (int)limit : WELD_THREADS_MAX;
}

weld_thread_limits weld_threads_limits(void) {
    return (weld_thread_limits){affinity_limit(), cgroup_limit(), omp_limit()};
}

static int cpus_of(weld_thread_limits l) {
    const int cpus = l.affinity > 0 ? l.affinity : 1;
    return l.cgroup > 0 && l.cgroup < cpus ? l.cgroup : cpus;
}

int weld_threads_cpus(void) {
    return cpus_of(weld_threads_limits());
}

int weld_threads_available(void) {
    const weld_thread_limits l = weld_threads_limits();
    const int cpus = cpus_of(l);
    return l.omp > 0 && l.omp < cpus ? l.omp : cpus;
}

int weld_threads_count(int asked) {
    return asked <= 0                 ? weld_threads_available()
           : asked < WELD_THREADS_MAX ? asked
                                      : WELD_THREADS_MAX;
}
