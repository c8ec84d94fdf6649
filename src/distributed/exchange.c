/* The mean of the gradients of an update's groups: an update; see exchange.h. How they lie is in
 * exchange_layout.c. */
#include "distributed/exchange.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/threads.h"
#include "distributed/exchange_state.h"
#include "distributed/group_state.h"

enum { PIECE = 1 << 15 }; /* bytes that one thread adds in a row */

/* --- Adding ----------------------------------------------------------------------------------- */

static char *node(const weld_exchange *x, int i) {
    return x->nodes + (size_t)i * x->bytes;
}

/* One gradient that is being taken, in pieces. */
typedef struct taking {
    const weld_exchange *x;
    const char *from;
    size_t offset, bytes;
} taking;

/* As the tree says (tree.h). */
static void take_piece(void *arg, int64_t item, int thread) {
    (void)thread;
    const taking *t = arg;
    const weld_exchange *x = t->x;
    const size_t at = (size_t)item * PIECE, left = t->bytes - at;
    const size_t bytes = left < PIECE ? left : PIECE;
    const int64_t count = (int64_t)(bytes / x->element);
    if (x->joins == 0) {
        memcpy(node(x, x->top) + t->offset + at, t->from + at, bytes);
        return;
    }
    int to = x->top - 1;
    char *sum = node(x, to) + t->offset + at;
    x->kernels->add(count, sum, t->from + at, sum);
    for (int i = 1; i < x->joins; i++) {
        char *left_sum = node(x, --to) + t->offset + at;
        x->kernels->add(count, left_sum, sum, left_sum);
        sum = left_sum;
    }
}

static int64_t pieces_of(size_t bytes) {
    return (int64_t)((bytes + PIECE - 1) / PIECE);
}

static bool is_last(const weld_exchange *x) {
    const weld_groups *n = x->tree.nodes;
    const int c = x->tree.count;
    return c > 0 && n[c - 1].first + n[c - 1].count == x->share.first + x->share.count;
}

/* With the last one the last backward pass is over: the others have had so long. */
static void send_bucket(weld_exchange *x, weld_bucket *b) {
    b->gone = true;
    b->left = weld_clock();
    if (++x->sent == x->bucket_count) {
        x->early += (double)atomic_load(&x->moved);
        for (int i = 0; i < x->bucket_count; i++) {
            x->to_send[i].lead = fmin(x->to_send[i].lead, b->left - x->buckets[i].left);
        }
    }
    weld_blocks_go(b->blocks);
}

/* A gradient of the last group is ready: buckets that have all of theirs go. */
static void count_ready(weld_exchange *x, const weld_place *p) {
    const size_t end = p->offset + (size_t)p->count * x->element;
    for (int i = 0; i < x->bucket_count; i++) {
        weld_bucket *b = &x->buckets[i];
        if (b->begin < end && b->end > p->offset && --b->missing == 0) {
            send_bucket(x, b);
        }
    }
}

static void take(weld_exchange *x, size_t gradient) {
    const weld_place *p = &x->places[gradient];
    taking t = {x, x->gradients[gradient].data, p->offset, (size_t)p->count * x->element};
    weld_parallel(x->threads, pieces_of(t.bytes), take_piece, &t);
    if (is_last(x)) {
        count_ready(x, p);
    }
}

static void take_rest(weld_exchange *x) {
    if (x->gradients && x->nodes) {
        weld_exchange_ready(x, SIZE_MAX);
    }
}

void weld_exchange_ready(weld_exchange *x, size_t step) {
    while (x->nodes && x->taken < x->arrival_count && x->order[x->taken].step <= step) {
        take(x, x->order[x->taken++].gradient);
    }
}

/* The nodes of all ranks, from left to right, become one: the sum, which is divided. */
static void join_nodes(const weld_exchange *x, size_t bytes, char *const *parts, size_t at,
                       char *mean) {
    char *sums[WELD_TREE_NODES];
    const int64_t count = (int64_t)(bytes / x->element);
    weld_tree tree = weld_tree_begin(x->groups);
    for (int i = 0; i < x->tree_node_count; i++) {
        const int top = tree.count;
        const int joins = weld_tree_push(&tree, x->tree_nodes[i]);
        sums[top] = parts[i] + at;
        for (int to = top - 1; to >= top - joins; to--) {
            x->kernels->add(count, sums[to], sums[to + 1], sums[to]);
        }
    }
    x->kernels->scale(count, 1.0 / (double)x->groups, sums[0], mean + at);
}

