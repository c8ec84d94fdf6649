/* Gradients over ranks: the mean is that of the tree's definition, to the bit, for any number of
 * groups, ranks and shares, in any order of messages; and what happens where ranks fail. */
#include "distributed/chain.h"
#include "distributed/exchange_state.h"
#include "exchange_job.h"
#include "ranks.h"
#include "suite.h"

START_TEST(the_mean_is_the_tree_s_for_any_number_of_groups_and_ranks) {
    static const int64_t groups[] = {1, 2, 3, 4, 5, 6, 8, 11, 21};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        job j = plain;
        j.groups = groups[i];
        exchange_all(NULL, &j);
        for (int ranks = 2; ranks <= groups[i] && ranks <= 6; ranks += groups[i] > 6 ? 2 : 1) {
            const unsigned disorder = (unsigned)(groups[i] * 10 + ranks);
            ck_assert(
                run_group(&(ranks_options){.size = ranks, .disorder = disorder}, exchange_all, &j));
        }
    }
}
END_TEST

START_TEST(the_mean_is_the_same_for_any_shares) {
    static const weld_groups shares[][3] = {{{0, 1}, {1, 1}, {2, 9}},
                                            {{0, 9}, {9, 1}, {10, 1}},
                                            {{0, 3}, {3, 5}, {8, 3}},
                                            {{0, 5}, {5, 2}, {7, 4}}};
    for (int i = 0; i < 4; i++) {
        job j = plain;
        j.groups = 11;
        j.shares = shares[i];
        ck_assert(run_group(&(ranks_options){.size = 3, .disorder = 1}, exchange_all, &j));
    }
}
END_TEST

START_TEST(one_process_adds_large_gradients_with_several_threads) {
    job j = plain;
    j.groups = 3;
    j.large = true;
    exchange_all(NULL, &j);
}
END_TEST

START_TEST(large_gradients_go_in_several_buckets) {
    job j = plain;
    j.groups = 3;
    j.large = true;
    ck_assert(run_group(&(ranks_options){.size = 2}, exchange_all, &j));
    ck_assert(run_group(&(ranks_options){.size = 3, .disorder = 4}, exchange_all, &j));
}
END_TEST

/* What is ready early is there before the update is finished, if the others are as far. */
static void count_early(weld_group *g, void *context) {
    const job *j = context;
    weld_tensor gradients[GRADIENTS];
    const weld_tensor *means;
    weld_exchange *x = NULL;
    weld_error err = {0};
    EXPECT(!create(g, j, gradients, &x, &err));
    weld_exchange_begin(x, 0);
    weld_exchange_add(x, weld_group_rank(g), 0, gradients);
    fill_group(gradients, j, 0, weld_group_rank(g));
    weld_exchange_ready(x, 8); /* all but the last bucket */
    size_t due = 0;
    for (int i = 0; i < x->bucket_count - 1; i++) {
        due += weld_blocks_moved(x->buckets[i].blocks);
    }
    while (atomic_load(&x->moved) < due) {
        EXPECT(!weld_group_broken(g));
        usleep(1000);
    }
    EXPECT(!weld_exchange_finish(x, &means, &err));
    expect_means(means, j, 0);
    const weld_exchange_facts facts = weld_exchange_facts_of(x);
    EXPECT(facts.early > 0.5 * facts.all && facts.early < facts.all);
    EXPECT(facts.moved == (size_t)facts.all);
    const weld_exchange_load load = weld_exchange_load_of(x);
    EXPECT(load.buckets == x->bucket_count && load.moment_count == x->bucket_count);
    EXPECT(load.moments[0].bytes == load.bytes && load.moments[0].lead > 0);
    for (int i = 1; i < load.moment_count; i++) {
        EXPECT(load.moments[i].bytes < load.moments[i - 1].bytes);
        EXPECT(load.moments[i].lead <= load.moments[i - 1].lead && load.moments[i].lead >= 0);
    }
    EXPECT(load.last == load.moments[load.moment_count - 1].bytes);
    end(x, gradients);
}

START_TEST(what_is_ready_goes_while_the_rest_is_computed) {
    job j = plain;
    j.groups = 2;
    j.large = true;
    ck_assert(run_group(&(ranks_options){.size = 2}, count_early, &j));
}
END_TEST

/* --- Beside other messages -------------------------------------------------------------------- */

