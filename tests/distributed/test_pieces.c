/* Work in pieces that ranks share out: what rank 0 takes, and what all hear of one that fails. */
#include "distributed/pieces.h"

#include "base/error.h"
#include "base/memory.h"
#include "ranks.h"
#include "suite.h"

enum { SIZE = 3, END = 8 }; /* rounds 0 to 2, 3 to 5, and 6 with 7 */

/* What happens in the work, and what has come of it. */
typedef struct work {
    int64_t bad[2], stop_at, doubted; /* pieces; -1: none */
    bool compared, unsettled;         /* what is doubted cannot be settled */
    int short_rank;                   /* whose allocations fail after so many */
    long after;
    bool *enough;  /* all has gone well; in memory that ranks share */
    int64_t taken; /* pieces, so far */
    int settled;   /* how often, on this rank */
} work;

static const work well = {.bad = {-1, -1}, .stop_at = -1, .doubted = -1, .short_rank = -1};

static weld_status make(void *context, int64_t piece, weld_array *bytes, weld_error *err) {
    const work *w = context;
    if (piece == w->bad[0] || piece == w->bad[1]) {
        return weld_fail(err, WELD_ERROR_FORMAT, "piece %d is bad", (int)piece);
    }
    return weld_array_append(bytes, &piece, sizeof piece) ? WELD_OK
                                                          : weld_fail_memory(err, "a piece");
}

static bool doubts(void *context, int rank, const void *data, size_t bytes) {
    const work *w = context;
    int64_t piece;
    if (bytes == 0 || w->doubted < 0) {
        return false;
    }
    memcpy(&piece, data, sizeof piece);
    EXPECT(bytes == sizeof piece && piece % SIZE == rank);
    return piece == w->doubted;
}

static weld_status settle(void *context, weld_error *err) {
    work *w = context;
    w->settled++;
    return w->unsettled ? weld_fail(err, WELD_ERROR_FORMAT, "it cannot be settled") : WELD_OK;
}

static weld_status take(void *context, int64_t piece, const void *data, size_t bytes,
                        weld_error *err) {
    (void)err;
    work *w = context;
    EXPECT(piece == w->taken++);
    EXPECT(w->doubted < 0 || w->settled == (piece / SIZE >= w->doubted / SIZE));
    EXPECT(bytes == sizeof piece && !memcmp(data, &piece, sizeof piece));
    return WELD_OK;
}

static bool stop(void *context, int64_t piece) {
    return piece == ((const work *)context)->stop_at;
}

static weld_status work_off(weld_group *g, work *w, bool *stopped, weld_error *err) {
    const weld_pieces p = {.end = END,
                           .compared = w->compared,
                           .what = "piece",
                           .make = make,
                           .doubts = doubts,
                           .settle = settle,
                           .take = take,
                           .stop = stop,
                           .context = w};
    memset(err, 0, sizeof *err);
    return weld_pieces_do(g, &p, stopped, err);
}

/* So many pieces are taken, by rank 0, before all hear this failure (NULL: none). */
static void expect(weld_group *g, work w, const char *failure, int64_t taken, bool stops) {
    weld_error err;
    bool stopped;
    const weld_status status = work_off(g, &w, &stopped, &err);
    EXPECT(status == (failure ? WELD_ERROR_FORMAT : WELD_OK));
    EXPECT(!failure || !strcmp(err.message, failure));
    EXPECT(w.taken == (weld_group_rank(g) == 0 ? taken : 0));
    EXPECT(stopped == stops);
    EXPECT(w.settled == (w.doubted >= 0));
}

static void do_all(weld_group *g, void *context) {
    (void)context;
    work w = well;
    expect(g, w, NULL, END, false);
    w.compared = true;
    expect(g, w, NULL, END, false);
}

START_TEST(all_pieces_are_taken_in_order) {
    do_all(NULL, NULL);
    for (int size = 2; size <= 4; size++) {
        ck_assert(run_group(&(ranks_options){.size = size, .disorder = 5}, do_all, NULL));
    }
}
END_TEST

