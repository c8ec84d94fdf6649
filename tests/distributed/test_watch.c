/* What ranks say of one that has gone, does not answer, takes long, or sends nonsense. */
#include "base/error.h"
#include "distributed/group_state.h"
#include "ranks.h"
#include "suite.h"

/* The error that a rank meets when it waits for all to agree. */
static weld_error expect_break(weld_group *g, weld_status status) {
    weld_error err = {0};
    EXPECT(weld_group_agree(g, WELD_OK, &err) == status);
    EXPECT(weld_group_broken(g));
    weld_error again = {0};
    EXPECT(weld_group_broadcast(g, &again, 1, &again) == status);
    EXPECT(!strcmp(again.message, err.message));
    return err;
}

static void die_amid(weld_group *g, void *context) {
    (void)context;
    ranks_meet(3);
    if (weld_group_rank(g) == 1) {
        raise(SIGKILL);
    }
    const weld_error err = expect_break(g, WELD_ERROR_IO);
    EXPECT_TEXT(err.message, "rank 1 (here, pid ");
    EXPECT_TEXT(err.message, ") has gone: ");
    ranks_meet(5);
}

START_TEST(a_rank_that_dies_is_named) {
    int statuses[RANKS_MOST];
    ranks_group_call call = {die_amid, NULL};
    run_ranks(&(ranks_options){.size = 3}, ranks_call_group, &call, statuses);
    ck_assert_int_eq(statuses[0], 0);
    ck_assert_int_eq(statuses[1], 1000 + SIGKILL);
    ck_assert_int_eq(statuses[2], 0);
}
END_TEST

static void stop_answering(weld_group *g, void *context) {
    (void)context;
    if (weld_group_rank(g) == 2) {
        raise(SIGSTOP);
        exit(0);
    }
    const weld_error err = expect_break(g, WELD_ERROR_IO);
    if (weld_group_rank(g) == 0) { /* the lowest speaks, and is the first to give up */
        EXPECT_TEXT(err.message, "waiting for rank 2 (here, pid ");
        EXPECT_TEXT(err.message,
                    " s: it does not answer: given up: --rank-timeout 0 waits for ever");
        EXPECT_TEXT(ranks_notice, "waiting for rank 2 (here, pid ");
        EXPECT_TEXT(ranks_notice, ": it does not answer");
        kill(g->cards[2].pid, SIGKILL);
    } else {
        EXPECT(ranks_notices == 0);
    }
}

START_TEST(a_rank_that_does_not_answer_is_given_up) {
    int statuses[RANKS_MOST];
    ranks_group_call call = {stop_answering, NULL};
    run_ranks(&(ranks_options){.size = 3, .patience = 0.2, .timeout = 0.5}, ranks_call_group, &call,
              statuses);
    ck_assert_int_eq(statuses[0], 0);
    ck_assert_int_eq(statuses[1], 0);
    ck_assert_int_eq(statuses[2], 1000 + SIGKILL);
}
END_TEST

static void compute_long(weld_group *g, void *context) {
    (void)context;
    weld_error err = {0};
    weld_group_doing(g, "the evaluation");
    if (weld_group_rank(g) == 1) {
        usleep(2000000);
    }
    EXPECT(weld_group_agree(g, WELD_OK, &err) == WELD_OK);
    if (weld_group_rank(g) == 0) {
        EXPECT(ranks_notices >= 1);
        EXPECT_TEXT(ranks_notice, "waiting for rank 1 (here, pid ");
        EXPECT_TEXT(ranks_notice, " s, the evaluation: it still computes");
        EXPECT(weld_group_waited(g) > 0.3);
    } else {
        EXPECT(ranks_notices == 0);
    }
}

/* Rank 1 has rank 0 stopped while that waits, for longer than the time-out. */
static void stop_the_other(weld_group *g, void *context) {
    (void)context;
    weld_error err = {0};
    if (weld_group_rank(g) == 1) {
        usleep(100000);
        kill(g->cards[0].pid, SIGSTOP);
        usleep(1800000);
        kill(g->cards[0].pid, SIGCONT);
        usleep(200000);
    }
    EXPECT(weld_group_agree(g, WELD_OK, &err) == WELD_OK);
}

START_TEST(a_rank_that_was_stopped_and_goes_on_gives_nobody_up) {
    ck_assert(run_group(&(ranks_options){.size = 2, .timeout = 1.5}, stop_the_other, NULL));
}
END_TEST

START_TEST(a_rank_that_computes_long_is_told_from_one_that_is_gone) {
    ck_assert(run_group(&(ranks_options){.size = 3, .patience = 0.8}, compute_long, NULL));
}
END_TEST

