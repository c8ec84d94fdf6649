/* What ranks say to each other; see group.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "distributed/group_state.h"

enum function { BROADCAST = 0x77656c64, TELL, GATHER, AGREE };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static weld_said head_of(weld_group *g, enum function function, size_t bytes) {
    return (weld_said){function, g->calls++, bytes};
}

static weld_status lack_memory(weld_group *g, weld_error *err) {
    return weld_progress_fail(g->progress, weld_fail_memory(err, "what ranks say"), err);
}

/* A message of this call to or from a rank. */
static void post(weld_group *g, weld_message *m, int peer, bool receive, void *data, size_t bytes,
                 weld_pending *pending) {
    *m = (weld_message){.peer = peer,
                        .tag = WELD_TAG_GROUP,
                        .receive = receive,
                        .data = data,
                        .bytes = bytes,
                        .pending = pending};
    weld_progress_post(g->progress, m);
}

static weld_status wait(weld_group *g, weld_error *err) {
    return weld_progress_wait(g->progress, &g->pending, g->doing, err);
}

static const char *word_of(uint32_t function) {
    static const char *const words[] = {"broadcast", "tell", "gather", "agree"};
    return function >= BROADCAST && function <= AGREE ? words[function - BROADCAST] : "none";
}

/* Whether rank `from` does what this one does, which is call number `call`. */
static weld_status check_head(weld_group *g, int from, enum function function, uint32_t call,
                              weld_error *err) {
    const weld_said *head = &g->heads[from];
    size_t fits;
    if (head->function == function && head->call == call && weld_mul_size(head->bytes, 1, &fits) &&
        weld_add_size(fits, WELD_ALIGNMENT, &fits)) {
        return WELD_OK;
    }
    char who[120];
    weld_fail(err, WELD_ERROR_IO,
              "%s does something else than rank %d (its call %u is \"%s\", here call %u is "
              "\"%s\"): the same program and recipe?",
              weld_group_say_where(g, from, who, sizeof who), g->rank, (unsigned)head->call,
              word_of(head->function), (unsigned)call, word_of(function));
    return weld_progress_fail(g->progress, WELD_ERROR_IO, err);
}

/* --- One to all ------------------------------------------------------------------------------- */

static weld_status send_to_all(weld_group *g, weld_said *head, void *data, weld_error *err) {
    for (int r = 1; r < g->size; r++) {
        post(g, &g->messages[2 * r], r, false, head, sizeof *head, &g->pending);
    }
    for (size_t at = 0; at < head->bytes; at += WELD_TRANSPORT_MOST) {
        for (int r = 1; r < g->size; r++) {
            post(g, &g->messages[2 * r + 1], r, false, (char *)data + at,
                 least(head->bytes - at, WELD_TRANSPORT_MOST), &g->pending);
        }
        WELD_TRY(wait(g, err));
    }
    return wait(g, err);
}

static weld_status receive_head(weld_group *g, weld_said expected, weld_error *err) {
    post(g, &g->messages[0], 0, true, &g->heads[0], sizeof g->heads[0], &g->pending);
    WELD_TRY(wait(g, err));
    return check_head(g, 0, expected.function, expected.call, err);
}

static weld_status receive_body(weld_group *g, void *data, size_t bytes, weld_error *err) {
    for (size_t at = 0; at < bytes; at += WELD_TRANSPORT_MOST) {
        post(g, &g->messages[0], 0, true, (char *)data + at, least(bytes - at, WELD_TRANSPORT_MOST),
             &g->pending);
        WELD_TRY(wait(g, err));
    }
    return WELD_OK;
}

static weld_status broadcast(weld_group *g, enum function function, void *data, size_t bytes,
                             weld_error *err) {
    weld_said head = head_of(g, function, bytes);
    if (g->rank == 0) {
        return send_to_all(g, &head, data, err);
    }
    WELD_TRY(receive_head(g, head, err));
    if (g->heads[0].bytes != bytes) {
        weld_fail(err, WELD_ERROR_IO, "rank 0 sends %llu bytes where rank %d has room for %zu",
                  (unsigned long long)g->heads[0].bytes, g->rank, bytes);
        return weld_progress_fail(g->progress, WELD_ERROR_IO, err);
    }
    return receive_body(g, data, bytes, err);
}

weld_status weld_group_broadcast(weld_group *g, void *data, size_t bytes, weld_error *err) {
    return g ? broadcast(g, BROADCAST, data, bytes, err) : WELD_OK;
}

