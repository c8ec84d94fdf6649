/* Steps that are learned, beside the paper's formulas written out. */
#include "ops/gradcheck.h"
#include "suite.h"

enum { X, STEPS, BASES, LEAVES };

typedef struct net {
    int64_t begin;
    int count; /* the largest code, of which 0 is `zero` */
    double zero;
    double base[8], share[8];
    int rows;
} layer;

static weld_value *rounded(weld_graph *g, weld_value *const *x, const void *options) {
    const layer *n = options;
    const weld_attributes a = {.begin = n->begin, .count = n->count};
    return weld_graph_node(g, &weld_op_learned_round, &a, (weld_value *const[]){x[0], x[1], x[2]},
                           3, 3);
}

typedef struct made {
    check_net net;
    weld_session *session;
    weld_tensor x, y, dx, steps, dsteps, dy;
} made;

static weld_tensor leaf(const check_net *net, const char *name) {
    weld_tensor t;
    ck_assert(weld_weights_find(net->weights, name, &t));
    return t;
}

/* Runs it on x drawn from [-3, 3). */
static made run_net(const layer *n, weld_shape shape, weld_dtype dtype, int threads) {
    const check_leaf leaves[LEAVES] = {[X] = {shape, -3, 3, false},
                                       [STEPS] = {WELD_SHAPE(n->rows), 0, 1, false},
                                       [BASES] = {WELD_SHAPE(n->begin + n->rows, 2), 0, 1, true}};
    made m = {.net = check_make(dtype, leaves, LEAVES, rounded, n)};
    m.x = leaf(&m.net, "x0");
    m.steps = leaf(&m.net, "x1");
    m.dy = leaf(&m.net, "r");
    const weld_tensor bases = leaf(&m.net, "x2");
    for (int i = 0; i < n->rows; i++) {
        check_set(&m.steps, i, n->share[i]);
        check_set(&bases, 2 * (n->begin + i), n->base[i]);
        check_set(&bases, 2 * (n->begin + i) + 1, n->zero);
    }
    m.session = check_session(&m.net, threads, NULL);
    weld_session_run(m.session, CHECK_STEP);
    m.y = weld_session_output(m.session, "y");
    m.dx = weld_session_output(m.session, "d0");
    m.dsteps = weld_session_output(m.session, "d1");
    return m;
}

static void end_net(made *m) {
    weld_session_free(m->session);
    check_free(&m->net);
}

/* Equations 1 to 3 and section 2.2 of the paper, with s = base share; the gradient of the share is
 * that of s over the base. */
static void expect_paper(const layer *n, weld_shape shape, weld_dtype dtype, double tolerance) {
    made m = run_net(n, shape, dtype, 3);
    const int64_t all = weld_shape_count(&shape), row = all / (n->rows == 1 ? 1 : n->rows);
    const double low = -n->zero, high = n->count - n->zero;
    const double features = (double)(all / shape.dim[0]);
    int within = 0, below = 0, above = 0;
    for (int o = 0; o < n->rows; o++) {
        const double s = n->base[o] * n->share[o];
        double sum = 0;
        for (int64_t i = o * row; i < (o + 1) * row; i++) {
            const double v = check_get(&m.x, i) / s, dy = check_get(&m.dy, i);
            const double clipped = v <= low ? low : v >= high ? high : nearbyint(v);
            const bool inside = v > low && v < high;
            ck_assert_double_eq_tol(check_get(&m.y, i), clipped * s, tolerance);
            ck_assert_double_eq_tol(check_get(&m.dx, i), inside ? dy : 0, tolerance);
            sum += dy * (inside ? nearbyint(v) - v : clipped);
            within += inside;
            below += v <= low;
            above += v >= high;
        }
        const double g = 1 / sqrt(features * fmax(n->zero, n->count - n->zero));
        ck_assert_double_eq_tol(check_get(&m.dsteps, o), g * sum / n->base[o],
                                tolerance * (1 + fabs(g * sum / n->base[o])));
    }
    ck_assert_msg(within > 5 && below > 5 && above > 5, "%d, %d, %d", within, below, above);
    end_net(&m);
}

static const layer activation = {
    .begin = 3, .count = 15, .zero = 5, .base = {0.25}, .share = {1.1}, .rows = 1};
static const layer weights = {.begin = 1,
                              .count = 6,
                              .zero = 3,
                              .base = {0.5, 0.25, 0.1, 0.7},
                              .share = {0.9, 1, 1.3, 0.5},
                              .rows = 4};

START_TEST(gradients_are_the_papers) {
    expect_paper(&activation, WELD_SHAPE(2, 5, 7, 3), WELD_F64, 1e-13);
    expect_paper(&weights, WELD_SHAPE(4, 3, 3, 5), WELD_F64, 1e-13);
    expect_paper(&activation, WELD_SHAPE(3, 40, 50, 7), WELD_F64, 1e-12); /* in several parts */
}
END_TEST

/* In float a number may be rounded to another code only where it lies between two: these do not. */
START_TEST(floats_say_what_doubles_say) {
    expect_paper(&activation, WELD_SHAPE(2, 5, 7, 3), WELD_F32, 2e-5);
    expect_paper(&weights, WELD_SHAPE(4, 3, 3, 5), WELD_F32, 2e-5);
}
END_TEST

