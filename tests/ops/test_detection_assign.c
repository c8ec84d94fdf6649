/* Which anchors are to find which object, by hand. Images of 32 x 32 pixels have centres at 4, 12,
 * 20, 28 (anchors 0 to 15), at 8 and 24 (16 to 19) and at 16 (20). */
#include "ops/detection_net.h"
#include "suite.h"

static const detection_sizes small = {1, 32, 32, 2, 3, 4}, large = {1, 64, 64, 2, 3, 4};

/* Every anchor predicts this box, and all classes alike. */
static void predict(const detection_net *net, const double *box) {
    for (int64_t a = 0; a < detection_get(net, "boxes").shape.dim[1]; a++) {
        detection_set(net, "boxes", a, box);
    }
}

static detection_net make(const detection_sizes *sizes,
                          const weld_detection_loss_options *options) {
    detection_net net = detection_make(WELD_F64, sizes, options, 1, NULL);
    detection_clear_targets(&net);
    return net;
}

static int kind(const detection_net *net, int64_t anchor) {
    return (int)detection_match(net, anchor, WELD_MATCH_CLASS);
}

START_TEST(an_object_gets_the_ten_best_anchors_and_of_equal_ones_the_first) {
    const double whole[] = {0, 0, 32, 32};
    detection_net net = make(&small, NULL);
    predict(&net, whole);
    detection_set(&net, "targets", 0, (double[]){1, 0, 0, 32, 32, 0});
    weld_session_run(net.session, 0);
    for (int64_t a = 0; a < 21; a++) {
        ck_assert_int_eq(kind(&net, a), a < 10 ? 1 : WELD_BACKGROUND);
        ck_assert_double_eq_tol(detection_match(&net, a, WELD_MATCH_SCORE), a < 10, 1e-6);
    }
    /* More sure of the class: better. */
    for (int64_t a = 8; a < 21; a++) {
        detection_set(&net, "classes", a, (double[]){0, 0.001 * (double)a, 0});
    }
    weld_session_run(net.session, 0);
    for (int64_t a = 0; a < 21; a++) {
        ck_assert_int_eq(kind(&net, a), a > 10 ? 1 : WELD_BACKGROUND);
    }
    ck_assert_double_eq(detection_value(&net, "positives", 0), 10);
    ck_assert_double_eq_tol(detection_value(&net, "divisor", 0), 10, 0.02);
    detection_free(&net);
}
END_TEST

/* t = sqrt(p) u^6 over the largest, times the largest u: of anchor 5 1, of anchor 6 with IoU 1/2
 * and centres 4 apart of a diagonal^2 of 512, with another aspect. */
START_TEST(scores_are_by_hand) {
    const double object[] = {8, 8, 24, 24}, half[] = {8, 8, 24, 16};
    const double pi = 3.14159265358979323846, v = 4 / (pi * pi) * pow(pi / 4 - atan(2), 2);
    const double u = 0.5 - 16 / 512. - v * v / (v + 0.5);
    detection_net net = make(&small, NULL);
    detection_set(&net, "boxes", 5, object);
    detection_set(&net, "boxes", 6, half);
    detection_set(&net, "classes", 6, (double[]){0, 0, log(3)}); /* 3/4 against 1/2 */
    detection_set(&net, "targets", 0, (double[]){2, 8, 8, 24, 24, 0});
    weld_session_run(net.session, 0);
    ck_assert_double_eq(detection_value(&net, "positives", 0), 2);
    ck_assert_double_eq_tol(detection_match(&net, 5, WELD_MATCH_SCORE), 1, 1e-6);
    ck_assert_double_eq_tol(detection_match(&net, 6, WELD_MATCH_SCORE), sqrt(1.5) * pow(u, 6),
                            1e-6);
    ck_assert_double_eq_tol(detection_value(&net, "divisor", 0), 1 + sqrt(1.5) * pow(u, 6), 1e-6);
    detection_free(&net);
}
END_TEST

/* Of 4 x 4 pixels between all centres, and of 8 x 8 whose edges lie on them. */
START_TEST(a_tiny_object_between_the_centres_gets_anchors) {
    const double objects[][4] = {{30, 30, 34, 34}, {28, 28, 36, 36}};
    for (int i = 0; i < 2; i++) {
        const double *o = objects[i];
        weld_detection_loss_options plain = weld_detection_loss_defaults(64, 64);
        plain.least_side = 0;
        for (int widened = 0; widened < 2; widened++) {
            detection_net net = make(&large, widened ? NULL : &plain);
            predict(&net, o);
            detection_set(&net, "targets", 2, (double[]){0, o[0], o[1], o[2], o[3], 0});
            weld_session_run(net.session, 0);
            ck_assert_double_eq(detection_value(&net, "objects", 0), 1);
            ck_assert_double_eq(detection_value(&net, "missed", 0), !widened);
            ck_assert_double_eq(detection_value(&net, "positives", 0), widened ? 4 : 0);
            for (int64_t a = 27; widened && a <= 36; a += a == 28 ? 7 : 1) { /* at 28 and 36 */
                ck_assert_int_eq(kind(&net, a), 0);
                ck_assert_double_eq(detection_match(&net, a, 2), o[2]); /* to find it as it is */
            }
            detection_free(&net);
        }
    }
}
END_TEST

