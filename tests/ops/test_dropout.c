#include "ops/gradcheck.h"
#include "suite.h"

static weld_value *build_dropout(weld_graph *g, weld_value *const *x, const void *p) {
    return weld_dropout(g, x[0], *(const double *)p);
}

static weld_value *build_depth(weld_graph *g, weld_value *const *x, const void *p) {
    return weld_stochastic_depth(g, x[0], *(const double *)p);
}

/* In place of a value that is made for it, twice in a row. */
static weld_value *build_chain(weld_graph *g, weld_value *const *x, const void *p) {
    weld_value *y = weld_dropout(g, weld_add(g, x[0], x[0]), *(const double *)p);
    return weld_dropout(g, weld_stochastic_depth(g, y, *(const double *)p), *(const double *)p);
}

START_TEST(gradients_use_the_mask_of_the_forward_pass) {
    double p = 0.4;
    weld_shape shapes[] = {WELD_SHAPE(5), WELD_SHAPE(7, 3, 3, 5), WELD_SHAPE(10, 1023)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_leaf leaf = {shapes[i], 1, 2};
        check_operator(&leaf, 1, build_dropout, &p);
        check_operator(&leaf, 1, build_depth, &p);
        check_operator(&leaf, 1, build_chain, &p);
        check_operator_bf16(&leaf, 1, 1, build_dropout, &p);
        check_operator_bf16(&leaf, 1, 1, build_chain, &p);
    }
}
END_TEST

/* Two dropouts of a leaf of ones, "a" and "b", and a session that may be run at any step. */
typedef struct pair {
    check_net net;
    weld_session *session;
} pair;

static pair make_pair(weld_shape shape, check_build build, double p, uint64_t seed) {
    pair out = {0};
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &out.net.graph, &err), WELD_OK);
    weld_graph *g = out.net.graph;
    weld_value *x = weld_parameter(g, "x", shape, (weld_init){WELD_INIT_CONSTANT, 1, 0});
    weld_output(g, "a", build(g, &x, &p));
    weld_output(g, "b", build(g, &x, &p));
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &out.net.weights, &err), WELD_OK);
    weld_session_options o = {.threads = 2, .seed = seed};
    ck_assert_int_eq(weld_session_create(g, out.net.weights, &o, &out.session, &err), WELD_OK);
    return out;
}

static void free_pair(pair *p) {
    weld_session_free(p->session);
    check_free(&p->net);
}

static const float *run_pair(pair *p, uint64_t step, const char *output) {
    weld_session_run(p->session, step);
    return weld_session_output(p->session, output).data;
}

START_TEST(dropout_drops_its_share_and_keeps_the_mean) {
    enum { N = 200000 };
    double shares[] = {0.1, 0.5, 0.9};
    for (int i = 0; i < 3; i++) {
        pair p = make_pair(WELD_SHAPE(10, N / 10), build_dropout, shares[i], 3);
        const float *y = run_pair(&p, 0, "a");
        int dropped = 0, repeats = 0;
        for (int j = 0; j < N; j++) {
            ck_assert(y[j] == 0 || fabs(y[j] - 1 / (1 - shares[i])) < 1e-5);
            dropped += y[j] == 0;
            repeats += j > 0 && (y[j] == 0) == (y[j - 1] == 0);
        }
        /* Five standard deviations of a binomial, and neighbours that know nothing of each other.
         */
        double deviation = sqrt(shares[i] * (1 - shares[i]) / N);
        ck_assert_double_eq_tol((double)dropped / N, shares[i], 5 * deviation);
        double same = shares[i] * shares[i] + (1 - shares[i]) * (1 - shares[i]);
        ck_assert_double_eq_tol((double)repeats / N, same, 0.006);
        free_pair(&p);
    }
}
END_TEST

static int differing(const float *a, const float *b, int n) {
    int count = 0;
    for (int i = 0; i < n; i++) {
        count += a[i] != b[i];
    }
    return count;
}

START_TEST(masks_differ_between_nodes_steps_and_seeds_and_repeat_otherwise) {
    enum { N = 9000 };
    check_build builds[] = {build_dropout, build_depth};
    for (int i = 0; i < 2; i++) {
        weld_shape shape = i ? WELD_SHAPE(N, 1) : WELD_SHAPE(3, N / 3);
        float first[N];
        pair p = make_pair(shape, builds[i], 0.5, 3);
        memcpy(first, run_pair(&p, 4, "a"), sizeof first);
        ck_assert_int_gt(differing(first, run_pair(&p, 4, "b"), N), N / 3);
        ck_assert_int_gt(differing(first, run_pair(&p, 5, "a"), N), N / 3);
        ck_assert_int_eq(differing(first, run_pair(&p, 4, "a"), N), 0);
        pair other = make_pair(shape, builds[i], 0.5, 4);
        ck_assert_int_gt(differing(first, run_pair(&other, 4, "a"), N), N / 3);
        free_pair(&other);
        free_pair(&p);
    }
}
END_TEST

START_TEST(stochastic_depth_keeps_or_drops_whole_samples) {
    enum { SAMPLES = 4000, SIZE = 6 };
    pair p = make_pair(WELD_SHAPE(SAMPLES, 2, 3), build_depth, 0.25, 9);
    const float *y = run_pair(&p, 1, "a");
    int dropped = 0;
    for (int i = 0; i < SAMPLES; i++) {
        for (int j = 1; j < SIZE; j++) {
            ck_assert(y[i * SIZE + j] == y[i * SIZE]);
        }
        dropped += y[i * SIZE] == 0;
        ck_assert(y[i * SIZE] == 0 || fabs(y[i * SIZE] - 4 / 3.) < 1e-6);
    }
    ck_assert_double_eq_tol((double)dropped / SAMPLES, 0.25, 5 * sqrt(0.25 * 0.75 / SAMPLES));
    free_pair(&p);
}
END_TEST

START_TEST(a_probability_of_zero_adds_no_node) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 3));
    ck_assert_ptr_eq(weld_dropout(g, x, 0), x);
    ck_assert_ptr_eq(weld_stochastic_depth(g, x, 0), x);
    weld_graph_free(g);
}
END_TEST

START_TEST(probabilities_outside_the_range_are_refused) {
    double wrong[] = {1, -0.1, NAN};
    for (int i = 0; i < 3; i++) {
        check_leaf leaf = {WELD_SHAPE(2, 3)};
        check_refused(&leaf, 1, build_dropout, &wrong[i], "probability must be in [0, 1)");
        check_refused(&leaf, 1, build_depth, &wrong[i], "probability must be in [0, 1)");
    }
}
END_TEST

RUN_SUITE("ops/dropout", gradients_use_the_mask_of_the_forward_pass,
          dropout_drops_its_share_and_keeps_the_mean,
          masks_differ_between_nodes_steps_and_seeds_and_repeat_otherwise,
          stochastic_depth_keeps_or_drops_whole_samples, a_probability_of_zero_adds_no_node,
          probabilities_outside_the_range_are_refused)
