/* How fast messages are between ranks; see measure.h. */
#include "distributed/measure.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "distributed/blocks.h"
#include "distributed/group_state.h"

enum { BYTES = 4 << 20 }; /* as much as a bucket of gradients */

/* Whether there is to be another round, as rank 0's clock has it; one takes two latencies. */
static weld_status go_on(weld_group *g, double until, bool *more, weld_error *err) {
    char is_here = 1;
    weld_gathered all;
    *more = weld_clock() < until;
    WELD_TRY(weld_group_gather(g, &is_here, 1, &all, err));
    weld_gathered_free(&all);
    return weld_group_broadcast(g, more, sizeof *more, err);
}

static weld_status measure_latency(weld_group *g, double seconds, double *latency,
                                   weld_error *err) {
    const double begin = weld_clock();
    int rounds = 0;
    for (bool more = true; more; rounds++) {
        WELD_TRY(go_on(g, begin + seconds, &more, err));
    }
    *latency = (weld_clock() - begin) / (2 * rounds);
    return WELD_OK;
}

static void take_first(void *context, size_t begin, size_t end, void *const *parts, void *result) {
    (void)context;
    memcpy(result, parts[0], end - begin);
}

static weld_status measure_bandwidth(weld_group *g, weld_blocks *b, void *memory, double seconds,
                                     double *bandwidth, weld_error *err) {
    void *const mine[] = {memory};
    const double until = weld_clock() + seconds;
    double best = INFINITY;
    for (bool more = true; more;) {
        WELD_TRY(go_on(g, until, &more, err));
        const double begin = weld_clock();
        weld_blocks_begin(b, mine, (char *)memory + BYTES);
        weld_blocks_go(b);
        WELD_TRY(weld_blocks_wait(b, "a trial of the network", err));
        best = fmin(best, weld_clock() - begin);
    }
    *bandwidth = (double)weld_blocks_moved(b) / 2 / best;
    return WELD_OK;
}

weld_status weld_group_measure(weld_group *g, double seconds, weld_group_speed *out,
                               weld_error *err) {
    *out = (weld_group_speed){.bandwidth = INFINITY};
    if (!g) {
        return WELD_OK;
    }
    weld_pending pending = {0};
    atomic_size_t moved = 0;
    weld_blocks *blocks = NULL;
    int *parts = weld_alloc((size_t)g->size, sizeof *parts);
    void *memory = weld_alloc(2, BYTES);
    weld_status status =
        parts && memory ? WELD_OK : weld_fail_memory(err, "a trial of the network");
    for (int r = 0; parts && r < g->size; r++) {
        parts[r] = 1;
    }
    if (!status) {
        const weld_blocks_options o = {.elements = BYTES,
                                       .multiple = 64,
                                       .part_size = 1,
                                       .result_size = 1,
                                       .parts = parts,
                                       .join = take_first,
                                       .pending = &pending,
                                       .moved = &moved};
        status = weld_blocks_create(g, &o, &blocks, err);
    }
    status = weld_group_agree(g, status, err);
    status = status ? status : measure_latency(g, seconds / 2, &out->latency, err);
    status =
        status ? status : measure_bandwidth(g, blocks, memory, seconds / 2, &out->bandwidth, err);
    status = status ? status : weld_group_broadcast(g, out, sizeof *out, err);
    weld_blocks_free(blocks);
    weld_free(parts);
    weld_free(memory);
    return status;
}
