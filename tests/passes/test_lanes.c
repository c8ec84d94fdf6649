/* Lanes: which channels may be rescaled, that networks stay what they are where they are, and by
 * what they are brought to one range. */
#include "passes/lanes.h"

#include "base/memory.h"
#include "models/parity.h"
#include "passes/merging.h"
#include "suite.h"

static weld_graph *start_graph(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    return g;
}

static weld_value *leaf(weld_graph *g, const char *name, weld_shape shape) {
    return weld_parameter(g, name, shape, (weld_init){.kind = WELD_INIT_CONSTANT, .a = 1});
}

static weld_value *conv(weld_graph *g, weld_value *x, const char *name, int64_t in, int64_t out,
                        int groups) {
    char bias[32];
    snprintf(bias, sizeof bias, "%s.bias", name);
    return weld_conv2d(g, x, leaf(g, name, WELD_SHAPE(out, in / groups, 1, 1)),
                       leaf(g, bias, WELD_SHAPE(out)), (weld_conv2d_options){.groups = groups});
}

static weld_lanes find(const weld_graph *g) {
    weld_lanes l;
    weld_error err;
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    ck_assert_msg(weld_lanes_find(g, &l, &err) == WELD_OK, "%s", err.message);
    return l;
}

static int32_t lane_of(const weld_lanes *l, const weld_value *v, int64_t c) {
    return l->lane[l->first[v->id] + (size_t)c];
}

static void assert_tied(const weld_lanes *l, const weld_value *a, const weld_value *b, int count) {
    for (int c = 0; c < count; c++) {
        ck_assert_int_ne(lane_of(l, a, c), 0);
        ck_assert_int_eq(lane_of(l, a, c), lane_of(l, b, c));
    }
}

static void assert_fixed(const weld_lanes *l, const weld_value *v, int count) {
    for (int c = 0; c < count; c++) {
        ck_assert_int_eq(lane_of(l, v, c), 0);
    }
}

/* A block as RepViT has it: depthwise, gate, a mixer that is added. */
START_TEST(a_residual_stream_has_one_lane_for_each_channel) {
    weld_graph *g = start_graph();
    weld_value *x = conv(g, weld_input(g, "images", WELD_SHAPE(1, 4, 4, 3)), "stem", 3, 2, 1);
    weld_value *depthwise = conv(g, x, "depthwise", 2, 2, 2);
    weld_value *mean = weld_global_avg_pool(g, depthwise);
    weld_value *hidden = conv(g, mean, "fc1", 2, 3, 1), *kept = weld_relu(g, hidden);
    weld_value *gate = weld_sigmoid(g, conv(g, kept, "fc2", 3, 2, 1));
    weld_value *product = weld_channel_scale(g, depthwise, gate);
    weld_value *wide = conv(g, product, "expand", 2, 5, 1);
    weld_value *narrow = conv(g, weld_gelu(g, wide), "project", 5, 2, 1);
    weld_value *sum = weld_add(g, product, narrow);
    weld_value *logits =
        weld_linear(g, weld_reshape(g, weld_global_avg_pool(g, sum), WELD_SHAPE(1, 2)),
                    leaf(g, "head", WELD_SHAPE(2, 2)), NULL);
    weld_output(g, "logits", logits);
    weld_lanes l = find(g);
    ck_assert_uint_eq(l.count, 1 + 2 + 2 + 3); /* what is fixed; stem, stream, hidden */
    assert_tied(&l, depthwise, product, 2);
    assert_tied(&l, depthwise, mean, 2);
    assert_tied(&l, depthwise, narrow, 2);
    assert_tied(&l, depthwise, sum, 2);
    assert_tied(&l, hidden, kept, 3);
    ck_assert_int_ne(lane_of(&l, x, 0), lane_of(&l, depthwise, 0));
    assert_tied(&l, x, x, 2);
    assert_fixed(&l, gate, 2);
    assert_fixed(&l, wide, 5);
    assert_fixed(&l, logits, 2);
    weld_lanes_free(&l);
    weld_graph_free(g);
}
END_TEST

