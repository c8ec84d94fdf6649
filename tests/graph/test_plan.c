#include "graph/networks.h"
#include "suite.h"

/* --- An independent look at a plan: who lives when, and do two that live together overlap? ------
 */

enum { START = -1, END = 1 << 30, NOWHERE = -2 };

typedef struct life {
    int place;       /* the arena: 0; the scratch of a stream: 1 + its step; else NOWHERE */
    int first, last; /* steps in the arena; positions in the order in a scratch */
    size_t begin, end;
} life;

/* Is the node done by that which makes its input? */
static bool in_passing(const weld_plan *plan, const weld_node *node) {
    const weld_node *before = node->input_count ? node->inputs[0]->producer : NULL;
    return before && plan->finishes[before->id] == node;
}

/* The value whose memory v is: views end in what they view. */
static const weld_value *viewed(const weld_plan *plan, const weld_value *v) {
    while (v->producer && (v->producer->op->view || in_passing(plan, v->producer))) {
        v = v->producer->inputs[0];
    }
    return v;
}

static bool reads(const weld_plan *plan, const weld_node *node, const weld_value *v) {
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] && viewed(plan, node->inputs[i]) == v) {
            return true;
        }
    }
    return false;
}

static int step_of(const weld_plan *plan, size_t at) {
    for (size_t i = 0; i < plan->step_count; i++) {
        if (at >= plan->steps[i].begin && at < plan->steps[i].end) {
            return (int)i;
        }
    }
    ck_abort_msg("position %zu is in no step", at);
    return NOWHERE;
}

/* Of what is no view: these live where, and as long as, that which they are of. */
static life life_of(const weld_plan *plan, const weld_value *v) {
    life l = {NOWHERE, START, START, 0, 0};
    const bool scratch = plan->in_scratch[v->id];
    ck_assert_uint_eq(plan->offsets[v->id], plan->offsets[viewed(plan, v)->id]);
    ck_assert_int_eq(scratch, plan->in_scratch[viewed(plan, v)->id]);
    if (plan->offsets[v->id] == SIZE_MAX || viewed(plan, v) != v) {
        return l;
    }
    l.place = 0;
    size_t bytes = weld_tensor_bytes(&plan->specs[v->id]);
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        const int now = scratch ? (int)at : step_of(plan, at);
        if (v->producer == node) {
            l.first = l.last = now;
            if (scratch) {
                const weld_step *step = &plan->steps[step_of(plan, at)];
                l.place = 1 + step_of(plan, at);
                bytes =
                    (size_t)step->slice * weld_slice_unit_bytes(step->slicing, &plan->specs[v->id]);
            }
        }
        l.last = reads(plan, node, v) ? now : l.last;
        if (scratch && l.last == now) {
            ck_assert_int_eq(l.place, 1 + step_of(plan, at)); /* nobody else reads it */
        }
    }
    for (size_t i = 0; i < plan->graph->output_count; i++) {
        l.last = viewed(plan, plan->graph->outputs[i].value) == v ? END : l.last;
    }
    l.last = v->kind == WELD_VALUE_INPUT ? END : l.last;
    l.begin = plan->offsets[v->id];
    l.end = l.begin + bytes;
    return l;
}

/* b is made by a node that may overwrite a, in exactly a's place. */
static bool is_in_place(const weld_plan *plan, const weld_value *a, const weld_value *b) {
    bool may = false, must_not = false;
    for (int i = 0; b->producer && i < b->producer->input_count; i++) {
        const weld_value *in = b->producer->inputs[i];
        if (in && viewed(plan, in) == a) {
            bool allowed = b->producer->op->cpu.inplace >> i & 1u;
            may = may || allowed;
            must_not = must_not || !allowed;
        }
    }
    return may && !must_not && b->output_index == 0 && plan->offsets[a->id] == plan->offsets[b->id];
}

static bool overlap(const life *a, const life *b) {
    return a->place == b->place && a->begin < b->end && b->begin < a->end;
}

