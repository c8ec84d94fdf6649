/* Batch norm in steps against batch norm whole, and its sums over slices. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "ops/ops.h"
#include "passes/split_batch_norm.h"
#include "suite.h"

enum { ROWS = 1013, CHANNELS = 7 };

static weld_error err;

static double get(const weld_tensor *t, int64_t i) {
    return t->dtype == WELD_F64 ? ((const double *)t->data)[i]
                                : (double)((const float *)t->data)[i];
}

static void set(const weld_tensor *t, int64_t i, double value) {
    if (t->dtype == WELD_F64) {
        ((double *)t->data)[i] = value;
    } else {
        ((float *)t->data)[i] = (float)value;
    }
}

/* x -> batch norm -> gradient for a given dy. Output "y", "dx", "dweight", "dbias". */
static weld_graph *whole(weld_dtype dtype, int64_t rows) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(dtype, &g, &err), WELD_OK);
    weld_shape c = WELD_SHAPE(CHANNELS), scalar = {0};
    weld_init init = {WELD_INIT_UNIFORM, 0.5, 1.5};
    weld_batch_norm_leaves leaves = {weld_parameter(g, "weight", c, init),
                                     weld_parameter(g, "bias", c, init),
                                     weld_buffer(g, "running_mean", WELD_F32, c, init),
                                     weld_buffer(g, "running_var", WELD_F32, c, init),
                                     weld_buffer(g, "batches", WELD_I64, scalar, (weld_init){0})};
    weld_value *x = weld_input(g, "x", WELD_SHAPE(rows, CHANNELS));
    weld_value *dy = weld_input(g, "dy", WELD_SHAPE(rows, CHANNELS));
    weld_value *y = weld_batch_norm(g, x, leaves, 1e-5, 0.1, true);
    ck_assert_msg(y != NULL, "%s", g->error.message);
    weld_value *in[] = {x, dy, leaves.weight, y->producer->outputs[1], y->producer->outputs[2]};
    weld_value *dx = weld_graph_node(g, &weld_op_batch_norm_grad, NULL, in, 5, 5);
    weld_output(g, "y", y);
    weld_output(g, "mean", y->producer->outputs[1]);
    weld_output(g, "rstd", y->producer->outputs[2]);
    weld_output(g, "dx", dx);
    weld_output(g, "dweight", dx->producer->outputs[1]);
    weld_output(g, "dbias", dx->producer->outputs[2]);
    return g;
}

typedef struct running {
    weld_graph *graph;
    weld_weights *weights;
    weld_session *session;
} running;

static void start(running *r, weld_graph *g, int64_t rows, double offset) {
    r->graph = g;
    ck_assert_int_eq(weld_graph_init_weights(g, 3, &r->weights, &err), WELD_OK);
    ck_assert_msg(!weld_session_create(g, r->weights, NULL, &r->session, &err), "%s", err.message);
    weld_tensor x = weld_session_input(r->session, "x"), dy = weld_session_input(r->session, "dy");
    weld_random random = weld_random_start(1, 2, 3, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < rows * CHANNELS; i++) {
        bool constant = i % CHANNELS == 2;
        set(&x, i, constant ? 0.3 : offset + weld_random_normal(&random));
        set(&dy, i, weld_random_normal(&random) + 0.5);
    }
}

static void stop(running *r) {
    weld_session_free(r->session);
    weld_weights_free(r->weights);
    weld_graph_free(r->graph);
}

static void same(const weld_tensor *a, const weld_tensor *b, double tolerance, const char *what) {
    double largest = 1;
    for (int64_t i = 0; i < weld_shape_count(&a->shape); i++) {
        largest = fmax(largest, fabs(get(a, i)));
    }
    for (int64_t i = 0; i < weld_shape_count(&a->shape); i++) {
        double off = fabs(get(a, i) - get(b, i));
        ck_assert_msg(off <= tolerance * largest, "%s: element %d is off by %g of %g", what, (int)i,
                      off, largest);
    }
}

static void compare(weld_dtype dtype, int64_t rows, double offset, double tolerance) {
    static const char *const outputs[] = {"y", "mean", "rstd", "dx", "dweight", "dbias"};
    static const char *const buffers[] = {"running_mean", "running_var"};
    running a, b;
    weld_graph *g = whole(dtype, rows), *split;
    ck_assert_msg(!weld_split_batch_norm(g, &split, &err), "%s", err.message);
    start(&a, g, rows, offset);
    start(&b, split, rows, offset);
    for (int step = 0; step < 2; step++) {
        weld_session_run(a.session, 0);
        weld_session_run(b.session, 0);
    }
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        weld_tensor x = weld_session_output(a.session, outputs[i]);
        weld_tensor y = weld_session_output(b.session, outputs[i]);
        same(&x, &y, tolerance, outputs[i]);
    }
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        weld_tensor x, y;
        ck_assert(weld_weights_find(a.weights, buffers[i], &x));
        ck_assert(weld_weights_find(b.weights, buffers[i], &y));
        same(&x, &y, tolerance, buffers[i]);
    }
    weld_tensor batches;
    ck_assert(weld_weights_find(b.weights, "batches", &batches));
    ck_assert_int_eq(*(int64_t *)batches.data, 2);
    stop(&a);
    stop(&b);
}