START_TEST(channels_keep_their_lanes_through_concat_and_slice) {
    weld_graph *g = start_graph();
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 4, 4, 3));
    weld_value *a = conv(g, x, "a", 3, 2, 1), *b = conv(g, x, "b", 3, 3, 1);
    weld_value *both = weld_concat(g, (weld_value *[]){a, b}, 2, 3);
    weld_value *part = weld_slice(g, both, 3, 1, 4);
    weld_output(g, "logits", conv(g, part, "c", 3, 2, 1));
    weld_lanes l = find(g);
    ck_assert_uint_eq(l.count, 1 + 5);
    ck_assert_int_eq(lane_of(&l, part, 0), lane_of(&l, a, 1));
    ck_assert_int_eq(lane_of(&l, part, 2), lane_of(&l, b, 1));
    ck_assert_int_eq(lane_of(&l, both, 4), lane_of(&l, b, 2));
    weld_lanes_free(&l);
    weld_graph_free(g);
}
END_TEST

START_TEST(weights_that_several_layers_read_are_left_alone) {
    weld_graph *g = start_graph();
    weld_value *x = conv(g, weld_input(g, "images", WELD_SHAPE(1, 4, 4, 3)), "stem", 3, 2, 1);
    weld_value *w = leaf(g, "shared", WELD_SHAPE(2, 2, 1, 1));
    x = weld_conv2d(g, x, w, NULL, (weld_conv2d_options){0});
    x = weld_conv2d(g, x, w, NULL, (weld_conv2d_options){0});
    weld_output(g, "logits", conv(g, x, "head", 2, 2, 1));
    weld_lanes l = find(g);
    ck_assert_uint_eq(l.count, 1);
    weld_lanes_free(&l);
    weld_graph_free(g);
}
END_TEST

/* --- Rescaling -------------------------------------------------------------------------------- */

static double largest_difference(const weld_graph *g, weld_weights *a, weld_weights *b,
                                 double *largest) {
    weld_session *s = merging_start(g, a), *t = merging_start(g, b);
    double difference = 0;
    *largest = 0;
    for (size_t i = 0; i < g->output_count; i++) {
        const weld_tensor x = weld_session_output(s, g->outputs[i].name);
        const weld_tensor y = weld_session_output(t, g->outputs[i].name);
        for (int64_t k = 0; k < weld_shape_count(&x.shape); k++) {
            const double p = (double)((const float *)x.data)[k];
            const double q = (double)((const float *)y.data)[k];
            *largest = fmax(*largest, fabs(p));
            difference = fmax(difference, isfinite(q) ? fabs(p - q) : INFINITY);
        }
    }
    weld_session_free(s);
    weld_session_free(t);
    return difference;
}

/* Each lane of the merged network by a random number from 1/16 to 16. */
static size_t check_rescaled(const char *name, const weld_model_config *config,
                             weld_weights *fixture, weld_shape images) {
    weld_graph *g, *merged;
    weld_weights *w, *before, *after;
    weld_error err;
    double largest;
    ck_assert_int_eq(weld_model_build(config, false, images.dim[0], images.dim[1], images.dim[2],
                                      WELD_F32, &g, &err),
                     WELD_OK);
    w = fixture_weights(fixture, "before/", g);
    ck_assert_msg(!weld_reparameterize(g, w, &merged, &before, &err), "%s", err.message);
    ck_assert_int_eq(weld_weights_clone(before, &after, &err), WELD_OK);
    weld_lanes l = find(merged);
    const size_t count = l.count;
    double *factors = calloc(count, sizeof *factors);
    weld_random r = weld_random_start(4, 0, 0, WELD_RANDOM_TEST);
    for (size_t i = 0; i < count; i++) {
        factors[i] = i == 0 ? 1 : exp2(weld_random_range(&r, -4, 4));
    }
    ck_assert_msg(!weld_lanes_rescale(&l, factors, after, &err), "%s", err.message);
    const double difference = largest_difference(merged, before, after, &largest);
    ck_assert_msg(difference <= 1e-5 * largest, "%s: %g of %g", name, difference, largest);
    free(factors);
    weld_lanes_free(&l);
    weld_weights_free(before);
    weld_weights_free(after);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_graph_free(merged);
    return count;
}

