/* Runs whose steps compute blocks or stages again end as one that keeps all, and may be resumed
 * with another train.recompute. */
#define _GNU_SOURCE
#include "train/rank_runs.h"

#define DEEPER "model.depths=[4, 4]"

/* With several batches an update, averages and all that is drawn by chance. */
static void compare_resumed(const char *precision) {
    static const char *const kinds[] = {"train.recompute=block", "train.recompute=stage",
                                        "train.recompute=none"};
    set_up_everything();
    run_well((run_options){.out = "kept", .recipe = "all.yaml", .set = {DEEPER, precision}});
    ck_assert_int_eq(result.step, 6);
    const size_t kept = seen.start.memory_bytes;
    for (int i = 0; i < 3; i++) {
        run_well((run_options){.out = "again",
                               .recipe = "all.yaml",
                               .set = {DEEPER, precision, kinds[i]},
                               .resume = true,
                               .threads = 1 + i,
                               .stop_at = i < 2 ? 2 * (i + 1) - 1 : 0});
        ck_assert(i < 2 ? seen.start.memory_bytes < kept : result.step == 6);
    }
    assert_same_run("kept", "again");
    tear_down();
}

START_TEST(a_run_resumed_with_another_ends_as_one_that_keeps_all) {
    compare_resumed("train.precision=fp32");
}
END_TEST

START_TEST(likewise_in_bf16) {
    compare_resumed("train.precision=bf16");
}
END_TEST

START_TEST(ranks_that_compute_blocks_again_come_to_the_same) {
    set_up_everything();
    run_well((run_options){.out = "one", .recipe = "all.yaml", .set = {DEEPER}});
    run_over(3, (run_options){
                    .out = "by3", .recipe = "all.yaml", .set = {DEEPER, "train.recompute=block"}});
    assert_same_run("one", "by3");
    tear_down();
}
END_TEST

RUN_SUITE("train/recompute_runs", a_run_resumed_with_another_ends_as_one_that_keeps_all,
          likewise_in_bf16, ranks_that_compute_blocks_again_come_to_the_same)
