/* A rank that has no memory for an update ends all, which say so: none goes on alone, none waits
 * for ever. */
#define _GNU_SOURCE
#include "base/memory.h"
#include "train/rank_runs.h"
#include "train/update.h"

/* The rank whose allocations fail in the second update, after so many. */
typedef struct shortage {
    int rank;
    long after;
} shortage;

/* Into BASE/said.RANK: what came of that update. */
static void update_with_short_memory(weld_group *group, void *context) {
    const shortage *s = context;
    char out[32], path[32], said[WELD_ERROR_MESSAGE_SIZE + 16];
    weld_step_metrics row;
    snprintf(out, sizeof out, "a%ld", s->after);
    weld_trainer *t = open_trainer(group, out, (weld_train_callbacks){0});
    EXPECT(weld_trainer_update(t, &row, &err) == WELD_OK);
    ranks_meet(2);
    memset(&err, 0, sizeof err);
    weld_memory_fail_after(weld_group_rank(group) == s->rank ? s->after : -1);
    const weld_status status = weld_trainer_update(t, &row, &err);
    weld_memory_fail_after(-1);
    snprintf(said, sizeof said, "%d %s", status, err.message);
    snprintf(path, sizeof path, "said.%d", weld_group_rank(group));
    write_text(in_base(path), said);
    weld_trainer_close(t);
    free(t);
}

static int said_by(int rank, char *message) {
    char path[32];
    int status = 0, at = 0;
    snprintf(path, sizeof path, "said.%d", rank);
    char *text = read_text(in_base(path));
    ck_assert_int_eq(sscanf(text, "%d %n", &status, &at), 1);
    snprintf(message, WELD_ERROR_MESSAGE_SIZE, "%s", text + at);
    free(text);
    return status;
}

/* Until there is enough for all of the update. The other rank hears of it, or that it has gone. */
static void lack_memory_on(int rank) {
    char its[WELD_ERROR_MESSAGE_SIZE], other[WELD_ERROR_MESSAGE_SIZE];
    int status = WELD_ERROR_MEMORY;
    set_up_everything();
    for (shortage s = {.rank = rank}; status; s.after += s.after < 8 ? 1 : 4) {
        ck_assert(run_group(&(ranks_options){.size = 2}, update_with_short_memory, &s));
        status = said_by(rank, its);
        const int of_other = said_by(1 - rank, other);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert_int_eq(status == WELD_OK, of_other == WELD_OK);
        ck_assert_int_eq(status == WELD_OK, strstr(its, "out of memory") == NULL);
        ck_assert(of_other == status || strstr(other, ") has gone: ") != NULL);
        ck_assert(s.after > 0 || status);
    }
    tear_down();
}

START_TEST(short_memory_of_the_first_rank_ends_all) {
    lack_memory_on(0);
}
END_TEST

START_TEST(so_does_that_of_another) {
    lack_memory_on(1);
}
END_TEST

RUN_SUITE("train/rank_memory", short_memory_of_the_first_rank_ends_all, so_does_that_of_another)
