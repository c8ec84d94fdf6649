#include <math.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/memory.h"
#include "graph/networks.h"
#include "suite.h"

typedef struct worker {
    weld_session *session;
    weld_tensor result;
} worker;

static void *run_often(void *arg) {
    worker *w = arg;
    for (int i = 0; i < 8; i++) {
        weld_session_run(w->session, 0);
    }
    w->result = weld_session_output(w->session, "logits");
    return NULL;
}

START_TEST(sessions_that_share_weights_run_at_once_with_equal_results) {
    weld_graph *g = network_build(WELD_F32, 3, false);
    weld_weights *w = network_weights(g), *before;
    ck_assert_int_eq(weld_weights_clone(w, &before, NULL), WELD_OK);
    worker workers[3];
    pthread_t threads[2];
    for (int i = 0; i < 3; i++) {
        workers[i].session = network_session(g, w, (weld_session_options){.threads = 2});
        network_fill(workers[i].session, 6, 0);
    }
    run_often(&workers[2]);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_often, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        network_assert_equal(workers[i].session, workers[2].session);
    }
    for (size_t i = 0; i < weld_weights_count(w); i++) { /* evaluation writes no weights */
        weld_tensor a = weld_weights_tensor(w, i), b = weld_weights_tensor(before, i);
        ck_assert_mem_eq(a.data, b.data, weld_tensor_bytes(&a));
    }
    for (int i = 0; i < 3; i++) {
        weld_session_free(workers[i].session);
    }
    weld_weights_free(w);
    weld_weights_free(before);
    weld_graph_free(g);
}
END_TEST

START_TEST(running_allocates_nothing) {
    for (int training = 0; training < 2; training++) {
        weld_graph *g = network_build(WELD_F32, 3, training);
        weld_weights *w[] = {network_weights(g), network_weights(g)};
        weld_session *s[2];
        for (int i = 0; i < 2; i++) {
            s[i] = network_session(g, w[i], (weld_session_options){.threads = 2});
            network_fill(s[i], 6, 0);
        }
        weld_memory_fail_after(0);
        weld_session_run(s[0], 4);
        weld_session_run(s[0], 5);
        weld_memory_fail_after(-1);
        weld_session_run(s[1], 4);
        weld_session_run(s[1], 5);
        network_assert_equal(s[0], s[1]);
        for (int i = 0; i < 2; i++) {
            weld_session_free(s[i]);
            weld_weights_free(w[i]);
        }
        weld_graph_free(g);
    }
}
END_TEST

/* Slices of images and of rows, with and without sums over them. */
START_TEST(streams_give_what_running_node_by_node_gives) {
    for (int training = 0; training < 2; training++) {
        for (int64_t batch = 1; batch <= 9; batch += 4) {
            weld_graph *g = network_build(WELD_F64, batch, training);
            weld_weights *w[] = {network_weights(g), network_weights(g)};
            weld_session *s[2];
            bool streams = false;
            for (int i = 0; i < 2; i++) {
                s[i] = network_session(
                    g, w[i], (weld_session_options){.threads = 3, .node_by_node = i == 1});
                network_fill(s[i], 6, 0);
                weld_session_run(s[i], 4);
            }
            const weld_plan *plan = weld_session_plan(s[0]);
            for (size_t i = 0; i < plan->step_count; i++) {
                streams = streams || plan->steps[i].slicing != WELD_SLICE_NONE;
            }
            ck_assert(streams);
            network_assert_near(s[0], s[1], 1e-12);
            for (int i = 0; i < 2; i++) {
                weld_session_free(s[i]);
                weld_weights_free(w[i]);
            }
            weld_graph_free(g);
        }
    }
}
END_TEST

