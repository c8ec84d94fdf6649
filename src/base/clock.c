/* Time; see clock.h. */
#define _POSIX_C_SOURCE 200809L
#include "base/clock.h"

#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double weld_clock(void) {
    return seconds(CLOCK_MONOTONIC);
}

double weld_thread_clock(void) {
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}
