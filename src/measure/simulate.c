/* Recordings of runs, and schedules by them; see simulate.h. */
#include "measure/simulate.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "measure/profile.h"

/* Items of one parallel loop: `count` of them from `first` on. */
typedef struct loop {
    size_t step, first;
    int64_t count;
    int threads;
} loop;

struct weld_recording {
    const weld_plan *plan;
    const char *update;
    size_t steps;                  /* of the plan, and the update */
    weld_array loops, items;       /* of loop; of double: seconds, the shortest so far */
    double *alone;                 /* by step: the shortest so far */
    size_t step, loop_at, item_at; /* of the run that goes on */
    double since, in_items;        /* the end of the step before; of the step that goes on */
    int runs;
    bool lost, differs; /* no memory; loops of a run were others than those of the first */
    weld_parallel_recorder recorder;
};

static void note(void *context, int threads, int64_t count, int64_t item, double seconds) {
    weld_recording *r = context;
    r->in_items += seconds;
    if (r->lost) {
        return;
    }
    if (r->runs == 0 && item == 0) {
        const loop l = {r->step, r->items.count, count, threads};
        r->lost = !weld_array_append(&r->loops, &l, 1) || r->lost;
    }
    if (r->runs == 0) {
        r->lost = !weld_array_append(&r->items, &seconds, 1) || r->lost;
        return;
    }
    const loop *loops = r->loops.data;
    double *items = r->items.data;
    if (r->loop_at == r->loops.count || loops[r->loop_at].count != count) {
        r->differs = true;
        return;
    }
    items[r->item_at] = seconds < items[r->item_at] ? seconds : items[r->item_at];
    r->item_at++;
    r->loop_at += item + 1 == count;
}

weld_status weld_recording_create(const weld_plan *plan, const char *update, weld_recording **out,
                                  weld_error *err) {
    weld_recording *r = *out = weld_alloc(1, sizeof *r);
    const size_t steps = plan->step_count + (update != NULL);
    double *alone = weld_alloc(steps + 1, sizeof *alone);
    if (!r || !alone) {
        weld_free(r);
        weld_free(alone);
        *out = NULL;
        return weld_fail_memory(err, "simulation");
    }
    *r = (weld_recording){.plan = plan,
                          .update = update,
                          .steps = steps,
                          .alone = alone,
                          .loops.element = sizeof(loop),
                          .items.element = sizeof(double),
                          .recorder = {note, r}};
    return WELD_OK;
}

void weld_recording_free(weld_recording *r) {
    if (r) {
        weld_array_free(&r->loops);
        weld_array_free(&r->items);
        weld_free(r->alone);
        weld_free(r);
    }
}

void weld_recording_begin_run(weld_recording *r) {
    r->step = r->loop_at = r->item_at = 0;
    r->in_items = 0;
    weld_parallel_record(&r->recorder);
    r->since = weld_thread_clock();
}

void weld_recording_after_step(void *recording, size_t step) {
    weld_recording *r = recording;
    const double now = weld_thread_clock(), alone = now - r->since - r->in_items;
    if (step < r->steps && (r->runs == 0 || alone < r->alone[step])) {
        r->alone[step] = alone > 0 ? alone : 0;
    }
    r->step = step + 1;
    r->in_items = 0;
    r->since = weld_thread_clock();
}

void weld_recording_end_run(weld_recording *r) {
    if (r->update) {
        weld_recording_after_step(r, r->plan->step_count);
    }
    weld_parallel_record(NULL);
    r->differs = r->differs || (r->runs > 0 && r->loop_at != r->loops.count);
    r->runs++;
}

/* --- Schedules --- */

double weld_schedule(const double *items, int64_t count, int threads, double *free_at) {
    double end = 0;
    memset(free_at, 0, (size_t)threads * sizeof *free_at);
    for (int64_t i = 0; i < count; i++) {
        int first = 0;
        for (int t = 1; t < threads; t++) {
            first = free_at[t] < free_at[first] ? t : first;
        }
        free_at[first] += items[i];
        end = free_at[first] > end ? free_at[first] : end;
    }
    return end;
}

