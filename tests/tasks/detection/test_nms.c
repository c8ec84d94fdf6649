/* Non-maximum suppression by hand, and against its definition. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "tasks/detection/nms.h"
#include "suite.h"

/* A box, its score, its class. */
typedef struct box {
    float at[4], score;
    int class_index;
} box;

enum { MOST = 8, CLASSES = 3 };

/* The boxes that stay, as a text of their numbers. */
static const char *kept(const box *in, int count, const weld_nms_options *o) {
    static char text[64];
    float boxes[MOST][4], scores[MOST][CLASSES] = {{0}};
    weld_array out = {.element = sizeof(weld_detection)};
    for (int i = 0; i < count; i++) {
        memcpy(boxes[i], in[i].at, sizeof boxes[i]);
        scores[i][in[i].class_index] = in[i].score;
    }
    ck_assert_int_eq(weld_nms(o, boxes[0], scores[0], count, CLASSES, &out, NULL), WELD_OK);
    *text = '\0';
    for (size_t k = 0; k < out.count; k++) {
        const weld_detection *d = (const weld_detection *)out.data + k;
        for (int i = 0; i < count; i++) {
            if (memcmp(&d->x1, in[i].at, sizeof in[i].at) == 0 &&
                d->class_index == in[i].class_index && d->score == in[i].score) {
                snprintf(text + strlen(text), sizeof text - strlen(text), "%d", i + 1);
                break;
            }
        }
    }
    weld_array_free(&out);
    return text;
}

static weld_nms_options with_iou(double iou) {
    weld_nms_options o = weld_nms_for_evaluation();
    o.iou = iou;
    return o;
}

START_TEST(a_box_goes_where_its_iou_is_above_the_threshold_and_stays_at_it) {
    const box half[] = {{{0, 0, 10, 10}, 0.9f, 0}, {{0, 0, 10, 5}, 0.8f, 0}};
    weld_nms_options o = with_iou(0.5);
    ck_assert_str_eq(kept(half, 2, &o), "12");
    o = with_iou(0.49);
    ck_assert_str_eq(kept(half, 2, &o), "1");
}
END_TEST

/* Neighbours have an IoU of 3/7, the ends of 1/9. */
START_TEST(a_box_that_went_suppresses_nothing) {
    const box chain[] = {
        {{0, 0, 10, 10}, 0.9f, 0}, {{4, 0, 14, 10}, 0.8f, 0}, {{8, 0, 18, 10}, 0.7f, 0}};
    weld_nms_options o = with_iou(0.4);
    ck_assert_str_eq(kept(chain, 3, &o), "13");
    o = with_iou(0.45);
    ck_assert_str_eq(kept(chain, 3, &o), "123");
}
END_TEST

START_TEST(of_twins_the_first_stays_and_of_classes_each) {
    const box twins[] = {{{0, 0, 10, 10}, 0.5f, 1}, {{0, 0, 10, 11}, 0.5f, 1}};
    const box classes[] = {{{0, 0, 10, 10}, 0.5f, 2}, {{0, 0, 10, 10}, 0.6f, 0}};
    weld_nms_options o = with_iou(0.7);
    ck_assert_str_eq(kept(twins, 2, &o), "1");
    ck_assert_str_eq(kept(classes, 2, &o), "21");
    o.agnostic = true;
    ck_assert_str_eq(kept(classes, 2, &o), "2");
}
END_TEST

START_TEST(boxes_of_no_area_stay) {
    const box empty[] = {{{3, 3, 3, 9}, 0.9f, 0}, {{3, 3, 3, 9}, 0.8f, 0}, {{0, 0, 9, 9}, 0.7f, 0}};
    const weld_nms_options o = with_iou(0);
    weld_array out = {.element = sizeof(weld_detection)};
    float boxes[3][4];
    for (int i = 0; i < 3; i++) {
        memcpy(boxes[i], empty[i].at, sizeof boxes[i]);
    }
    ck_assert_int_eq(weld_nms(&o, boxes[0], (float[]){0.9f, 0.8f, 0.7f}, 3, 1, &out, NULL),
                     WELD_OK);
    ck_assert_uint_eq(out.count, 3);
    weld_array_free(&out);
}
END_TEST

