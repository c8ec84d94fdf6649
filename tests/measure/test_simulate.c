/* Simulated schedules: by hand, and of a small training step and an inference. */
#include "base/memory.h"
#include "fixture.h"
#include "measure/bench.h"
#include "suite.h"

static weld_error err;

START_TEST(a_schedule_gives_each_item_to_the_thread_that_is_free_first) {
    const double items[] = {3, 1, 1, 1, 2};
    double free_at[64];
    ck_assert_double_eq(weld_schedule(items, 5, 1, free_at), 8);
    ck_assert_double_eq(weld_schedule(items, 5, 2, free_at), 5); /* 3 2; 1 1 1 */
    ck_assert_double_eq(weld_schedule(items, 5, 3, free_at), 3); /* 3; 1 1; 1 2 */
    ck_assert_double_eq(weld_schedule(items, 5, 64, free_at), 3);
}
END_TEST

static weld_bench_result simulate(bool train, int threads) {
    weld_weights *fixture = fixture_load("adamw.fixture");
    weld_model_config config = fixture_config(fixture);
    weld_bench_options o = {.batch = 8, .threads = threads, .steps = 2, .simulate = true};
    weld_bench_result result = {0};
    weld_status status = train ? weld_bench_training(&config, 32, 32, &o, &result, &err)
                               : weld_bench_network(&config, 32, 32, true, &o, &result, &err);
    ck_assert_msg(!status, "%s", err.message);
    weld_weights_free(fixture);
    return result;
}

static void check(const weld_bench_result *r, int threads, bool train) {
    const weld_simulated *s = &r->simulated;
    double work = 0, seconds = 0, alone = 0, before = INFINITY;
    bool update = false;
    ck_assert_int_eq(r->threads, threads);
    ck_assert_int_eq(s->threads, threads);
    ck_assert_double_eq(r->seconds, s->seconds);
    for (size_t i = 0; i < s->row_count; i++) {
        const weld_simulated_row *row = &s->rows[i];
        const double waiting = threads * row->seconds - row->work;
        ck_assert_double_ge(row->work, row->alone);
        ck_assert_double_ge(row->seconds * (1 + 1e-9), row->work / threads);
        ck_assert_double_le(row->seconds, row->work * (1 + 1e-9));
        ck_assert_int_ge(row->steps, 1);
        ck_assert_int_ge(row->items, 1);
        ck_assert_double_le(waiting, before); /* the worst first */
        before = waiting;
        update = update || strcmp(row->op, "adamw") == 0;
        work += row->work;
        seconds += row->seconds;
        alone += row->alone;
    }
    ck_assert_int_eq(update, train);
    ck_assert_double_eq_tol(work, s->work, 1e-9 * work);
    ck_assert_double_eq_tol(seconds, s->seconds, 1e-9 * seconds);
    ck_assert_double_eq_tol(alone, s->alone, 1e-9 * work);
}

START_TEST(one_thread_takes_as_long_as_all_its_work) {
    for (int train = 0; train < 2; train++) {
        weld_bench_result r = simulate(train, 1);
        check(&r, 1, train);
        ck_assert_double_eq_tol(r.seconds, r.simulated.work, 1e-9 * r.seconds);
        ck_assert_double_eq(r.simulated.alone, 0);
        weld_free(r.simulated.rows);
    }
}
END_TEST

START_TEST(many_threads_wait_for_each_other_and_for_what_is_done_alone) {
    for (int train = 0; train < 2; train++) {
        weld_bench_result r = simulate(train, 48);
        check(&r, 48, train);
        ck_assert_double_lt(r.seconds, r.simulated.work);
        ck_assert_double_gt(r.simulated.alone, 0);
        weld_free(r.simulated.rows);
    }
}
END_TEST

RUN_SUITE("measure/simulate", a_schedule_gives_each_item_to_the_thread_that_is_free_first,
          one_thread_takes_as_long_as_all_its_work,
          many_threads_wait_for_each_other_and_for_what_is_done_alone)
