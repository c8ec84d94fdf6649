/* What a session is made of, for the files that run it. */
#ifndef WELD_GRAPH_SESSION_H
#define WELD_GRAPH_SESSION_H

#include "graph/plan.h"

struct weld_session {
    weld_plan *plan;
    unsigned char *arena;
    unsigned char *own_arena; /* the same, where it is freed with the session; else NULL */
    size_t scratch;           /* offset of the first thread's scratch in the arena */
    void **memory;            /* by value id; NULL for values that no live node touches, those of
                                 streams, which are never whole, and what is overwritten in passing */
    weld_run *runs;           /* by position in the plan's order, on whole tensors */
    weld_tensor *operands;    /* what the runs' in and out point into */
    /* For streams: [threads][most nodes of one], [threads][most operands]. */
    weld_run *thread_runs;
    weld_tensor *thread_operands;
    size_t thread_run_count, thread_operand_count;
    weld_prepared *prepared; /* of constant weights; else NULL */
    size_t prepared_bytes;
    weld_weights *weights;
    weld_session_options options; /* as they came; threads is never 0 */
    weld_session_observer observer;
    void *observer_context;
    weld_session_step_function after_step; /* or NULL */
    void *after_step_context;
    bool moves;       /* runs move running averages (weld_running) */
    atomic_bool lost; /* the runs' */
};

/* Sessions for several graphs over the same weights that run in turns, in one arena, as large as
 * the largest needs: what one has there, inputs and outputs, is gone when another is run or filled.
 * The arena is freed with the first of them. They write to no weights: what runs move is left to
 * the caller. out [count]. */
weld_status weld_sessions_create(const weld_graph *const *graphs, size_t count, weld_weights *w,
                                 const weld_session_options *options, weld_session **out,
                                 weld_error *err);

/* The memory of a live value; data NULL where it is never whole in memory. */
weld_tensor weld_session_tensor(const weld_session *s, const weld_value *v);

/* Have the node at this position of the order prepare its weights, unless they are constant. */
void weld_session_prepare(const weld_session *s, size_t position);

/* Run a step that is a stream; `number` is that of the run. */
void weld_session_run_stream(const weld_session *s, const weld_step *step, uint64_t number);

#endif
