/* top-1, top-5 and loss by hand. */
#include <math.h>

#include "infer/scores.h"
#include "suite.h"

START_TEST(top1_top5_and_loss_are_those_counted_by_hand) {
    const float logits[3][6] = {{0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}};
    const int32_t labels[3] = {5, 1, 0}; /* first, fifth, sixth */
    weld_scores s = {0};
    weld_scores_add(&s, logits[0], 2, 6, labels);
    weld_scores_add(&s, logits[2], 1, 6, labels + 2);
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
    weld_scores_add(&s, logits, 1, 3, &first);
    ck_assert_int_eq(s.top1, 1);
    weld_scores_add(&s, logits, 1, 3, &second);
    ck_assert_int_eq(s.top1, 1);
    ck_assert_int_eq(s.top5, 2);
}
END_TEST

START_TEST(logits_that_are_not_numbers_are_never_right) {
    const float own[6] = {NAN, 0, 0, 0, 0, 0}, all[6] = {NAN, NAN, NAN, NAN, NAN, NAN},
                large[6] = {1e30f, -1e30f, 0, 0, 0, 0};
    const int32_t label = 0;
    weld_scores s = {0};
    weld_scores_add(&s, own, 1, 6, &label);
    weld_scores_add(&s, all, 1, 6, &label);
    ck_assert_int_eq(s.top1, 0);
    ck_assert_int_eq(s.top5, 0);
    s = (weld_scores){0};
    weld_scores_add(&s, large, 1, 6, &label);
    ck_assert_double_eq(weld_scores_loss(&s), 0);
}
END_TEST

START_TEST(no_images_score_nothing) {
    weld_scores s = {0};
    ck_assert_double_eq(weld_scores_top1(&s), 0);
    ck_assert_double_eq(weld_scores_loss(&s), 0);
}
END_TEST

RUN_SUITE("infer/scores", top1_top5_and_loss_are_those_counted_by_hand,
          of_equal_logits_the_lower_class_wins, logits_that_are_not_numbers_are_never_right,
          no_images_score_nothing)
