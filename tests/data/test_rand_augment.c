#include <math.h>
#include <string.h>

#include "data/rand_augment.h"
#include "suite.h"

enum { KINDS = WELD_RAND_AUGMENT_KINDS, DRAWS = 200000 };

static weld_rand_augment parse(const char *text) {
    weld_rand_augment r;
    weld_error err = {0};
    ck_assert_msg(weld_rand_augment_parse(text, &r, &err) == WELD_OK, "%s", err.message);
    return r;
}

static int draw(const weld_rand_augment *r, int image, weld_operation *operations) {
    weld_random random = weld_random_start(11, 0, (uint64_t)image, WELD_RANDOM_TEST);
    return weld_rand_augment_draw(r, &random, operations);
}

START_TEST(all_sections_of_a_configuration_are_read) {
    weld_rand_augment r = parse("rand");
    ck_assert(r.magnitude == 10 && r.count == 2 && r.magnitude_max == 10 && r.magnitude_std == 0 &&
              r.probability == 0.5 && !r.increasing && !r.weighted);
    r = parse("rand-m9-mstd0.5-inc1");
    ck_assert(r.magnitude == 9 && r.count == 2 && r.magnitude_std == 0.5 && r.increasing);
    r = parse("rand-inc0-w0-n3-mmax30-p.25-mstd1.5-m15");
    ck_assert(r.magnitude == 15 && r.count == 3 && r.magnitude_max == 30 &&
              r.magnitude_std == 1.5 && r.probability == 0.25 && !r.increasing && r.weighted);
    ck_assert(isinf(parse("rand-mstdinf").magnitude_std));
    ck_assert(isinf(parse("rand-mstd101").magnitude_std));
    ck_assert(parse("rand-mstd100").magnitude_std == 100);
    ck_assert_int_eq(parse("none").count, 0);
    ck_assert_int_eq(parse("").count, 0);
}
END_TEST