START_TEST(networks_of_all_families_stay_what_they_are) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        weld_weights *fixture = family_case_load(&family_cases[i]);
        weld_model_config config = family_case_config(&family_cases[i]);
        const parity p = {.fixture = fixture, .config = config, .batch = "/0"};
        check_rescaled(family_cases[i].name, &config, fixture, parity_images(&p).shape);
        weld_weights_free(fixture);
    }
}
END_TEST

START_TEST(so_does_repvit_whose_streams_are_free) {
    weld_weights *fixture = fixture_load("parity_current.fixture");
    const weld_model_config config = fixture_config(fixture);
    const parity p = {.fixture = fixture, .config = config, .batch = ""};
    ck_assert_uint_gt(check_rescaled("repvit", &config, fixture, parity_images(&p).shape), 10);
    weld_weights_free(fixture);
}
END_TEST

/* --- Equalising ------------------------------------------------------------------------------- */

START_TEST(channels_are_brought_to_their_share_of_the_range_but_not_below_a_thousandth) {
    weld_graph *g = start_graph();
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 4, 4, 3));
    weld_value *a = conv(g, x, "a", 3, 3, 1), *b = conv(g, x, "b", 3, 3, 1);
    weld_value *sum = weld_add(g, a, b);
    weld_output(g, "logits", conv(g, sum, "head", 3, 2, 1));
    weld_lanes l = find(g);
    ck_assert_uint_eq(l.count, 4);
    float *ranges = calloc(l.first[g->value_count], sizeof *ranges);
    const float seen[3][3] = {{8, 1, 0}, {3, 6, 0}, {10, 5, 0}};
    const weld_value *values[3] = {a, b, sum};
    for (int i = 0; i < 9; i++) {
        ranges[l.first[values[i / 3]->id] + (size_t)(i % 3)] = seen[i / 3][i % 3];
    }
    double factors[4];
    weld_lanes_equalise(&l, ranges, factors);
    ck_assert_double_eq(factors[0], 1);
    ck_assert_double_eq(factors[lane_of(&l, sum, 0)], 1); /* 8 of 8, 3 of 6, 10 of 10 */
    ck_assert_double_eq(factors[lane_of(&l, sum, 1)], 1); /* 1 of 8, 6 of 6, 5 of 10 */
    ck_assert_double_eq(factors[lane_of(&l, sum, 2)], 1.0 / 1024);
    ranges[l.first[b->id] + 1] = 1.5f;
    weld_lanes_equalise(&l, ranges, factors);
    ck_assert_double_eq(factors[lane_of(&l, sum, 1)], 0.5);
    free(ranges);
    weld_lanes_free(&l);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_weight_that_would_be_infinite_is_named) {
    weld_graph *g = start_graph();
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 4, 4, 3));
    weld_output(g, "logits", conv(g, conv(g, x, "stem", 3, 1, 1), "head", 1, 2, 1));
    weld_lanes l = find(g);
    weld_weights *w;
    weld_error err;
    ck_assert_uint_eq(l.count, 2);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, NULL), WELD_OK);
    const double factors[] = {1, 1e-39};
    ck_assert_int_eq(weld_lanes_rescale(&l, factors, w, &err), WELD_ERROR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.message, "stem"));
    weld_weights_free(w);
    weld_lanes_free(&l);
    weld_graph_free(g);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    weld_graph *g = start_graph();
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 4, 4, 3));
    weld_output(g, "logits", conv(g, conv(g, x, "stem", 3, 1, 1), "head", 1, 2, 1));
    for (long n = 0; n < 4; n++) {
        weld_lanes l;
        weld_memory_fail_after(n);
        const weld_status status = weld_lanes_find(g, &l, NULL);
        weld_memory_fail_after(-1);
        ck_assert_int_eq(status, n < 3 ? WELD_ERROR_MEMORY : WELD_OK);
        weld_lanes_free(&l);
    }
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("passes/lanes", a_residual_stream_has_one_lane_for_each_channel,
          channels_keep_their_lanes_through_concat_and_slice,
          weights_that_several_layers_read_are_left_alone,
          networks_of_all_families_stay_what_they_are, so_does_repvit_whose_streams_are_free,
          channels_are_brought_to_their_share_of_the_range_but_not_below_a_thousandth,
          a_weight_that_would_be_infinite_is_named, failing_allocations_are_errors_and_nothing_more)
