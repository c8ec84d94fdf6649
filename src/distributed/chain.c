/* State that every group moves, one after the other; see chain.h.
 *
 * State and values lie as one row of elements. Parts of an array that ranks have (blocks.h) are the
 * values of their groups.
 */
#include "distributed/chain.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "distributed/blocks.h"

enum { MULTIPLE = 16 }; /* elements: 64 bytes of f32 */

struct weld_chain {
    weld_group *group;
    weld_groups share;
    int64_t groups;
    weld_chain_move *move;
    void *context;
    size_t count, elements, element; /* tensors; of all; bytes of one */
    size_t *begins;                  /* by tensor, its first element in the row; and the end */
    char *state;                     /* the row */
    double **values;                 /* by group of the share, rows */
    double *memory;                  /* of all of these */
    int *parts;                      /* groups, by rank */
    weld_blocks *blocks;             /* NULL: one rank */
    int64_t update, added;
    bool gone;
    weld_pending pending;
    atomic_size_t moved;
};

/* --- Moving ----------------------------------------------------------------------------------- */

/* Elements [begin, end) by a group's values; both at begin. */
static void move_by(const weld_chain *c, size_t begin, size_t end, const double *values,
                    char *state) {
    for (size_t i = 0; i < c->count; i++) {
        const size_t from = begin > c->begins[i] ? begin : c->begins[i];
        const size_t to = end < c->begins[i + 1] ? end : c->begins[i + 1];
        if (from < to) {
            c->move(c->context, i, (int64_t)(from - c->begins[i]), (int64_t)(to - c->begins[i]),
                    values + (from - begin), state + (from - begin) * c->element);
        }
    }
}

static void move_block(void *context, size_t begin, size_t end, void *const *parts, void *result) {
    const weld_chain *c = context;
    for (int64_t i = 0; i < c->groups; i++) {
        move_by(c, begin, end, parts[i], result);
    }
}

/* --- An update -------------------------------------------------------------------------------- */

static void copy_state(const weld_chain *c, const weld_tensor *tensors, bool in) {
    for (size_t i = 0; i < c->count; i++) {
        char *row = c->state + c->begins[i] * c->element;
        const size_t bytes = weld_tensor_bytes(&tensors[i]);
        memcpy(in ? row : tensors[i].data, in ? tensors[i].data : row, bytes);
    }
}

void weld_chain_begin(weld_chain *c, int64_t update, const weld_tensor *state) {
    c->update = update;
    c->added = 0;
    c->gone = false;
    copy_state(c, state, true);
    if (c->blocks) {
        weld_blocks_begin(c->blocks, (void *const *)c->values, c->state);
    }
}

static void send(weld_chain *c) {
    c->gone = true;
    if (c->blocks) {
        weld_blocks_go(c->blocks);
    }
}

void weld_chain_add(weld_chain *c, int64_t index, const weld_tensor *values, size_t count) {
    double *row = c->values[index - c->share.first];
    for (size_t i = 0; i < count; i++) {
        const size_t bytes = weld_tensor_bytes(&values[i]);
        memcpy(row, values[i].data, bytes);
        row += bytes / sizeof *row;
    }
    if (!c->blocks) {
        move_by(c, 0, c->elements, c->values[index - c->share.first], c->state);
    } else if (++c->added == c->share.count) {
        send(c);
    }
}

weld_status weld_chain_finish(weld_chain *c, const weld_tensor *state, weld_error *err) {
    if (c->blocks) {
        if (!c->gone) { /* this rank has failed, and takes part with what it has */
            send(c);
        }
        char what[64];
        snprintf(what, sizeof what, "update %lld", (long long)c->update);
        WELD_TRY(weld_blocks_wait(c->blocks, what, err));
    }
    copy_state(c, state, false);
    return WELD_OK;
}

/* --- Creating --------------------------------------------------------------------------------- */

static weld_status lay_out(weld_chain *c, const weld_chain_options *o, weld_error *err) {
    c->begins = weld_alloc(o->count + 1, sizeof *c->begins);
    if (!c->begins) {
        return weld_fail_memory(err, "running statistics");
    }
    for (size_t i = 0; i < o->count; i++) {
        const weld_tensor *t = &o->state[i];
        if (t->dtype != o->state[0].dtype || (t->dtype != WELD_F32 && t->dtype != WELD_F64)) {
            return weld_fail(err, WELD_ERROR_SHAPE, "running statistics of %s",
                             weld_dtype_name(t->dtype));
        }
        c->begins[i + 1] = c->begins[i] + (size_t)weld_shape_count(&t->shape);
    }
    c->elements = c->begins[o->count];
    c->element = o->count > 0 ? weld_dtype_size(o->state[0].dtype) : sizeof(float);
    return WELD_OK;
}

static weld_status allocate(weld_chain *c, weld_error *err) {
    const size_t kept = (size_t)c->share.count, row = weld_round_up(c->elements, 8);
    c->state = weld_alloc(c->elements, c->element);
    c->values = weld_alloc(kept, sizeof *c->values);
    c->memory = weld_alloc(kept, row * sizeof(double));
    if (!c->state || !c->values || !c->memory) {
        return weld_fail_memory(err, "running statistics");
    }
    for (size_t i = 0; i < kept; i++) {
        c->values[i] = c->memory + i * row;
    }
    return WELD_OK;
}

static weld_status share_out(weld_chain *c, const weld_groups *shares, weld_error *err) {
    const int ranks = weld_group_size(c->group);
    c->parts = weld_alloc((size_t)ranks, sizeof *c->parts);
    if (!c->parts) {
        return weld_fail_memory(err, "running statistics");
    }
    for (int r = 0; r < ranks; r++) {
        c->parts[r] = (int)shares[r].count;
    }
    const weld_blocks_options blocks = {.elements = c->elements,
                                        .multiple = MULTIPLE,
                                        .part_size = sizeof(double),
                                        .result_size = c->element,
                                        .parts = c->parts,
                                        .join = move_block,
                                        .context = c,
                                        .pending = &c->pending,
                                        .moved = &c->moved};
    return c->group ? weld_blocks_create(c->group, &blocks, &c->blocks, err) : WELD_OK;
}

weld_status weld_chain_create(weld_group *g, const weld_chain_options *o, weld_chain **out,
                              weld_error *err) {
    weld_chain *c = weld_alloc(1, sizeof *c);
    weld_groups *shares = NULL;
    weld_status status =
        c ? weld_shares_create(o->groups, weld_group_size(g), o->shares, &shares, err)
          : weld_fail_memory(err, "running statistics");
    if (!status) {
        *c = (weld_chain){.group = g,
                          .share = shares[weld_group_rank(g)],
                          .groups = o->groups,
                          .move = o->move,
                          .context = o->context,
                          .count = o->count};
        status = lay_out(c, o, err);
        status = status ? status : allocate(c, err);
        status = status ? status : share_out(c, shares, err);
    }
    weld_free(shares);
    if (status) {
        weld_chain_free(c);
        return status;
    }
    *out = c;
    return WELD_OK;
}

void weld_chain_free(weld_chain *c) {
    if (c) {
        weld_blocks_free(c->blocks);
        weld_free(c->begins);
        weld_free(c->state);
        weld_free(c->values);
        weld_free(c->memory);
        weld_free(c->parts);
        weld_free(c);
    }
}
