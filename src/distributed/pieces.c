/* Pieces of work, over ranks; see pieces.h. */
#include "distributed/pieces.h"

#include <string.h>
#include <xxhash.h>

#include "base/error.h"

int weld_pieces_step(const weld_group *g) {
    return weld_group_size(g);
}

static weld_status do_alone(const weld_pieces *p, bool *stopped, weld_error *err) {
    weld_array bytes = {.element = 1};
    weld_status status = WELD_OK;
    for (int64_t i = p->first; !status && i < p->end && !*stopped; i++) {
        bytes.count = 0;
        status = p->make(p->context, i, &bytes, err);
        status = status ? status : p->take(p->context, i, bytes.data, bytes.count, err);
        *stopped = !status && p->stop(p->context, i) && i + 1 < p->end;
    }
    weld_array_free(&bytes);
    return status;
}

/* --- The first piece, on all of them --- */

static weld_status find_other(const weld_group *g, const weld_pieces *p, const weld_gathered *all,
                              weld_error *err) {
    char where[96];
    for (int rank = 1; rank < all->count; rank++) {
        if (all->bytes[rank] != all->bytes[0] ||
            memcmp(all->data[rank], all->data[0], all->bytes[0]) != 0) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: makes something else of the first %s than rank 0: its files have "
                             "other contents, its libraries or its cpu are of another kind, or its "
                             "memory is bad",
                             weld_group_say_where(g, rank, where, sizeof where), p->what);
        }
    }
    return WELD_OK;
}

static weld_status compare_first(weld_group *g, const weld_pieces *p, const weld_array *bytes,
                                 weld_error *err) {
    const uint64_t hash = XXH3_64bits(bytes->data, bytes->count);
    weld_gathered all;
    WELD_TRY(weld_group_gather(g, &hash, sizeof hash, &all, err));
    weld_status status = find_other(g, p, &all, err);
    weld_gathered_free(&all);
    if (!status && weld_group_rank(g) == 0) {
        status = p->take(p->context, p->first, bytes->data, bytes->count, err);
    }
    return weld_group_agree(g, status, err);
}

static weld_status do_first(weld_group *g, const weld_pieces *p, weld_error *err) {
    weld_array bytes = {.element = 1};
    weld_status status = weld_group_agree(g, p->make(p->context, p->first, &bytes, err), err);
    status = status ? status : compare_first(g, p, &bytes, err);
    weld_array_free(&bytes);
    return status;
}

/* --- Rounds --- */

/* What each rank says of its piece, before the bytes that came of it; and what rank 0 answers. */
typedef struct word {
    weld_error err;
    bool stop;
    bool doubtful; /* the answer comes when all have agreed on something */
} word;

/* The piece of this rank in the round that begins with `round`; none is past the end. *asks: to
 * stop after the last round, so that this one will not count; and then after this one. */
static weld_status say(weld_group *g, const weld_pieces *p, int64_t round, bool *asks,
                       weld_array *bytes, weld_error *err) {
    const int64_t piece = round + weld_group_rank(g);
    word mine = {.stop = false};
    bytes->count = 0;
    if (!weld_array_append(bytes, &mine, sizeof mine)) {
        return weld_group_break(g, weld_fail_memory(err, "ranks"), err);
    }
    if (piece < p->end && !*asks) {
        mine.err.status = p->make(p->context, piece, bytes, &mine.err);
        mine.stop = *asks = p->stop(p->context, piece);
        memcpy(bytes->data, &mine, sizeof mine);
    }
    return WELD_OK;
}

static weld_status check_words(const weld_group *g, const weld_gathered *all, weld_error *err) {
    for (int rank = 0; rank < all->count; rank++) {
        if (all->bytes[rank] < sizeof(word)) {
            return weld_group_fail_strange(g, rank, err);
        }
    }
    return WELD_OK;
}

/* Rank 0, of a round that all have done. */
static bool has_doubts(const weld_pieces *p, const weld_gathered *all) {
    bool doubts = false;
    for (int rank = 0; rank < all->count; rank++) {
        doubts |= p->doubts(p->context, rank, (const char *)all->data[rank] + sizeof(word),
                            all->bytes[rank] - sizeof(word));
    }
    return doubts;
}

/* Up to the first piece that failed. */
static void take_round(const weld_group *g, const weld_pieces *p, int64_t round,
                       const weld_gathered *all, word *out) {
    word said;
    for (int rank = 0; rank < all->count && !out->err.status; rank++) {
        const int64_t piece = round + rank;
        const char *data = all->data[rank];
        memcpy(&said, data, sizeof said);
        out->stop |= said.stop;
        if (said.err.status) {
            out->err = said.err;
            weld_group_fail_at(g, rank, said.err.status, &out->err);
        } else if (piece < p->end) {
            out->err.status = p->take(p->context, piece, data + sizeof said,
                                      all->bytes[rank] - sizeof said, &out->err);
        }
    }
}

/* Rank 0's, of a round that has been gathered; doubtful: when all have settled something. */
static word answer_to(const weld_group *g, const weld_pieces *p, int64_t round,
                      const weld_gathered *all, bool settled) {
    word answer = {.stop = false};
    if (!settled && !check_words(g, all, &answer.err)) {
        answer.doubtful = has_doubts(p, all);
    }
    if (!answer.err.status && !answer.doubtful) {
        take_round(g, p, round, all, &answer);
    }
    return answer;
}

/* What came of a round, on all ranks. */
static weld_status end_round(weld_group *g, const weld_pieces *p, int64_t round, weld_gathered *all,
                             bool *stopped, weld_error *err) {
    word answer = {.doubtful = true};
    weld_status status = weld_group_gather_end(g, all, err);
    for (bool settled = false; !status && answer.doubtful; settled = true) {
        if (weld_group_rank(g) == 0) {
            answer = answer_to(g, p, round, all, settled);
        }
        status = weld_group_broadcast(g, &answer, sizeof answer, err);
        status = !status && answer.doubtful ? p->settle(p->context, err) : status;
    }
    weld_gathered_free(all);
    WELD_TRY(status);
    *stopped = answer.stop && round + weld_group_size(g) < p->end;
    return answer.err.status ? weld_fail(err, answer.err.status, "%s", answer.err.message)
                             : WELD_OK;
}

static weld_status do_rounds(weld_group *g, const weld_pieces *p, int64_t first, bool *stopped,
                             weld_error *err) {
    const int64_t step = weld_pieces_step(g);
    weld_array bytes = {.element = 1};
    weld_gathered all = {0};
    weld_status status = WELD_OK;
    bool asks = false;
    for (int64_t round = first; !status && !*stopped && round < p->end; round += step) {
        status = say(g, p, round, &asks, &bytes, err);
        if (!status && round > first) {
            status = end_round(g, p, round - step, &all, stopped, err);
        }
        if (!status && !*stopped) {
            status = weld_group_gather_begin(g, bytes.data, bytes.count, &all, err);
        }
        if (!status && !*stopped && round + step >= p->end) {
            status = end_round(g, p, round, &all, stopped, err);
        }
    }
    weld_array_free(&bytes);
    return status;
}

weld_status weld_pieces_do(weld_group *g, const weld_pieces *p, bool *stopped, weld_error *err) {
    *stopped = false;
    if (!g) {
        return do_alone(p, stopped, err);
    }
    const bool compares = p->compared && p->first < p->end;
    WELD_TRY(compares ? do_first(g, p, err) : WELD_OK);
    return do_rounds(g, p, p->first + compares, stopped, err);
}
