/* Where the time of runs goes: node by node, operator by operator, and as a trace. */
#ifndef WELD_MEASURE_PROFILE_H
#define WELD_MEASURE_PROFILE_H

#include "graph/plan.h"
#include "measure/limits.h"

/* What was spent on all nodes of one operator, or on one node. */
typedef struct weld_profile_row {
    const char *op;
    char name[160]; /* of the one node and the shape that it makes; else "" */
    int nodes;
    double seconds;      /* of one run: what all threads spent, divided by their number */
    double flops, bytes; /* of one run */
    double limit;        /* seconds that it must take: see weld_profile_rows */
} weld_profile_row;

typedef struct weld_profile weld_profile;

/* For runs of a session with this plan. What follows the nodes (an update of `elements` parameters
 * by `optimizer`, NULL: nothing) is position plan->order_count. */
weld_status weld_profile_create(const weld_plan *plan, const char *optimizer, int64_t elements,
                                weld_profile **out, weld_error *err);
void weld_profile_free(weld_profile *p);

/* A weld_session_observer whose context is the profile. */
void weld_profile_note(void *profile, const weld_session_event *event);

/* Around each run; reset forgets the runs so far. */
void weld_profile_begin_run(weld_profile *p);
void weld_profile_end_run(weld_profile *p);
void weld_profile_reset(weld_profile *p);

/* One row an operator, or with by_node one a node, slowest first; the last is "(waiting)", the time
 * that threads had nothing to do. A row's limit is the larger of its flops and of its bytes at the
 * machine's best rate; bytes that come from a cache can be faster than that. The caller frees the
 * rows with weld_free. */
weld_status weld_profile_rows(const weld_profile *p, const weld_limits *limits, bool by_node,
                              weld_profile_row **rows, size_t *count, weld_error *err);

/* Write what every thread did in the latest run, as the "trace event" JSON that chrome://tracing
 * and Perfetto show: one complete event a stretch of a node and thread. */
weld_status weld_profile_write_trace(const weld_profile *p, const char *path, weld_error *err);

/* Flops and bytes of one run of a node. */
void weld_profile_cost(const weld_plan *plan, const weld_node *node, double *flops, double *bytes);

#endif
