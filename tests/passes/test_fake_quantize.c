/* Networks that are rounded to codes while they are trained. */
#include "passes/fake_quantize.h"
#include "passes/merged_cases.h"
#include "passes/minmax.h"
#include "suite.h"

/* Outputs "loss" and "d/NAME" for each parameter. */
static void add_gradients(weld_graph *g) {
    weld_error err;
    const size_t count = weld_graph_parameter_count(g);
    weld_value *wrt[600], *grads[600], *logits = weld_graph_output(g, "logits");
    ck_assert_uint_lt(count, 600);
    for (size_t i = 0; i < count; i++) {
        wrt[i] = weld_graph_parameter(g, i);
    }
    weld_value *loss = weld_mean(g, weld_mul(g, logits, logits));
    ck_assert_msg(!weld_differentiate(g, loss, wrt, count, grads, &err), "%s", err.message);
    for (size_t i = 0; i < count; i++) {
        char name[300];
        snprintf(name, sizeof name, "d/%s", weld_value_name(wrt[i]));
        weld_output(g, name, grads[i]);
    }
    ck_assert_msg(!weld_graph_status(g, &err), "%s", err.message);
}

static void fill_images(weld_session *s) {
    const weld_tensor t = weld_session_input(s, "images");
    weld_random r = weld_random_start(5, 0, 0, WELD_RANDOM_TEST);
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        ((double *)t.data)[i] = weld_random_normal(&r);
    }
}

static void expect_same_gradients(weld_session *a, weld_session *b, const weld_graph *g,
                                  const char *title) {
    for (size_t i = 0; i < weld_graph_parameter_count(g); i++) {
        char name[300];
        double difference = 0, norm = 0;
        snprintf(name, sizeof name, "d/%s", weld_value_name(weld_graph_parameter(g, i)));
        const weld_tensor x = weld_session_output(a, name), y = weld_session_output(b, name);
        ck_assert(weld_shape_equal(&x.shape, &y.shape));
        for (int64_t k = 0; k < weld_shape_count(&x.shape); k++) {
            const double p = ((const double *)x.data)[k], q = ((const double *)y.data)[k];
            difference += (p - q) * (p - q);
            norm += p * p;
        }
        ck_assert_msg(sqrt(difference) <= 1e-8 * sqrt(norm) + 1e-12, "%s: %s is off by %g of %g",
                      title, name, sqrt(difference), sqrt(norm));
    }
}

/* In double: through the merged network's weights as through the branches. */
static void expect_gradients(const weld_model_config *config, uint64_t seed) {
    weld_error err;
    weld_weights *w;
    weld_graph *plain = built(config, WELD_F64), *g = built(config, WELD_F64), *merged;
    const weld_fake_bits bits = {4, 8};
    ck_assert_msg(!weld_fake_quantized(g, bits, &merged, NULL, &err), "%s", err.message);
    ck_assert_int_eq(weld_graph_init_weights(merged, seed, &w, &err), WELD_OK);
    add_gradients(plain);
    add_gradients(merged); /* whose table is all zero: nothing is rounded */
    weld_session *a = session_of(plain, w), *b = session_of(merged, w);
    fill_images(a);
    fill_images(b);
    weld_session_run(a, 0);
    weld_session_run(b, 0);
    expect_same_gradients(a, b, plain, config->name);
    weld_session_free(a);
    weld_session_free(b);
    weld_weights_free(w);
    weld_graph_free(plain);
    weld_graph_free(g);
    weld_graph_free(merged);
}

START_TEST(gradients_of_branches_are_as_without_merging) {
    for (int i = 0; i < config_count(); i++) {
        const weld_model_config config = config_at(i);
        expect_gradients(&config, (uint64_t)i);
    }
}
END_TEST

/* --- Beside integers --- */

typedef struct trained {
    weld_graph *rounded, *merged;
    weld_weights *weights, *merged_weights; /* of rounded, with the table; of merged */
    weld_quantization q;
    weld_tensor table;
} trained;

