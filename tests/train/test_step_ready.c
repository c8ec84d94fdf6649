/* When gradients are there: what is read of them right after their step is what the run ends with.
 */
#include <stdio.h>
#include <string.h>

#include "graph/plan.h"
#include "suite.h"
#include "train/fixture_step.h"

typedef struct watched {
    weld_tensor tensor; /* NULL: of a frozen parameter */
    size_t step, looks;
    void *early, *ready; /* what was read a step before and after it */
    size_t bytes;
} watched;

typedef struct watcher {
    watched *values;
    size_t count, steps, next;
} watcher;

static void look(void *context, size_t step) {
    watcher *w = context;
    ck_assert_uint_eq(step, w->next);
    w->next++;
    for (size_t i = 0; i < w->count; i++) {
        watched *v = &w->values[i];
        if (v->tensor.data && step + 1 == v->step) {
            memcpy(v->early, v->tensor.data, v->bytes);
        }
        if (v->tensor.data && step == v->step) {
            memcpy(v->ready, v->tensor.data, v->bytes);
            v->looks++;
        }
    }
}

static void watch(watched *v, weld_session *s, const weld_graph *g, const char *name) {
    v->tensor = weld_session_output(s, name);
    v->step = weld_session_step_of(s, weld_graph_output(g, name));
    v->bytes = weld_tensor_bytes(&v->tensor);
    v->early = calloc(1, v->bytes);
    v->ready = calloc(1, v->bytes);
}

/* The gradients, and the loss as the last. */
static watcher watch_all(const weld_train_step *s) {
    watcher w = {.count = s->parameter_count + 1,
                 .steps = weld_session_plan(s->session)->step_count,
                 .values = calloc(s->parameter_count + 1, sizeof(watched))};
    for (size_t i = 0; i < s->parameter_count; i++) {
        char name[256];
        snprintf(name, sizeof name, "gradient/%s",
                 weld_value_name(weld_graph_parameter(s->graph, i)));
        if (s->rates[i].trained) {
            watch(&w.values[i], s->session, s->graph, name);
            ck_assert_ptr_eq(w.values[i].tensor.data, s->gradients[i].data);
        }
    }
    watch(&w.values[s->parameter_count], s->session, s->graph, "loss");
    return w;
}

static void free_watcher(watcher *w) {
    for (size_t i = 0; i < w->count; i++) {
        free(w->values[i].early);
        free(w->values[i].ready);
    }
    free(w->values);
}

/* Of all that was watched in a run. All had other numbers a step before: it is no later than need
 * be. */
static void expect_ready(const watcher *w, size_t trained) {
    size_t watched_ones = 0, changed = 0;
    ck_assert_uint_eq(w->next, w->steps);
    for (size_t i = 0; i < w->count; i++) {
        const watched *v = &w->values[i];
        if (v->tensor.data) {
            ck_assert_uint_eq(v->looks, 1);
            ck_assert_mem_eq(v->ready, v->tensor.data, v->bytes);
            changed += memcmp(v->early, v->ready, v->bytes) != 0;
            watched_ones++;
        }
    }
    ck_assert_uint_eq(watched_ones, trained + 1);
    ck_assert_uint_eq(changed, watched_ones);
}

static void run_and_look(weld_precision precision, bool fused, int threads) {
    weld_train_step_options o = {
        .precision = precision, .threads = threads, .fuse = {.off = !fused}};
    fixture_step s;
    fixture_step_make(&s, "adamw.fixture", o, &fixture_adamw, 0);
    for (int batch = 0; batch < 2; batch++) {
        watcher w = watch_all(s.step);
        weld_session_after_step(s.step->session, look, &w);
        fixture_step_run(&s, batch, 4);
        weld_session_after_step(s.step->session, NULL, NULL);
        expect_ready(&w, s.step->parameter_count);
        fixture_step_run(&s, batch + 2, 4);
        ck_assert_uint_eq(w.next, w.steps);
        free_watcher(&w);
    }
    fixture_step_free(&s);
}

START_TEST(a_gradient_read_after_its_step_is_that_of_the_run) {
    for (int threads = 1; threads <= 3; threads++) {
        run_and_look(WELD_PRECISION_FP32, true, threads);
        run_and_look(WELD_PRECISION_BF16, true, threads);
    }
}
END_TEST

START_TEST(likewise_node_by_node) {
    for (int threads = 1; threads <= 3; threads += 2) {
        run_and_look(WELD_PRECISION_FP32, false, threads);
        run_and_look(WELD_PRECISION_BF16, false, threads);
    }
}
END_TEST

RUN_SUITE("train/step_ready", a_gradient_read_after_its_step_is_that_of_the_run,
          likewise_node_by_node)