static void end_early(weld_group *g, void *context) {
    (void)context;
    if (weld_group_rank(g) != 1) {
        const weld_error err = expect_break(g, WELD_ERROR_IO);
        if (weld_group_rank(g) == 0) { /* for whom rank 2 waits */
            EXPECT_TEXT(err.message, "rank 1 (here, pid ");
            EXPECT_TEXT(err.message, ") has ended the run before its time");
        }
    }
}

START_TEST(a_rank_that_ends_before_the_others_is_named) {
    int statuses[RANKS_MOST];
    ranks_group_call call = {end_early, NULL};
    run_ranks(&(ranks_options){.size = 3, .patience = 1}, ranks_call_group, &call, statuses);
    ck_assert_int_eq(statuses[0], 0);
    ck_assert_int_eq(statuses[2], 0);
}
END_TEST

/* Rank 1 has a failure of its own and cannot tell it. */
static void break_off(weld_group *g, void *context) {
    (void)context;
    ranks_meet(3);
    if (weld_group_rank(g) == 1) {
        weld_error err, again;
        weld_fail_memory(&err, "what it says");
        EXPECT(weld_group_break(g, WELD_ERROR_MEMORY, &err) == WELD_ERROR_MEMORY);
        again = expect_break(g, WELD_ERROR_MEMORY);
        EXPECT(!strcmp(again.message, err.message));
        return;
    }
    const weld_error err = expect_break(g, WELD_ERROR_IO);
    EXPECT_TEXT(err.message, "rank 1 (here, pid ");
    EXPECT_TEXT(err.message, ") has gone: ");
    ranks_meet(5);
}

START_TEST(a_rank_that_breaks_off_ends_all) {
    int statuses[RANKS_MOST];
    ranks_group_call call = {break_off, NULL};
    run_ranks(&(ranks_options){.size = 3}, ranks_call_group, &call, statuses);
    ck_assert_int_eq(statuses[0], 0);
    ck_assert_int_eq(statuses[1], 0);
    ck_assert_int_eq(statuses[2], 0);
}
END_TEST

static void send_garbage(weld_group *g, void *context) {
    const weld_said *garbage = context;
    weld_error err = {0};
    if (weld_group_rank(g) == 1) {
        weld_pending pending = {0};
        weld_message m = {.peer = 0,
                          .tag = WELD_TAG_GROUP,
                          .data = (void *)garbage,
                          .bytes = sizeof *garbage,
                          .pending = &pending};
        weld_progress_post(g->progress, &m);
        weld_progress_wait(g->progress, &pending, "", &err);
        EXPECT(weld_group_agree(g, WELD_OK, &err) == WELD_ERROR_IO);
        return;
    }
    weld_gathered all;
    EXPECT(weld_group_gather(g, "mine", 4, &all, &err) != WELD_OK);
    EXPECT_TEXT(err.message, "rank 1");
    EXPECT(weld_group_broken(g));
}

START_TEST(nonsense_of_another_rank_is_an_error) {
    weld_said garbage = {0x77656c66, 0, (uint64_t)1 << 62};
    ck_assert(run_group(&(ranks_options){.size = 2}, send_garbage, &garbage));
    garbage = (weld_said){0x77656c66, 7, 4};
    ck_assert(run_group(&(ranks_options){.size = 2}, send_garbage, &garbage));
    garbage = (weld_said){1, 0, 4};
    ck_assert(run_group(&(ranks_options){.size = 2}, send_garbage, &garbage));
}
END_TEST

static void do_different_things(weld_group *g, void *context) {
    (void)context;
    weld_error err = {0};
    int value = 0;
    if (weld_group_rank(g) == 0) {
        EXPECT(weld_group_broadcast(g, &value, sizeof value, &err) == WELD_OK ||
               weld_group_broken(g));
        EXPECT(weld_group_agree(g, WELD_OK, &err) == WELD_ERROR_IO);
        return;
    }
    char room[5];
    EXPECT(weld_group_broadcast(g, room, sizeof room, &err) == WELD_ERROR_IO);
    EXPECT_TEXT(err.message, "rank 0 sends 4 bytes where rank 1 has room for 5");
}

START_TEST(ranks_that_do_different_things_notice_it) {
    ck_assert(run_group(&(ranks_options){.size = 2}, do_different_things, NULL));
}
END_TEST

RUN_SUITE("distributed/watch", a_rank_that_dies_is_named, a_rank_that_does_not_answer_is_given_up,
          a_rank_that_was_stopped_and_goes_on_gives_nobody_up,
          a_rank_that_computes_long_is_told_from_one_that_is_gone,
          a_rank_that_ends_before_the_others_is_named, a_rank_that_breaks_off_ends_all,
          nonsense_of_another_rank_is_an_error, ranks_that_do_different_things_notice_it)