static void check_pair(const weld_plan *plan, const weld_value *a, const life *la,
                       const weld_value *b, const life *lb) {
    if (lb->first < la->first || lb->first > la->last || !overlap(la, lb)) {
        return;
    }
    ck_assert_msg(la->last == lb->first && is_in_place(plan, a, b),
                  "value %d (%d..%d) and value %d (%d..%d) share memory", a->id, la->first,
                  la->last, b->id, lb->first, lb->last);
}

/* Of whole tensors, or of slices where there is a step. */
static void find_specs(const weld_plan *plan, const weld_node *node, const weld_step *step,
                       weld_tensor *in, weld_tensor *out) {
    const bool streams = step && step->slicing != WELD_SLICE_NONE;
    for (int i = 0; i < node->input_count; i++) {
        in[i] = node->inputs[i] ? plan->specs[node->inputs[i]->id] : (weld_tensor){0};
        if (streams && (node->op->cpu.sliced >> i & 1u)) {
            in[i].shape = weld_slice_shape(step->slicing, &in[i], step->slice);
        }
    }
    for (int i = 0; i < node->output_count; i++) {
        out[i] = plan->specs[node->outputs[i]->id];
        if (streams && !(node->op->cpu.sums >> i & 1u)) {
            out[i].shape = weld_slice_shape(step->slicing, &out[i], step->slice);
        }
    }
}

static size_t workspace_bytes(const weld_plan *plan, const weld_node *node, const weld_step *step) {
    weld_tensor in[16] = {0}, out[WELD_MAX_OUTPUTS] = {0};
    const bool streams = step->slicing != WELD_SLICE_NONE;
    find_specs(plan, node, step, in, out);
    weld_run run = {.node = node,
                    .in = in,
                    .out = out,
                    .threads = streams ? 1 : plan->threads,
                    .kernels = weld_plan_kernels(plan, node)};
    return node->op->cpu.workspace ? node->op->cpu.workspace(&run) : 0;
}

static size_t prepared_bytes(const weld_plan *plan, const weld_node *node) {
    weld_tensor in[16] = {0}, out[WELD_MAX_OUTPUTS] = {0};
    find_specs(plan, node, NULL, in, out);
    weld_run run = {.node = node, .in = in, .out = out, .kernels = weld_plan_kernels(plan, node)};
    return node->op->cpu.prepared ? node->op->cpu.prepared(&run) : 0;
}

/* Memory of `bytes` that a node has for itself at one time in one place. */
static life check_own(const weld_plan *plan, const life *lives, int place, int now, size_t offset,
                      size_t bytes) {
    ck_assert_int_eq(bytes > 0, offset != SIZE_MAX);
    life own = {place, now, now, bytes ? offset : 0, bytes ? offset + bytes : 0};
    for (size_t i = 0; bytes && i < plan->graph->value_count; i++) {
        bool lives_now = lives[i].first <= now && lives[i].last >= now;
        ck_assert(!lives_now || !overlap(&lives[i], &own));
    }
    ck_assert_uint_le(own.end, place > 0 ? plan->scratch_bytes : plan->arena_bytes);
    return own;
}

static void check_workspaces(const weld_plan *plan, const life *lives) {
    for (size_t at = 0; at < plan->order_count; at++) {
        const weld_node *node = plan->order[at];
        const int number = step_of(plan, at);
        const weld_step *step = &plan->steps[number];
        const bool streams = step->slicing != WELD_SLICE_NONE;
        life workspace =
            check_own(plan, lives, streams ? 1 + number : 0, streams ? (int)at : number,
                      plan->workspaces[at], workspace_bytes(plan, node, step));
        life prepared =
            check_own(plan, lives, 0, number, plan->prepared[at], prepared_bytes(plan, node));
        ck_assert(!overlap(&workspace, &prepared));
    }
}

