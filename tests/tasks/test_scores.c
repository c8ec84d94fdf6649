/* top-1, top-5 and loss by hand. */
#include <math.h>

#include "tasks/classification/scores.h"
#include "suite.h"

static void count(weld_scores *s, const float *logits, int64_t classes, int32_t label) {
    weld_image_score image = weld_image_score_of(logits, classes, label);
    weld_scores_count(s, &image);
}

START_TEST(top1_top5_and_loss_are_those_counted_by_hand) {
    const float logits[3][6] = {{0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}};
    const int32_t labels[3] = {5, 1, 0}; /* first, fifth, sixth */
    weld_scores s = {0};
    for (int i = 0; i < 3; i++) {
        count(&s, logits[i], 6, labels[i]);
    }
    ck_assert_int_eq(s.images, 3);
    ck_assert_double_eq_tol(weld_scores_top1(&s), 100.0 / 3, 1e-12);
    ck_assert_double_eq_tol(weld_scores_top5(&s), 200.0 / 3, 1e-12);
    double sum = 0;
    for (int j = 0; j < 6; j++) {
        sum += exp(j);
    }
    ck_assert_double_eq_tol(weld_scores_loss(&s), log(sum) - 2.0, 1e-12);
}
END_TEST

START_TEST(of_equal_logits_the_lower_class_wins) {
    const float logits[3] = {1, 1, 1};
    const int32_t first = 0, second = 1;
    weld_scores s = {0};
    count(&s, logits, 3, first);
    ck_assert_int_eq(s.top1, 1);
    count(&s, logits, 3, second);
    ck_assert_int_eq(s.top1, 1);
    ck_assert_int_eq(s.top5, 2);
}
END_TEST

START_TEST(logits_that_are_not_numbers_are_never_right) {
    const float own[6] = {NAN, 0, 0, 0, 0, 0}, all[6] = {NAN, NAN, NAN, NAN, NAN, NAN},
                large[6] = {1e30f, -1e30f, 0, 0, 0, 0};
    const int32_t label = 0;
    weld_scores s = {0};
    count(&s, own, 6, label);
    count(&s, all, 6, label);
    ck_assert_int_eq(s.top1, 0);
    ck_assert_int_eq(s.top5, 0);
    s = (weld_scores){0};
    count(&s, large, 6, label);
    ck_assert_double_eq(weld_scores_loss(&s), 0);
}
END_TEST

START_TEST(no_images_score_nothing) {
    weld_scores s = {0};
    ck_assert_double_eq(weld_scores_top1(&s), 0);
    ck_assert_double_eq(weld_scores_loss(&s), 0);
}
END_TEST

RUN_SUITE("tasks/scores", top1_top5_and_loss_are_those_counted_by_hand,
          of_equal_logits_the_lower_class_wins, logits_that_are_not_numbers_are_never_right,
          no_images_score_nothing)
