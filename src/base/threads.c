/* The thread budget and the parallel loop; see threads.h. */
#define _GNU_SOURCE
#include "base/threads.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static int affinity_limit(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

static int quota_to_threads(double quota, double period) {
    if (quota <= 0 || period <= 0) {
        return 0;
    }
    double threads = quota / period;
    int whole = (int)threads;
    return threads > whole ? whole + 1 : whole;
}

/* Version 2: the limit of a group holds for all below it, so every level up to the root counts. */
static int cgroup2_limit(void) {
    char line[512], path[512] = "";
    FILE *file = fopen("/proc/self/cgroup", "r");
    if (!file) {
        return 0;
    }
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = 0;
            snprintf(path, sizeof path, "%s", line + 3);
        }
    }
    fclose(file);
    int limit = 0;
    for (;;) {
        char name[600];
        double quota = 0, period = 0;
        snprintf(name, sizeof name, "/sys/fs/cgroup%s/cpu.max", path);
        file = fopen(name, "r");
        if (file) {
            if (fscanf(file, "%lf %lf", &quota, &period) == 2) {
                int here = quota_to_threads(quota, period);
                limit = here > 0 && (limit == 0 || here < limit) ? here : limit;
            }
            fclose(file);
        }
        char *slash = strrchr(path, '/');
        if (!slash) {
            return limit;
        }
        *slash = 0;
    }
}

static double read_number(const char *path) {
    double number = 0;
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%lf", &number) != 1) {
            number = 0;
        }
        fclose(file);
    }
    return number;
}

static int cgroup_limit(void) {
    int limit = cgroup2_limit();
    return limit ? limit
                 : quota_to_threads(read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                                    read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
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
