/* Ranks as one thing: how they find each other, who they are, what they tell each other, on what
 * they agree. */
#include "distributed/group.h"

#include "base/memory.h"
#include "distributed/group_state.h"
#include "distributed/measure.h"
#include "ranks.h"
#include "suite.h"

/* --- Who and where ---------------------------------------------------------------------------- */

static void know_each_other(weld_group *g, void *context) {
    (void)context;
    char text[100];
    EXPECT(weld_group_size(g) == 4);
    EXPECT(weld_group_hosts(g) == 2);
    EXPECT(weld_group_ranks_at(g, weld_group_rank(g)) == 2);
    EXPECT(weld_group_index_here(g) == weld_group_rank(g) / 2);
    EXPECT(!strcmp(weld_group_say_where(g, 2, text, sizeof text), "rank 2 (a)"));
    EXPECT(!strcmp(weld_group_say_where(g, 3, text, sizeof text), "rank 3 (b)"));
    EXPECT(!weld_group_broken(g));
}

START_TEST(ranks_know_each_other_and_their_hosts) {
    const char *const hosts[] = {"a", "b", "a", "b"};
    ck_assert(run_group(&(ranks_options){.size = 4, .hosts = hosts}, know_each_other, NULL));
}
END_TEST

/* --- What they say ---------------------------------------------------------------------------- */

static void fill(unsigned char *data, size_t bytes, int seed) {
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (unsigned char)(i * 31 + (size_t)seed * 7 + i / 251);
    }
}

static void hear_rank_0(weld_group *g, void *context) {
    (void)context;
    static const size_t sizes[] = {0, 1, 1000, 3 << 20};
    weld_error err;
    for (int i = 0; i < 4; i++) {
        unsigned char *data = weld_alloc(sizes[i], 1), *expected = weld_alloc(sizes[i], 1);
        void *copy;
        size_t bytes;
        fill(expected, sizes[i], i);
        fill(data, sizes[i], weld_group_rank(g) == 0 ? i : 99);
        EXPECT(!weld_group_broadcast(g, data, sizes[i], &err));
        EXPECT(!memcmp(data, expected, sizes[i]));
        const bool speaks = weld_group_rank(g) == 0;
        EXPECT(
            !weld_group_tell(g, speaks ? data : NULL, speaks ? sizes[i] : 0, &copy, &bytes, &err));
        EXPECT(bytes == sizes[i] && !memcmp(copy, expected, bytes));
        EXPECT(((char *)copy)[bytes] == '\0');
        weld_free(copy);
        weld_free(data);
        weld_free(expected);
    }
}

static void gather_on_rank_0(weld_group *g, void *context) {
    (void)context;
    weld_error err;
    const int rank = weld_group_rank(g);
    for (int round = 0; round < 20; round++) {
        unsigned char mine[3000];
        weld_gathered all;
        const size_t bytes = (size_t)(rank * (round + 13) * 37 % 3000); /* rank 0 says nothing */
        fill(mine, bytes, rank);
        EXPECT(!weld_group_gather_begin(g, mine, bytes, &all, &err));
        memset(mine, 0, sizeof mine);
        EXPECT(!weld_group_gather_end(g, &all, &err));
        EXPECT(all.count == (rank == 0 ? weld_group_size(g) : 0));
        for (int r = 0; r < all.count; r++) {
            unsigned char expected[3000];
            const size_t its = (size_t)(r * (round + 13) * 37 % 3000);
            fill(expected, its, r);
            EXPECT(all.bytes[r] == its && !memcmp(all.data[r], expected, its));
        }
        weld_gathered_free(&all);
    }
}

START_TEST(what_rank_0_says_all_hear) {
    for (int size = 2; size <= 4; size++) {
        ck_assert(run_group(&(ranks_options){.size = size, .disorder = 5}, hear_rank_0, NULL));
    }
    hear_rank_0(NULL, NULL);
}
END_TEST

START_TEST(what_all_say_rank_0_hears_in_order) {
    for (int size = 2; size <= 4; size++) {
        ck_assert(run_group(&(ranks_options){.size = size, .disorder = 9}, gather_on_rank_0, NULL));
    }
    gather_on_rank_0(NULL, NULL);
}
END_TEST

/* --- Agreement -------------------------------------------------------------------------------- */