/* One anchor: as several classes, as its best; scores at the confidence are not above it. */
START_TEST(a_box_is_every_class_or_its_best) {
    const float anchor[4] = {0, 0, 4, 4}, scores[4] = {0.25f, 0.75f, 0.5f, 0.75f};
    weld_nms_options o = weld_nms_for_answers();
    weld_array out = {.element = sizeof(weld_detection)};
    ck_assert_int_eq(weld_nms(&o, anchor, scores, 1, 4, &out, NULL), WELD_OK);
    ck_assert_uint_eq(out.count, 1);
    ck_assert_int_eq(((weld_detection *)out.data)->class_index, 1);
    out.count = 0;
    o.every_class = true;
    ck_assert_int_eq(weld_nms(&o, anchor, scores, 1, 4, &out, NULL), WELD_OK);
    const int expected[] = {1, 3, 2};
    ck_assert_uint_eq(out.count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(((weld_detection *)out.data)[i].class_index, expected[i]);
    }
    weld_array_free(&out);
}
END_TEST

START_TEST(what_is_not_finite_is_an_error) {
    float boxes[2][4] = {{0, 0, 4, 4}, {0, 0, NAN, 4}}, scores[2] = {0.5f, 0};
    const weld_nms_options o = weld_nms_for_evaluation();
    weld_array out = {.element = sizeof(weld_detection)};
    weld_error err;
    ck_assert_int_eq(weld_nms(&o, boxes[0], scores, 2, 1, &out, &err), WELD_OK);
    scores[1] = 0.5f;
    ck_assert_int_eq(weld_nms(&o, boxes[0], scores, 2, 1, &out, &err), WELD_ERROR_NUMERIC);
    scores[0] = NAN;
    ck_assert_int_eq(weld_nms(&o, boxes[0], scores, 2, 1, &out, &err), WELD_ERROR_NUMERIC);
    weld_array_free(&out);
}
END_TEST

/* --- Against the definition --- */

typedef struct set {
    int64_t anchors, classes;
    float *boxes, *scores;
} set;

/* Scores of `levels` different values, so that many are equal. */
static set draw(uint64_t seed, int64_t anchors, int64_t classes, uint32_t levels, double room) {
    set s = {anchors, classes, weld_alloc_raw((size_t)anchors * 4, sizeof(float)),
             weld_alloc_raw((size_t)(anchors * classes), sizeof(float))};
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    ck_assert(s.boxes && s.scores);
    for (int64_t a = 0; a < anchors; a++) {
        float *b = s.boxes + a * 4;
        b[0] = (float)weld_random_range(&r, 0, room);
        b[1] = (float)weld_random_range(&r, 0, room);
        b[2] = b[0] + (float)weld_random_range(&r, 0, 80);
        b[3] = b[1] + (float)weld_random_range(&r, 0, 80);
    }
    for (int64_t i = 0; i < anchors * classes; i++) {
        s.scores[i] = (float)(1 + weld_random_below(&r, levels)) / (float)levels;
    }
    return s;
}

static void release(set *s) {
    weld_free(s->boxes);
    weld_free(s->scores);
}

typedef struct pair {
    float score;
    int64_t anchor, class_index;
} pair;

static int by_score(const void *a, const void *b) {
    const pair *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    if (x->anchor != y->anchor) {
        return x->anchor < y->anchor ? -1 : 1;
    }
    return (x->class_index > y->class_index) - (x->class_index < y->class_index);
}

static double iou_of(const float *a, const float *b) {
    const double w = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    const double h = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    const double i = w > 0 && h > 0 ? w * h : 0;
    return i / (((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]) +
                ((double)b[2] - (double)b[0]) * ((double)b[3] - (double)b[1]) - i);
}

/* Sort all pairs, cut them, and let each suppress all that follow. */
static void expect_definition(const set *s, const weld_nms_options *o) {
    const int64_t all = s->anchors * s->classes;
    int64_t count = 0, found = 0;
    pair *pairs = weld_alloc((size_t)all, sizeof *pairs);
    bool *gone = weld_alloc((size_t)all, sizeof *gone);
    weld_array out = {.element = sizeof(weld_detection)};
    ck_assert_int_eq(weld_nms(o, s->boxes, s->scores, s->anchors, s->classes, &out, NULL), WELD_OK);
    ck_assert(pairs && gone);
    for (int64_t i = 0; i < all; i++) {
        if ((double)s->scores[i] > o->confidence) {
            pairs[count++] = (pair){s->scores[i], i / s->classes, i % s->classes};
        }
    }
    qsort(pairs, (size_t)count, sizeof *pairs, by_score);
    count = count < o->candidates ? count : o->candidates;
    for (int64_t i = 0; i < count && found < o->kept; i++) {
        if (gone[i]) {
            continue;
        }
        ck_assert_uint_lt((size_t)found, out.count);
        const weld_detection *d = (const weld_detection *)out.data + found++;
        ck_assert_int_eq(d->class_index, pairs[i].class_index);
        ck_assert_float_eq(d->score, pairs[i].score);
        ck_assert(memcmp(&d->x1, s->boxes + pairs[i].anchor * 4, 4 * sizeof(float)) == 0);
        for (int64_t k = i + 1; k < count; k++) {
            gone[k] = gone[k] || ((o->agnostic || pairs[k].class_index == pairs[i].class_index) &&
                                  iou_of(s->boxes + pairs[i].anchor * 4,
                                         s->boxes + pairs[k].anchor * 4) > o->iou);
        }
    }
    ck_assert_uint_eq(out.count, (size_t)found);
    weld_free(pairs);
    weld_free(gone);
    weld_array_free(&out);
}