/* A network with lively weights and the codes that some noise gives. */
static trained make_trained(const weld_model_config *config, uint64_t seed, weld_fake_bits bits) {
    trained t;
    weld_error err;
    weld_graph *g = built(config, WELD_F32), *same;
    weld_fake_rows rows;
    ck_assert_msg(!weld_fake_quantized(g, bits, &t.rounded, &t.merged, &err), "%s", err.message);
    ck_assert_int_eq(weld_graph_init_weights(t.rounded, seed, &t.weights, &err), WELD_OK);
    merging_enliven(g, t.weights, seed);
    ck_assert(weld_weights_find(t.weights, WELD_FAKE_CODES, &t.table));
    ck_assert_msg(!weld_reparameterize(g, t.weights, &same, &t.merged_weights, &err), "%s",
                  err.message);
    t.q = minmax_quantization(t.merged, t.merged_weights, BATCH, NULL);
    t.q.weight_bits = bits.weights;
    ck_assert_int_eq(weld_fake_rows_of(t.merged, &rows, &err), WELD_OK);
    weld_fake_table_fill(&rows, t.merged->value_count, bits, t.q.codes, t.table.data);
    weld_free(rows.activation);
    weld_graph_free(same);
    weld_graph_free(g);
    return t;
}

static void free_trained(trained *t) {
    weld_quantization_free(&t->q);
    weld_weights_free(t->weights);
    weld_weights_free(t->merged_weights);
    weld_graph_free(t->rounded);
    weld_graph_free(t->merged);
}

/* Into `logits`, how many there are. */
static int64_t logits_of(const weld_graph *g, weld_weights *w, float *logits, int64_t room) {
    weld_session *s = session_of(g, w);
    minmax_fill(s, "images", 7);
    weld_session_run(s, 0);
    const weld_tensor y = weld_session_output(s, "logits");
    const int64_t count = weld_shape_count(&y.shape);
    ck_assert_int_le(count, room);
    memcpy(logits, y.data, (size_t)count * sizeof *logits);
    weld_session_free(s);
    return count;
}

static double decibels(const float *x, const float *y, int64_t count) {
    double signal = 0, noise = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        signal += (double)x[i] * (double)x[i];
        noise += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    }
    return 10 * log10(signal / noise);
}

/* Every code is the same but one or another, where the float sums of one kernel or another round
 * across the border between two: of far less than what rounding to codes costs. */
static bool expect_integers(const weld_model_config *config, uint64_t seed, int weight_bits) {
    enum { ROOM = 256 };
    float plain[ROOM], rounded[ROOM], integers[ROOM];
    weld_error err;
    weld_weights *w;
    weld_graph *runs;
    trained t = make_trained(config, seed, (weld_fake_bits){weight_bits, 8});
    if (weld_quantize_weights(t.merged, t.merged_weights, &t.q, &w, &err)) {
        ck_assert_msg(strstr(err.message, "overflow") != NULL, "%s", err.message);
        free_trained(&t);
        return false; /* weights too lively for integers */
    }
    ck_assert_msg(!weld_quantized_graph(t.merged, &t.q, true, &runs, &err), "%s", err.message);
    const int64_t count = logits_of(t.merged, t.merged_weights, plain, ROOM);
    logits_of(t.rounded, t.weights, rounded, ROOM);
    logits_of(runs, w, integers, ROOM);
    const double cost = decibels(plain, integers, count), off = decibels(integers, rounded, count);
    ck_assert_msg(off > cost + 15, "%s: %g dB from the integers, which are %g dB off", config->name,
                  off, cost);
    weld_graph_free(runs);
    weld_weights_free(w);
    free_trained(&t);
    return true;
}

START_TEST(what_is_trained_is_what_integers_say) {
    int count = 0;
    for (int i = 0; i < config_count(); i++) {
        const weld_model_config config = config_at(i);
        count += expect_integers(&config, (uint64_t)i, 8);
        count += expect_integers(&config, (uint64_t)i, 2 + i % 6);
    }
    ck_assert_int_gt(count, 20);
}
END_TEST

