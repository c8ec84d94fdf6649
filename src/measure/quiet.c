/* Whether the machine was quiet; see quiet.h. The files: Linux, Documentation/filesystems/proc.rst
 * (stat) and Documentation/scheduler/sched-stats.rst (schedstat). */
#define _GNU_SOURCE
#include "measure/quiet.h"

#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/text.h"

enum { PATH_SIZE = 1024 };

/* Seconds. */
static double tick(void) {
    return 1.0 / (double)sysconf(_SC_CLK_TCK);
}

/* Of all threads of the process. */
static double processor_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A kernel that does not count has zeros, also for the time that a thread has run. */
static double waited_by_threads(const char *root) {
    char path[PATH_SIZE];
    long long ran, waited;
    double all_ran = 0, all_waited = 0;
    snprintf(path, sizeof path, "%s/proc/self/task", root);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && (e = readdir(threads));) {
        snprintf(path, sizeof path, "%s/proc/self/task/%.32s/schedstat", root, e->d_name);
        FILE *file = *e->d_name == '.' ? NULL : fopen(path, "r");
        if (file) {
            if (fscanf(file, "%lld %lld", &ran, &waited) == 2) {
                all_ran += (double)ran;
                all_waited += (double)waited;
            }
            fclose(file);
        }
    }
    if (threads) {
        closedir(threads);
    }
    return all_ran > 0 ? 1e-9 * all_waited : WELD_QUIET_UNKNOWN;
}

/* Lines "cpu0 USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...", in ticks. A container may see
 * cpus that are numbered otherwise than those it is bound to: then nothing is known. */
static void read_cpus(const char *root, weld_quiet_moment *now) {
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, COLUMNS };
    char line[1024];
    long long t[COLUMNS];
    double busy = 0, steal = 0;
    int cpu, found = 0;
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) {
        return;
    }
    now->cpus = CPU_COUNT(&mine);
    snprintf(line, sizeof line, "%s/proc/stat", root);
    FILE *file = fopen(line, "r");
    if (!file) {
        return;
    }
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "cpu%d %lld %lld %lld %lld %lld %lld %lld %lld", &cpu, &t[USER], &t[NICE],
                   &t[SYSTEM], &t[IDLE], &t[IOWAIT], &t[IRQ], &t[SOFTIRQ],
                   &t[STEAL]) == 1 + COLUMNS &&
            cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET((size_t)cpu, &mine)) {
            busy += (double)(t[USER] + t[NICE] + t[SYSTEM] + t[IRQ] + t[SOFTIRQ]);
            steal += (double)t[STEAL];
            found++;
        }
    }
    fclose(file);
    if (found == now->cpus && busy > 0) {
        now->busy = busy * tick();
        now->steal = steal * tick();
    }
}

weld_quiet_moment weld_quiet_now(const char *root) {
    weld_quiet_moment now = {.clock = weld_clock(),
                             .processor = processor_clock(),
                             .waited = waited_by_threads(root),
                             .throttled = weld_cgroup_read(root).throttled,
                             .use = weld_threads_used(),
                             .busy = WELD_QUIET_UNKNOWN,
                             .steal = WELD_QUIET_UNKNOWN};
    read_cpus(root, &now);
    return now;
}

static double between(double begin, double end) {
    return begin < 0 || end < 0 ? WELD_QUIET_UNKNOWN : fmax(0, end - begin);
}

/* Of the time in which threads could have run. */
static double share_of(double lost, double had) {
    return lost < 0 ? WELD_QUIET_UNKNOWN : lost / fmax(lost + had, 1e-9);
}

weld_quiet weld_quiet_between(const weld_quiet_moment *begin, const weld_quiet_moment *end,
                              const double *seconds, size_t count) {
    const double busy = between(begin->busy, end->busy), had = end->processor - begin->processor;
    weld_quiet q = {.seconds = end->clock - begin->clock,
                    .processor_seconds = had,
                    .waited = share_of(between(begin->waited, end->waited), had),
                    .throttled = share_of(between(begin->throttled, end->throttled), had),
                    .steal = share_of(between(begin->steal, end->steal), busy),
                    .others = WELD_QUIET_UNKNOWN,
                    .cpus = end->cpus,
                    .threads = weld_threads_between(begin->use, end->use),
                    .shortest = seconds[0],
                    .longest = seconds[count - 1],
                    .most = seconds[(9 * count + 9) / 10 - 1]};
    if (busy >= 0 && q.seconds > 0) {
        q.others = fmax(0, busy - had) / q.seconds;
    }
    return q;
}