/* Returns the bytes of all values together. */
static size_t check_plan(const weld_plan *plan) {
    const weld_graph *g = plan->graph;
    life *lives = calloc(g->value_count, sizeof *lives);
    size_t total = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        lives[i] = life_of(plan, g->values[i]);
        total += lives[i].end - lives[i].begin;
        ck_assert_uint_le(lives[i].end,
                          lives[i].place > 0 ? plan->scratch_bytes : plan->arena_bytes);
        ck_assert_uint_eq(lives[i].begin % 64, 0);
    }
    for (size_t i = 0; i < g->value_count; i++) {
        for (size_t j = 0; j < g->value_count; j++) {
            if (i != j && lives[i].place != NOWHERE && lives[j].place != NOWHERE) {
                check_pair(plan, g->values[i], &lives[i], g->values[j], &lives[j]);
            }
        }
    }
    check_workspaces(plan, lives);
    free(lives);
    return total;
}

START_TEST(values_that_live_together_have_memory_of_their_own) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        weld_graph *g = network_random_build(seed, 3, 5 + (int)(seed % 50));
        weld_weights *w = network_weights(g);
        weld_session *s = network_session(g, w, (weld_session_options){.threads = 2});
        size_t total = check_plan(weld_session_plan(s));
        ck_assert_uint_lt(weld_session_arena_bytes(s), total);
        weld_session_free(s);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(a_convolutional_network_needs_less_than_the_sum_of_its_values) {
    for (int training = 0; training < 2; training++) {
        weld_graph *g = network_build(WELD_F32, 4, training);
        weld_weights *w = network_weights(g);
        weld_session *s =
            network_session(g, w, (weld_session_options){.threads = 2, .node_by_node = true});
        weld_session *streams = network_session(g, w, (weld_session_options){.threads = 2});
        size_t total = check_plan(weld_session_plan(s));
        ck_assert_uint_lt(weld_session_arena_bytes(s), training ? total * 8 / 10 : total * 6 / 10);
        check_plan(weld_session_plan(streams));
        weld_session_free(s);
        weld_session_free(streams);
        weld_weights_free(w);
        weld_graph_free(g);
    }
}
END_TEST

/* Run a network twice over, and once with memory of its own for every value. */
static void check_reuse(weld_graph *g, weld_graph *all) {
    network_output_all(all);
    weld_weights *w = network_weights(g), *w_all = network_weights(all);
    weld_session_options o = {.threads = 1, .seed = 8};
    weld_session *s = network_session(g, w, o), *plain = network_session(all, w_all, o);
    ck_assert_uint_lt(weld_session_arena_bytes(s), weld_session_arena_bytes(plain));
    network_fill(s, 1, 0);
    network_fill(plain, 1, 0);
    for (uint64_t step = 0; step < 2; step++) {
        weld_session_run(s, step);
        weld_session_run(plain, step);
        network_assert_equal(s, plain);
    }
    weld_session_free(s);
    weld_session_free(plain);
    weld_weights_free(w);
    weld_weights_free(w_all);
    weld_graph_free(g);
    weld_graph_free(all);
}

START_TEST(memory_that_is_used_again_changes_no_result) {
    for (uint64_t seed = 100; seed < 140; seed++) {
        check_reuse(network_random_build(seed, 3, 40), network_random_build(seed, 3, 40));
    }
    check_reuse(network_build(WELD_F32, 4, true), network_build(WELD_F32, 4, true));
    check_reuse(network_build(WELD_F32, 4, false), network_build(WELD_F32, 4, false));
}
END_TEST

/* An operator that may overwrite `a` but reads `b` after it has begun to write. */
static weld_status infer_first(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                               weld_error *err) {
    (void)node;
    (void)err;
    out[0].dtype = in[0].dtype;
    out[0].shape = in[0].shape;
    return WELD_OK;
}

static void run_first(const weld_run *run) {
    float *y = run->out[0].data;
    const float *a = run->in[0].data, *b = run->in[1].data;
    int64_t n = weld_shape_count(&run->out[0].shape);
    for (int64_t i = 0; i < n; i++) {
        y[i] = a[i] + b[n - 1 - i];
    }
}

static const weld_op add_reversed = {.name = "add_reversed",
                                     .inputs = {2, 2},
                                     .outputs = 1,
                                     .types = WELD_TYPES_FLOAT,
                                     .infer = infer_first,
                                     .cpu = {.inplace = 1 << 0, .run = run_first}};

