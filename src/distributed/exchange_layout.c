/* How the gradients of an exchange lie, in a row that is cut into buckets; see exchange.h. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "distributed/exchange_state.h"
#include "distributed/shares.h"

/* Bytes: the most of a bucket, and of the last one, which is all that is still to be sent when
 * everything is computed. */
enum { BUCKET = 4 << 20, LAST_BUCKET = 1 << 19 };

/* --- The row ---------------------------------------------------------------------------------- */

static int compare_arrivals(const void *a, const void *b) {
    const weld_arrival *x = a, *y = b;
    return x->step != y->step           ? (x->step < y->step ? -1 : 1)
           : x->gradient != y->gradient ? (x->gradient < y->gradient ? -1 : 1)
                                        : 0;
}

/* The order in which a plan makes them. */
static weld_status list_arrivals(weld_exchange *x, const weld_exchange_options *o, int plan,
                                 weld_error *err) {
    weld_arrival *list = weld_alloc(o->count, sizeof *list);
    x->arrivals[plan] = list;
    if (!list) {
        return weld_fail_memory(err, "the exchange of gradients");
    }
    size_t count = 0;
    for (size_t i = 0; i < o->count; i++) {
        if (o->gradients[i].data) {
            list[count++] = (weld_arrival){o->ready[plan][i], i};
        }
    }
    qsort(list, count, sizeof *list, compare_arrivals);
    x->arrival_count = count;
    return WELD_OK;
}

/* One behind the other, as the first plan makes them. */
static weld_status lay_out(weld_exchange *x, const weld_exchange_options *o, weld_error *err) {
    for (size_t i = 0; i < x->arrival_count; i++) {
        const size_t gradient = x->arrivals[0][i].gradient;
        const weld_tensor *t = &o->gradients[gradient];
        if (t->dtype != o->kernels->dtype) {
            return weld_fail(err, WELD_ERROR_SHAPE, "a gradient of %s where %s are exchanged",
                             weld_dtype_name(t->dtype), weld_dtype_name(o->kernels->dtype));
        }
        x->places[gradient] = (weld_place){x->bytes, weld_shape_count(&t->shape)};
        x->bytes += weld_round_up(weld_tensor_bytes(t), WELD_EXCHANGE_LINE);
    }
    return WELD_OK;
}

/* --- Nodes and buckets ------------------------------------------------------------------------ */

/* The nodes of the tree that each rank's share comes to. */
static weld_status list_nodes(weld_exchange *x, const weld_groups *shares, int ranks,
                              weld_error *err) {
    weld_groups nodes[WELD_TREE_NODES];
    size_t count = 0;
    x->parts = weld_alloc((size_t)ranks, sizeof *x->parts);
    x->tree_nodes = weld_alloc((size_t)ranks * WELD_TREE_NODES, sizeof *x->tree_nodes);
    if (!x->parts || !x->tree_nodes) {
        return weld_fail_memory(err, "the exchange of gradients");
    }
    for (int r = 0; r < ranks; r++) {
        x->parts[r] = weld_tree_share(x->groups, shares[r], nodes);
        for (int i = 0; i < x->parts[r]; i++) {
            x->tree_nodes[count++] = nodes[i];
        }
    }
    x->tree_node_count = (int)count;
    x->most_nodes = weld_tree_places(x->groups, x->share);
    return WELD_OK;
}

/* Where the bucket ends that begins there. */
static size_t bucket_end(const weld_exchange *x, size_t begin) {
    const size_t left = x->bytes - begin;
    if (left <= LAST_BUCKET) {
        return x->bytes;
    }
    return begin + (left - LAST_BUCKET < BUCKET ? left - LAST_BUCKET : BUCKET);
}

static size_t gradients_within(const weld_exchange *x, size_t begin, size_t end) {
    size_t within = 0;
    for (size_t i = 0; i < x->arrival_count; i++) {
        const weld_place *p = &x->places[x->arrivals[0][i].gradient];
        within += p->offset < end && p->offset + (size_t)p->count * x->element > begin;
    }
    return within;
}

static weld_status make_bucket(weld_exchange *x, weld_bucket *b, size_t begin, weld_error *err) {
    *b = (weld_bucket){.begin = begin, .end = bucket_end(x, begin)};
    b->gradients = gradients_within(x, b->begin, b->end);
    for (int i = 0; i < x->parts[weld_group_rank(x->group)]; i++) {
        b->nodes[i] = x->nodes + (size_t)i * x->bytes + begin;
    }
    const weld_blocks_options blocks = {.elements = (b->end - begin) / WELD_EXCHANGE_LINE,
                                        .multiple = 1,
                                        .part_size = WELD_EXCHANGE_LINE,
                                        .result_size = WELD_EXCHANGE_LINE,
                                        .parts = x->parts,
                                        .join = weld_exchange_join,
                                        .context = x,
                                        .pending = &x->pending,
                                        .moved = &x->moved};
    return weld_blocks_create(x->group, &blocks, &b->blocks, err);
}