static void agree_on_lowest(weld_group *g, void *context) {
    (void)context;
    const int rank = weld_group_rank(g);
    weld_error err = {0};
    EXPECT(weld_group_agree(g, WELD_OK, &err) == WELD_OK);
    weld_status status = WELD_OK;
    if (rank > 0) {
        status = weld_fail(&err, rank == 1 ? WELD_ERROR_FORMAT : WELD_ERROR_IO, "disk of %d", rank);
    }
    EXPECT(weld_group_agree(g, status, &err) == WELD_ERROR_FORMAT);
    EXPECT(!strcmp(err.message, "rank 1 (here): disk of 1"));
    EXPECT(weld_group_agree(g, WELD_ERROR_FORMAT, &err) == WELD_ERROR_FORMAT);
    EXPECT(!strcmp(err.message, "rank 1 (here): disk of 1")); /* by whom is said once */
    status = rank == 0 ? weld_fail(&err, WELD_ERROR_MEMORY, "no memory") : WELD_OK;
    EXPECT(weld_group_agree(g, status, &err) == WELD_ERROR_MEMORY);
    EXPECT(!strcmp(err.message, "no memory"));
    EXPECT(!weld_group_broken(g));
}

START_TEST(the_lowest_rank_s_error_is_that_of_all) {
    ck_assert(run_group(&(ranks_options){.size = 3, .disorder = 3}, agree_on_lowest, NULL));
    weld_error err = {0};
    ck_assert_int_eq(weld_group_agree(NULL, WELD_ERROR_IO, &err), WELD_ERROR_IO);
}
END_TEST

/* --- Other calls on another rank -------------------------------------------------------------- */

/* What one rank does where the other does something else. */
typedef weld_status one_call(weld_group *g, weld_error *err);

static weld_status say_four(weld_group *g, weld_error *err) {
    int32_t data = weld_group_rank(g);
    return weld_group_broadcast(g, &data, sizeof data, err);
}

static weld_status say_eight(weld_group *g, weld_error *err) {
    int64_t data = weld_group_rank(g);
    return weld_group_broadcast(g, &data, sizeof data, err);
}

static weld_status tell_four(weld_group *g, weld_error *err) {
    void *told;
    size_t bytes;
    const weld_status status = weld_group_tell(g, "four", 4, &told, &bytes, err);
    weld_free(told);
    return status;
}

static weld_status hear_all(weld_group *g, weld_error *err) {
    weld_gathered all;
    const weld_status status = weld_group_gather(g, "all", 3, &all, err);
    weld_gathered_free(&all);
    return status;
}

static weld_status hear_all_twice(weld_group *g, weld_error *err) {
    const weld_status status = hear_all(g, err);
    return status ? status : hear_all(g, err);
}

static const struct {
    one_call *calls[2]; /* by rank */
    const char *says;
} others[] = {{{say_four, hear_all}, " is \"agree\"): the same program"},
              {{tell_four, say_four}, " does something else than rank "},
              {{say_four, tell_four}, " does something else than rank "},
              {{say_eight, say_four}, "rank 0 sends 8 bytes where rank 1 has room for 4"},
              {{hear_all, hear_all_twice}, " does something else than rank "},
              {{hear_all_twice, hear_all}, " does something else than rank "}};
enum { OTHERS = sizeof others / sizeof *others };

/* Whoever has said all that it had to has not noticed yet: it does where it waits next. */
static void call_otherwise(const ranks_options *o, socket_ranks *s, void *context) {
    const int which = *(const int *)context;
    weld_group *g = NULL;
    weld_error err = {0};
    EXPECT(ranks_open(o, s, &g, &err) == WELD_OK);
    weld_status status = others[which].calls[s->rank](g, &err);
    status = status ? status : weld_group_agree(g, WELD_OK, &err);
    EXPECT(status == WELD_ERROR_IO);
    EXPECT_TEXT_OR_GONE(err.message, others[which].says);
    weld_group_free(g);
}

START_TEST(ranks_that_do_not_do_the_same_fail) {
    for (int i = 0; i < OTHERS; i++) {
        int statuses[RANKS_MOST];
        run_ranks(&(ranks_options){.size = 2}, call_otherwise, &i, statuses);
        ck_assert_msg(ranks_found_it(statuses, 2), "case %d: %d, %d", i, statuses[0], statuses[1]);
    }
}
END_TEST

static void measure(weld_group *g, void *context) {
    (void)context;
    weld_error err = {0};
    weld_group_speed speed;
    EXPECT(!weld_group_measure(g, 0.1, &speed, &err));
    EXPECT(speed.latency > 0 && speed.latency < 60);
    EXPECT(speed.bandwidth > 1 && speed.bandwidth < 1e12);
    weld_group_speed of_rank_0 = speed;
    EXPECT(!weld_group_broadcast(g, &of_rank_0, sizeof of_rank_0, &err));
    EXPECT(!memcmp(&of_rank_0, &speed, sizeof speed));
}

