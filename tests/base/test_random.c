#include <math.h>

#include "base/random.h"
#include "suite.h"

/* Known answers of the Random123 distribution for philox4x32-10. */
START_TEST(philox_gives_the_published_answers) {
    uint32_t out[4];
    weld_philox((uint32_t[4]){0}, (uint32_t[2]){0}, out);
    ck_assert_uint_eq(out[0], 0x6627e8d5);
    ck_assert_uint_eq(out[1], 0xe169c58d);
    ck_assert_uint_eq(out[2], 0xbc57ac4c);
    ck_assert_uint_eq(out[3], 0x9b00dbd8);
    weld_philox((uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                (uint32_t[2]){0xa4093822, 0x299f31d0}, out);
    ck_assert_uint_eq(out[0], 0xd16cfe09);
    ck_assert_uint_eq(out[1], 0x94fdcceb);
    ck_assert_uint_eq(out[2], 0x5001e420);
    ck_assert_uint_eq(out[3], 0x24126ea1);
}
END_TEST

START_TEST(streams_differ_by_each_of_their_names) {
    weld_random base = weld_random_start(1, 2, 3, WELD_RANDOM_AUGMENT);
    weld_random other[] = {weld_random_start(2, 2, 3, WELD_RANDOM_AUGMENT),
                           weld_random_start(1, 3, 3, WELD_RANDOM_AUGMENT),
                           weld_random_start(1, 2, 4, WELD_RANDOM_AUGMENT),
                           weld_random_start(1, 2, 3, WELD_RANDOM_MIX)};
    uint64_t first = weld_random_u64(&base);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_ne(first, weld_random_u64(&other[i]));
    }
    weld_random again = weld_random_start(1, 2, 3, WELD_RANDOM_AUGMENT);
    ck_assert_uint_eq(first, weld_random_u64(&again));
}
END_TEST

START_TEST(distributions_have_their_moments) {
    weld_random r = weld_random_start(7, 0, 0, WELD_RANDOM_TEST);
    const int n = 200000;
    double u = 0, z = 0, zz = 0, b = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        u += weld_random_uniform(&r);
        double normal = weld_random_normal(&r);
        z += normal;
        zz += normal * normal;
        double beta = weld_random_beta(&r, 0.8, 0.8);
        b += beta;
        bb += beta * beta;
    }
    ck_assert_double_eq_tol(u / n, 0.5, 0.005);
    ck_assert_double_eq_tol(z / n, 0.0, 0.01);
    ck_assert_double_eq_tol(zz / n, 1.0, 0.02);
    ck_assert_double_eq_tol(b / n, 0.5, 0.005);
    /* Beta(a, a) has variance 1 / (4 (2 a + 1)). */
    ck_assert_double_eq_tol(bb / n - 0.25, 1 / (4 * 2.6), 0.003);
}
END_TEST

START_TEST(a_shuffle_is_a_permutation) {
    int64_t order[1000];
    int seen[1000] = {0};
    int moved = 0;
    for (int i = 0; i < 1000; i++) {
        order[i] = i;
    }
    weld_random r = weld_random_start(7, 0, 0, WELD_RANDOM_SHUFFLE);
    weld_random_shuffle(&r, order, 1000);
    for (int i = 0; i < 1000; i++) {
        seen[order[i]]++;
        moved += order[i] != i;
    }
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(seen[i], 1);
    }
    ck_assert_int_gt(moved, 900);
}
END_TEST

RUN_SUITE("base/random", philox_gives_the_published_answers, streams_differ_by_each_of_their_names,
          distributions_have_their_moments, a_shuffle_is_a_permutation)
