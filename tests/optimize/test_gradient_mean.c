/* The mean of several batches' gradients against the order in which they are to be added. */
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "optimize/gradient_mean.h"
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

static void expect_mean(weld_gradient_mean *m, int n) {
    static float want[LARGE];
    for (int b = 0; b < n; b++) {
        weld_gradient_mean_add(m, gradients[b]);
    }
    const weld_tensor *mean = weld_gradient_mean_take(m);
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

static weld_gradient_mean *make(int64_t batches, int threads, weld_status want) {
    weld_error err = {.message = ""};
    weld_gradient_mean *m = NULL;
    ck_assert_int_eq(weld_gradient_mean_create(gradients[0], PARAMETERS, batches, find_kernels(),
                                               threads, &m, &err),
                     want);
    return m;
}

/* An update may be made before all of its batches came, and none leaves anything to the next. */
START_TEST(any_number_of_batches_is_added_along_its_tree_with_any_number_of_threads) {
    draw_gradients();
    for (int batches = 2; batches <= BATCHES; batches++) {
        weld_gradient_mean *m = make(batches, 1 + batches % 3, WELD_OK);
        expect_mean(m, batches);
        expect_mean(m, 1 + batches / 2);
        expect_mean(m, 1);
        expect_mean(m, batches);
        weld_gradient_mean_free(m);
    }
}
END_TEST

START_TEST(its_memory_is_that_of_the_trained_parameters_as_often_as_told) {
    static const struct {
        int64_t batches;
        size_t times;
    } cases[] = {{2, 1}, {3, 1}, {4, 2}, {7, 2}, {8, 3}, {15, 3}, {16, 4}, {1000, 9}};
    draw_gradients();
    weld_gradient_mean *two = make(2, 1, WELD_OK);
    const size_t once = weld_gradient_mean_bytes(two);
    ck_assert_uint_ge(once, (7 + LARGE + 1) * sizeof(float));
    ck_assert_uint_le(once, (7 + LARGE + 1) * sizeof(float) + 3 * 64);
    weld_gradient_mean_free(two);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_gradient_mean *m = make(cases[i].batches, 1, WELD_OK);
        ck_assert_uint_eq(weld_gradient_mean_bytes(m), cases[i].times * once);
        weld_gradient_mean_free(m);
    }
}
END_TEST

START_TEST(a_lack_of_memory_is_an_error_at_each_allocation) {
    draw_gradients();
    for (int n = 0; n < 3; n++) {
        weld_memory_fail_after(n);
        make(4, 1, WELD_ERROR_MEMORY);
        weld_memory_fail_after(-1);
    }
}
END_TEST

RUN_SUITE("optimize/gradient_mean",
          any_number_of_batches_is_added_along_its_tree_with_any_number_of_threads,
          its_memory_is_that_of_the_trained_parameters_as_often_as_told,
          a_lack_of_memory_is_an_error_at_each_allocation)