START_TEST(the_speed_of_messages_is_measured_and_told_to_all) {
    ck_assert(run_group(&(ranks_options){.size = 3}, measure, NULL));
}
END_TEST

/* --- Short memory ----------------------------------------------------------------------------- */

static void open_with_short_memory(const ranks_options *o, socket_ranks *s, void *context) {
    (void)context;
    for (long after = 0;; after++) {
        weld_group *g = NULL;
        weld_error err = {0};
        weld_memory_fail_after(after);
        const weld_status status = ranks_open(o, s, &g, &err);
        weld_memory_fail_after(-1);
        weld_group_free(g);
        if (!status) {
            EXPECT(after > 4);
            return;
        }
        EXPECT(status == WELD_ERROR_MEMORY && !g);
    }
}

START_TEST(short_memory_opens_no_group) {
    int status;
    run_ranks(&(ranks_options){.size = 1}, open_with_short_memory, NULL, &status);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void gather_with_short_memory(weld_group *g, void *context) {
    const int who = *(const int *)context;
    weld_error err = {0};
    ranks_meet(2);
    weld_memory_fail_after(weld_group_rank(g) == who ? 0 : -1);
    const weld_status status = weld_group_agree(g, WELD_OK, &err);
    weld_memory_fail_after(-1);
    EXPECT(status == (weld_group_rank(g) == who ? WELD_ERROR_MEMORY : WELD_ERROR_IO));
    EXPECT(weld_group_broken(g));
}

START_TEST(short_memory_of_one_rank_breaks_the_group) {
    for (int who = 0; who < 2; who++) {
        ck_assert(run_group(&(ranks_options){.size = 2}, gather_with_short_memory, &who));
    }
}
END_TEST

/* --- The start -------------------------------------------------------------------------------- */

static void stay_away(const ranks_options *o, socket_ranks *s, void *context) {
    (void)context;
    weld_group *g = NULL;
    weld_error err = {0};
    if (s->rank == 2) {
        usleep(800000);
        exit(0);
    }
    EXPECT(ranks_open(o, s, &g, &err) == WELD_ERROR_IO);
    EXPECT_TEXT_OR_GONE(err.message, s->rank == 0
                                         ? "rank 0 (here) and rank 2 cannot reach each other"
                                         : "rank 1 (here) and rank 2 cannot reach each other");
    EXPECT_TEXT(err.message, "btl_tcp_if_include");
}

START_TEST(ranks_that_cannot_reach_each_other_are_named) {
    int statuses[RANKS_MOST];
    run_ranks(&(ranks_options){.size = 3, .patience = 0.4}, stay_away, NULL, statuses);
    ck_assert(ranks_found_it(statuses, 2));
}
END_TEST

static void send_bad_letter(const ranks_options *o, socket_ranks *s, void *context) {
    weld_group *g = NULL;
    weld_error err = {0};
    const size_t bytes = *(const size_t *)context;
    if (s->rank == 1) {
        char letter[200] = "weld of old";
        weld_transport t;
        socket_open(s, &t, &err);
        t.send(t.self, 0, WELD_TAG_GROUP, letter, bytes, NULL, &err);
        weld_transport_done done[4];
        int count = 0;
        for (int i = 0; i < 1000 && count == 0; i++) {
            t.test(t.self, done, 4, &count, &err);
            usleep(1000);
        }
        t.close(t.self);
        exit(0);
    }
    EXPECT(ranks_open(o, s, &g, &err) == WELD_ERROR_IO);
    EXPECT_TEXT(err.message, "rank 1 ");
}

START_TEST(another_program_is_not_taken_for_a_rank) {
    static const size_t sizes[] = {3, 104, 200};
    for (int i = 0; i < 3; i++) {
        int statuses[RANKS_MOST];
        size_t bytes = sizes[i];
        run_ranks(&(ranks_options){.size = 2}, send_bad_letter, &bytes, statuses);
        ck_assert_int_eq(statuses[0], 0);
    }
}
END_TEST

RUN_SUITE("distributed/group", ranks_know_each_other_and_their_hosts, what_rank_0_says_all_hear,
          what_all_say_rank_0_hears_in_order, the_lowest_rank_s_error_is_that_of_all,
          ranks_that_do_not_do_the_same_fail, the_speed_of_messages_is_measured_and_told_to_all,
          short_memory_opens_no_group, short_memory_of_one_rank_breaks_the_group,
          ranks_that_cannot_reach_each_other_are_named, another_program_is_not_taken_for_a_rank)