START_TEST(a_checked_run_names_the_first_value_that_is_not_finite) {
    weld_graph *g;
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 4));
    weld_value *w1 = weld_parameter(g, "fc1.weight", WELD_SHAPE(4, 4), network_constant_one);
    weld_value *w2 = weld_parameter(g, "fc2.weight", WELD_SHAPE(4, 4), network_constant_one);
    weld_value *y = weld_linear(g, weld_scale(g, weld_linear(g, x, w1, NULL), 2), w2, NULL);
    weld_output(g, "y", weld_softmax(g, y));
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){0});
    network_fill(s, 1, 0);
    ck_assert_int_eq(weld_session_run_checked(s, 0, &err), WELD_OK);
    weld_tensor weight;
    ck_assert(weld_weights_find(w, "fc2.weight", &weight));
    for (int i = 0; i < 16; i++) { /* finite, but their sums are not */
        ((float *)weight.data)[i] = 3e38f;
    }
    float *in = weld_session_input(s, "x").data;
    for (int i = 0; i < 8; i++) {
        in[i] = i < 4 ? 0 : 1;
    }
    ck_assert_int_eq(weld_session_run_checked(s, 0, &err), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "linear#2 (fc2.weight): element 4 of its output 0"), "%s",
                  err.message);
    ((float *)weight.data)[7] = NAN;
    ck_assert_int_eq(weld_session_run_checked(s, 0, &err), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "parameter fc2.weight: element 7"), "%s", err.message);
    in[2] = INFINITY;
    ck_assert_int_eq(weld_session_run_checked(s, 0, &err), WELD_ERROR_NUMERIC);
    ck_assert_msg(strstr(err.message, "input x: element 2"), "%s", err.message);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(results_do_not_depend_on_the_number_of_threads) {
    for (int training = 0; training < 2; training++) {
        weld_graph *g = network_build(WELD_F32, 5, training);
        weld_session *s[3];
        weld_weights *w[3];
        for (int i = 0; i < 3; i++) {
            w[i] = network_weights(g);
            s[i] = network_session(g, w[i], (weld_session_options){.threads = i + 1, .seed = 3});
            network_fill(s[i], 6, 0);
            weld_session_run(s[i], 0);
            weld_session_run(s[i], 1);
            network_assert_equal(s[0], s[i]);
        }
        for (size_t i = 0; i < weld_weights_count(w[0]); i++) { /* running statistics too */
            weld_tensor a = weld_weights_tensor(w[0], i), b = weld_weights_tensor(w[2], i);
            ck_assert_mem_eq(a.data, b.data, weld_tensor_bytes(&a));
        }
        for (int i = 0; i < 3; i++) {
            weld_session_free(s[i]);
            weld_weights_free(w[i]);
        }
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(inputs_stay_as_they_were_filled_and_outputs_are_views) {
    weld_graph *g = network_build(WELD_F32, 3, true);
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){0});
    network_fill(s, 6, 0);
    weld_tensor x = weld_session_input(s, "images");
    float copy[3 * 16 * 16 * 3];
    memcpy(copy, x.data, sizeof copy);
    weld_session_run(s, 0);
    ck_assert_mem_eq(copy, x.data, sizeof copy);
    ck_assert_ptr_eq(weld_session_input(s, "images").data, x.data);
    ck_assert_ptr_null(weld_session_input(s, "logits").data);
    ck_assert_ptr_null(weld_session_input(s, "stem.weight").data);
    ck_assert_ptr_null(weld_session_output(s, "images").data);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(an_input_that_is_never_filled_counts_as_zero) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_output(g, "y", weld_gelu(g, weld_input(g, "x", WELD_SHAPE(200, 50))));
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){0});
    weld_session_run(s, 0);
    for (int i = 0; i < 10000; i++) {
        ck_assert_float_eq(((float *)weld_session_output(s, "y").data)[i], 0);
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

static void assert_refused(const weld_graph *g, weld_weights *w, weld_session_options o,
                           weld_status status, const char *text) {
    weld_session *s;
    weld_error err = {0};
    ck_assert_int_eq(weld_session_create(g, w, &o, &s, &err), status);
    ck_assert_ptr_null(s);
    ck_assert_msg(strstr(err.message, text) != NULL, "\"%s\" says nothing of \"%s\"", err.message,
                  text);
}

enum { MAX_SEEN = 4096 };

typedef struct log_book {
    pthread_mutex_t lock;
    weld_session_event events[MAX_SEEN];
    size_t count;
} log_book;

static void write_down(void *context, const weld_session_event *event) {
    log_book *log = context;
    pthread_mutex_lock(&log->lock);
    ck_assert_uint_lt(log->count, MAX_SEEN);
    log->events[log->count++] = *event;
    pthread_mutex_unlock(&log->lock);
}

static bool share_a_thread(const weld_session_event *a, const weld_session_event *b) {
    return a->thread < b->thread + b->threads && b->thread < a->thread + a->threads;
}

START_TEST(an_observer_is_told_of_every_node_and_of_no_thread_at_two_places) {
    static log_book log;
    log = (log_book){.lock = PTHREAD_MUTEX_INITIALIZER};
    weld_graph *g = network_build(WELD_F32, 3, true);
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){.threads = 2});
    const weld_plan *plan = weld_session_plan(s);
    network_fill(s, 6, 0);
    weld_session_observe(s, write_down, &log);
    double begin = weld_clock();
    weld_session_run(s, 1);
    double end = weld_clock();
    weld_session_observe(s, NULL, NULL);
    size_t heard = log.count;
    weld_session_run(s, 2);
    ck_assert_uint_eq(log.count, heard);
    for (size_t at = 0; at < plan->order_count; at++) {
        size_t told = 0;
        for (size_t i = 0; i < log.count; i++) {
            told += log.events[i].position == at;
        }
        ck_assert_uint_gt(told, 0);
    }
    for (size_t i = 0; i < log.count; i++) {
        const weld_session_event *e = &log.events[i];
        ck_assert(e->begin >= begin && e->begin <= e->end && e->end <= end);
        ck_assert(e->thread >= 0 && e->threads >= 1 && e->thread + e->threads <= plan->threads);
        for (size_t j = 0; j < i; j++) {
            const weld_session_event *f = &log.events[j];
            ck_assert(!share_a_thread(e, f) || e->begin >= f->end || f->begin >= e->end);
        }
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

typedef struct steps_seen {
    weld_session *session;
    size_t next, logits; /* steps that are done; the one after which there are logits */
    float found;         /* the last logit then */
} steps_seen;

static float last_logit(weld_session *s) {
    const weld_tensor t = weld_session_output(s, "logits");
    return ((float *)t.data)[weld_shape_count(&t.shape) - 1];
}

static void see_step(void *context, size_t step) {
    steps_seen *seen = context;
    ck_assert_uint_eq(step, seen->next++);
    if (step == seen->logits) {
        seen->found = last_logit(seen->session);
    }
}

START_TEST(a_function_is_called_after_each_step_and_finds_what_is_complete) {
    for (int plain = 0; plain < 2; plain++) {
        weld_graph *g = network_build(WELD_F32, 3, true);
        weld_weights *w = network_weights(g);
        weld_session *s =
            network_session(g, w, (weld_session_options){.threads = 2, .node_by_node = plain});
        const size_t steps = weld_session_plan(s)->step_count;
        steps_seen seen = {.session = s,
                           .logits = weld_session_step_of(s, weld_graph_output(g, "logits"))};
        ck_assert_uint_eq(weld_session_step_of(s, weld_graph_find_leaf(g, "images")), 0);
        ck_assert_uint_lt(seen.logits, weld_session_step_of(s, weld_graph_output(g, "loss")));
        network_fill(s, 6, 0);
        weld_session_after_step(s, see_step, &seen);
        weld_session_run(s, 1);
        ck_assert_uint_eq(seen.next, steps);
        ck_assert_float_eq(seen.found, last_logit(s));
        weld_session_after_step(s, NULL, NULL);
        weld_session_run(s, 1);
        ck_assert_uint_eq(seen.next, steps);
        weld_session_free(s);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(weights_that_do_not_fit_are_refused) {
    weld_graph *g = network_build(WELD_F32, 3, false);
    weld_weights *w;
    weld_weights_create(&w, NULL);
    assert_refused(g, w, (weld_session_options){0}, WELD_ERROR_NOT_FOUND,
                   "stem.weight: the weights have no such tensor");
    weld_weights_add(w, "stem.weight", WELD_F32, &WELD_SHAPE(8, 3, 3, 2), NULL, NULL);
    assert_refused(g, w, (weld_session_options){0}, WELD_ERROR_SHAPE,
                   "stem.weight: the network wants f32 [8, 3, 3, 3], the weights have f32 [8, 3, "
                   "3, 2]");
    weld_weights_free(w);
    w = network_weights(g);
    assert_refused(g, w, (weld_session_options){.batch = -1}, WELD_ERROR_ARGUMENT, "batch");
    assert_refused(g, w, (weld_session_options){.threads = -1}, WELD_ERROR_ARGUMENT, "threads");
    assert_refused(g, w, (weld_session_options){.isa = "abacus"}, WELD_ERROR_ARGUMENT, "abacus");
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("graph/session", sessions_that_share_weights_run_at_once_with_equal_results,
          running_allocates_nothing, streams_give_what_running_node_by_node_gives,
          a_checked_run_names_the_first_value_that_is_not_finite,
          results_do_not_depend_on_the_number_of_threads,
          inputs_stay_as_they_were_filled_and_outputs_are_views,
          an_input_that_is_never_filled_counts_as_zero,
          an_observer_is_told_of_every_node_and_of_no_thread_at_two_places,
          a_function_is_called_after_each_step_and_finds_what_is_complete,
          weights_that_do_not_fit_are_refused)