/* --- Judging ---
 * On two quiet cpus of a virtual machine threads waited up to 2 % of the time, others used up to
 * 0.05 cpus and nine in ten runs took up to 1.2 times the shortest, be the network small or large.
 * Where threads waited 5 to 6 % the median was up to 4 % above the quiet one. Beside a process that
 * kept a cpu busy they waited 37 to 49 %, and others used 0.6 to 1.0 cpus. */

static const double LOST_MOST = 0.05; /* of the time, and of the cpus */
static const double APART_MOST = 1.25;
static const double DOUBT_MOST = 0.2;

/* What counts of ticks may be wrong by: one a cpu, as a share of the cpus' time. */
static double doubt(const weld_quiet *q) {
    return tick() / fmax(q->seconds, 1e-9);
}

/* What speaks against quiet, each with "; " before it. */
static const char *reasons(const weld_quiet *q, char text[WELD_QUIET_TEXT_SIZE]) {
    const size_t size = WELD_QUIET_TEXT_SIZE;
    *text = 0;
    if (!q->crowded && q->waited > LOST_MOST) {
        weld_append(text, size, "; threads waited %.0f %% of the time for a cpu", 100 * q->waited);
    }
    if (q->others > (LOST_MOST + doubt(q)) * q->cpus) {
        weld_append(text, size, "; other processes used %.1f of %d cpus", q->others, q->cpus);
    }
    if (q->steal > LOST_MOST + doubt(q)) {
        weld_append(text, size, "; the machine's host took %.0f %% of the time", 100 * q->steal);
    }
    if (q->throttled > LOST_MOST) {
        weld_append(text, size, "; a quota took %.0f %% of the time", 100 * q->throttled);
    }
    if (q->alike && q->most > APART_MOST * q->shortest) {
        weld_append(text, size, "; nine in ten runs took up to %.1f times the shortest",
                    q->most / q->shortest);
    }
    return text;
}

static const char *untold(const weld_quiet *q, char text[WELD_QUIET_TEXT_SIZE]) {
    const char *names[3];
    size_t count = 0;
    if (!q->crowded && q->waited < 0) {
        names[count++] = "waiting for cpus";
    }
    if (q->others < 0) {
        names[count++] = "other processes";
    } else if (doubt(q) > DOUBT_MOST) {
        names[count++] = "other processes in so short a time (--steps)";
    }
    if (q->throttled < 0) {
        names[count++] = "quotas";
    }
    *text = 0;
    return count ? weld_list_text(text, WELD_QUIET_TEXT_SIZE, names, count, " and ") : text;
}

weld_quiet_verdict weld_quiet_judge(const weld_quiet *q) {
    char text[WELD_QUIET_TEXT_SIZE];
    return *reasons(q, text)  ? WELD_QUIET_NO
           : *untold(q, text) ? WELD_QUIET_UNTOLD
                              : WELD_QUIET_YES;
}

const char *weld_quiet_text(const weld_quiet *q, char text[WELD_QUIET_TEXT_SIZE]) {
    char why[WELD_QUIET_TEXT_SIZE];
    const size_t size = WELD_QUIET_TEXT_SIZE;
    const weld_quiet_verdict verdict = weld_quiet_judge(q);
    *text = 0;
    if (verdict == WELD_QUIET_NO) {
        weld_append(text, size, "not quiet: %s", reasons(q, why) + strlen("; "));
    } else if (verdict == WELD_QUIET_UNTOLD) {
        weld_append(text, size, "perhaps not quiet: the system does not tell of %s",
                    untold(q, why));
    } else {
        weld_append(text, size, "quiet");
    }
    weld_append(text, size, "; runs from %.2f to %.2f ms", 1e3 * q->shortest, 1e3 * q->longest);
    return verdict == WELD_QUIET_NO ? weld_append(text, size, ": do not quote this") : text;
}