enum { STATE = 40 };

static void move_state(void *context, size_t tensor, int64_t begin, int64_t end,
                       const double *values, void *state) {
    (void)context;
    (void)tensor;
    float *s = state;
    for (int64_t i = 0; i < end - begin; i++) {
        s[i] = 0.9f * s[i] + 0.1f * (float)values[i];
    }
}

static void fill_values(double *values, int64_t update, int64_t group) {
    for (int e = 0; e < STATE; e++) {
        values[e] = value(update, group, 7, e);
    }
}

/* This rank's groups; with the last one's statistics its record goes off, while gradients are still
 * to come. */
static void compute_beside(weld_group *g, weld_exchange *x, weld_chain *c, const job *j,
                           weld_tensor *gradients, int64_t update, weld_gathered *records) {
    double values[STATE];
    const weld_tensor given = {WELD_F64, WELD_SHAPE(STATE), values};
    const weld_groups share = share_of(j, g);
    weld_error err = {0};
    for (int64_t i = share.first; i < share.first + share.count; i++) {
        weld_exchange_add(x, i, 0, gradients);
        fill_group(gradients, j, update, i);
        fill_values(values, update, i);
        weld_chain_add(c, i, &given, 1);
        if (i == share.first + share.count - 1) {
            EXPECT(!weld_group_gather_begin(g, &share, sizeof share, records, &err));
        }
        weld_exchange_ready(x, 8);
        weld_exchange_ready(x, 40);
    }
}

/* Rank 0 counts the groups of all records, and tells all. */
static void expect_verdict(weld_group *g, const job *j, weld_gathered *records) {
    int64_t told = 0;
    weld_error err = {0};
    EXPECT(!weld_group_gather_end(g, records, &err));
    for (int r = 0; r < records->count; r++) {
        told += ((const weld_groups *)records->data[r])->count;
    }
    weld_gathered_free(records);
    EXPECT(!weld_group_broadcast(g, &told, sizeof told, &err));
    EXPECT(told == j->groups);
}

/* Updates as training makes them. */
static void update_all(weld_group *g, void *context) {
    const job *j = context;
    weld_tensor gradients[GRADIENTS];
    const weld_tensor *means;
    weld_exchange *x = NULL;
    weld_chain *c = NULL;
    weld_error err = {0};
    float state[STATE] = {0}, expected[STATE] = {0};
    const weld_tensor states = {WELD_F32, WELD_SHAPE(STATE), state};
    const weld_chain_options options = {
        .groups = j->groups, .state = &states, .count = 1, .move = move_state};
    EXPECT(!create(g, j, gradients, &x, &err));
    EXPECT(!weld_chain_create(g, &options, &c, &err));
    for (int64_t update = 0; update < 10; update++) {
        weld_gathered records = {0};
        weld_exchange_begin(x, update);
        weld_chain_begin(c, update, &states);
        compute_beside(g, x, c, j, gradients, update, &records);
        expect_verdict(g, j, &records);
        EXPECT(!weld_exchange_finish(x, &means, &err));
        EXPECT(!weld_chain_finish(c, &states, &err));
        expect_means(means, j, update);
        for (int64_t i = 0; i < j->groups; i++) {
            double values[STATE];
            fill_values(values, update, i);
            move_state(NULL, 0, 0, STATE, values, expected);
        }
        EXPECT(!memcmp(state, expected, sizeof state));
    }
    weld_chain_free(c);
    end(x, gradients);
}

START_TEST(statistics_and_records_go_beside_gradients) {
    job j = plain;
    j.groups = 6;
    update_all(NULL, &j);
    for (int ranks = 2; ranks <= 4; ranks++) {
        ck_assert(run_group(&(ranks_options){.size = ranks, .disorder = 6}, update_all, &j));
    }
}
END_TEST

/* --- Faults ----------------------------------------------------------------------------------- */

START_TEST(a_rank_without_gradients_holds_nobody_up) {
    for (int rank = 0; rank < 3; rank++) {
        job j = plain;
        j.groups = 5;
        j.fail_rank = rank;
        ck_assert(run_group(&(ranks_options){.size = 3, .disorder = 2}, exchange_all, &j));
    }
}
END_TEST

