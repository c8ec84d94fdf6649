/* What every operator is put through: its gradient against central differences in double, each
 * instruction set in float against double, and one number of threads against another.
 *
 *     static weld_value *build(weld_graph *g, weld_value *const *x, const void *options);
 *     check_operator((check_leaf[]){{WELD_SHAPE(2, 3), -1, 1}}, 1, build, NULL);
 *
 * `build` makes the value to look at from leaves with elements drawn from [low, high). The loss is
 * the sum of that value's elements, each times a random factor.
 */
#ifndef WELD_TESTS_OPS_GRADCHECK_H
#define WELD_TESTS_OPS_GRADCHECK_H

#include <check.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "graph/plan.h"
#include "ops/ops.h"

typedef struct check_leaf {
    weld_shape shape;
    double low, high;
    bool fixed; /* no gradient is asked for */
} check_leaf;

typedef weld_value *(*check_build)(weld_graph *g, weld_value *const *leaves, const void *options);

enum { CHECK_MAX_LEAVES = 8, CHECK_SEED = 11, CHECK_STEP = 5 };

/* --- The loss: dot(y, r) -> [1], and its gradient r * dloss. Double or float, one thread. -------
 */

static double check_get(const weld_tensor *t, int64_t i) {
    return t->dtype == WELD_F64 ? ((const double *)t->data)[i] : ((const float *)t->data)[i];
}

static void check_set(const weld_tensor *t, int64_t i, double value) {
    if (t->dtype == WELD_F64) {
        ((double *)t->data)[i] = value;
    } else {
        ((float *)t->data)[i] = (float)value;
    }
}

static weld_status check_infer_dot(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                   weld_error *err) {
    (void)node;
    (void)err;
    out[0].dtype = in[0].dtype;
    out[0].shape = WELD_SHAPE(1);
    return WELD_OK;
}

static void check_run_dot(const weld_run *run) {
    double sum = 0;
    int64_t count = weld_shape_count(&run->in[0].shape);
    for (int64_t i = 0; i < count; i++) {
        sum += check_get(&run->in[0], i) * check_get(&run->in[1], i);
    }
    check_set(&run->out[0], 0, sum);
}

static weld_status check_infer_dot_grad(const weld_node *node, const weld_tensor *in,
                                        weld_tensor *out, weld_error *err) {
    (void)node;
    (void)err;
    out[0].dtype = in[0].dtype;
    out[0].shape = in[0].shape;
    return WELD_OK;
}

static void check_run_dot_grad(const weld_run *run) {
    int64_t count = weld_shape_count(&run->in[0].shape);
    for (int64_t i = 0; i < count; i++) {
        check_set(&run->out[0], i, check_get(&run->in[0], i) * check_get(&run->in[1], 0));
    }
}

static const weld_op check_dot_grad = {.name = "check_dot_grad",
                                       .inputs = {2, 2},
                                       .outputs = 1,
                                       .infer = check_infer_dot_grad,
                                       .types = WELD_TYPES_FLOAT,
                                       .cpu = {.run = check_run_dot_grad}};

static void check_grad_of_dot(const weld_gradient *of) {
    weld_value *in[] = {of->node->inputs[1], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &check_dot_grad, NULL, in, 2, 2);
}

static const weld_op check_dot = {.name = "check_dot",
                                  .inputs = {2, 2},
                                  .outputs = 1,
                                  .infer = check_infer_dot,
                                  .grad = check_grad_of_dot,
                                  .types = WELD_TYPES_FLOAT,
                                  .cpu = {.run = check_run_dot}};

/* --- A graph with outputs "y", "loss" and "d0", "d1", ... of the leaves "x0", "x1", ... ---------
 */

typedef struct check_net {
    weld_graph *graph;
    weld_weights *weights;
} check_net;