/* The node of a step that is the most work by its costs: in flops, or bytes of such that has none.
 */
static const weld_node *heaviest(const weld_plan *plan, const weld_step *s) {
    const weld_node *node = plan->order[s->begin];
    double most = -1;
    for (size_t at = s->begin; at < s->end; at++) {
        double flops, bytes;
        weld_profile_cost(plan, plan->order[at], &flops, &bytes);
        if (flops + bytes > most) {
            most = flops + bytes;
            node = plan->order[at];
        }
    }
    return node;
}

static weld_simulated_row row_of(const weld_recording *r, size_t step) {
    weld_simulated_row row = {.op = r->update, .steps = 1, .alone = r->alone[step]};
    if (step < r->plan->step_count) {
        const weld_step *s = &r->plan->steps[step];
        row.op = heaviest(r->plan, s)->op->name;
        row.stream = s->slicing != WELD_SLICE_NONE;
    }
    row.work = row.seconds = row.alone;
    return row;
}

static void add_row(weld_simulated *out, const weld_simulated_row *row) {
    for (size_t i = 0; i < out->row_count; i++) {
        weld_simulated_row *to = &out->rows[i];
        if (strcmp(to->op, row->op) == 0 && to->stream == row->stream) {
            to->steps++;
            to->items = row->items < to->items ? row->items : to->items;
            to->work += row->work;
            to->alone += row->alone;
            to->seconds += row->seconds;
            return;
        }
    }
    out->rows[out->row_count++] = *row;
}

/* Seconds that threads wait, over all of them. */
static double waiting(const weld_simulated_row *row, int threads) {
    return threads * row->seconds - row->work;
}

static void sort_rows(weld_simulated *s) {
    for (size_t i = 1; i < s->row_count; i++) {
        const weld_simulated_row row = s->rows[i];
        size_t at = i;
        for (; at > 0 && waiting(&s->rows[at - 1], s->threads) < waiting(&row, s->threads); at--) {
            s->rows[at] = s->rows[at - 1];
        }
        s->rows[at] = row;
    }
}

/* The loops of a step, which begin at *at, into its row. */
static void add_loops(const weld_recording *r, size_t step, size_t *at, double *free_at,
                      weld_simulated_row *row) {
    const loop *loops = r->loops.data;
    const double *items = r->items.data;
    double most = 0;
    row->items = 1;
    row->alone = r->plan->threads > 1 ? row->alone : 0;
    for (; *at < r->loops.count && loops[*at].step == step; ++*at) {
        const loop *l = &loops[*at];
        double work = 0;
        for (int64_t i = 0; i < l->count; i++) {
            work += items[l->first + (size_t)i];
        }
        row->work += work;
        row->alone += l->threads == 1 && r->plan->threads > 1 ? work : 0;
        row->seconds += weld_schedule(items + l->first, l->count, l->threads, free_at);
        if (work > most) {
            most = work;
            row->items = l->count;
        }
    }
}

weld_status weld_recording_simulate(const weld_recording *r, weld_simulated *out, weld_error *err) {
    *out = (weld_simulated){.threads = r->plan->threads};
    if (r->differs) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "simulation: runs of this network do not go the same way each time");
    }
    double *free_at = weld_alloc((size_t)out->threads, sizeof *free_at);
    out->rows = weld_alloc(r->steps + 1, sizeof *out->rows);
    if (r->lost || !free_at || !out->rows) {
        weld_free(free_at);
        weld_free(out->rows);
        out->rows = NULL;
        return weld_fail_memory(err, "simulation");
    }
    for (size_t step = 0, at = 0; step < r->steps; step++) {
        weld_simulated_row row = row_of(r, step);
        add_loops(r, step, &at, free_at, &row);
        out->seconds += row.seconds;
        out->work += row.work;
        out->alone += row.alone;
        add_row(out, &row);
    }
    sort_rows(out);
    weld_free(free_at);
    return WELD_OK;
}
