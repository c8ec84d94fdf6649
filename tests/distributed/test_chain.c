/* State that groups move one after the other, over ranks: as one process does it. */
#include "distributed/chain.h"

#include "base/memory.h"
#include "ranks.h"
#include "suite.h"

enum { TENSORS = 4, MOST = 300 };
static const int64_t counts[TENSORS] = {5, 5, 300, 17};

typedef struct job {
    int64_t groups;
    const weld_groups *shares;
    weld_dtype dtype;
    int fail_rank; /* has no values in the second update; -1: none */
    const double *momenta;
} job;

static double value(int64_t update, int64_t group, int64_t tensor, int64_t element) {
    return (double)((update * 31 + group * 17 + tensor * 7 + element * 13) % 1009) / 97 - 3;
}

/* running = (1 - momentum) running + momentum value, each tensor with a momentum of its own. */
static void move(void *context, size_t tensor, int64_t begin, int64_t end, const double *values,
                 void *state) {
    const job *j = context;
    for (int64_t i = 0; i < end - begin; i++) {
        const double m = j->momenta[tensor];
        if (j->dtype == WELD_F32) {
            float *s = state;
            s[i] = (float)((1 - m) * s[i] + m * values[i]);
        } else {
            double *s = state;
            s[i] = (1 - m) * s[i] + m * values[i];
        }
    }
}

/* One group after the other, in a loop. */
static void move_all(const job *j, int64_t update, unsigned char state[TENSORS][8 * MOST]) {
    for (int64_t group = 0; group < j->groups; group++) {
        for (int t = 0; t < TENSORS; t++) {
            double values[MOST];
            for (int64_t e = 0; e < counts[t]; e++) {
                values[e] = value(update, group, t, e);
            }
            move((void *)j, (size_t)t, 0, counts[t], values, state[t]);
        }
    }
}

static void run_chain(weld_group *g, void *context) {
    const job *j = context;
    unsigned char state[TENSORS][8 * MOST] = {{0}}, expected[TENSORS][8 * MOST] = {{0}};
    double values[MOST + 5 + 5 + 17];
    weld_tensor tensors[TENSORS];
    weld_chain *c = NULL;
    weld_error err = {0};
    for (int t = 0; t < TENSORS; t++) {
        tensors[t] = (weld_tensor){j->dtype, WELD_SHAPE(counts[t]), state[t]};
    }
    const weld_chain_options options = {.groups = j->groups,
                                        .shares = j->shares,
                                        .state = tensors,
                                        .count = TENSORS,
                                        .move = move,
                                        .context = (void *)j};
    EXPECT(!weld_chain_create(g, &options, &c, &err));
    const int rank = weld_group_rank(g);
    const weld_groups share =
        j->shares ? j->shares[rank] : weld_share_of(j->groups, weld_group_size(g), rank);
    for (int64_t update = 0; update < 3; update++) {
        weld_chain_begin(c, update, tensors);
        for (int64_t i = share.first; i < share.first + share.count; i++) {
            int64_t at = 0;
            for (int t = 0; t < TENSORS; t++) {
                for (int64_t e = 0; e < counts[t]; e++) {
                    values[at++] = value(update, i, t, e);
                }
            }
            /* The first two tensors as one, [2, 5], as batch norm has them. */
            const weld_tensor given[] = {{WELD_F64, WELD_SHAPE(2, 5), values},
                                         {WELD_F64, WELD_SHAPE(300), values + 10},
                                         {WELD_F64, WELD_SHAPE(17), values + 310}};
            if (update != 1 || rank != j->fail_rank) {
                weld_chain_add(c, i, given, 3);
            }
        }
        EXPECT(!weld_chain_finish(c, tensors, &err));
        if (update == 1 && j->fail_rank >= 0) {
            break; /* no update is made of it */
        }
        move_all(j, update, expected);
        EXPECT(!memcmp(state, expected, sizeof state));
    }
    weld_chain_free(c);
}

static const double momenta[TENSORS] = {0.1, 0.1, 0.03, 1};

START_TEST(state_moves_as_in_one_process) {
    static const int64_t groups[] = {1, 2, 3, 5, 8};
    for (int i = 0; i < 5; i++) {
        job j = {.groups = groups[i], .fail_rank = -1, .momenta = momenta};
        j.dtype = i % 2 ? WELD_F64 : WELD_F32;
        run_chain(NULL, &j);
        for (int ranks = 2; ranks <= groups[i] && ranks <= 5; ranks++) {
            ck_assert(run_group(&(ranks_options){.size = ranks, .disorder = 7}, run_chain, &j));
        }
    }
}
END_TEST

START_TEST(state_moves_the_same_for_any_shares) {
    static const weld_groups shares[][3] = {{{0, 1}, {1, 1}, {2, 5}}, {{0, 4}, {4, 1}, {5, 2}}};
    for (int i = 0; i < 2; i++) {
        job j = {.groups = 7, .fail_rank = -1, .momenta = momenta, .dtype = WELD_F32};
        j.shares = shares[i];
        ck_assert(run_group(&(ranks_options){.size = 3, .disorder = 8}, run_chain, &j));
    }
}
END_TEST

START_TEST(a_rank_without_values_holds_nobody_up) {
    job j = {.groups = 4, .fail_rank = 1, .momenta = momenta, .dtype = WELD_F32};
    ck_assert(run_group(&(ranks_options){.size = 2, .disorder = 8}, run_chain, &j));
}
END_TEST

static void run_empty(weld_group *g, void *context) {
    (void)context;
    weld_chain *c = NULL;
    weld_error err = {0};
    const weld_chain_options options = {.groups = 2, .move = move};
    EXPECT(!weld_chain_create(g, &options, &c, &err));
    weld_chain_begin(c, 0, NULL);
    weld_chain_add(c, weld_group_rank(g), NULL, 0);
    EXPECT(!weld_chain_finish(c, NULL, &err));
    weld_chain_free(c);
}

START_TEST(nothing_to_move_is_no_case_of_its_own) {
    ck_assert(run_group(&(ranks_options){.size = 2}, run_empty, NULL));
}
END_TEST

START_TEST(short_memory_is_an_error) {
    for (long after = 0;; after++) {
        weld_tensor state = {WELD_F32, WELD_SHAPE(10), NULL};
        weld_chain *c = NULL;
        weld_error err = {0};
        const weld_chain_options options = {.groups = 3, .state = &state, .count = 1, .move = move};
        weld_memory_fail_after(after);
        const weld_status status = weld_chain_create(NULL, &options, &c, &err);
        weld_memory_fail_after(-1);
        weld_chain_free(c);
        if (!status) {
            ck_assert_int_gt(after, 3);
            return;
        }
        ck_assert_int_eq(status, WELD_ERROR_MEMORY);
        ck_assert_ptr_null(c);
    }
}
END_TEST

RUN_SUITE("distributed/chain", state_moves_as_in_one_process, state_moves_the_same_for_any_shares,
          a_rank_without_values_holds_nobody_up, nothing_to_move_is_no_case_of_its_own,
          short_memory_is_an_error)