START_TEST(errors_name_the_section) {
    static const char *const cases[][2] = {
        {"augmix-m5", "'augmix-m5': this version has RandAugment only: give rand with its "
                      "sections, as in rand-m9-mstd0.5-inc1, or none"},
        {"random", "'random': this version has"},
        {"rand-", "'' is no section of RandAugment"},
        {"rand-m9-tweights", "'tweights' is no section of RandAugment"},
        {"rand-m", "'m': m takes a whole number, as in m9"},
        {"rand-m9.5", "'m9.5': m takes a whole number, as in m9"},
        {"rand-m9x", "'m9x': m takes a whole number, as in m9"},
        {"rand-m 9", "'m 9': m takes a whole number, as in m9"},
        {"rand-mstd", "'mstd': mstd takes a number, as in mstd0.5"},
        {"rand-mstdnan", "'mstdnan': mstd takes a number"},
        {"rand-m101", "'m101': m must be in 0..100"},
        {"rand-minf", "'minf': m must be in 0..100"},
        {"rand-n0", "'n0': n must be in 1..15"},
        {"rand-n16", "'n16': n must be in 1..15"},
        {"rand-p1.5", "'p1.5': p must be in 0..1"},
        {"rand-mmax0", "'mmax0': mmax must be in 1..100"},
        {"rand-inc2", "'inc2': inc must be in 0..1"},
        {"rand-w1", "'w1': w must be in 0..0"},
        {"rand-m9-n2-m8", "'m8': m was given before"},
        {"rand-w0-n14", "n14: with w0 there are 13 operations to draw"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_rand_augment r;
        weld_error err = {0};
        ck_assert_int_eq(weld_rand_augment_parse(cases[i][0], &r, &err), WELD_ERROR_ARGUMENT);
        ck_assert_msg(strstr(err.message, cases[i][1]) == err.message, "%s: %s", cases[i][0],
                      err.message);
    }
}
END_TEST

/* 15 kinds with equal chance: standard deviation of each count 158, of the pairs 112. */
START_TEST(operations_are_drawn_evenly_and_with_replacement) {
    const weld_rand_augment r = parse("rand-m9-mstd0.5-inc1-p1");
    weld_operation o[KINDS];
    int counts[2][KINDS] = {{0}}, same = 0;
    for (int i = 0; i < DRAWS; i++) {
        ck_assert_int_eq(draw(&r, i, o), 2);
        counts[0][o[0].kind]++;
        counts[1][o[1].kind]++;
        same += o[0].kind == o[1].kind;
    }
    for (int k = 0; k < KINDS; k++) {
        ck_assert_int_lt(abs(counts[0][k] - DRAWS / KINDS), 6 * 112);
        ck_assert_int_lt(abs(counts[1][k] - DRAWS / KINDS), 6 * 112);
    }
    ck_assert_int_lt(abs(same - DRAWS / KINDS), 6 * 112);
}
END_TEST

START_TEST(each_is_applied_with_its_probability) {
    static const struct {
        const char *text;
        double probability;
    } cases[] = {{"rand", 0.5}, {"rand-p0.2", 0.2}, {"rand-p0", 0}, {"rand-p1-n2", 1}};
    for (int k = 0; k < 4; k++) {
        const weld_rand_augment r = parse(cases[k].text);
        weld_operation o[KINDS];
        int counts[3] = {0};
        const double p = cases[k].probability;
        const double expected[3] = {(1 - p) * (1 - p), 2 * p * (1 - p), p * p};
        for (int i = 0; i < DRAWS; i++) {
            counts[draw(&r, i, o)]++;
        }
        for (int n = 0; n < 3; n++) {
            double deviation = sqrt(expected[n] * (1 - expected[n]) / DRAWS);
            ck_assert_double_le(fabs((double)counts[n] / DRAWS - expected[n]), 6 * deviation);
        }
    }
}
END_TEST

static bool has_sign(weld_operation_kind kind) {
    return kind == WELD_OPERATION_ROTATE || kind >= WELD_OPERATION_COLOR;
}

/* The magnitude that an argument was made of, from the kinds where it can be told. */
static double magnitude_of(const weld_operation *o) {
    switch (o->kind) {
    case WELD_OPERATION_ROTATE:
        return fabs(o->argument) / 3;
    case WELD_OPERATION_SHEAR_X:
    case WELD_OPERATION_SHEAR_Y:
        return fabs(o->argument) / 0.03;
    case WELD_OPERATION_TRANSLATE_X:
    case WELD_OPERATION_TRANSLATE_Y:
        return fabs(o->argument) / 0.045;
    default:
        return NAN;
    }
}

typedef struct moments {
    double mean, variance, highest, at_highest; /* at_highest: share of draws */
} moments;

static moments magnitudes(const char *text) {
    const weld_rand_augment r = parse(text);
    static double values[2 * DRAWS];
    weld_operation o[KINDS];
    int n = 0;
    moments m = {0};
    for (int i = 0; i < DRAWS; i++) {
        int count = draw(&r, i, o);
        for (int k = 0; k < count; k++) {
            double value = magnitude_of(&o[k]);
            if (!isnan(value)) {
                values[n++] = value;
                m.highest = fmax(m.highest, value);
            }
        }
    }
    ck_assert_int_gt(n, DRAWS / 2);
    for (int i = 0; i < n; i++) {
        m.mean += values[i] / n;
        m.at_highest += (values[i] > m.highest - 1e-9) / (double)n;
    }
    for (int i = 0; i < n; i++) {
        m.variance += (values[i] - m.mean) * (values[i] - m.mean) / n;
    }
    return m;
}

START_TEST(magnitudes_are_normal_and_clamped) {
    moments m = magnitudes("rand-m9-mstd0.5-inc1-p1");
    /* Of min(10, x): what lies above 10, two standard deviations out, is cut off. */
    ck_assert_double_eq_tol(m.mean, 9 - 0.5 * 0.008491, 6 * 0.5 / sqrt(130000));
    ck_assert_double_eq_tol(m.at_highest, 0.02275, 6 * sqrt(0.02275 / 130000));
    ck_assert_double_eq_tol(m.variance, 0.25 * 0.9769, 0.008);
    ck_assert_double_eq_tol(m.highest, 10, 1e-9);
    m = magnitudes("rand-m9-mstd0.5-mmax30-p1");
    ck_assert_double_eq_tol(m.mean, 9, 6 * 0.5 / sqrt(130000));
    ck_assert_double_eq_tol(m.variance, 0.25, 0.008);
    ck_assert_double_gt(m.highest, 10.5);
    m = magnitudes("rand-m9-mstdinf-p1");
    ck_assert_double_eq_tol(m.mean, 4.5, 6 * 2.6 / sqrt(130000));
    ck_assert_double_eq_tol(m.variance, 81.0 / 12, 0.15);
    ck_assert_double_lt(m.highest, 9);
    m = magnitudes("rand-m25-p1");
    ck_assert_double_eq_tol(m.mean, 10, 1e-9);
}
END_TEST

START_TEST(signs_and_filters_are_even) {
    const weld_rand_augment r = parse("rand-m9-mstd0.5-inc1-p1");
    weld_operation o[KINDS];
    int counts[KINDS] = {0}, less[KINDS] = {0}, cubic[KINDS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        for (int k = draw(&r, i, o) - 1; k >= 0; k--) {
            bool blends =
                o[k].kind >= WELD_OPERATION_COLOR && o[k].kind <= WELD_OPERATION_SHARPNESS;
            counts[o[k].kind]++;
            less[o[k].kind] += o[k].argument < (blends ? 1 : 0);
            cubic[o[k].kind] += o[k].filter == WELD_BICUBIC;
        }
    }
    for (int k = 0; k < KINDS; k++) {
        double deviation = 0.5 / sqrt(counts[k]);
        if (has_sign((weld_operation_kind)k)) {
            ck_assert_double_eq_tol((double)less[k] / counts[k], 0.5, 6 * deviation);
        }
        if (k == WELD_OPERATION_ROTATE || k >= WELD_OPERATION_SHEAR_X) {
            ck_assert_double_eq_tol((double)cubic[k] / counts[k], 0.5, 6 * deviation);
        }
    }
}
END_TEST

/* All arguments that a kind is drawn with are the two given. */
static void expect_arguments(const char *text, weld_operation_kind kind, double a, double b) {
    const weld_rand_augment r = parse(text);
    weld_operation o[KINDS];
    int seen = 0;
    for (int i = 0; i < 1000; i++) {
        for (int k = draw(&r, i, o) - 1; k >= 0; k--) {
            if (o[k].kind == kind) {
                bool is_a = fabs(o[k].argument - a) < 1e-12, is_b = fabs(o[k].argument - b) < 1e-12;
                ck_assert_msg(is_a || is_b, "%s: kind %d has %.17g", text, (int)kind,
                              o[k].argument);
                seen |= (is_a ? 1 : 0) | (is_b ? 2 : 0);
            }
        }
    }
    ck_assert_int_eq(seen, 3);
}

START_TEST(arguments_are_those_of_the_recipe) {
    static const struct {
        weld_operation_kind kind;
        double nine[2], decreasing[2], thirty[2];
    } cases[] = {{WELD_OPERATION_ROTATE, {-27, 27}, {-27, 27}, {-90, 90}},
                 {WELD_OPERATION_POSTERIZE, {1, 1}, {3, 3}, {-8, -8}},
                 {WELD_OPERATION_SOLARIZE, {26, 26}, {230, 230}, {0, 0}},
                 {WELD_OPERATION_SOLARIZE_ADD, {99, 99}, {99, 99}, {128, 128}},
                 {WELD_OPERATION_COLOR, {0.19, 1.81}, {1.72, 1.72}, {0.1, 3.7}},
                 {WELD_OPERATION_CONTRAST, {0.19, 1.81}, {1.72, 1.72}, {0.1, 3.7}},
                 {WELD_OPERATION_BRIGHTNESS, {0.19, 1.81}, {1.72, 1.72}, {0.1, 3.7}},
                 {WELD_OPERATION_SHARPNESS, {0.19, 1.81}, {1.72, 1.72}, {0.1, 3.7}},
                 {WELD_OPERATION_SHEAR_X, {-0.27, 0.27}, {-0.27, 0.27}, {-0.9, 0.9}},
                 {WELD_OPERATION_SHEAR_Y, {-0.27, 0.27}, {-0.27, 0.27}, {-0.9, 0.9}},
                 {WELD_OPERATION_TRANSLATE_X, {-0.405, 0.405}, {-0.405, 0.405}, {-1.35, 1.35}},
                 {WELD_OPERATION_TRANSLATE_Y, {-0.405, 0.405}, {-0.405, 0.405}, {-1.35, 1.35}},
                 {WELD_OPERATION_INVERT, {0, 0}, {0, 0}, {0, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_arguments("rand-m9-inc1-p1", cases[i].kind, cases[i].nine[0], cases[i].nine[1]);
        expect_arguments("rand-m9-inc0-p1", cases[i].kind, cases[i].decreasing[0],
                         cases[i].decreasing[1]);
        expect_arguments("rand-m30-mmax30-inc1-p1", cases[i].kind, cases[i].thirty[0],
                         cases[i].thirty[1]);
    }
}
END_TEST

START_TEST(weighted_operations_are_drawn_once_each_by_their_weights) {
    const weld_rand_augment one = parse("rand-w0-n1-p1"), all = parse("rand-w0-n13-p1");
    weld_operation o[KINDS];
    int counts[KINDS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        ck_assert_int_eq(draw(&one, i, o), 1);
        counts[o[0].kind]++;
    }
    ck_assert_double_eq_tol((double)counts[WELD_OPERATION_ROTATE] / DRAWS, 0.3, 0.0062);
    ck_assert_double_eq_tol((double)counts[WELD_OPERATION_SHEAR_Y] / DRAWS, 0.2, 0.0054);
    ck_assert_double_eq_tol((double)counts[WELD_OPERATION_COLOR] / DRAWS, 0.025, 0.0021);
    ck_assert_double_eq_tol((double)counts[WELD_OPERATION_EQUALIZE] / DRAWS, 0.005, 0.00095);
    for (int i = 0; i < 1000; i++) {
        bool seen[KINDS] = {false};
        ck_assert_int_eq(draw(&all, i, o), 13);
        for (int k = 0; k < 13; k++) {
            ck_assert(!seen[o[k].kind]);
            seen[o[k].kind] = true;
        }
        ck_assert(!seen[WELD_OPERATION_POSTERIZE] && !seen[WELD_OPERATION_INVERT]);
    }
}
END_TEST

RUN_SUITE("data/rand_augment", all_sections_of_a_configuration_are_read, errors_name_the_section,
          operations_are_drawn_evenly_and_with_replacement, each_is_applied_with_its_probability,
          magnitudes_are_normal_and_clamped, signs_and_filters_are_even,
          arguments_are_those_of_the_recipe,
          weighted_operations_are_drawn_once_each_by_their_weights)