START_TEST(steps_do_what_batch_norm_does_whole) {
    compare(WELD_F64, ROWS, 0, 1e-12);
    compare(WELD_F32, ROWS, 0, 2e-6);
}
END_TEST

START_TEST(a_mean_far_from_zero_costs_no_accuracy_of_float) {
    compare(WELD_F32, ROWS, 1000, 2e-6);
}
END_TEST

START_TEST(a_single_row_gives_the_bias) {
    compare(WELD_F64, 1, 0, 1e-12);
}
END_TEST

/* Run one operator by hand on rows [begin, end), adding to its sums. */
static void add_slice(const weld_op *op, const weld_kernels *k, const weld_tensor *in, int inputs,
                      int64_t begin, int64_t end, double *sums) {
    weld_tensor slice[3], out = {WELD_F64, WELD_SHAPE(3, CHANNELS), sums};
    for (int i = 0; i < inputs; i++) {
        slice[i] = in[i];
        if (op->cpu.sliced >> i & 1u) {
            slice[i].shape = WELD_SHAPE(1, 1, end - begin, CHANNELS);
            slice[i].data = weld_at(&in[i], begin * CHANNELS);
        }
    }
    weld_node node = {.op = op, .input_count = inputs, .output_count = 1};
    weld_run run = {
        .node = &node, .in = slice, .out = &out, .threads = 1, .accumulate = true, .kernels = k};
    run.workspace = weld_alloc(op->cpu.workspace(&run), 1);
    op->cpu.run(&run);
    weld_free(run.workspace);
}

START_TEST(sums_of_slices_add_up) {
    static const int64_t cuts[] = {0, 1, 17, 400, 401, ROWS};
    static float x[ROWS * CHANNELS], dy[ROWS * CHANNELS], mean[CHANNELS];
    double moments[3 * CHANNELS] = {0}, sums[3 * CHANNELS] = {0};
    const weld_kernels *k;
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &k, &err), WELD_OK);
    weld_random random = weld_random_start(5, 2, 3, WELD_RANDOM_TEST);
    for (int i = 0; i < ROWS * CHANNELS; i++) {
        x[i] = (float)weld_random_normal(&random);
        dy[i] = (float)weld_random_normal(&random);
        mean[i % CHANNELS] = 0.25F;
    }
    weld_tensor of_x = {WELD_F32, WELD_SHAPE(ROWS, CHANNELS), x};
    weld_tensor of_dy[] = {
        {WELD_F32, of_x.shape, dy}, of_x, {WELD_F32, WELD_SHAPE(CHANNELS), mean}};
    for (int i = 0; i < 5; i++) {
        add_slice(&weld_op_moments, k, &of_x, 1, cuts[i], cuts[i + 1], moments);
        add_slice(&weld_op_batch_norm_sums, k, of_dy, 3, cuts[i], cuts[i + 1], sums);
    }
    for (int j = 0; j < CHANNELS; j++) {
        double expected[4] = {0};
        for (int i = j; i < ROWS * CHANNELS; i += CHANNELS) {
            expected[0] += (double)x[i];
            expected[1] += (double)x[i] * (double)x[i];
            expected[2] += (double)dy[i];
            expected[3] += (double)dy[i] * ((double)x[i] - 0.25);
        }
        ck_assert_double_eq_tol(moments[j], expected[0], 1e-3);
        ck_assert_double_eq_tol(moments[CHANNELS + j], expected[1], 1e-3);
        ck_assert_double_eq(moments[2 * CHANNELS + j], ROWS);
        ck_assert_double_eq_tol(sums[j], expected[2], 1e-3);
        ck_assert_double_eq_tol(sums[CHANNELS + j], expected[3], 1e-3);
        ck_assert_double_eq(sums[2 * CHANNELS + j], ROWS);
    }
}
END_TEST

START_TEST(vectors_of_another_length_are_refused) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(4, 3));
    weld_value *scale = weld_parameter(g, "scale", WELD_SHAPE(4), (weld_init){0});
    ck_assert_ptr_null(weld_graph_node(g, &weld_op_affine, NULL, (weld_value *[]){x, scale}, 2, 2));
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "scale"));
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("ops/batch_norm_steps", steps_do_what_batch_norm_does_whole,
          a_mean_far_from_zero_costs_no_accuracy_of_float, a_single_row_gives_the_bias,
          sums_of_slices_add_up, vectors_of_another_length_are_refused)