/* A copy with a zero behind it; NULL where memory is short. */
static char *copy_text(const void *data, size_t bytes) {
    char *copy = weld_alloc(bytes + 1, 1);
    if (copy && bytes > 0) {
        memcpy(copy, data, bytes);
    }
    return copy;
}

weld_status weld_group_tell(weld_group *g, const void *data, size_t bytes, void **out,
                            size_t *out_bytes, weld_error *err) {
    *out = NULL;
    *out_bytes = 0;
    weld_status status = WELD_OK;
    char *copy = NULL;
    if (!g || g->rank == 0) {
        copy = copy_text(data, bytes);
        if (!copy) {
            return g ? lack_memory(g, err) : weld_fail_memory(err, "what ranks say");
        }
    }
    if (g) {
        weld_said head = head_of(g, TELL, bytes);
        if (g->rank == 0) {
            status = send_to_all(g, &head, copy, err);
        } else {
            WELD_TRY(receive_head(g, head, err));
            bytes = (size_t)g->heads[0].bytes;
            copy = weld_alloc(bytes + 1, 1);
            status = copy ? receive_body(g, copy, bytes, err) : lack_memory(g, err);
        }
    }
    if (status) {
        weld_free(copy);
        return status;
    }
    *out = copy;
    *out_bytes = bytes;
    return WELD_OK;
}

weld_status weld_group_tell_text(weld_group *g, char **text, weld_error *err) {
    void *told;
    size_t bytes;
    if (!g) {
        return WELD_OK;
    }
    WELD_TRY(weld_group_tell(g, *text, *text ? strlen(*text) + 1 : 0, &told, &bytes, err));
    weld_free(*text);
    *text = told;
    if (bytes == 0) {
        weld_free(told);
        *text = NULL;
    }
    return WELD_OK;
}

/* --- All to one ------------------------------------------------------------------------------- */

void weld_gathered_free(weld_gathered *all) {
    weld_free(all->data);
    weld_free(all->bytes);
    weld_free(all->memory);
    *all = (weld_gathered){0};
}

/* Room for what heads announce; one allocation. */
static weld_status make_room(const weld_said *heads, int ranks, weld_gathered *all,
                             weld_error *err) {
    size_t bytes = 0;
    bool fits = true;
    for (int r = 0; r < ranks; r++) {
        fits = fits && weld_add_size(bytes, (size_t)heads[r].bytes, &bytes) &&
               weld_add_size(bytes, WELD_ALIGNMENT, &bytes);
    }
    all->data = weld_alloc((size_t)ranks, sizeof *all->data);
    all->bytes = weld_alloc((size_t)ranks, sizeof *all->bytes);
    all->memory = fits ? weld_alloc(bytes, 1) : NULL;
    if (!all->data || !all->bytes || !all->memory) {
        weld_gathered_free(all);
        return weld_fail_memory(err, "what ranks say");
    }
    char *next = all->memory;
    for (int r = 0; r < ranks; r++) {
        all->data[r] = next;
        all->bytes[r] = (size_t)heads[r].bytes;
        next += weld_round_up(all->bytes[r] + 1, WELD_ALIGNMENT);
    }
    all->count = ranks;
    return WELD_OK;
}

/* One rank, which says it to itself. */
static weld_status gather_one(const void *mine, size_t bytes, weld_gathered *all, weld_error *err) {
    const weld_said head = {.bytes = bytes};
    WELD_TRY(make_room(&head, 1, all, err));
    if (bytes > 0) {
        memcpy((void *)all->data[0], mine, bytes);
    }
    return WELD_OK;
}

static weld_status begin_saying(weld_group *g, enum function function, const void *mine,
                                size_t bytes, weld_error *err) {
    if (bytes > WELD_TRANSPORT_MOST) {
        weld_fail(err, WELD_ERROR_ARGUMENT, "rank %d says more than %zu bytes", g->rank,
                  WELD_TRANSPORT_MOST);
        return weld_progress_fail(g->progress, WELD_ERROR_ARGUMENT, err);
    }
    weld_free(g->said);
    g->said = copy_text(mine, bytes);
    g->said_head = head_of(g, function, bytes);
    if (!g->said) {
        return lack_memory(g, err);
    }
    if (g->rank > 0) {
        post(g, &g->saying[0], 0, false, &g->said_head, sizeof g->said_head, &g->said_pending);
    }
    if (g->rank > 0 && bytes > 0) {
        post(g, &g->saying[1], 0, false, g->said, bytes, &g->said_pending);
    }
    return WELD_OK;
}