/* The first `narrow` leaves reach `build` as bf16. */
static check_net check_make_narrow(weld_dtype dtype, const check_leaf *leaves, int count,
                                   int narrow, check_build build, const void *options) {
    check_net net = {0};
    weld_error err = {0};
    weld_value *x[CHECK_MAX_LEAVES], *wrt[CHECK_MAX_LEAVES], *grads[CHECK_MAX_LEAVES];
    int wanted[CHECK_MAX_LEAVES];
    size_t wanted_count = 0;
    ck_assert_int_eq(weld_graph_create(dtype, &net.graph, &err), WELD_OK);
    for (int i = 0; i < count; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%d", i);
        x[i] = weld_parameter(net.graph, name, leaves[i].shape,
                              (weld_init){WELD_INIT_UNIFORM, leaves[i].low, leaves[i].high});
        if (!leaves[i].fixed) {
            wanted[wanted_count] = i;
            wrt[wanted_count++] = x[i];
        }
        x[i] = i < narrow ? weld_cast(net.graph, x[i], WELD_BF16) : x[i];
    }
    weld_value *y = build(net.graph, x, options);
    ck_assert_msg(y != NULL, "%s", net.graph->error.message);
    y = weld_cast(net.graph, y, dtype);
    weld_value *r =
        weld_parameter(net.graph, "r", weld_value_shape(y), (weld_init){WELD_INIT_UNIFORM, -1, 1});
    weld_value *in[] = {y, r};
    weld_value *loss = weld_graph_node(net.graph, &check_dot, NULL, in, 2, 2);
    weld_output(net.graph, "y", y);
    weld_output(net.graph, "loss", loss);
    weld_status status = weld_differentiate(net.graph, loss, wrt, wanted_count, grads, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    for (size_t i = 0; i < wanted_count; i++) {
        char name[8];
        snprintf(name, sizeof name, "d%d", wanted[i]);
        weld_output(net.graph, name, grads[i]);
    }
    status = weld_graph_init_weights(net.graph, CHECK_SEED, &net.weights, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    for (size_t i = 0; i < weld_weights_count(net.weights); i++) { /* the same in f32 and f64 */
        weld_tensor t = weld_weights_tensor(net.weights, i);
        for (int64_t j = 0; t.dtype == WELD_F64 && j < weld_shape_count(&t.shape); j++) {
            ((double *)t.data)[j] = (float)((double *)t.data)[j];
        }
    }
    return net;
}

static check_net check_make(weld_dtype dtype, const check_leaf *leaves, int count,
                            check_build build, const void *options) {
    return check_make_narrow(dtype, leaves, count, 0, build, options);
}

static void check_free(check_net *net) {
    weld_weights_free(net->weights);
    weld_graph_free(net->graph);
}

static weld_session *check_session(const check_net *net, int threads, const char *isa) {
    weld_session *s;
    weld_error err = {0};
    weld_session_options o = {.threads = threads, .seed = CHECK_SEED, .isa = isa};
    weld_status status = weld_session_create(net->graph, net->weights, &o, &s, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    return s;
}

/* --- The checks --------------------------------------------------------------------------------*/

static double check_loss_at(weld_session *s, const weld_tensor *x, int64_t i, double value) {
    double held = check_get(x, i);
    check_set(x, i, value);
    weld_session_run(s, CHECK_STEP);
    check_set(x, i, held);
    weld_tensor loss = weld_session_output(s, "loss");
    return check_get(&loss, 0);
}

/* |numeric - analytic| < 1e-6 |analytic| over each leaf, in the Euclidean norm. Of a large leaf
 * every so many elements are looked at, about 150 in all. */
static inline void check_gradient(const check_leaf *leaves, int count, check_build build,
                                  const void *options) {
    check_net net = check_make(WELD_F64, leaves, count, build, options);
    weld_session *s = check_session(&net, 1, NULL);
    for (int leaf = 0; leaf < count; leaf++) {
        if (leaves[leaf].fixed) {
            continue;
        }
        char x_name[8], d_name[8];
        snprintf(x_name, sizeof x_name, "x%d", leaf);
        snprintf(d_name, sizeof d_name, "d%d", leaf);
        weld_tensor x, d = weld_session_output(s, d_name);
        ck_assert(weld_weights_find(net.weights, x_name, &x));
        ck_assert(weld_shape_equal(&x.shape, &d.shape));
        int64_t n = weld_shape_count(&x.shape), stride = n / 150 + 1;
        double difference = 0, norm = 0;
        const double h = 1e-5;
        weld_session_run(s, CHECK_STEP);
        weld_tensor held = d;
        held.data = weld_memdup(d.data, (size_t)n * sizeof(double));
        ck_assert_ptr_nonnull(held.data);
        for (int64_t i = 0; i < n; i += stride) {
            double at = check_get(&x, i);
            double high = check_loss_at(s, &x, i, at + h), low = check_loss_at(s, &x, i, at - h);
            double numeric = (high - low) / ((at + h) - (at - h));
            double analytic = check_get(&held, i);
            difference += (numeric - analytic) * (numeric - analytic);
            norm += analytic * analytic;
        }
        weld_free(held.data);
        ck_assert_msg(sqrt(difference) < 1e-6 * sqrt(norm),
                      "leaf %d: gradient is off by %g of a norm of %g", leaf, sqrt(difference),
                      sqrt(norm));
    }
    weld_session_free(s);
    check_free(&net);
}

/* Every output of every float variant is as in double, to 1e-5 of the output's largest element (a
 * gradient may be zero where only rounding is left: then to 1e-6 of one). */
static void check_variants(const check_leaf *leaves, int count, check_build build,
                           const void *options) {
    check_net exact = check_make(WELD_F64, leaves, count, build, options);
    weld_session *reference = check_session(&exact, 1, NULL);
    weld_session_run(reference, CHECK_STEP);
    for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
        check_net net = check_make(WELD_F32, leaves, count, build, options);
        weld_session *s = check_session(&net, 1, weld_kernels_available(WELD_F32, v));
        weld_session_run(s, CHECK_STEP);
        for (size_t i = 0; i < net.graph->output_count; i++) {
            const char *name = net.graph->outputs[i].name;
            weld_tensor a = weld_session_output(s, name), b = weld_session_output(reference, name);
            int64_t n = weld_shape_count(&a.shape);
            double largest = 0.1, worst = 0;
            for (int64_t j = 0; j < n; j++) {
                largest = fmax(largest, fabs(check_get(&b, j)));
                double off = fabs(check_get(&a, j) - check_get(&b, j));
                worst = off <= worst ? worst : off; /* a NaN stays */
            }
            ck_assert_msg(worst <= 1e-5 * largest, "%s: output %s is off by %g of %g",
                          weld_kernels_available(WELD_F32, v), name, worst, largest);
        }
        weld_session_free(s);
        check_free(&net);
    }
    weld_session_free(reference);
    check_free(&exact);
}

/* Every output has the same bits for 1, 2 and 5 threads. */
static void check_threads(const check_leaf *leaves, int count, check_build build,
                          const void *options) {
    check_net one = check_make(WELD_F32, leaves, count, build, options);
    weld_session *reference = check_session(&one, 1, NULL);
    weld_session_run(reference, CHECK_STEP);
    for (int threads = 2; threads <= 5; threads += 3) {
        check_net net = check_make(WELD_F32, leaves, count, build, options);
        weld_session *s = check_session(&net, threads, NULL);
        weld_session_run(s, CHECK_STEP);
        for (size_t i = 0; i < net.graph->output_count; i++) {
            const char *name = net.graph->outputs[i].name;
            weld_tensor a = weld_session_output(s, name), b = weld_session_output(reference, name);
            ck_assert_msg(
                memcmp(a.data, b.data, (size_t)weld_shape_count(&a.shape) * sizeof(float)) == 0,
                "%d threads give another %s", threads, name);
        }
        weld_session_free(s);
        check_free(&net);
    }
    weld_session_free(reference);
    check_free(&one);
}

static inline void check_operator(const check_leaf *leaves, int count, check_build build,
                                  const void *options) {
#if !defined __SANITIZE_THREAD__ /* one thread, which shows no race, and minutes */
    check_gradient(leaves, count, build, options);
#endif
    check_variants(leaves, count, build, options);
    check_threads(leaves, count, build, options);
}

/* --- bf16 --- */

/* Numbers that bf16 can hold: what is left is the rounding of results. */
static inline void check_shorten(weld_weights *w) {
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        for (int64_t j = 0; t.dtype == WELD_F32 && j < weld_shape_count(&t.shape); j++) {
            ((uint32_t *)t.data)[j] &= 0xffff0000U;
        }
    }
}

/* In the Euclidean norm over each output but the loss, which is a sum that cancels; of outputs that
 * are zero but for rounding, `floor` of the root of their number. */
static inline void check_near(weld_session *a, weld_session *b, double bound, double floor,
                              const char *what) {
    const weld_graph *g = weld_session_plan(a)->graph;
    for (size_t i = 0; i < g->output_count; i++) {
        const char *name = g->outputs[i].name;
        weld_tensor x = weld_session_output(a, name), y = weld_session_output(b, name);
        int64_t n = strcmp(name, "loss") == 0 ? 0 : weld_shape_count(&x.shape);
        double difference = 0, norm = 0;
        for (int64_t j = 0; j < n; j++) {
            double off = check_get(&x, j) - check_get(&y, j);
            difference += off * off;
            norm += check_get(&y, j) * check_get(&y, j);
        }
        double limit = fmax(bound * sqrt(norm), floor * sqrt((double)n));
        ck_assert_msg(sqrt(difference) <= limit, "%s: output %s is off by %g of a norm of %g", what,
                      name, sqrt(difference), sqrt(norm));
    }
}

static inline void check_same_bits(weld_session *a, weld_session *b, const char *what) {
    const weld_graph *g = weld_session_plan(a)->graph;
    for (size_t i = 0; i < g->output_count; i++) {
        const char *name = g->outputs[i].name;
        weld_tensor x = weld_session_output(a, name), y = weld_session_output(b, name);
        size_t bytes = weld_tensor_bytes(&x);
        ck_assert_msg(memcmp(x.data, y.data, bytes) == 0, "%s: another %s", what, name);
    }
}

/* With the first `narrow` leaves as bf16: results and gradients of every table of kernels are those
 * of f32 but for rounding, where a few roundings follow each other; and threads change no bit. The
 * other leaves and their gradients stay f32. */
static inline void check_operator_bf16(const check_leaf *leaves, int count, int narrow,
                                       check_build build, const void *options) {
    check_net exact = check_make(WELD_F32, leaves, count, build, options);
    check_shorten(exact.weights);
    weld_session *reference = check_session(&exact, 1, "ref");
    weld_session_run(reference, CHECK_STEP);
    for (int v = 0; weld_kernels_available(WELD_BF16, v); v++) {
        const char *isa = weld_kernels_available(WELD_BF16, v);
        check_net net = check_make_narrow(WELD_F32, leaves, count, narrow, build, options);
        check_net other = check_make_narrow(WELD_F32, leaves, count, narrow, build, options);
        check_shorten(net.weights);
        check_shorten(other.weights);
        weld_session *s = check_session(&net, 1, isa), *t = check_session(&other, 3, isa);
        weld_session_run(s, CHECK_STEP);
        weld_session_run(t, CHECK_STEP);
        check_near(s, reference, 1.0 / 128, 1.0 / 1024, isa);
        check_same_bits(s, t, isa);
        weld_session_free(s);
        weld_session_free(t);
        check_free(&net);
        check_free(&other);
    }
    weld_session_free(reference);
    check_free(&exact);
}

/* Run what `build` makes of one leaf "x0" holding `values`, in double; the result into out[n]. */
static inline void check_forward(weld_shape shape, const double *values, check_build build,
                                 const void *options, int64_t n, double *out) {
    check_leaf leaf = {shape, -1, 1};
    check_net net = check_make(WELD_F64, &leaf, 1, build, options);
    weld_session *s = check_session(&net, 1, NULL);
    weld_tensor x, y = weld_session_output(s, "y");
    ck_assert(weld_weights_find(net.weights, "x0", &x));
    memcpy(x.data, values, (size_t)weld_shape_count(&shape) * sizeof(double));
    weld_session_run(s, CHECK_STEP);
    ck_assert_int_eq(weld_shape_count(&y.shape), n);
    memcpy(out, y.data, (size_t)n * sizeof(double));
    weld_session_free(s);
    check_free(&net);
}

/* The message of the error that `build` meets must hold `text`. */
static inline void check_refused(const check_leaf *leaves, int count, check_build build,
                                 const void *options, const char *text) {
    weld_graph *g;
    weld_error err = {0};
    weld_value *x[CHECK_MAX_LEAVES];
    ck_assert_int_eq(weld_graph_create(WELD_F64, &g, &err), WELD_OK);
    for (int i = 0; i < count; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%d", i);
        x[i] = weld_parameter(g, name, leaves[i].shape, (weld_init){0});
    }
    ck_assert_ptr_null(build(g, x, options));
    ck_assert_int_ne(weld_graph_status(g, &err), WELD_OK);
    ck_assert_msg(strstr(err.message, text) != NULL, "\"%s\" says nothing of \"%s\"", err.message,
                  text);
    weld_graph_free(g);
}

#endif