START_TEST(codes_that_were_trained_for_are_read_again) {
    const weld_model_config config = config_at(0), other = config_at(8);
    trained t = make_trained(&config, 1, (weld_fake_bits){8, 8});
    trained u = make_trained(&other, 1, (weld_fake_bits){8, 8});
    const size_t count = t.merged->value_count;
    float *table = t.table.data;
    const weld_fake_bits eight = {8, 8}, others[] = {{4, 8}, {8, 4}, {8, 0}, {1, 8}, {8, 64}};
    weld_quantization q;
    weld_error err;
    ck_assert_int_eq(weld_fake_table_read(table, count, eight, t.merged, &q, &err), WELD_OK);
    for (size_t i = 0; i < count; i++) {
        ck_assert_float_eq(q.codes[i].scale, t.q.codes[i].scale);
        ck_assert_int_eq(q.codes[i].zero, t.q.codes[i].zero);
    }
    weld_quantization_free(&q);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_int_eq(weld_fake_table_read(table, count, others[i], t.merged, &q, &err),
                         WELD_ERROR_FORMAT);
    }
    ck_assert_int_eq(weld_fake_table_read(table, count, eight, u.merged, &q, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_fake_table_read(table, count - 1, eight, t.merged, &q, &err),
                     WELD_ERROR_FORMAT);
    table[0] = -table[0]; /* of the images, which the first layer takes */
    ck_assert_int_eq(weld_fake_table_read(table, count, eight, t.merged, &q, &err),
                     WELD_ERROR_FORMAT);
    free_trained(&t);
    free_trained(&u);
}
END_TEST

/* [-0.5, 1] in halves of 2 bits is [-0.5, 1] in 255 steps; weights of 3 bits have codes to 3. */
START_TEST(fewer_bits_are_read_as_eight_in_the_same_range) {
    const weld_model_config config = config_at(0);
    const weld_fake_bits bits = {3, 2};
    trained t = make_trained(&config, 1, bits);
    weld_quantization q;
    weld_fake_rows rows;
    weld_error err;
    ck_assert_int_eq(weld_fake_rows_of(t.merged, &rows, &err), WELD_OK);
    for (size_t i = 0; i < t.merged->value_count; i++) {
        t.q.codes[i] = (weld_codes){0.5F, 1};
    }
    weld_fake_table_fill(&rows, t.merged->value_count, bits, t.q.codes, t.table.data);
    ck_assert_int_eq(
        weld_fake_table_read(t.table.data, t.merged->value_count, bits, t.merged, &q, &err),
        WELD_OK);
    int count = 0;
    for (size_t i = 0; i < t.merged->value_count; i++) {
        ck_assert_int_eq(q.codes[i].scale != 0, rows.activation[i]);
        if (rows.activation[i]) {
            ck_assert_float_eq_tol(q.codes[i].scale, 1.5F / 255, 1e-9F);
            ck_assert_int_eq(q.codes[i].zero, 85);
            count++;
        }
    }
    ck_assert_int_gt(count, 5);
    ck_assert_int_eq(q.weight_bits, 3);
    weld_quantization_free(&q);
    weld_free(rows.activation);
    free_trained(&t);
}
END_TEST

/* The formula of integer networks for 8 bits, and the same for fewer. */
START_TEST(ranges_become_codes) {
    const weld_codes eight = weld_codes_of_range(-1, 3), same = weld_fake_codes_of(-1, 3, 8);
    ck_assert_float_eq(same.scale, eight.scale);
    ck_assert_int_eq(same.zero, eight.zero);
    const weld_codes two = weld_fake_codes_of(-1, 2, 2), positive = weld_fake_codes_of(0.5, 1.5, 4);
    ck_assert_float_eq(two.scale, 1);
    ck_assert_int_eq(two.zero, 1);
    ck_assert_float_eq(positive.scale, 0.1F);
    ck_assert_int_eq(positive.zero, 0);
    ck_assert_int_eq(weld_fake_largest(8), 127);
    ck_assert_int_eq(weld_fake_largest(4), 7);
}
END_TEST

RUN_SUITE("passes/fake_quantize", gradients_of_branches_are_as_without_merging,
          what_is_trained_is_what_integers_say, codes_that_were_trained_for_are_read_again,
          fewer_bits_are_read_as_eight_in_the_same_range, ranges_become_codes)
