/* Whether the machine was quiet while something was timed: what kept this process from its cpus,
 * and how far apart the times of equal runs were. */
#ifndef WELD_MEASURE_QUIET_H
#define WELD_MEASURE_QUIET_H

#include <stdbool.h>
#include <stddef.h>

/* In the place of a number that the system does not tell. */
#define WELD_QUIET_UNKNOWN (-1.0)

#include "base/threads.h"

/* What has been counted up to a moment, in seconds. */
typedef struct weld_quiet_moment {
    double clock;
    double processor;     /* that this process had of cpus, over all threads */
    double waited;        /* that its threads could have run, but had no cpu */
    double throttled;     /* see base/cgroup.h */
    double busy, steal;   /* of the cpus that the process may use: what any process had of them, and
                             what the host of a virtual machine kept for itself */
    int cpus;             /* that it may use */
    weld_threads_use use; /* by this thread */
} weld_quiet_moment;

/* `root` stands before /proc and /sys: "", or a folder with files to be taken for them. */
weld_quiet_moment weld_quiet_now(const char *root);

/* What happened between two moments. Counts of `busy` and `steal` are in ticks of 10 ms. */
typedef struct weld_quiet {
    double seconds, processor_seconds;
    double waited, throttled, steal; /* of the time that threads could have run */
    double others;                   /* cpus that other processes used, of those it may use */
    int cpus;
    double threads;           /* that were worth having, of those that were asked for */
    double shortest, longest; /* of the runs, in seconds */
    double most;              /* nine in ten of them took no longer */
    bool alike;               /* the runs are of the same work, so that their times should agree */
    bool crowded; /* it has more threads than cpus, so that they wait for each other: not judged */
} weld_quiet;

/* Of `count` runs, whose times are sorted. `alike` and `crowded` are the caller's to set. */
weld_quiet weld_quiet_between(const weld_quiet_moment *begin, const weld_quiet_moment *end,
                              const double *seconds, size_t count);

typedef enum weld_quiet_verdict {
    WELD_QUIET_NO,
    WELD_QUIET_YES,
    WELD_QUIET_UNTOLD /* nothing that is told speaks against it, but not all is told */
} weld_quiet_verdict;

weld_quiet_verdict weld_quiet_judge(const weld_quiet *q);

enum { WELD_QUIET_TEXT_SIZE = 512 };
/* The verdict in a line, with what speaks against quiet, and the range of the runs; returns text.
 */
const char *weld_quiet_text(const weld_quiet *q, char text[WELD_QUIET_TEXT_SIZE]);

#endif
