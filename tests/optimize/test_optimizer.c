/* AdamW against its formula written out, and its rules about decay and threads. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "suite.h"
#include "optimize/optimizer.h"

#define LARGE 100003 /* several blocks and a tail */

typedef struct setup {
    weld_graph *graph;
    weld_weights *weights;
    weld_optimizer *optimizer;
    weld_tensor gradients[3];
} setup;

static float gradient_data[3][LARGE];

static void make_with(setup *s, int threads, const weld_parameter_rate *rates) {
    weld_error err = {.message = ""};
    weld_init init = {WELD_INIT_UNIFORM, -1, 1};
    ck_assert_int_eq(weld_graph_create(WELD_F32, &s->graph, &err), WELD_OK);
    weld_parameter(s->graph, "a.weight", WELD_SHAPE(1, LARGE), init);
    weld_parameter(s->graph, "b.weight", WELD_SHAPE(7), init);
    weld_parameter(s->graph, "c.bias", WELD_SHAPE(2, 3), init);
    ck_assert_int_eq(weld_graph_init_weights(s->graph, 5, &s->weights, &err), WELD_OK);
    weld_optimizer_options options = {.beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .eps = 1e-8,
                                      .weight_decay = 0.5,
                                      .rates = rates,
                                      .threads = threads};
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &options.kernels, &err), WELD_OK);
    ck_assert_msg(!weld_optimizer_create(s->graph, s->weights, &options, &s->optimizer, &err), "%s",
                  err.message);
    for (size_t i = 0; i < 3; i++) {
        s->gradients[i] = weld_weights_tensor(s->weights, i);
        s->gradients[i].data = gradient_data[i];
    }
}

static void make(setup *s, int threads) {
    make_with(s, threads, NULL);
}

static void destroy(setup *s) {
    weld_optimizer_free(s->optimizer);
    weld_weights_free(s->weights);
    weld_graph_free(s->graph);
}

static void draw_gradients(uint64_t step) {
    for (size_t i = 0; i < 3; i++) {
        weld_random r = weld_random_start(3, 0, step * 3 + i, WELD_RANDOM_TEST);
        for (size_t j = 0; j < LARGE; j++) {
            gradient_data[i][j] = (float)weld_random_range(&r, -1, 1);
        }
    }
}

static void step(setup *s, const weld_tensor *gradients, double lr) {
    const weld_update_rates rates = weld_optimizer_rates(s->optimizer, lr);
    weld_optimizer_step(s->optimizer, gradients, &rates);
}

/* One element through the same updates, in double. */
static double expected(double w, size_t parameter, size_t element, int steps, double decay) {
    double m = 0, v = 0;
    for (int t = 1; t <= steps; t++) {
        draw_gradients((uint64_t)t);
        double g = gradient_data[parameter][element], lr = 0.01 * t;
        w -= lr * decay * w;
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        w -= lr / (1 - pow(0.9, t)) * m / (sqrt(v / (1 - pow(0.999, t))) + 1e-8);
    }
    return w;
}

START_TEST(updates_follow_the_formula_with_decay_on_matrices_only) {
    static const struct {
        size_t parameter, element;
        double decay;
    } cases[] = {{0, 0, 0.5}, {0, 32768, 0.5}, {0, LARGE - 1, 0.5}, {1, 6, 0}, {2, 5, 0}};
    setup s;
    double start[5];
    make(&s, 2);
    for (size_t i = 0; i < 5; i++) {
        start[i] =
            ((float *)weld_weights_tensor(s.weights, cases[i].parameter).data)[cases[i].element];
    }
    for (int t = 1; t <= 4; t++) {
        draw_gradients((uint64_t)t);
        step(&s, s.gradients, 0.01 * t);
    }
    for (size_t i = 0; i < 5; i++) {
        float got =
            ((float *)weld_weights_tensor(s.weights, cases[i].parameter).data)[cases[i].element];
        double want = expected(start[i], cases[i].parameter, cases[i].element, 4, cases[i].decay);
        ck_assert_double_eq_tol(got, want, 2e-6);
    }
    destroy(&s);
}
END_TEST

