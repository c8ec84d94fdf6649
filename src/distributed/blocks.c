/* One array of which every rank has parts; see blocks.h.
 *
 * What comes is counted by the group's thread alone. Messages of parts have one tag, those of
 * results another; the parts of a rank go in their order.
 */
#include "distributed/blocks.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "distributed/group_state.h"

enum { PARTS, RESULT, TAGS }; /* added to the tag */

struct weld_blocks {
    weld_group *group;
    weld_blocks_options o;
    int tag;
    int first, own, all; /* parts: those of lower ranks, this one's, those of all ranks */
    void **parts;        /* of all: this rank's block of them */
    void *const *mine;
    char *memory, *result;
    size_t bytes;                                        /* of the memory */
    int missing;                                         /* of what the join needs */
    weld_message *into, *out, *results_in, *results_out; /* [all - own], [own][rank], by rank */
    weld_message go;                                     /* to this rank itself */
};

/* --- Layout ----------------------------------------------------------------------------------- */

/* Where the block of a rank begins; that of rank `size` is the end. */
static size_t block_begin(const weld_blocks *b, int rank) {
    const size_t units = (b->o.elements + b->o.multiple - 1) / b->o.multiple;
    const size_t size = (size_t)b->group->size, r = (size_t)rank;
    const size_t begin = (units / size * r + (units % size < r ? units % size : r)) * b->o.multiple;
    return begin < b->o.elements ? begin : b->o.elements;
}

static size_t block_count(const weld_blocks *b, int rank) {
    return block_begin(b, rank + 1) - block_begin(b, rank);
}

/* --- Moving ----------------------------------------------------------------------------------- */

static weld_status count_moved(weld_message *m, weld_error *err) {
    (void)err;
    const weld_blocks *b = m->context;
    atomic_fetch_add(b->o.moved, m->bytes);
    return WELD_OK;
}

/* Nothing, where it has no bytes. */
static void post(weld_blocks *b, weld_message *m, weld_message what) {
    *m = what;
    m->tag += b->tag;
    m->context = b;
    m->pending = b->o.pending;
    m->done = m->done ? m->done : count_moved;
    if (m->bytes > 0) {
        weld_progress_post(b->group->progress, m);
    }
}

/* One thing less that the join needs; with the last it is made, and sent to all. */
static void join_if_all_is_there(weld_blocks *b) {
    if (--b->missing > 0) {
        return;
    }
    const int rank = b->group->rank;
    const size_t begin = block_begin(b, rank), count = block_count(b, rank);
    char *result = b->result + begin * b->o.result_size;
    if (count > 0) {
        b->o.join(b->o.context, begin, begin + count, b->parts, result);
    }
    for (int r = 0; r < b->group->size; r++) {
        if (r != rank) {
            post(b, &b->results_out[r],
                 (weld_message){
                     .peer = r, .tag = RESULT, .data = result, .bytes = count * b->o.result_size});
        }
    }
}

static weld_status take_part(weld_message *m, weld_error *err) {
    WELD_TRY(count_moved(m, err));
    join_if_all_is_there(m->context);
    return WELD_OK;
}

static weld_status take_own(weld_message *m, weld_error *err) {
    (void)err;
    join_if_all_is_there(m->context);
    return WELD_OK;
}

void weld_blocks_begin(weld_blocks *b, void *const *mine, void *result) {
    const int rank = b->group->rank;
    const size_t begin = block_begin(b, rank);
    const size_t bytes = block_count(b, rank) * b->o.part_size;
    b->mine = mine;
    b->result = result;
    b->missing = 1 + (bytes > 0 ? b->all - b->own : 0);
    for (int i = 0; i < b->own; i++) {
        b->parts[b->first + i] = (char *)mine[i] + begin * b->o.part_size;
    }
    weld_message *m = b->into;
    for (int r = 0, part = 0; r < b->group->size; part += b->o.parts[r++]) {
        for (int i = 0; r != rank && i < b->o.parts[r]; i++, m++) {
            post(b, m,
                 (weld_message){.peer = r,
                                .tag = PARTS,
                                .receive = true,
                                .data = b->parts[part + i],
                                .bytes = bytes,
                                .done = take_part});
        }
        if (r != rank) {
            post(b, &b->results_in[r],
                 (weld_message){.peer = r,
                                .tag = RESULT,
                                .receive = true,
                                .data = b->result + block_begin(b, r) * b->o.result_size,
                                .bytes = block_count(b, r) * b->o.result_size});
        }
    }
}

