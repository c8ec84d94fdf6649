#include "data/order.h"

#include <string.h>

#include "suite.h"

enum { COUNT = 1000 };

static weld_order *create(int64_t repeats, bool shuffle, uint64_t seed) {
    weld_order_options options = {COUNT, seed, shuffle, repeats};
    weld_order *o = NULL;
    ck_assert_int_eq(weld_order_create(&options, &o, NULL), WELD_OK);
    return o;
}

static void read_epoch(weld_order *o, uint32_t epoch, int64_t *samples, int64_t *repeats) {
    weld_order_set_epoch(o, epoch);
    for (int64_t i = 0; i < COUNT; i++) {
        samples[i] = weld_order_sample(o, i, &repeats[i]);
    }
}

START_TEST(each_sample_stands_once_in_an_epoch) {
    int64_t samples[COUNT], repeats[COUNT];
    weld_order *o = create(1, true, 7);
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        int seen[COUNT] = {0};
        read_epoch(o, epoch, samples, repeats);
        for (int i = 0; i < COUNT; i++) {
            ck_assert_int_eq(seen[samples[i]]++, 0);
            ck_assert_int_eq(repeats[i], 0);
        }
    }
    weld_order_free(o);
}
END_TEST

START_TEST(an_order_is_a_function_of_seed_and_epoch) {
    int64_t first[COUNT], second[COUNT], repeats[COUNT];
    weld_order *a = create(1, true, 7), *b = create(1, true, 7), *c = create(1, true, 8);
    read_epoch(a, 0, second, repeats);
    read_epoch(a, 5, first, repeats);
    ck_assert_mem_ne(first, second, sizeof first);
    read_epoch(b, 5, second, repeats); /* at once */
    ck_assert_mem_eq(first, second, sizeof first);
    read_epoch(c, 5, second, repeats);
    ck_assert_mem_ne(first, second, sizeof first);
    weld_order_free(a);
    weld_order_free(b);
    weld_order_free(c);
}
END_TEST

START_TEST(a_shuffle_has_no_preferred_places) {
    int64_t samples[COUNT], repeats[COUNT];
    double sum = 0, neighbours = 0;
    weld_order *o = create(1, true, 3);
    for (uint32_t epoch = 0; epoch < 400; epoch++) {
        read_epoch(o, epoch, samples, repeats);
        sum += (double)samples[0];
        for (int i = 1; i < COUNT; i++) {
            neighbours += samples[i] == samples[i - 1] + 1;
        }
    }
    /* Uniform over 0..999: mean 499.5, of 400 draws within 3.5 * 14.4; one pair of neighbours an
     * epoch. */
    ck_assert_double_eq_tol(sum / 400, 499.5, 50);
    ck_assert_double_eq_tol(neighbours / 400, 1, 0.2);
    weld_order_free(o);
}
END_TEST

START_TEST(repeats_stand_in_a_row_in_an_epoch_of_the_usual_length) {
    int64_t samples[COUNT], repeats[COUNT], plain[COUNT], none[COUNT];
    weld_order *o = create(3, true, 7), *once = create(1, true, 7);
    read_epoch(o, 2, samples, repeats);
    read_epoch(once, 2, plain, none);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(samples[i], plain[i / 3]);
        ck_assert_int_eq(repeats[i], i % 3);
    }
    weld_order_free(o);
    weld_order_free(once);
}
END_TEST

START_TEST(beyond_its_end_an_order_goes_on) {
    int64_t repeat;
    weld_order *o = create(2, false, 7);
    weld_order_set_epoch(o, 1);
    ck_assert_int_eq(weld_order_sample(o, COUNT + 1, &repeat), COUNT / 2);
    ck_assert_int_eq(repeat, 1);
    ck_assert_int_eq(weld_order_sample(o, 2 * COUNT + 5, &repeat), 2);
    ck_assert_int_eq(repeat, 1);
    weld_order_free(o);
}
END_TEST

RUN_SUITE("data/order", each_sample_stands_once_in_an_epoch,
          an_order_is_a_function_of_seed_and_epoch, a_shuffle_has_no_preferred_places,
          repeats_stand_in_a_row_in_an_epoch_of_the_usual_length, beyond_its_end_an_order_goes_on)
