/* Casts between f32 and bf16, and who takes bf16 at all. */
#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build_back_and_forth(weld_graph *g, weld_value *const *x, const void *unused) {
    (void)unused;
    return weld_cast(g, weld_cast(g, x[0], WELD_BF16), WELD_F32);
}

START_TEST(cast_rounds_to_nearest_even) {
    static const struct {
        float x, y;
    } cases[] = {{1, 1},
                 {-0.0F, -0.0F},
                 {1 + 0x1p-8F, 1},              /* half way: to even */
                 {1 + 0x1.8p-7F, 1 + 0x1p-6F},  /* half way: to even, which is up */
                 {1 + 0x1.02p-8F, 1 + 0x1p-7F}, /* past half way */
                 {-1 - 0x1.02p-8F, -1 - 0x1p-7F},
                 {0x1p127F, 0x1p127F},
                 {0x1.fffffep127F, INFINITY}};
    enum { N = sizeof cases / sizeof *cases };
    check_leaf leaf = {WELD_SHAPE(N), -1, 1, false};
    for (int v = 0; weld_kernels_available(WELD_BF16, v); v++) {
        check_net net = check_make(WELD_F32, &leaf, 1, build_back_and_forth, NULL);
        weld_session *s = check_session(&net, 1, weld_kernels_available(WELD_BF16, v));
        weld_tensor x, y = weld_session_output(s, "y");
        ck_assert(weld_weights_find(net.weights, "x0", &x));
        for (int i = 0; i < N; i++) {
            ((float *)x.data)[i] = cases[i].x;
        }
        weld_session_run(s, 0);
        for (int i = 0; i < N; i++) {
            ck_assert_msg(memcmp(&((float *)y.data)[i], &cases[i].y, sizeof(float)) == 0,
                          "%s: %a becomes %a", weld_kernels_available(WELD_BF16, v),
                          (double)cases[i].x, (double)((float *)y.data)[i]);
        }
        weld_session_free(s);
        check_free(&net);
    }
}
END_TEST

START_TEST(gradients_are_cast_back) {
    check_leaf leaf = {WELD_SHAPE(3, 20011), -1, 1, false};
    check_operator_bf16(&leaf, 1, 0, build_back_and_forth, NULL);
    check_operator_bf16(&leaf, 1, 1, build_back_and_forth, NULL);
}
END_TEST

static void expect_refusal(weld_value *(*build)(weld_graph *, weld_value *)) {
    weld_graph *g;
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 3, 4));
    ck_assert_ptr_null(build(g, weld_cast(g, x, WELD_BF16)));
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_SHAPE);
    ck_assert_msg(strstr(err.message, "input 0 is bf16") && strstr(err.message, "cast"), "%s",
                  err.message);
    weld_graph_free(g);
}

static weld_value *lose(weld_graph *g, weld_value *x) {
    return weld_cross_entropy(g, x, x, 0);
}

START_TEST(operators_that_compute_in_f32_refuse_bf16) {
    expect_refusal(weld_mean);
    expect_refusal(lose);
}
END_TEST

START_TEST(only_f32_and_bf16_are_cast_into_each_other) {
    weld_graph *g;
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F64, &g, &err), WELD_OK);
    ck_assert_ptr_null(weld_cast(g, weld_input(g, "x", WELD_SHAPE(2)), WELD_BF16));
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_SHAPE);
    ck_assert_msg(strstr(err.message, "f64 to bf16") != NULL, "%s", err.message);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("ops/cast", cast_rounds_to_nearest_even, gradients_are_cast_back,
          operators_that_compute_in_f32_refuse_bf16, only_f32_and_bf16_are_cast_into_each_other)