void weld_blocks_go(weld_blocks *b) {
    const int rank = b->group->rank, size = b->group->size;
    for (int i = 0; i < b->own; i++) {
        for (int r = 0; r < size; r++) {
            if (r != rank) {
                post(b, &b->out[i * size + r],
                     (weld_message){.peer = r,
                                    .tag = PARTS,
                                    .data = (char *)b->mine[i] + block_begin(b, r) * b->o.part_size,
                                    .bytes = block_count(b, r) * b->o.part_size});
            }
        }
    }
    b->go = (weld_message){.peer = rank, .done = take_own, .context = b, .pending = b->o.pending};
    weld_progress_post(b->group->progress, &b->go);
}

weld_status weld_blocks_wait(weld_blocks *b, const char *what, weld_error *err) {
    return weld_progress_wait(b->group->progress, b->o.pending, what, err);
}

/* --- Creating --------------------------------------------------------------------------------- */

static weld_status allocate(weld_blocks *b, weld_error *err) {
    const size_t size = (size_t)b->group->size, others = (size_t)(b->all - b->own);
    const size_t block =
        weld_round_up(block_count(b, b->group->rank) * b->o.part_size, WELD_ALIGNMENT);
    b->parts = weld_alloc((size_t)b->all, sizeof *b->parts);
    b->into = weld_alloc(others, sizeof *b->into);
    b->out = weld_alloc((size_t)b->own * size, sizeof *b->out);
    b->results_in = weld_alloc(size, sizeof *b->results_in);
    b->results_out = weld_alloc(size, sizeof *b->results_out);
    b->memory = weld_alloc(others, block);
    if (!b->parts || !b->into || !b->out || !b->results_in || !b->results_out || !b->memory) {
        return weld_fail_memory(err, "what ranks exchange");
    }
    b->bytes = others * block;
    char *next = b->memory;
    for (int i = 0; i < b->all; i++) {
        if (i < b->first || i >= b->first + b->own) {
            b->parts[i] = next;
            next += block;
        }
    }
    return WELD_OK;
}

weld_status weld_blocks_create(weld_group *g, const weld_blocks_options *o, weld_blocks **out,
                               weld_error *err) {
    weld_blocks *b = weld_alloc(1, sizeof *b);
    if (!b) {
        return weld_fail_memory(err, "what ranks exchange");
    }
    *b = (weld_blocks){.group = g, .o = *o, .tag = g->next_tag, .own = o->parts[g->rank]};
    g->next_tag += TAGS;
    for (int r = 0; r < g->size; r++) {
        b->first += r < g->rank ? o->parts[r] : 0;
        b->all += o->parts[r];
    }
    const weld_status status =
        block_count(b, 0) > WELD_TRANSPORT_MOST / o->part_size
            ? weld_fail(err, WELD_ERROR_ARGUMENT, "more than ranks can send at once")
            : allocate(b, err);
    if (status) {
        weld_blocks_free(b);
        return status;
    }
    *out = b;
    return WELD_OK;
}

void weld_blocks_free(weld_blocks *b) {
    if (b) {
        weld_free(b->parts);
        weld_free(b->into);
        weld_free(b->out);
        weld_free(b->results_in);
        weld_free(b->results_out);
        weld_free(b->memory);
        weld_free(b);
    }
}

size_t weld_blocks_memory(const weld_blocks *b) {
    return b->bytes;
}

size_t weld_blocks_moved(const weld_blocks *b) {
    const int rank = b->group->rank;
    const size_t mine = block_count(b, rank), others = b->o.elements - mine;
    return mine * ((size_t)(b->all - b->own) * b->o.part_size +
                   (size_t)(b->group->size - 1) * b->o.result_size) +
           others * ((size_t)b->own * b->o.part_size + b->o.result_size);
}