START_TEST(a_result_is_not_put_over_what_its_operator_reads_under_another_name) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 4));
    weld_value *a = weld_scale(g, x, 2), *same = weld_reshape(g, a, WELD_SHAPE(-1, 2, 2));
    weld_output(g, "y", weld_graph_node(g, &add_reversed, NULL, (weld_value *[]){a, same}, 2, 2));
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){0});
    for (int i = 0; i < 8; i++) {
        ((float *)weld_session_input(s, "x").data)[i] = (float)i;
    }
    weld_session_run(s, 0);
    for (int i = 0; i < 8; i++) {
        ck_assert_float_eq(((float *)weld_session_output(s, "y").data)[i], 14);
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(nodes_that_no_output_needs_do_not_run) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 4));
    weld_value *y = weld_gelu(g, x);
    weld_softmax(g, y);
    weld_output(g, "y", y);
    weld_weights *w = network_weights(g);
    weld_session *s = network_session(g, w, (weld_session_options){0});
    ck_assert_uint_eq(weld_session_plan(s)->order_count, 1);
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_batch_gives_what_its_samples_give_alone) {
    weld_graph *g = network_build(WELD_F32, 2, false);
    weld_weights *w = network_weights(g);
    weld_session *seven = network_session(g, w, (weld_session_options){.batch = 7, .threads = 1});
    weld_session *one = network_session(g, w, (weld_session_options){.batch = 1, .threads = 1});
    network_fill(seven, 1, 0);
    weld_session_run(seven, 0);
    check_plan(weld_session_plan(seven));
    weld_tensor all = weld_session_output(seven, "logits"), single;
    ck_assert(weld_shape_equal(&all.shape, &WELD_SHAPE(7, 5)));
    for (int i = 0; i < 7; i++) {
        network_fill(one, 1, i);
        weld_session_run(one, 0);
        single = weld_session_output(one, "logits");
        for (int j = 0; j < 5; j++) {
            ck_assert_float_eq_tol(((float *)all.data)[i * 5 + j], ((float *)single.data)[j], 1e-5);
        }
    }
    weld_session_free(seven);
    weld_session_free(one);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(training_can_be_planned_for_another_batch) {
    weld_graph *g = network_build(WELD_F32, 2, true), *built = network_build(WELD_F32, 5, true);
    weld_weights *w = network_weights(g), *w_built = network_weights(built);
    weld_session *s = network_session(g, w, (weld_session_options){.batch = 5, .seed = 2});
    weld_session *plain = network_session(built, w_built, (weld_session_options){.seed = 2});
    network_fill(s, 1, 0);
    network_fill(plain, 1, 0);
    weld_session_run(s, 3);
    weld_session_run(plain, 3);
    network_assert_equal(s, plain);
    weld_session_free(s);
    weld_session_free(plain);
    weld_weights_free(w);
    weld_weights_free(w_built);
    weld_graph_free(g);
    weld_graph_free(built);
}
END_TEST

START_TEST(a_batch_that_does_not_fit_is_refused_with_the_node) {
    weld_graph *g;
    weld_error err = {0};
    weld_session *s;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(4, 6));
    weld_output(g, "y", weld_slice(g, x, 0, 2, 4));
    weld_weights *w = network_weights(g);
    weld_session_options o = {.batch = 3};
    ck_assert_int_eq(weld_session_create(g, w, &o, &s, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "slice#0 (x): elements 2..4"));
    o.batch = INT64_MAX / 16;
    ck_assert_int_eq(weld_session_create(g, w, &o, &s, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "x: shape ["));
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("graph/plan", values_that_live_together_have_memory_of_their_own,
          a_convolutional_network_needs_less_than_the_sum_of_its_values,
          memory_that_is_used_again_changes_no_result,
          a_result_is_not_put_over_what_its_operator_reads_under_another_name,
          nodes_that_no_output_needs_do_not_run, a_batch_gives_what_its_samples_give_alone,
          training_can_be_planned_for_another_batch,
          a_batch_that_does_not_fit_is_refused_with_the_node)
