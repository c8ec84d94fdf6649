/* Ranks on cpus of several kinds, which round otherwise in kernels and in libm: with `mixed` their
 * replicas stay the same, and a run comes to the same again; without it such ranks are refused. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>

#include "kernels/kernels.h"
#include "train/rank_runs.h"

/* --- Another libm, in processes that are `old` --- */

static bool old;

/* Real ones differ in the last bit, which a run as small as these would seldom show in its weights.
 */
static double rounded(double x) {
    return old ? x * (1 + 0x1p-20) : x;
}

double pow(double x, double y) {
    double (*its)(double, double);
    void *found = dlsym(RTLD_NEXT, "pow");
    memcpy(&its, &found, sizeof its);
    return rounded(its(x, y));
}

double cos(double x) {
    double (*its)(double);
    void *found = dlsym(RTLD_NEXT, "cos");
    memcpy(&its, &found, sizeof its);
    return rounded(its(x));
}

/* --- Runs --- */

/* Mixup mixes all batches, the first one too, by what libm comes to. */
static run_options options(const char *out) {
    return (run_options){
        .recipe = "all.yaml",
        .out = out,
        .mixed = true,
        .set = {"augment.cutmix=null", "optimizer.layer_decay=0.7", "schedule.warmup_epochs=0"}};
}

/* Rank 1 is on an old cpu. */
static void run_kinds(weld_group *group, void *context) {
    old = weld_group_rank(group) == 1;
    setenv("WELD_ISA", old ? "ref" : "", 1);
    run_rank(group, context);
}

static void run_mixed(int ranks, run_options o) {
    const ranks_options r = {.size = ranks, .disorder = (unsigned)ranks};
    ck_assert(run_group(&r, run_kinds, &o));
}

static void compare_twice(const char *const *set) {
    run_options o = options("first");
    for (int i = 3; set[i - 3]; i++) {
        o.set[i] = set[i - 3];
    }
    run_mixed(3, o);
    o.out = "again";
    run_mixed(3, o);
    assert_same_end("first", "again");
}

START_TEST(their_replicas_stay_the_same_and_the_run_comes_to_the_same_again) {
    set_up_everything();
    compare_twice((const char *const[]){NULL});
    tear_down();
}
END_TEST

START_TEST(so_they_do_in_bf16_with_gradients_limited_by_their_norm) {
    set_up_everything();
    compare_twice((const char *const[]){"train.precision=bf16", "optimizer.clip=0.1",
                                        "optimizer.clip_mode=norm", NULL});
    tear_down();
}
END_TEST

START_TEST(so_they_do_with_another_optimizer) {
    set_up_everything();
    compare_twice((const char *const[]){"optimizer.name=rmsproptf", "schedule.name=step",
                                        "schedule.decay_epochs=1", NULL});
    tear_down();
}
END_TEST

START_TEST(such_a_run_goes_on_to_the_same_end) {
    set_up_everything();
    run_mixed(2, options("whole"));
    run_options o = options("parts");
    o.resume = true;
    for (o.stop_at = 1; o.stop_at < 4; o.stop_at += 2) {
        run_mixed(2, o);
    }
    o.stop_at = 0;
    run_mixed(2, o);
    assert_same_end("whole", "parts");
    weld_model_file last = open_checkpoint("parts", "last.h5");
    ck_assert_ptr_nonnull(strstr(last.summary, "\"mixed\":true"));
    weld_model_file_free(&last);
    tear_down();
}
END_TEST

/* Where the cpu has but the plain kernels there is nothing to refuse. */
static void expect_refused(weld_group *group, void *context) {
    run_options o = *(const run_options *)context;
    const bool kernels = weld_kernels_available(WELD_F32, 1) != NULL;
    o.group = group;
    setenv("WELD_ISA", weld_group_rank(group) == 1 ? "ref" : "", 1);
    if (kernels) {
        EXPECT(run(o) == WELD_ERROR_ARGUMENT);
        EXPECT_TEXT(err.message, "rank 1");
        EXPECT_TEXT(err.message, "computes by ref, ref in bf16, rank 0 by ");
        EXPECT_TEXT(err.message, "mpirun -x WELD_ISA=ref; ");
        EXPECT_TEXT(err.message, ": --mixed");
    }
}

START_TEST(without_it_they_are_refused_with_the_way_out) {
    const ranks_options r = {.size = 3};
    run_options o = options("refused");
    o.mixed = false;
    set_up_everything();
    ck_assert(run_group(&r, expect_refused, &o));
    tear_down();
}
END_TEST

START_TEST(one_process_does_as_always) {
    set_up_everything();
    run_options o = options("with");
    run_well(o);
    o.out = "without";
    o.mixed = false;
    run_well(o);
    assert_same_end("with", "without");
    tear_down();
}
END_TEST

RUN_SUITE("train/mixed_ranks", their_replicas_stay_the_same_and_the_run_comes_to_the_same_again,
          so_they_do_in_bf16_with_gradients_limited_by_their_norm,
          so_they_do_with_another_optimizer, such_a_run_goes_on_to_the_same_end,
          without_it_they_are_refused_with_the_way_out, one_process_does_as_always)