START_TEST(the_number_of_threads_does_not_change_a_bit) {
    setup a, b;
    make(&a, 1);
    make(&b, 3);
    for (uint64_t t = 1; t <= 2; t++) {
        draw_gradients(t);
        step(&a, a.gradients, 0.01);
        step(&b, b.gradients, 0.01);
    }
    for (size_t i = 0; i < 3; i++) {
        weld_tensor x = weld_weights_tensor(a.weights, i), y = weld_weights_tensor(b.weights, i);
        ck_assert_mem_eq(x.data, y.data, (size_t)weld_shape_count(&x.shape) * sizeof(float));
    }
    destroy(&a);
    destroy(&b);
}
END_TEST

START_TEST(state_carried_over_continues_bit_for_bit) {
    setup a, b;
    make(&a, 1);
    make(&b, 1);
    draw_gradients(1);
    step(&a, a.gradients, 0.01);
    weld_optimizer_set_updates(b.optimizer, 1);
    weld_weights *from[] = {a.weights, weld_optimizer_first_moments(a.optimizer),
                            weld_optimizer_second_moments(a.optimizer)};
    weld_weights *to[] = {b.weights, weld_optimizer_first_moments(b.optimizer),
                          weld_optimizer_second_moments(b.optimizer)};
    for (int k = 0; k < 3; k++) {
        for (size_t i = 0; i < 3; i++) {
            weld_tensor x = weld_weights_tensor(from[k], i), y = weld_weights_tensor(to[k], i);
            memcpy(y.data, x.data, (size_t)weld_shape_count(&x.shape) * sizeof(float));
        }
    }
    draw_gradients(2);
    step(&a, a.gradients, 0.01);
    step(&b, b.gradients, 0.01);
    weld_tensor x = weld_weights_tensor(a.weights, 0), y = weld_weights_tensor(b.weights, 0);
    ck_assert_mem_eq(x.data, y.data, LARGE * sizeof(float));
    destroy(&a);
    destroy(&b);
}
END_TEST

START_TEST(a_scale_is_a_rate_of_its_own_and_frozen_parameters_have_neither_updates_nor_state) {
    static const weld_parameter_rate rates[] = {{true, 0.25}, {false, 0}, {true, 4}};
    setup scaled, slow, fast;
    make_with(&scaled, 2, rates);
    make(&slow, 1);
    make(&fast, 1);
    weld_weights *start;
    ck_assert_int_eq(weld_weights_clone(scaled.weights, &start, NULL), WELD_OK);
    for (uint64_t t = 1; t <= 3; t++) {
        draw_gradients(t);
        weld_tensor gradients[] = {scaled.gradients[0], {0}, scaled.gradients[2]};
        step(&scaled, gradients, 0.01);
        step(&slow, slow.gradients, 0.01 * 0.25);
        step(&fast, fast.gradients, 0.01 * 4);
    }
    const weld_weights *same[] = {slow.weights, start, fast.weights};
    for (size_t i = 0; i < 3; i++) {
        weld_tensor x = weld_weights_tensor(scaled.weights, i), y = weld_weights_tensor(same[i], i);
        ck_assert_mem_eq(x.data, y.data, (size_t)weld_shape_count(&x.shape) * sizeof(float));
    }
    ck_assert_uint_eq(weld_weights_count(weld_optimizer_first_moments(scaled.optimizer)), 2);
    ck_assert_uint_eq(weld_weights_count(weld_optimizer_second_moments(scaled.optimizer)), 2);
    ck_assert_str_eq(weld_weights_name(weld_optimizer_first_moments(scaled.optimizer), 1),
                     "c.bias");
    weld_weights_free(start);
    destroy(&scaled);
    destroy(&slow);
    destroy(&fast);
}
END_TEST

START_TEST(biases_and_vectors_do_not_decay) {
    weld_shape vector = WELD_SHAPE(8), matrix = WELD_SHAPE(8, 8);
    ck_assert(weld_optimizer_decays("classifier.classifier.l.weight", &matrix));
    ck_assert(!weld_optimizer_decays("features.0.0.bn.weight", &vector));
    ck_assert(!weld_optimizer_decays("features.1.conv1.bias", &matrix));
}
END_TEST

RUN_SUITE("optimize/optimizer", updates_follow_the_formula_with_decay_on_matrices_only,
          the_number_of_threads_does_not_change_a_bit, state_carried_over_continues_bit_for_bit,
          a_scale_is_a_rate_of_its_own_and_frozen_parameters_have_neither_updates_nor_state,
          biases_and_vectors_do_not_decay)
