/* What operators make of weights before they run: in every run, or once and shared. */
#include <pthread.h>

#include "base/memory.h"
#include "graph/networks.h"
#include "suite.h"

static const weld_session_options constant = {.threads = 2, .constant_weights = true};

static void halve(weld_weights *w, const char *name) {
    weld_tensor t;
    ck_assert(weld_weights_find(w, name, &t));
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        ((float *)t.data)[i] *= 0.5F;
    }
}

/* weight[8, 6] of a linear layer on x[batch, 6]. */
static weld_graph *linear_graph(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *w = weld_parameter(g, "weight", WELD_SHAPE(8, 6), network_random);
    weld_output(g, "y", weld_linear(g, weld_input(g, "x", WELD_SHAPE(3, 6)), w, NULL));
    return g;
}

static float first_result(weld_session *s) {
    network_fill(s, 2, 0);
    weld_session_run(s, 0);
    return *(float *)weld_session_output(s, "y").data;
}

START_TEST(constant_weights_give_the_same_results_in_a_smaller_arena) {
    for (int training = 0; training < 2; training++) {
        weld_graph *g = network_build(WELD_F32, 3, training);
        weld_weights *w = network_weights(g), *w_plain = network_weights(g);
        weld_session *s = network_session(g, w, constant);
        weld_session *plain = network_session(g, w_plain, (weld_session_options){.threads = 2});
        network_fill(s, 6, 0);
        network_fill(plain, 6, 0);
        for (uint64_t step = 0; step < 2; step++) {
            weld_session_run(s, step);
            weld_session_run(plain, step);
            network_assert_equal(s, plain);
        }
        ck_assert_uint_gt(weld_session_prepared_bytes(s), 0);
        ck_assert_uint_eq(weld_session_prepared_bytes(plain), 0);
        ck_assert_uint_le(weld_session_arena_bytes(s), weld_session_arena_bytes(plain));
        weld_session_free(s);
        weld_session_free(plain);
        weld_weights_free(w);
        weld_weights_free(w_plain);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(weights_that_change_are_seen_by_the_next_run) {
    weld_graph *g = linear_graph();
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){0});
    float before = first_result(s);
    halve(w, "weight");
    ck_assert_float_eq(first_result(s), before / 2);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

/* Sessions are told apart by what they were prepared from. */
START_TEST(constant_weights_are_prepared_once_until_they_are_said_to_have_changed) {
    weld_graph *g = linear_graph(), *other = linear_graph();
    weld_weights *w = network_weights(g);
    weld_session *first = network_session(g, w, constant);
    float before = first_result(first);
    halve(w, "weight");
    weld_session_options o = {.batch = 7, .threads = 1, .constant_weights = true};
    weld_session *second = network_session(other, w, o);
    ck_assert_float_eq(first_result(second), before);
    weld_session_free(first);
    weld_session_free(second);
    second = network_session(g, w, o); /* kept though no session was left */
    ck_assert_float_eq(first_result(second), before);
    weld_weights_changed(w);
    weld_session *third = network_session(g, w, o);
    ck_assert_float_eq(first_result(third), before / 2);
    weld_session_free(third);
    o.isa = "ref"; /* other kernels, another form */
    third = network_session(g, w, o);
    ck_assert_float_eq_tol(first_result(third), before / 2, 1e-6F);
    weld_session_free(third);
    weld_session_free(second);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_graph_free(other);
}
END_TEST

START_TEST(what_is_computed_is_prepared_in_every_run) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *w = weld_parameter(g, "weight", WELD_SHAPE(8, 6), network_random);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(3, 6));
    weld_value *viewed = weld_reshape(g, w, WELD_SHAPE(6, 8));
    weld_output(g, "computed", weld_linear(g, x, weld_scale(g, w, 3), NULL));
    weld_output(g, "viewed",
                weld_linear(g, weld_slice(g, weld_linear(g, x, w, NULL), 1, 0, 8), viewed, NULL));
    weld_error err = {0};
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    weld_weights *weights = network_weights(g);
    weld_session *s = network_session(g, weights, constant);
    weld_session *plain = network_session(g, weights, (weld_session_options){0});
    network_fill(s, 3, 0);
    network_fill(plain, 3, 0);
    weld_session_run(s, 0);
    weld_session_run(plain, 0);
    network_assert_equal(s, plain);
    float before = *(float *)weld_session_output(s, "computed").data;
    halve(weights, "weight");
    weld_session_run(s, 0);
    ck_assert_float_eq(*(float *)weld_session_output(s, "computed").data, before / 2);
    weld_session_free(s);
    weld_session_free(plain);
    weld_weights_free(weights);
    weld_graph_free(g);
}
END_TEST

typedef struct maker {
    weld_graph *graph;
    weld_weights *weights;
    weld_session *session;
} maker;

static void *make_and_run(void *arg) {
    maker *m = arg;
    m->session = network_session(m->graph, m->weights, constant);
    network_fill(m->session, 6, 0);
    weld_session_run(m->session, 0);
    return NULL;
}

START_TEST(sessions_made_at_once_share_what_is_prepared) {
    weld_graph *g = network_build(WELD_F32, 2, false);
    weld_weights *w = network_weights(g);
    maker makers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        makers[i] = (maker){g, w, NULL};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_and_run, &makers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        network_assert_equal(makers[i].session, makers[0].session);
    }
    for (int i = 0; i < 4; i++) {
        weld_session_free(makers[i].session);
    }
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(failing_allocations_leave_nothing_half_prepared) {
    weld_graph *g = network_build(WELD_F32, 2, false);
    weld_weights *w = network_weights(g);
    weld_session *s = NULL;
    weld_error err = {0};
    long allowed = 0;
    for (; !s; allowed++) {
        weld_memory_fail_after(allowed);
        weld_status status = weld_session_create(g, w, &constant, &s, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || (status == WELD_ERROR_MEMORY && !s));
    }
    ck_assert_int_gt(allowed, 20);
    weld_session *plain = network_session(g, w, (weld_session_options){0});
    network_fill(s, 6, 0);
    network_fill(plain, 6, 0);
    weld_session_run(s, 0);
    weld_session_run(plain, 0);
    network_assert_equal(s, plain);
    weld_session_free(s);
    weld_session_free(plain);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("graph/prepared", constant_weights_give_the_same_results_in_a_smaller_arena,
          weights_that_change_are_seen_by_the_next_run,
          constant_weights_are_prepared_once_until_they_are_said_to_have_changed,
          what_is_computed_is_prepared_in_every_run, sessions_made_at_once_share_what_is_prepared,
          failing_allocations_leave_nothing_half_prepared)
