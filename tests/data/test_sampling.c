/* Sampling of uneven classes, over many epochs. */
#include "data/sampling.h"

#include <math.h>

#include "base/memory.h"
#include "data/order.h"
#include "data/uneven.h"
#include "suite.h"
#include "tasks/classification/classification.h"

enum { CLASSES = 4, COUNT = 90 + 27 + 6 + 3 };
static const int64_t sizes[CLASSES] = {90, 6, 27, 3};

static weld_sampling *make_sampling(weld_balance balance, weld_dataset **ds) {
    test_folder folder = test_folder_create();
    weld_sampling *s;
    *ds = uneven_dataset(&folder, sizes, CLASSES);
    ck_assert_int_eq(weld_sampling_create(*ds, &weld_class_annotation, balance, &s, NULL), WELD_OK);
    test_folder_remove(folder);
    return s;
}

static void count_places(const weld_dataset *ds, const int64_t *entries, int64_t *places) {
    memset(places, 0, CLASSES * sizeof *places);
    for (int i = 0; i < COUNT; i++) {
        places[weld_dataset_label(ds, WELD_SAMPLE_INDEX(entries[i]))]++;
    }
}

START_TEST(shares_are_by_number_alike_or_by_root) {
    const int64_t counts[] = {90, 0, 10};
    double shares[3];
    weld_group_shares(WELD_BALANCE_NONE, counts, 3, shares);
    ck_assert_double_eq_tol(shares[0], 0.9, 1e-15);
    ck_assert_double_eq(shares[1], 0);
    weld_group_shares(WELD_BALANCE_FULL, counts, 3, shares);
    ck_assert_double_eq(shares[0], 0.5);
    ck_assert_double_eq(shares[2], 0.5);
    weld_group_shares(WELD_BALANCE_SQRT, counts, 3, shares);
    ck_assert_double_eq_tol(shares[0], 0.75, 1e-15);
    ck_assert_double_eq_tol(shares[2], 0.25, 1e-15);
}
END_TEST

START_TEST(classes_get_their_shares_within_one_place_and_exactly_on_average) {
    static const weld_balance balances[] = {WELD_BALANCE_FULL, WELD_BALANCE_SQRT};
    for (int b = 0; b < 2; b++) {
        weld_dataset *ds;
        weld_sampling *s = make_sampling(balances[b], &ds);
        double shares[CLASSES], sums[CLASSES] = {0};
        int64_t entries[COUNT], places[CLASSES];
        weld_group_shares(balances[b], sizes, CLASSES, shares);
        for (uint32_t epoch = 0; epoch < 2000; epoch++) {
            weld_sampling_draw(s, 3, epoch, entries);
            count_places(ds, entries, places);
            for (int c = 0; c < CLASSES; c++) {
                ck_assert_double_lt(fabs((double)places[c] - COUNT * shares[c]), 1 + 1e-9);
                sums[c] += (double)places[c];
            }
        }
        for (int c = 0; c < CLASSES; c++) { /* five deviations of a place that is there or not */
            ck_assert_double_eq_tol(sums[c] / 2000, COUNT * shares[c], 5 * 0.5 / sqrt(2000));
        }
        weld_sampling_free(s);
        weld_dataset_free(ds);
    }
}
END_TEST

START_TEST(images_of_a_class_come_equally_often_within_one_and_numbered) {
    weld_dataset *ds;
    weld_sampling *s = make_sampling(WELD_BALANCE_FULL, &ds);
    int64_t entries[COUNT], all[COUNT] = {0};
    for (uint32_t epoch = 0; epoch < 600; epoch++) {
        int64_t times[COUNT] = {0}, sum[COUNT] = {0};
        weld_sampling_draw(s, 3, epoch, entries);
        for (int i = 0; i < COUNT; i++) {
            int64_t index = WELD_SAMPLE_INDEX(entries[i]);
            times[index]++;
            all[index]++;
            sum[index] += WELD_SAMPLE_TIME(entries[i]);
        }
        for (int i = 0; i < COUNT; i++) { /* numbers 0, 1, ..., times - 1, each once */
            double even = COUNT / 4.0 / (double)sizes[weld_dataset_label(ds, i)];
            ck_assert_double_le((double)times[i], ceil(even) + 1e-9);
            ck_assert_double_ge((double)times[i], floor(even - 1e-9));
            ck_assert_int_eq(sum[i], times[i] * (times[i] - 1) / 2);
        }
    }
    for (int i = 0; i < COUNT; i++) { /* no image is preferred: within five deviations */
        double even = 600 * COUNT / 4.0 / (double)sizes[weld_dataset_label(ds, i)];
        ck_assert_double_eq_tol((double)all[i], even, 5 * 0.5 * sqrt(600));
    }
    weld_sampling_free(s);
    weld_dataset_free(ds);
}
END_TEST