/* Codes -1, 0, 1, 2 in halves, by hand; rows of their own steps, of which one is off. */
START_TEST(numbers_become_codes_of_their_step) {
    const layer two = {.begin = 0, .count = 3, .zero = 1, .base = {0.5}, .share = {1}, .rows = 1};
    const double x[] = {-2, -0.3, -0.2, 0.25, 0.7, 0.75, 9}, want[] = {-0.5, -0.5, 0, 0, 0.5, 1, 1};
    made m = run_net(&two, WELD_SHAPE(7), WELD_F64, 1);
    for (int i = 0; i < 7; i++) {
        check_set(&m.x, i, x[i]);
    }
    weld_session_run(m.session, CHECK_STEP);
    for (int i = 0; i < 7; i++) {
        ck_assert_double_eq(check_get(&m.y, i), want[i]);
    }
    end_net(&m);
    const layer off = {.count = 2, .zero = 1, .base = {0, 1}, .share = {1, 1}, .rows = 2};
    m = run_net(&off, WELD_SHAPE(2, 9), WELD_F64, 1);
    for (int i = 0; i < 9; i++) {
        ck_assert_double_eq(check_get(&m.y, i), check_get(&m.x, i));
        ck_assert_double_eq(check_get(&m.dx, i), check_get(&m.dy, i));
    }
    ck_assert_double_eq(check_get(&m.dsteps, 0), 0);
    ck_assert_double_ne(check_get(&m.dsteps, 1), 0);
    end_net(&m);
}
END_TEST

/* A step does not fall below a sixteenth of what it began with, let alone to nothing. */
START_TEST(steps_stay_above_nothing) {
    const layer least = {.count = 254, .zero = 127, .base = {16}, .share = {-2}, .rows = 1};
    made m = run_net(&least, WELD_SHAPE(64), WELD_F64, 1);
    for (int i = 0; i < 64; i++) {
        ck_assert_double_eq(check_get(&m.y, i), nearbyint(check_get(&m.x, i)));
    }
    end_net(&m);
}
END_TEST

START_TEST(threads_change_no_bit) {
    const weld_shape shape = WELD_SHAPE(3, 40, 50, 7);
    for (int i = 0; i < 2; i++) {
        made one = run_net(&activation, shape, i ? WELD_F64 : WELD_F32, 1);
        made five = run_net(&activation, shape, i ? WELD_F64 : WELD_F32, 5);
        ck_assert_mem_eq(one.y.data, five.y.data, weld_tensor_bytes(&one.y));
        ck_assert_mem_eq(one.dx.data, five.dx.data, weld_tensor_bytes(&one.dx));
        ck_assert_mem_eq(one.dsteps.data, five.dsteps.data, weld_tensor_bytes(&one.dsteps));
        end_net(&one);
        end_net(&five);
    }
}
END_TEST

static weld_value *rounded_bias(weld_graph *g, weld_value *const *x, const void *options) {
    const weld_attributes a = {.begin = 0, .end = 1};
    (void)options;
    return weld_graph_node(g, &weld_op_learned_bias, &a,
                           (weld_value *const[]){x[0], x[1], x[2], x[3]}, 4, 4);
}

/* Steps are 0.5 * 2 times 0.25 and 4: 0.25 and 4. */
START_TEST(biases_become_multiples_of_both_steps) {
    const check_leaf leaves[] = {{WELD_SHAPE(2), -1, 1, false},
                                 {WELD_SHAPE(1), 2, 2, true},
                                 {WELD_SHAPE(2), 1, 1, true},
                                 {WELD_SHAPE(3, 2), 0, 0, true}};
    const double bases[] = {0.5, 0, 0.25, 7, 4, 7}, b[] = {0.6, 6.5};
    check_net net = check_make(WELD_F64, leaves, 4, rounded_bias, NULL);
    const weld_tensor x = leaf(&net, "x0"), rows = leaf(&net, "x3"), shares = leaf(&net, "x1");
    const weld_tensor of_w = leaf(&net, "x2"), r = leaf(&net, "r");
    memcpy(x.data, b, sizeof b);
    memcpy(rows.data, bases, sizeof bases);
    check_set(&shares, 0, 2);
    check_set(&of_w, 0, 1);
    check_set(&of_w, 1, 1);
    weld_session *s = check_session(&net, 1, NULL);
    weld_session_run(s, CHECK_STEP);
    const weld_tensor y = weld_session_output(s, "y"), db = weld_session_output(s, "d0");
    ck_assert_double_eq(check_get(&y, 0), 0.5);
    ck_assert_double_eq(check_get(&y, 1), 8);
    ck_assert_double_eq(check_get(&db, 0), check_get(&r, 0));
    weld_session_free(s);
    check_free(&net);
}
END_TEST

static weld_value *without_row(weld_graph *g, weld_value *const *x, const void *options) {
    const weld_attributes a = {.begin = 3, .count = 3};
    (void)options;
    return weld_graph_node(g, &weld_op_learned_round, &a, (weld_value *const[]){x[0], x[1], x[2]},
                           3, 3);
}

START_TEST(a_row_that_is_not_there_is_refused) {
    const check_leaf leaves[] = {{WELD_SHAPE(3), -1, 1, false},
                                 {WELD_SHAPE(1), -1, 1, false},
                                 {WELD_SHAPE(3, 2), -1, 1, true}};
    check_refused(leaves, 3, without_row, NULL, "with rows 3 to 4");
}
END_TEST

RUN_SUITE("ops/learned_step", gradients_are_the_papers, floats_say_what_doubles_say,
          numbers_become_codes_of_their_step, steps_stay_above_nothing, threads_change_no_bit,
          biases_become_multiples_of_both_steps, a_row_that_is_not_there_is_refused)