/* Wherever in the image it is. */
START_TEST(every_object_has_a_candidate) {
    detection_net net = make(&large, NULL);
    for (int i = 0; i < 600; i++) {
        const double x = 0.5 * (i % 127), y = 0.5 * (i * 7 % 127);
        const double w = fmin(64 - x, 0.5 + i % 23), h = fmin(64 - y, 0.5 + i % 17);
        predict(&net, (double[]){x, y, x + w, y + h});
        detection_set(&net, "targets", 0, (double[]){0, x, y, x + w, y + h, 0});
        weld_session_run(net.session, 0);
        ck_assert_msg(detection_value(&net, "missed", 0) == 0, "%g x %g at %g, %g", w, h, x, y);
    }
    detection_free(&net);
}
END_TEST

START_TEST(of_two_objects_the_better_fitting_gets_the_anchor_and_of_equal_ones_the_first) {
    const double equal[] = {1, 0, 0, 16, 16, 0}, wide[] = {0, 0, 0, 20, 16, 0};
    detection_net net = make(&small, NULL);
    predict(&net, (double[]){0, 0, 16, 16});
    detection_set(&net, "targets", 0, wide);
    detection_set(&net, "targets", 1, equal);
    weld_session_run(net.session, 0);
    const int64_t both[] = {0, 1, 4, 5, 16}; /* centres within 16 x 16 */
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(kind(&net, both[i]), 1);
    }
    detection_set(&net, "targets", 0, (double[]){2, 0, 0, 16, 16, 0}); /* the same box twice */
    weld_session_run(net.session, 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(kind(&net, both[i]), 2);
    }
    ck_assert_double_eq(detection_value(&net, "objects", 0), 2);
    ck_assert_double_eq(detection_value(&net, "missed", 0), 1);
    detection_free(&net);
}
END_TEST

/* Anchor 5 is what the first two objects want most, but the third, which wants anchor 6 more, fits
 * it best: of all objects, not of those that claim it. */
START_TEST(a_disputed_anchor_goes_to_the_best_fitting_of_all_objects) {
    weld_detection_loss_options one = weld_detection_loss_defaults(32, 32);
    one.topk = 1;
    detection_net net = make(&small, &one);
    detection_set(&net, "boxes", 5, (double[]){8, 8, 24, 24});
    detection_set(&net, "boxes", 6, (double[]){8, 8, 24, 24});
    detection_set(&net, "classes", 6, (double[]){-10, -10, 5});
    detection_set(&net, "targets", 0, (double[]){0, 8, 8, 24, 22, 0});
    detection_set(&net, "targets", 1, (double[]){1, 8, 8, 22, 24, 0});
    detection_set(&net, "targets", 3, (double[]){2, 8, 8, 24, 24, 0});
    weld_session_run(net.session, 0);
    ck_assert_int_eq(kind(&net, 5), 2);
    ck_assert_int_eq(kind(&net, 6), 2);
    ck_assert_double_eq(detection_value(&net, "positives", 0), 2);
    ck_assert_double_eq(detection_value(&net, "missed", 0), 2);
    detection_free(&net);
}
END_TEST

START_TEST(background_among_a_crowd_counts_for_nothing) {
    detection_net net = make(&small, NULL);
    detection_set(&net, "targets", 1, (double[]){0, 0, 0, 16, 32, 1}); /* the left half */
    weld_session_run(net.session, 0);
    for (int64_t a = 0; a < 16; a++) {
        ck_assert_int_eq(kind(&net, a), a % 4 < 2 ? WELD_IGNORED : WELD_BACKGROUND);
        ck_assert_double_eq(detection_value(&net, "dclasses", a * 3 + 1), a % 4 < 2 ? 0 : 0.25);
    }
    ck_assert_double_eq(detection_value(&net, "objects", 0), 0);
    ck_assert_double_eq_tol(detection_value(&net, "loss_class", 0), 0.5 * 11 * 3 * log(2), 1e-9);
    /* An object among it is to be found nevertheless. */
    predict(&net, (double[]){0, 0, 16, 16});
    detection_set(&net, "targets", 0, (double[]){2, 0, 0, 16, 16, 0});
    weld_session_run(net.session, 0);
    ck_assert_int_eq(kind(&net, 0), 2);
    ck_assert_int_eq(kind(&net, 16), 2);
    ck_assert_int_eq(kind(&net, 8), WELD_IGNORED);
    ck_assert_double_eq(detection_value(&net, "positives", 0), 5);
    detection_free(&net);
}
END_TEST