static void fail_some(weld_group *g, void *context) {
    (void)context;
    work w = well;
    w.bad[0] = 4; /* the second of its round */
    expect(g, w, "rank 1 (here): piece 4 is bad", 4, false);
    w.bad[1] = 5;
    expect(g, w, "rank 1 (here): piece 4 is bad", 4, false);
    w.bad[0] = 3;
    expect(g, w, "piece 3 is bad", 3, false);
    w.bad[0] = 7; /* the last of all */
    w.bad[1] = -1;
    expect(g, w, "rank 1 (here): piece 7 is bad", 7, false);
    EXPECT(!weld_group_broken(g));
}

START_TEST(all_hear_of_the_first_that_fails_and_those_before_it_are_taken) {
    ck_assert(run_group(&(ranks_options){.size = SIZE, .disorder = 7}, fail_some, NULL));
}
END_TEST

static void stop_some(weld_group *g, void *context) {
    (void)context;
    work w = well;
    w.stop_at = 1;
    expect(g, w, NULL, 3, true);
    w.stop_at = 5;
    expect(g, w, NULL, 6, true);
    w.stop_at = 6; /* in the last round */
    expect(g, w, NULL, END, false);
    w.stop_at = 7;
    expect(g, w, NULL, END, false);
}

START_TEST(it_ends_after_the_round_in_which_a_rank_asks_but_the_last) {
    ck_assert(run_group(&(ranks_options){.size = SIZE, .disorder = 3}, stop_some, NULL));
}
END_TEST

static void doubt_some(weld_group *g, void *context) {
    (void)context;
    work w = well;
    for (w.doubted = 0; w.doubted < END; w.doubted++) {
        w.unsettled = false;
        expect(g, w, NULL, END, false);
        w.unsettled = true;
        expect(g, w, "it cannot be settled", w.doubted / SIZE * SIZE, false);
    }
    w.unsettled = false;
    w.doubted = 4;
    w.bad[0] = 5; /* of the same round */
    expect(g, w, "rank 2 (here): piece 5 is bad", 5, false);
    EXPECT(!weld_group_broken(g));
}

START_TEST(nothing_of_a_round_is_taken_before_all_have_settled_what_is_doubted_of_it) {
    ck_assert(run_group(&(ranks_options){.size = SIZE, .disorder = 9}, doubt_some, NULL));
}
END_TEST

static void lack_memory(weld_group *g, void *context) {
    work w = *(const work *)context;
    weld_error err;
    bool stopped;
    ranks_meet(2);
    weld_memory_fail_after(weld_group_rank(g) == w.short_rank ? w.after : -1);
    const weld_status status = work_off(g, &w, &stopped, &err);
    weld_memory_fail_after(-1);
    EXPECT(status == WELD_OK || strstr(err.message, "out of memory") ||
           strstr(err.message, ") has gone: "));
    EXPECT(status || weld_group_rank(g) > 0 || w.taken == END);
    if (weld_group_rank(g) == w.short_rank) {
        *w.enough = !status;
    }
}

START_TEST(short_memory_of_a_rank_ends_all) {
    bool *enough =
        mmap(NULL, sizeof *enough, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(enough != MAP_FAILED);
    for (int rank = 0; rank < 2; rank++) {
        work w = well;
        w.short_rank = rank;
        w.enough = enough;
        *enough = false;
        for (w.after = 0; !*enough && w.after < 200; w.after++) {
            ck_assert(run_group(&(ranks_options){.size = 2}, lack_memory, &w));
            ck_assert(w.after > 0 || !*enough);
        }
        ck_assert(*enough);
    }
    munmap(enough, sizeof *enough);
}
END_TEST

RUN_SUITE("distributed/pieces", all_pieces_are_taken_in_order,
          all_hear_of_the_first_that_fails_and_those_before_it_are_taken,
          it_ends_after_the_round_in_which_a_rank_asks_but_the_last,
          nothing_of_a_round_is_taken_before_all_have_settled_what_is_doubted_of_it,
          short_memory_of_a_rank_ends_all)
