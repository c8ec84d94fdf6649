/* What runs of a session would take on more threads than there are cpus.
 *
 * The plan is made for as many threads as asked for, and run by one, which is told how long each
 * item of each parallel loop takes (weld_parallel_record). From that follows a schedule: a thread
 * that is free takes the next item, a loop ends with its last item, and between loops one thread
 * works alone. What the threads would do to each other is not in it: neither the bandwidth of
 * memory nor caches that they share, clock rates, nor the time that handing out an item takes. */
#ifndef WELD_MEASURE_SIMULATE_H
#define WELD_MEASURE_SIMULATE_H

#include "base/threads.h"
#include "graph/plan.h"

/* The steps of a plan that are alike: of one operator, or streams in which it is the most work. */
typedef struct weld_simulated_row {
    const char *op;
    bool stream;
    int steps;
    int64_t items;  /* of the longest loop of a step: of the step where these are fewest */
    double work;    /* seconds of all items, and of what is done alone */
    double alone;   /* of that, what one thread does while others wait; 0 where there are none */
    double seconds; /* by the schedule */
} weld_simulated_row;

typedef struct weld_simulated {
    int threads;
    double seconds, work, alone; /* of one run: by the schedule; on one thread; see above */
    weld_simulated_row *rows;    /* those that keep threads waiting longest first; weld_free */
    size_t row_count;
} weld_simulated;

typedef struct weld_recording weld_recording;

/* For runs of a session with this plan; what follows its steps counts as one more, `update`. */
weld_status weld_recording_create(const weld_plan *plan, const char *update, weld_recording **out,
                                  weld_error *err);
void weld_recording_free(weld_recording *r);

/* Around each run. The shortest time of each item of all runs counts. */
void weld_recording_begin_run(weld_recording *r);
void weld_recording_end_run(weld_recording *r);
/* To be called after each step of the plan (a weld_session_step_function). */
void weld_recording_after_step(void *recording, size_t step);

/* When the last of the items is done, each of them taken by the thread that is free first. free_at
 * [threads] is scratch. */
double weld_schedule(const double *items, int64_t count, int threads, double *free_at);

/* The schedule on the plan's threads, from the runs so far. */
weld_status weld_recording_simulate(const weld_recording *r, weld_simulated *out, weld_error *err);

#endif