START_TEST(an_epoch_is_a_function_of_seed_and_epoch_and_well_mixed) {
    weld_dataset *ds;
    weld_sampling *s = make_sampling(WELD_BALANCE_FULL, &ds);
    int64_t first[COUNT], again[COUNT], other[COUNT];
    weld_sampling_draw(s, 3, 8, first);
    weld_sampling_draw(s, 3, 9, other);
    weld_sampling_draw(s, 3, 8, again);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, other, sizeof first);
    weld_sampling_draw(s, 4, 8, other);
    ck_assert_mem_ne(first, other, sizeof first);
    double place[CLASSES] = {0};
    for (uint32_t epoch = 0; epoch < 500; epoch++) {
        weld_sampling_draw(s, 3, epoch, first);
        for (int i = 0; i < COUNT; i++) {
            place[weld_dataset_label(ds, WELD_SAMPLE_INDEX(first[i]))] += i;
        }
    }
    for (int c = 0; c < CLASSES; c++) { /* about 31 places in each of 500 epochs */
        double deviation = COUNT / sqrt(12.0) / sqrt(31 * 500.0);
        ck_assert_double_eq_tol(place[c] / (500 * COUNT / 4.0), (COUNT - 1) / 2.0, 6 * deviation);
    }
    weld_sampling_free(s);
    weld_dataset_free(ds);
}
END_TEST

START_TEST(an_order_tells_apart_the_times_of_a_sample_and_its_repeats) {
    weld_dataset *ds;
    weld_sampling *s = make_sampling(WELD_BALANCE_FULL, &ds);
    weld_order_options options = {
        .count = COUNT, .seed = 3, .shuffle = true, .repeats = 3, .sampling = s};
    weld_order *o;
    int64_t entries[COUNT];
    bool seen[COUNT][64] = {{0}};
    ck_assert_int_eq(weld_order_create(&options, &o, NULL), WELD_OK);
    weld_order_set_epoch(o, 5);
    weld_sampling_draw(s, 3, 5, entries);
    for (int64_t i = 0; i < COUNT; i++) {
        int64_t repeat, index = weld_order_sample(o, i, &repeat);
        ck_assert_int_eq(index, WELD_SAMPLE_INDEX(entries[i / 3]));
        ck_assert_int_eq(repeat, WELD_SAMPLE_TIME(entries[i / 3]) * 3 + i % 3);
        ck_assert_int_lt(repeat, 64);
        ck_assert(!seen[index][repeat]);
        seen[index][repeat] = true;
    }
    weld_order_free(o);
    weld_sampling_free(s);
    weld_dataset_free(ds);
}
END_TEST

START_TEST(memory_that_is_short_is_an_error) {
    test_folder folder = test_folder_create();
    weld_dataset *ds = uneven_dataset(&folder, sizes, CLASSES);
    weld_sampling *s;
    for (long i = 0; i < 6; i++) {
        weld_memory_fail_after(i);
        ck_assert_int_eq(
            weld_sampling_create(ds, &weld_class_annotation, WELD_BALANCE_SQRT, &s, NULL),
            WELD_ERROR_MEMORY);
        ck_assert_ptr_null(s);
    }
    weld_memory_fail_after(-1);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("data/sampling", shares_are_by_number_alike_or_by_root,
          classes_get_their_shares_within_one_place_and_exactly_on_average,
          images_of_a_class_come_equally_often_within_one_and_numbered,
          an_epoch_is_a_function_of_seed_and_epoch_and_well_mixed,
          an_order_tells_apart_the_times_of_a_sample_and_its_repeats,
          memory_that_is_short_is_an_error)
