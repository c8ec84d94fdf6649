#include <math.h>
#include <string.h>

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

START_TEST(quick_normals_are_normal_and_independent) {
    enum { N = 1 << 20 };
    static float z[N + 1];
    weld_random r = weld_random_start(8, 1, 2, WELD_RANDOM_TEST);
    double moment[5] = {0}, beyond[4] = {0}, next = 0, pair = 0;
    z[N] = 55;
    weld_random_normals(&r, z, N);
    ck_assert_float_eq(z[N], 55);
    for (int i = 0; i < N; i++) {
        double power = 1;
        for (int k = 1; k < 5; k++) {
            moment[k] += power *= z[i];
        }
        for (int k = 1; k < 4; k++) {
            beyond[k] += fabsf(z[i]) > (float)k;
        }
        if (i + 32 < N) { /* the next, and the one made of the same radius where i % 64 < 32 */
            next += (double)z[i] * z[i + 1];
            pair += ((double)z[i] * z[i] - 1) * ((double)z[i + 32] * z[i + 32] - 1);
        }
    }
    ck_assert_double_eq_tol(moment[1] / N, 0, 6 / sqrt(N));
    ck_assert_double_eq_tol(moment[2] / N, 1, 6 * sqrt(2.0 / N));
    ck_assert_double_eq_tol(moment[3] / N, 0, 6 * sqrt(15.0 / N));
    ck_assert_double_eq_tol(moment[4] / N, 3, 6 * sqrt(96.0 / N));
    ck_assert_double_eq_tol(beyond[1] / N, 0.317311, 6 * sqrt(0.217 / N));
    ck_assert_double_eq_tol(beyond[2] / N, 0.045500, 6 * sqrt(0.0434 / N));
    ck_assert_double_eq_tol(beyond[3] / N, 0.002700, 6 * sqrt(0.0027 / N));
    ck_assert_double_eq_tol(next / N, 0, 6 / sqrt(N));
    ck_assert_double_eq_tol(pair / N, 0, 6 * sqrt(4.0 / N));
}
END_TEST

START_TEST(quick_normals_begin_alike_however_many_are_asked_for) {
    float many[200], few[200];
    weld_random r = weld_random_start(8, 1, 2, WELD_RANDOM_TEST);
    weld_random_normals(&r, many, 200);
    for (size_t n = 0; n < 200; n += 9) {
        r = weld_random_start(8, 1, 2, WELD_RANDOM_TEST);
        weld_random_normals(&r, few, n);
        ck_assert_int_eq(memcmp(many, few, n * sizeof *few), 0);
    }
    r = weld_random_start(8, 1, 2, WELD_RANDOM_TEST);
    weld_random_normals(&r, few, 64);
    weld_random_normals(&r, few + 64, 136);
    ck_assert_int_eq(memcmp(many, few, sizeof few), 0);
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
          distributions_have_their_moments, quick_normals_are_normal_and_independent,
          quick_normals_begin_alike_however_many_are_asked_for, a_shuffle_is_a_permutation)