weld_status weld_group_gather_begin(weld_group *g, const void *mine, size_t bytes,
                                    weld_gathered *all, weld_error *err) {
    *all = (weld_gathered){0};
    return g ? begin_saying(g, GATHER, mine, bytes, err) : gather_one(mine, bytes, all, err);
}

static weld_status receive_all(weld_group *g, weld_gathered *all, weld_error *err) {
    for (int r = 1; r < g->size; r++) {
        post(g, &g->messages[2 * r], r, true, &g->heads[r], sizeof g->heads[r], &g->pending);
    }
    WELD_TRY(wait(g, err));
    g->heads[0] = g->said_head;
    for (int r = 1; r < g->size; r++) {
        WELD_TRY(check_head(g, r, g->said_head.function, g->said_head.call, err));
        if (g->heads[r].bytes > WELD_TRANSPORT_MOST) {
            return weld_progress_fail(g->progress,
                                      weld_fail(err, WELD_ERROR_IO, "rank %d announces %llu bytes",
                                                r, (unsigned long long)g->heads[r].bytes),
                                      err);
        }
    }
    if (make_room(g->heads, g->size, all, err)) {
        return weld_progress_fail(g->progress, WELD_ERROR_MEMORY, err);
    }
    memcpy((void *)all->data[0], g->said, all->bytes[0]);
    for (int r = 1; r < g->size; r++) {
        if (all->bytes[r] > 0) {
            post(g, &g->messages[2 * r + 1], r, true, (void *)all->data[r], all->bytes[r],
                 &g->pending);
        }
    }
    return wait(g, err);
}

weld_status weld_group_gather_end(weld_group *g, weld_gathered *all, weld_error *err) {
    if (!g) {
        return WELD_OK;
    }
    if (g->rank > 0) {
        return weld_progress_wait(g->progress, &g->said_pending, g->doing, err);
    }
    const weld_status status = receive_all(g, all, err);
    if (status) {
        weld_gathered_free(all);
    }
    return status;
}

weld_status weld_group_gather(weld_group *g, const void *mine, size_t bytes, weld_gathered *all,
                              weld_error *err) {
    WELD_TRY(weld_group_gather_begin(g, mine, bytes, all, err));
    return weld_group_gather_end(g, all, err);
}

/* --- Agreed on -------------------------------------------------------------------------------- */

typedef struct opinion {
    int32_t status, rank;
    char message[WELD_ERROR_MESSAGE_SIZE];
} opinion;

/* The first that is not WELD_OK, else one that is. */
static opinion first_bad(const weld_gathered *all) {
    opinion o = {0};
    for (int r = 0; r < all->count && o.status == WELD_OK; r++) {
        memcpy(&o, all->data[r], least(sizeof o, all->bytes[r]));
        o.message[sizeof o.message - 1] = '\0';
        o.rank = r;
    }
    return o;
}

weld_status weld_group_agree(weld_group *g, weld_status status, weld_error *err) {
    if (!g) {
        return status;
    }
    opinion mine = {.status = status, .rank = g->rank};
    if (status) {
        memcpy(mine.message, err->message, sizeof mine.message);
    }
    weld_gathered all = {0};
    WELD_TRY(begin_saying(g, AGREE, &mine, sizeof mine, err));
    WELD_TRY(weld_group_gather_end(g, &all, err));
    opinion first = first_bad(&all);
    weld_gathered_free(&all);
    WELD_TRY(broadcast(g, AGREE, &first, sizeof first, err));
    if (first.status) {
        first.message[sizeof first.message - 1] = '\0';
        weld_fail(err, first.status, "%s", first.message);
        weld_group_fail_at(g, first.rank, first.status, err);
    }
    return first.status;
}

weld_status weld_group_in_turn(weld_group *g, weld_status (*open)(void *context, weld_error *err),
                               void *context, weld_error *err) {
    const int turn = weld_group_rank(g) == 0 ? 0 : weld_group_index_here(g) == 0 ? 1 : 2;
    weld_status status = WELD_OK;
    for (int i = 0; i <= 2 && !status; i++) {
        status = weld_group_agree(g, turn == i ? open(context, err) : WELD_OK, err);
    }
    return status;
}