void weld_exchange_join(void *context, size_t begin, size_t end, void *const *parts, void *result) {
    const size_t bytes = (end - begin) * WELD_EXCHANGE_LINE;
    for (size_t at = 0; at < bytes; at += PIECE) {
        join_nodes(context, bytes - at < PIECE ? bytes - at : PIECE, (char *const *)parts, at,
                   result);
    }
}

/* Of one process: nodes that still wait, where fewer groups came than there might be, become one.
 */
static void join_own(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_exchange *x = arg;
    const size_t at = (size_t)item * PIECE, left = x->bytes - at;
    const int64_t count = (int64_t)((left < PIECE ? left : PIECE) / x->element);
    for (int to = x->top - 2; to >= 0; to--) {
        x->kernels->add(count, node(x, to) + at, node(x, to + 1) + at, node(x, to) + at);
    }
    x->kernels->scale(count, 1.0 / (double)x->tree.nodes[0].count, node(x, 0) + at,
                      node(x, 0) + at);
}

/* --- An update -------------------------------------------------------------------------------- */

void weld_exchange_begin(weld_exchange *x, int64_t update) {
    x->update = update;
    x->tree = weld_tree_begin(x->groups);
    x->gradients = NULL;
    x->moved = 0;
    x->sent = 0;
    for (int i = 0; i < x->bucket_count; i++) {
        weld_bucket *b = &x->buckets[i];
        b->missing = b->gradients;
        b->gone = false;
        weld_blocks_begin(b->blocks, b->nodes, x->mean + b->begin);
    }
}

void weld_exchange_add(weld_exchange *x, int64_t index, int plan, const weld_tensor *gradients) {
    take_rest(x);
    x->gradients = gradients;
    x->order = x->arrivals[plan];
    x->taken = 0;
    x->top = x->tree.count;
    x->joins = weld_tree_push(&x->tree, (weld_groups){index, 1});
}

weld_status weld_exchange_finish(weld_exchange *x, const weld_tensor **means, weld_error *err) {
    take_rest(x);
    *means = x->nodes ? x->means : x->gradients;
    if (!x->group) {
        x->top = x->tree.count;
        weld_tree_close(&x->tree);
        weld_parallel(x->threads, x->nodes ? pieces_of(x->bytes) : 0, join_own, x);
        return WELD_OK;
    }
    for (int i = 0; i < x->bucket_count; i++) {
        if (!x->buckets[i].gone) { /* this rank has failed, and takes part with what it has */
            send_bucket(x, &x->buckets[i]);
        }
        x->all += (double)weld_blocks_moved(x->buckets[i].blocks);
    }
    char what[64];
    snprintf(what, sizeof what, "update %lld", (long long)x->update);
    return weld_progress_wait(x->group->progress, &x->pending, what, err);
}

weld_exchange_facts weld_exchange_facts_of(const weld_exchange *x) {
    const size_t rows = (size_t)x->most_nodes + (x->group ? 1 : 0);
    weld_exchange_facts f = {
        .memory = x->nodes ? rows * x->bytes : 0, .early = x->early, .all = x->all};
    for (int i = 0; i < x->bucket_count; i++) {
        f.memory += weld_blocks_memory(x->buckets[i].blocks);
        f.moved += weld_blocks_moved(x->buckets[i].blocks);
    }
    return f;
}

void weld_exchange_forget(weld_exchange *x) {
    x->early = x->all = 0;
    for (int i = 0; i < x->bucket_count; i++) {
        x->to_send[i].lead = INFINITY;
    }
}

weld_exchange_load weld_exchange_load_of(const weld_exchange *x) {
    weld_exchange_load load = {.bytes = (double)x->bytes,
                               .buckets = x->bucket_count,
                               .moments = x->to_send,
                               .moment_count = x->bucket_count};
    load.last = x->bucket_count ? x->to_send[x->bucket_count - 1].bytes : 0;
    return load;
}
