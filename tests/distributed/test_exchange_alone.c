/* Exchanges of one process: the mean of several batches' gradients against the order in which they
 * are to be added. */
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "distributed/exchange.h"
#include "suite.h"

enum { BATCHES = 17, PARAMETERS = 4, LARGE = 5003, FROZEN = 2 };

static const int64_t counts[PARAMETERS] = {7, LARGE, 64, 1};
static float data[BATCHES][PARAMETERS][LARGE];
static weld_tensor gradients[BATCHES][PARAMETERS];

static void draw_gradients(void) {
    for (uint64_t b = 0; b < BATCHES; b++) {
        for (uint64_t p = 0; p < PARAMETERS; p++) {
            weld_random r = weld_random_start(3, 0, b * PARAMETERS + p, WELD_RANDOM_TEST);
            for (int64_t i = 0; i < counts[p]; i++) {
                data[b][p][i] = (float)weld_random_normal(&r);
            }
            gradients[b][p] = (weld_tensor){.dtype = WELD_F32,
                                            .shape = WELD_SHAPE(counts[p]),
                                            .data = p == FROZEN ? NULL : data[b][p]};
        }
    }
}

/* Of batches first .. first + n - 1: as distributed/tree.h defines it. */
static float sum(int first, int n, int parameter, int64_t i) {
    int p = 1;
    while (2 * p < n) {
        p *= 2;
    }
    return n == 1 ? data[first][parameter][i]
                  : sum(first, p, parameter, i) + sum(first + p, n - p, parameter, i);
}

static const weld_kernels *find_kernels(void) {
    weld_error err = {.message = ""};
    const weld_kernels *kernels;
    ck_assert_int_eq(weld_kernels_select(WELD_F32, NULL, &kernels, &err), WELD_OK);
    return kernels;
}

static void expect_mean(weld_exchange *x, int n) {
    static float want[LARGE];
    weld_error err = {.message = ""};
    const weld_tensor *mean;
    weld_exchange_begin(x, n);
    for (int b = 0; b < n; b++) {
        weld_exchange_add(x, b, 0, gradients[b]);
    }
    ck_assert_int_eq(weld_exchange_finish(x, &mean, &err), WELD_OK);
    for (int p = 0; p < PARAMETERS; p++) {
        ck_assert(!mean[p].data == (p == FROZEN));
        for (int64_t i = 0; i < counts[p]; i++) {
            want[i] = sum(0, n, p, i);
        }
        find_kernels()->scale(counts[p], 1.0 / n, want, want);
        ck_assert(p == FROZEN || weld_tensor_bytes(&mean[p]) == sizeof(float) * (size_t)counts[p]);
        ck_assert_msg(p == FROZEN ||
                          memcmp(mean[p].data, want, sizeof(float) * (size_t)counts[p]) == 0,
                      "parameter %d, %d batches", p, n);
    }
}

static weld_exchange *make(int64_t batches, int threads, weld_status want) {
    static const size_t ready[PARAMETERS];
    const size_t *const plans[] = {ready};
    const weld_exchange_options options = {.groups = batches,
                                           .gradients = gradients[0],
                                           .count = PARAMETERS,
                                           .plans = 1,
                                           .ready = plans,
                                           .kernels = find_kernels(),
                                           .threads = threads};
    weld_error err = {.message = ""};
    weld_exchange *x = NULL;
    ck_assert_int_eq(weld_exchange_create(NULL, &options, &x, &err), want);
    return x;
}

static size_t memory_of(int64_t batches) {
    weld_exchange *x = make(batches, 1, WELD_OK);
    const size_t memory = weld_exchange_facts_of(x).memory;
    weld_exchange_free(x);
    return memory;
}

/* An update may be made before all of its batches came, and none leaves anything to the next. */
START_TEST(any_number_of_batches_is_added_along_its_tree_with_any_number_of_threads) {
    draw_gradients();
    for (int batches = 1; batches <= BATCHES; batches++) {
        weld_exchange *x = make(batches, 1 + batches % 3, WELD_OK);
        expect_mean(x, batches);
        expect_mean(x, (1 + batches) / 2);
        expect_mean(x, 1);
        expect_mean(x, batches);
        weld_exchange_free(x);
    }
}
END_TEST

START_TEST(its_memory_is_that_of_the_trained_parameters_as_often_as_told) {
    static const struct {
        int64_t batches;
        size_t times;
    } cases[] = {{2, 1}, {3, 1}, {4, 2}, {7, 2}, {8, 3}, {15, 3}, {16, 4}, {1000, 9}};
    draw_gradients();
    const size_t once = memory_of(2);
    ck_assert_uint_eq(memory_of(1), 0);
    ck_assert_uint_ge(once, (7 + LARGE + 1) * sizeof(float));
    ck_assert_uint_le(once, (7 + LARGE + 1) * sizeof(float) + 3 * 64);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_uint_eq(memory_of(cases[i].batches), cases[i].times * once);
    }
}
END_TEST

RUN_SUITE("distributed/exchange_alone",
          any_number_of_batches_is_added_along_its_tree_with_any_number_of_threads,
          its_memory_is_that_of_the_trained_parameters_as_often_as_told)
