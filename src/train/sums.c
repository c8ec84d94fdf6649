/* Gradients along the tree, statistics along the chain; see sums.h. */
#include "train/sums.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "distributed/chain.h"
#include "distributed/exchange.h"
#include "graph/graph.h"

struct weld_sums {
    weld_group *group;
    int64_t groups;
    weld_train_step *const *steps;
    int count;
    weld_exchange *exchange;
    weld_chain *chain;  /* NULL: one process, or nothing moves */
    weld_tensor *state; /* of the chain: running averages in the weights */
    /* The group that runs. */
    weld_train_step *running;
    int64_t index;
};

/* --- While a group runs --- */

static void add_statistics(weld_sums *s) {
    const weld_train_step *step = s->running;
    const size_t count = weld_batch_statistics_count(step->statistics);
    const weld_tensor block = {WELD_F64, WELD_SHAPE((int64_t)count), step->block};
    weld_batch_statistics_copy(step->statistics, step->block);
    weld_chain_add(s->chain, s->index, &block, 1);
}

/* Of several processes. */
static void after_step(void *context, size_t step) {
    weld_sums *s = context;
    if (s->running && s->chain && step == weld_batch_statistics_step(s->running->statistics)) {
        add_statistics(s);
    }
    if (s->running) {
        weld_exchange_ready(s->exchange, step);
    }
}

void weld_sums_begin(weld_sums *s, int64_t update) {
    weld_exchange_begin(s->exchange, update);
    if (s->chain) {
        weld_chain_begin(s->chain, update, s->state);
    }
}

double weld_sums_run(weld_sums *s, int step, int64_t index, uint64_t number) {
    weld_train_step *running = s->steps[step];
    s->index = index;
    s->running = running;
    weld_exchange_add(s->exchange, index, step, running->gradients);
    const double loss = weld_train_step_run(running, number);
    s->running = NULL;
    weld_exchange_ready(s->exchange, SIZE_MAX); /* the next batch's inputs may lie where they do */
    if (!s->group && isfinite(loss)) {
        weld_train_step_move_statistics(running);
    }
    return loss;
}

weld_status weld_sums_finish(weld_sums *s, const weld_tensor **means, weld_error *err) {
    WELD_TRY(weld_exchange_finish(s->exchange, means, err));
    if (s->chain) {
        WELD_TRY(weld_chain_finish(s->chain, s->state, err));
        weld_batch_statistics_count_batches(s->steps[0]->statistics, s->groups);
    }
    return WELD_OK;
}

size_t weld_sums_bytes(const weld_sums *s) {
    return weld_exchange_facts_of(s->exchange).memory;
}

size_t weld_sums_moved(const weld_sums *s) {
    return weld_exchange_facts_of(s->exchange).moved;
}

double weld_sums_hidden(const weld_sums *s) {
    const weld_exchange_facts facts = weld_exchange_facts_of(s->exchange);
    return facts.all > 0 ? facts.early / facts.all : 0;
}

void weld_sums_forget(weld_sums *s) {
    weld_exchange_forget(s->exchange);
}

weld_exchange_load weld_sums_load(const weld_sums *s) {
    return weld_exchange_load_of(s->exchange);
}

/* --- Creating --- */

static void move(void *context, size_t tensor, int64_t begin, int64_t end, const double *values,
                 void *state) {
    const weld_sums *s = context;
    weld_batch_statistics_move_some(s->steps[0]->statistics, tensor, begin, end, values, state);
}

static weld_status open_chain(weld_sums *s, weld_error *err) {
    const weld_batch_statistics *b = s->steps[0]->statistics;
    const size_t count = weld_batch_statistics_tensors(b, NULL);
    if (!s->group || count == 0) {
        return WELD_OK;
    }
    if (weld_batch_statistics_overlap(b)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "a batch norm is used more than once in the network: it trains on one "
                         "process only");
    }
    s->state = weld_alloc(count, sizeof *s->state);
    if (!s->state) {
        return weld_fail_memory(err, "running statistics");
    }
    weld_batch_statistics_tensors(b, s->state);
    const weld_chain_options options = {
        .groups = s->groups, .state = s->state, .count = count, .move = move, .context = s};
    return weld_chain_create(s->group, &options, &s->chain, err);
}

/* When each gradient is ready, by step and parameter. */
static void find_ready(const weld_sums *s, size_t *const *ready) {
    for (int i = 0; i < s->count; i++) {
        for (size_t k = 0; k < s->steps[i]->parameter_count; k++) {
            ready[i][k] = weld_train_step_ready(s->steps[i], k);
        }
    }
}

static weld_status open_exchange(weld_sums *s, int threads, weld_error *err) {
    const weld_train_step *first = s->steps[0];
    const size_t count = first->parameter_count;
    size_t *rows[WELD_SIZES_MAX], *ready = weld_alloc((size_t)s->count * count, sizeof *ready);
    if (!ready) {
        return weld_fail_memory(err, "training");
    }
    for (int i = 0; i < s->count; i++) {
        rows[i] = ready + (size_t)i * count;
    }
    find_ready(s, rows);
    const weld_exchange_options options = {.groups = s->groups,
                                           .gradients = first->gradients,
                                           .count = count,
                                           .plans = s->count,
                                           .ready = (const size_t *const *)rows,
                                           .kernels = first->kernels,
                                           .threads = threads};
    const weld_status status = weld_exchange_create(s->group, &options, &s->exchange, err);
    weld_free(ready);
    return status;
}

weld_status weld_sums_create(weld_group *g, int64_t groups, weld_train_step *const *steps,
                             int count, int threads, weld_sums **out, weld_error *err) {
    weld_sums *s = *out = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, "training");
    }
    *s = (weld_sums){.group = g, .groups = groups, .steps = steps, .count = count};
    weld_status status = open_exchange(s, threads, err);
    status = status ? status : open_chain(s, err);
    for (int i = 0; i < count && g && !status; i++) {
        steps[i]->after_step = after_step;
        steps[i]->after_step_context = s;
    }
    if (status) {
        weld_sums_free(s);
        *out = NULL;
    }
    return status;
}

void weld_sums_free(weld_sums *s) {
    if (s) {
        weld_exchange_free(s->exchange);
        weld_chain_free(s->chain);
        weld_free(s->state);
        weld_free(s);
    }
}
