/* Training steps on many threads: the same bits, and work for all of them. */
#include "graph/networks.h"
#include "passes/fuse_training.h"
#include "passes/precision.h"
#include "suite.h"

/* A channel mixer whose weights are wide enough that their gradients are large sums (graph/plan.h),
 * on maps of `side`: outputs are the loss and all gradients. */
static weld_graph *build(int64_t batch, int64_t side, int64_t c, bool bf16) {
    weld_graph *g, *lower, *fused;
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(batch, side, side, c));
    weld_value *t = network_norm(g, "mix.bn", network_conv(g, "mix", x, c, 3, 1, (int)c), true);
    weld_value *wide = network_norm(g, "up.bn", network_conv(g, "up", t, 2 * c, 1, 1, 1), true);
    weld_value *y =
        network_norm(g, "down.bn", network_conv(g, "down", weld_gelu(g, wide), c, 1, 1, 1), true);
    y = weld_reshape(g, weld_global_avg_pool(g, weld_add(g, t, y)), WELD_SHAPE(-1, c));
    weld_output(g, "loss", weld_mean(g, weld_gelu(g, y)));
    if (bf16) {
        ck_assert_int_eq(weld_precision_bf16(g, &lower, &err), WELD_OK);
        weld_graph_free(g);
        g = lower;
    }
    weld_value *wrt[64], *grads[64];
    const size_t count = weld_graph_parameter_count(g);
    for (size_t i = 0; i < count; i++) {
        wrt[i] = weld_graph_parameter(g, i);
    }
    weld_status status =
        weld_differentiate(g, weld_graph_output(g, "loss"), wrt, count, grads, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    for (size_t i = 0; i < count; i++) {
        weld_output(g, weld_value_name(wrt[i]), grads[i]);
    }
    ck_assert_int_eq(weld_fuse_training(g, NULL, &fused, &err), WELD_OK);
    weld_graph_free(g);
    return fused;
}

static bool takes_sums_apart(const weld_session *s) {
    const weld_plan *plan = weld_session_plan(s);
    for (size_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].apart) {
            return true;
        }
    }
    return false;
}

static void check_bits(const char *isa, bool bf16) {
    static const int threads[] = {2, 3, 7, 24, 64};
    weld_graph *g = build(6, 8, 120, bf16); /* what is left over of rows, panels and tiles too */
    weld_weights *w = network_weights(g);
    weld_session *one = network_session(g, w, (weld_session_options){.threads = 1, .isa = isa});
    network_fill(one, 3, 0);
    weld_session_run(one, 0);
    ck_assert(!takes_sums_apart(one));
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        weld_session *s =
            network_session(g, w, (weld_session_options){.threads = threads[i], .isa = isa});
        network_fill(s, 3, 0);
        for (int run = 0; run < 2; run++) { /* also on what the first has left in memory */
            weld_session_run(s, 0);
            network_assert_equal(one, s);
        }
        ck_assert(takes_sums_apart(s) || threads[i] < 24);
        weld_session_free(s);
    }
    weld_session_free(one);
    weld_weights_free(w);
    weld_graph_free(g);
}

START_TEST(any_number_of_threads_gives_the_same_bits) {
    const char *isa;
    for (int i = 0; (isa = weld_kernels_available(WELD_F32, i)); i++) {
        check_bits(isa, false);
    }
    for (int i = 0; (isa = weld_kernels_available(WELD_BF16, i)); i++) {
        check_bits(isa, true);
    }
}
END_TEST

/* Parts of its work that each thread can have of the large steps of a batch of 32; memory that this
 * takes beside one thread's. */
START_TEST(a_batch_of_32_has_work_for_64_threads) {
    for (int bf16 = 0; bf16 < 2; bf16++) {
        weld_graph *g = build(32, 14, 192, bf16);
        weld_plan *one, *many;
        const weld_session_options o = {.threads = 1}, o64 = {.threads = 64};
        ck_assert_int_eq(weld_plan_create(g, &o, &one, NULL), WELD_OK);
        ck_assert_int_eq(weld_plan_create(g, &o64, &many, NULL), WELD_OK);
        size_t streams = 0;
        for (size_t i = 0; i < many->step_count; i++) {
            const weld_step *s = &many->steps[i];
            if (s->slicing != WELD_SLICE_NONE) {
                const int64_t parts = s->groups && !s->apart ? s->groups : s->chunks;
                ck_assert_int_ge(parts, s->slicing == WELD_SLICE_IMAGES ? 32 : 48);
                ck_assert_int_ge(one->steps[i].groups ? one->steps[i].groups : 64, 4);
                ck_assert_int_eq(s->chunks, one->steps[i].chunks);
                ck_assert_int_eq(s->groups, one->steps[i].groups);
                ck_assert_int_eq(s->slice, one->steps[i].slice);
                streams++;
            }
        }
        ck_assert_uint_gt(streams, 4);
        weld_plan_free(one);
        weld_plan_free(many);
        weld_graph_free(g);
    }
}
END_TEST

RUN_SUITE("graph/many_threads", any_number_of_threads_gives_the_same_bits,
          a_batch_of_32_has_work_for_64_threads)