START_TEST(random_sets_are_as_the_definition_says) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        set s = draw(seed, 1 + (int64_t)seed * 7, 1 + (int64_t)(seed % 6), seed % 2 ? 20 : 1 << 20,
                     200);
        weld_nms_options o = with_iou((double)(seed % 10) / 10 + 0.033);
        o.confidence = 0.3;
        o.agnostic = seed % 3 == 0;
        o.candidates = seed % 4 == 0 ? 50 : 30000;
        o.kept = seed % 5 == 0 ? 20 : 300;
        expect_definition(&s, &o);
        release(&s);
    }
}
END_TEST

/* Of more pairs than are looked at; and of so many classes that their index would cost
 * coordinates their precision, were it added to them. */
START_TEST(many_pairs_and_many_classes_are_as_the_definition_says) {
    set s = draw(1, 2000, 80, 1 << 20, 560);
    weld_nms_options o = weld_nms_for_evaluation();
    expect_definition(&s, &o);
    release(&s);
    s = draw(2, 20, 1203, 1 << 20, 30);
    o.kept = 30000;
    expect_definition(&s, &o);
    release(&s);
}
END_TEST

/* 672,000 of each image: in random order, and in the worst for choosing the first, scores that
 * rise, so that each pair is better than all before. No limit of time may leave some out. */
START_TEST(all_pairs_of_a_network_that_knows_nothing_come_to_an_end) {
    const weld_nms_options o = weld_nms_for_evaluation();
    set s = draw(3, 8400, 80, 1 << 20, 560);
    expect_definition(&s, &o);
    for (int64_t i = 0; i < s.anchors * s.classes; i++) {
        s.scores[i] = 0.01f + 0.9f * (float)i / (float)(s.anchors * s.classes);
    }
    expect_definition(&s, &o);
    release(&s);
}
END_TEST

START_TEST(nothing_in_nothing_out_and_too_much_is_refused) {
    const weld_nms_options o = weld_nms_for_evaluation();
    weld_array out = {.element = sizeof(weld_detection)};
    weld_error err;
    ck_assert_int_eq(weld_nms(&o, NULL, NULL, 0, 80, &out, NULL), WELD_OK);
    ck_assert_uint_eq(out.count, 0);
    ck_assert_int_eq(weld_nms(&o, NULL, NULL, 1 << 20, 1 << 20, &out, &err), WELD_ERROR_ARGUMENT);
}
END_TEST

START_TEST(a_lack_of_memory_is_told) {
    set s = draw(4, 50, 3, 1 << 20, 200);
    const weld_nms_options o = weld_nms_for_evaluation();
    weld_array out = {.element = sizeof(weld_detection)};
    weld_error err;
    for (long i = 0; i < 2; i++) {
        weld_memory_fail_after(i);
        ck_assert_int_eq(weld_nms(&o, s.boxes, s.scores, 50, 3, &out, &err), WELD_ERROR_MEMORY);
        weld_memory_fail_after(-1);
    }
    weld_array_free(&out);
    release(&s);
}
END_TEST

RUN_SUITE("tasks/detection/nms", a_box_goes_where_its_iou_is_above_the_threshold_and_stays_at_it,
          a_box_that_went_suppresses_nothing, of_twins_the_first_stays_and_of_classes_each,
          boxes_of_no_area_stay, a_box_is_every_class_or_its_best, what_is_not_finite_is_an_error,
          random_sets_are_as_the_definition_says,
          many_pairs_and_many_classes_are_as_the_definition_says,
          all_pairs_of_a_network_that_knows_nothing_come_to_an_end,
          nothing_in_nothing_out_and_too_much_is_refused, a_lack_of_memory_is_told)