static weld_status make_buckets(weld_exchange *x, weld_error *err) {
    int count = 0;
    for (size_t at = 0; at < x->bytes; at = bucket_end(x, at)) {
        count++;
    }
    x->buckets = weld_alloc((size_t)count, sizeof *x->buckets);
    x->to_send = weld_alloc((size_t)count, sizeof *x->to_send);
    if (!x->buckets || !x->to_send) {
        return weld_fail_memory(err, "the exchange of gradients");
    }
    for (size_t at = 0; at < x->bytes; at = bucket_end(x, at)) {
        x->to_send[x->bucket_count] = (weld_to_send){(double)(x->bytes - at), INFINITY};
        WELD_TRY(make_bucket(x, &x->buckets[x->bucket_count++], at, err));
    }
    return WELD_OK;
}

/* --- Memory ----------------------------------------------------------------------------------- */

/* Zeroed: what gradients are filled up with is added too. */
static weld_status allocate(weld_exchange *x, const weld_exchange_options *o, weld_error *err) {
    x->nodes = weld_alloc(x->bytes, (size_t)x->most_nodes);
    x->mean = x->group ? weld_alloc(x->bytes, 1) : x->nodes;
    if (!x->nodes || !x->mean) {
        return weld_fail_memory(err, "the exchange of gradients");
    }
    for (size_t i = 0; i < x->count; i++) {
        x->means[i] = o->gradients[i];
        x->means[i].data = o->gradients[i].data ? x->mean + x->places[i].offset : NULL;
    }
    return WELD_OK;
}

static weld_status fill(weld_exchange *x, const weld_exchange_options *o, const weld_groups *shares,
                        weld_error *err) {
    const int ranks = weld_group_size(x->group);
    x->share = shares[weld_group_rank(x->group)];
    x->places = weld_alloc(o->count, sizeof *x->places);
    x->means = weld_alloc(o->count, sizeof *x->means);
    x->arrivals = weld_alloc((size_t)o->plans, sizeof *x->arrivals);
    if (!x->places || !x->means || !x->arrivals) {
        return weld_fail_memory(err, "the exchange of gradients");
    }
    for (int i = 0; i < o->plans; i++) {
        WELD_TRY(list_arrivals(x, o, i, err));
    }
    WELD_TRY(lay_out(x, o, err));
    WELD_TRY(list_nodes(x, shares, ranks, err));
    if (x->groups > 1) {
        WELD_TRY(allocate(x, o, err));
    }
    return x->group ? make_buckets(x, err) : WELD_OK;
}

weld_status weld_exchange_create(weld_group *g, const weld_exchange_options *o, weld_exchange **out,
                                 weld_error *err) {
    weld_exchange *x = weld_alloc(1, sizeof *x);
    weld_groups *shares = NULL;
    weld_status status =
        x ? weld_shares_create(o->groups, weld_group_size(g), o->shares, &shares, err)
          : weld_fail_memory(err, "the exchange of gradients");
    if (!status) {
        *x = (weld_exchange){.group = g,
                             .groups = o->groups,
                             .kernels = o->kernels,
                             .threads = o->threads,
                             .element = weld_dtype_size(o->kernels->dtype),
                             .count = o->count,
                             .plans = o->plans};
        status = fill(x, o, shares, err);
    }
    weld_free(shares);
    if (status) {
        weld_exchange_free(x);
        return status;
    }
    *out = x;
    return WELD_OK;
}

void weld_exchange_free(weld_exchange *x) {
    if (!x) {
        return;
    }
    for (int i = 0; i < x->bucket_count; i++) {
        weld_blocks_free(x->buckets[i].blocks);
    }
    for (int i = 0; x->arrivals && i < x->plans; i++) {
        weld_free(x->arrivals[i]);
    }
    if (x->mean != x->nodes) {
        weld_free(x->mean);
    }
    weld_free(x->nodes);
    weld_free(x->arrivals);
    weld_free(x->places);
    weld_free(x->means);
    weld_free(x->buckets);
    weld_free(x->to_send);
    weld_free(x->parts);
    weld_free(x->tree_nodes);
    weld_free(x);
}