START_TEST(parts_of_objects_are_learned_and_not_counted_and_tiny_ones_are_counted_alone) {
    const double whole[] = {1, 0, 0, 16, 16, 0}, cut[] = {2, 16, 16, 32, 32, 2},
                 cut_off[] = {0, 40, 40, 60, 60, 2}, tiny[] = {2, 8, 8, 24, 24, 3};
    detection_net net = make(&small, NULL);
    predict(&net, (double[]){0, 0, 32, 32});
    detection_set(&net, "targets", 0, whole);
    detection_set(&net, "targets", 1, cut);
    weld_session_run(net.session, 0);
    const double loss = detection_value(&net, "total", 0);
    ck_assert_int_eq(kind(&net, 15), 2);
    ck_assert_double_eq(detection_value(&net, "objects", 0), 1);
    ck_assert_double_eq(detection_value(&net, "missed", 0), 0);
    ck_assert_double_eq(detection_value(&net, "positives", 0), 5); /* centres within 16 x 16 */
    detection_set(&net, "targets", 2, cut_off);
    detection_set(&net, "targets", 3, tiny);
    weld_session_run(net.session, 0);
    ck_assert_double_eq(detection_value(&net, "total", 0), loss);
    ck_assert_double_eq(detection_value(&net, "objects", 0), 2);
    ck_assert_double_eq(detection_value(&net, "missed", 0), 1);
    ck_assert_double_eq(detection_value(&net, "positives", 0), 5);
    detection_free(&net);
}
END_TEST

START_TEST(rows_that_are_no_objects_are_passed_over) {
    detection_net net = make(&small, NULL);
    predict(&net, (double[]){0, 0, 32, 32});
    detection_set(&net, "targets", 0, (double[]){-1, 0, 0, 32, 32, 0});
    detection_set(&net, "targets", 1, (double[]){1, 10, 4, 10, 20, 0});  /* no width */
    detection_set(&net, "targets", 2, (double[]){1, 10, 20, 30, 4, 0});  /* upside down */
    detection_set(&net, "targets", 3, (double[]){0, 40, 40, 60, 60, 0}); /* outside */
    weld_session_run(net.session, 0);
    ck_assert_double_eq(detection_value(&net, "objects", 0), 1);
    ck_assert_double_eq(detection_value(&net, "missed", 0), 1);
    ck_assert_double_eq(detection_value(&net, "positives", 0), 0);
    ck_assert(isfinite(detection_value(&net, "total", 0)));
    detection_free(&net);
}
END_TEST

/* A loss that is not a number ends a training with a message. */
START_TEST(what_cannot_be_assigned_makes_the_loss_nan) {
    const double bad[][6] = {{3, 0, 0, 32, 32, 0},
                             {0.5, 0, 0, 32, 32, 0},
                             {1, NAN, 0, 32, 32, 0},
                             {1, 0, 0, INFINITY, 32, 0},
                             {INFINITY, 0, 0, 9, 9, 0}};
    for (int i = 0; i < 6; i++) {
        detection_net net = make(&small, NULL);
        predict(&net, (double[]){0, 0, 32, i < 5 ? 32 : NAN});
        detection_set(&net, "targets", 0, i < 5 ? bad[i] : (double[]){1, 0, 0, 32, 32, 0});
        weld_session_run(net.session, 0);
        ck_assert(isnan(detection_value(&net, "total", 0)));
        detection_free(&net);
    }
}
END_TEST

RUN_SUITE("ops/detection_assign", an_object_gets_the_ten_best_anchors_and_of_equal_ones_the_first,
          scores_are_by_hand, a_tiny_object_between_the_centres_gets_anchors,
          every_object_has_a_candidate,
          of_two_objects_the_better_fitting_gets_the_anchor_and_of_equal_ones_the_first,
          a_disputed_anchor_goes_to_the_best_fitting_of_all_objects,
          background_among_a_crowd_counts_for_nothing, rows_that_are_no_objects_are_passed_over,
          parts_of_objects_are_learned_and_not_counted_and_tiny_ones_are_counted_alone,
          what_cannot_be_assigned_makes_the_loss_nan)