static void expect_failure(weld_group *g, void *context) {
    const job *j = context;
    weld_tensor gradients[GRADIENTS];
    const weld_tensor *means;
    weld_exchange *x = NULL;
    weld_error err = {0};
    EXPECT(!create(g, j, gradients, &x, &err));
    weld_status status = WELD_OK;
    for (int64_t update = 0; update < UPDATES && !status; update++) {
        compute(g, x, j, gradients, update);
        status = weld_exchange_finish(x, &means, &err);
    }
    EXPECT(status == WELD_ERROR_IO);
    EXPECT(weld_group_broken(g));
    if (j->die_rank >= 0) {
        EXPECT_TEXT(err.message, "rank 2 (here, pid ");
        ranks_meet(2);
    }
    end(x, gradients);
    if (j->odd > 0) {
        EXPECT_TEXT_OR_GONE(err.message, " due");
    }
}

START_TEST(a_rank_that_dies_amid_an_update_is_named) {
    int statuses[RANKS_MOST];
    job j = plain;
    j.groups = 4;
    j.die_rank = 2;
    ranks_group_call call = {expect_failure, &j};
    run_ranks(&(ranks_options){.size = 3}, ranks_call_group, &call, statuses);
    ck_assert_int_eq(statuses[2], 1000 + SIGKILL);
    ck_assert_int_eq(statuses[0], 0);
    ck_assert_int_eq(statuses[1], 0);
}
END_TEST

START_TEST(gradients_of_other_sizes_are_an_error) {
    int statuses[RANKS_MOST];
    job j = plain;
    j.groups = 2;
    j.odd = 100000;
    ranks_group_call call = {expect_failure, &j};
    run_ranks(&(ranks_options){.size = 2}, ranks_call_group, &call, statuses);
    ck_assert(ranks_found_it(statuses, 2));
}
END_TEST

START_TEST(shares_must_be_all_groups_in_order) {
    static const weld_groups wrong[][2] = {
        {{0, 2}, {2, 2}}, {{0, 2}, {3, 2}}, {{0, 5}, {5, 0}}, {{2, 3}, {0, 2}}, {{0, 2}, {2, 4}}};
    weld_groups *shares = NULL;
    weld_error err;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(weld_shares_create(5, 2, wrong[i], &shares, &err), WELD_ERROR_ARGUMENT);
    }
    ck_assert_int_eq(weld_shares_create(2, 3, NULL, &shares, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_shares_create(8, 3, NULL, &shares, &err), WELD_OK);
    ck_assert_int_eq(shares[0].count, 3);
    ck_assert_int_eq(shares[1].first, 3);
    ck_assert_int_eq(shares[2].count, 2);
    weld_free(shares);
}
END_TEST

START_TEST(short_memory_is_an_error) {
    for (long after = 0;; after++) {
        weld_tensor gradients[GRADIENTS];
        weld_exchange *x = NULL;
        weld_error err = {0};
        const size_t *const ready[1] = {ready_first};
        for (int i = 0; i < GRADIENTS; i++) {
            gradients[i] = (weld_tensor){.dtype = WELD_F32, .shape = WELD_SHAPE(10), .data = &err};
        }
        const weld_exchange_options options = {.groups = 3,
                                               .gradients = gradients,
                                               .count = GRADIENTS,
                                               .plans = 1,
                                               .ready = ready,
                                               .kernels = weld_kernels_ref_f32()};
        weld_memory_fail_after(after);
        const weld_status status = weld_exchange_create(NULL, &options, &x, &err);
        weld_memory_fail_after(-1);
        weld_exchange_free(x);
        if (!status) {
            ck_assert_int_gt(after, 3);
            return;
        }
        ck_assert_int_eq(status, WELD_ERROR_MEMORY);
        ck_assert_ptr_null(x);
    }
}
END_TEST

RUN_SUITE("distributed/exchange", the_mean_is_the_tree_s_for_any_number_of_groups_and_ranks,
          the_mean_is_the_same_for_any_shares,
          one_process_adds_large_gradients_with_several_threads,
          large_gradients_go_in_several_buckets, what_is_ready_goes_while_the_rest_is_computed,
          statistics_and_records_go_beside_gradients, a_rank_without_gradients_holds_nobody_up,
          a_rank_that_dies_amid_an_update_is_named, gradients_of_other_sizes_are_an_error,
          shares_must_be_all_groups_in_order, short_memory_is_an_error)
