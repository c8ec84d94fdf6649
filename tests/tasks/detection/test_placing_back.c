/* From an image to a network's input and back: where a letterbox puts things, and that nothing is
 * lost on the way. */
#include <math.h>

#include "tasks/detection/coco.h"
#include "suite.h"

static weld_transform letterbox(int height, int width) {
    weld_transform t;
    weld_preprocessing p = weld_preprocessing_of(32);
    p.height = height;
    p.width = width;
    p.resize = WELD_FIT_LETTERBOX;
    p.crop_fraction = 1;
    p.interpolation = WELD_BILINEAR;
    ck_assert_int_eq(weld_transform_init(&t, &p, NULL, NULL), WELD_OK);
    return t;
}

/* A box of an image, as a perfect network would find it in its input. */
static weld_detection seen(const weld_box *b, const weld_placement *p) {
    return (weld_detection){(float)(b->x * p->scale[0] + p->shift[0]),
                            (float)(b->y * p->scale[1] + p->shift[1]),
                            (float)((b->x + b->width) * p->scale[0] + p->shift[0]),
                            (float)((b->y + b->height) * p->scale[1] + p->shift[1]),
                            0.9f,
                            b->class_index};
}

typedef struct known {
    int width, height, input_width, input_height;
    int new_width, new_height, left, top;
} known;

/* round(side * ratio), halves to the even one, and half of what is left on either side, the larger
 * half behind: as YOLO's programs place a photo. The last is a size at which many have the inverse
 * wrong for want of rounding: 1571 times 1280 / 3775 is 532.68. */
START_TEST(a_letterbox_is_that_of_yolo) {
    const known cases[] = {
        {640, 480, 640, 640, 640, 480, 0, 80},    {500, 375, 640, 640, 640, 480, 0, 80},
        {427, 640, 640, 640, 427, 640, 106, 0},   {333, 500, 640, 640, 426, 640, 107, 0},
        {1920, 1080, 640, 640, 640, 360, 0, 140}, {3775, 1571, 1280, 1280, 1280, 533, 0, 373},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const known *k = &cases[i];
        const weld_transform t = letterbox(k->input_height, k->input_width);
        const weld_placement p = weld_transform_evaluation_placement(&t, k->width, k->height);
        ck_assert_double_eq_tol(p.scale[0] * k->width, k->new_width, 1e-9);
        ck_assert_double_eq_tol(p.scale[1] * k->height, k->new_height, 1e-9);
        ck_assert_double_eq(p.shift[0], k->left);
        ck_assert_double_eq(p.shift[1], k->top);
    }
}
END_TEST

static void expect_back(const weld_transform *t, int width, int height) {
    const weld_box whole = {0, 0, width, height, 1, 0, 0};
    const weld_placement p = weld_transform_evaluation_placement(t, width, height);
    const weld_detection d = seen(&whole, &p);
    const weld_found_box back = weld_found_box_of(&d, &p);
    /* The image's edges are whole pixels of the input. */
    ck_assert_float_eq(d.x1, roundf(d.x1));
    ck_assert_float_eq(d.y2, roundf(d.y2));
    ck_assert_msg(fabs(back.x) < 1e-3 && fabs(back.y) < 1e-3 && fabs(back.width - width) < 1e-3 &&
                      fabs(back.height - height) < 1e-3,
                  "%d x %d comes back as %g, %g, %g x %g", width, height, back.x, back.y,
                  back.width, back.height);
}

START_TEST(corners_of_images_of_every_size_come_back) {
    const int others[] = {1, 2, 7, 333, 640, 1571, 2000};
    const weld_transform inputs[] = {letterbox(640, 640), letterbox(384, 672), letterbox(160, 160)};
    for (int side = 1; side <= 2000; side++) {
        for (int i = 0; i < 3; i++) {
            for (int k = 0; k < 7; k++) {
                expect_back(&inputs[i], side, others[k]);
                expect_back(&inputs[i], others[k], side);
            }
        }
    }
}
END_TEST

START_TEST(points_in_between_come_back_to_a_thousandth_of_a_pixel) {
    const weld_transform t = letterbox(640, 640);
    for (int i = 0; i < 20000; i++) {
        const int width = 1 + i * 7919 % 4000, height = 1 + i * 104729 % 3000;
        const double x = (i % 101) / 101.0 * width, y = (i % 103) / 103.0 * height;
        const weld_box b = {x, y, (width - x) / 2, (height - y) / 3, 1, 0, 0};
        const weld_placement p = weld_transform_evaluation_placement(&t, width, height);
        const weld_detection d = seen(&b, &p);
        const weld_found_box back = weld_found_box_of(&d, &p);
        ck_assert_double_eq_tol(back.x, b.x, 1e-3);
        ck_assert_double_eq_tol(back.y, b.y, 1e-3);
        ck_assert_double_eq_tol(back.width, b.width, 1e-3);
        ck_assert_double_eq_tol(back.height, b.height, 1e-3);
    }
}
END_TEST

/* In sizes that are odd by one, at which width and height are easily rounded or swapped wrong. */
START_TEST(objects_that_are_found_where_they_are_come_to_an_ap_of_1) {
    const int sizes[][2] = {{641, 480}, {639, 481}, {1919, 1081},
                            {333, 501}, {501, 333}, {97, 641}};
    const weld_transform t = letterbox(640, 640);
    weld_array record = {.element = 1};
    weld_coco *c;
    ck_assert_int_eq(weld_coco_create(2, &c, NULL), WELD_OK);
    for (int i = 0; i < 6; i++) {
        const int w = sizes[i][0], h = sizes[i][1];
        const weld_box truth[] = {{0, 0, w / 3.0, h / 2.0, 1e4, 0, 0},
                                  {w / 2.0, h / 3.0, w / 2.0, h * 2 / 3.0, 2e4, 1, 0},
                                  {w - 17, h - 13, 17, 13, 221, 0, 0}};
        const weld_placement p = weld_transform_evaluation_placement(&t, w, h);
        weld_found_box found[3];
        for (int k = 0; k < 3; k++) {
            const weld_detection d = seen(&truth[k], &p);
            found[k] = weld_found_box_of(&d, &p);
        }
        record.count = 0;
        ck_assert_int_eq(weld_coco_measure(truth, 3, found, 3, &record, NULL), WELD_OK);
        ck_assert_int_eq(weld_coco_count(c, i, record.data, record.count, NULL), WELD_OK);
    }
    const weld_coco_result *r = weld_coco_finish(c);
    ck_assert_double_eq_tol(r->figures[WELD_COCO_AP], 1, 1e-12);
    ck_assert_double_eq_tol(r->figures[WELD_COCO_AR100], 1, 1e-12);
    weld_coco_free(c);
    weld_array_free(&record);
}
END_TEST

START_TEST(boxes_are_cut_off_at_the_image_and_follow_a_flip) {
    const weld_placement p = {
        .width = 100, .height = 50, .scale = {2, 2}, .shift = {10, 20}, .cell = {0, 0, 220, 140}};
    const weld_placement flipped = {
        .width = 100, .height = 50, .scale = {-2, 2}, .shift = {210, 20}, .cell = {0, 0, 220, 140}};
    const weld_detection d = {0, 0, 30, 400, 0.5f, 3};
    weld_found_box b = weld_found_box_of(&d, &p);
    ck_assert_double_eq(b.x, 0);
    ck_assert_double_eq(b.y, 0);
    ck_assert_double_eq(b.width, 10);
    ck_assert_double_eq(b.height, 50);
    ck_assert_int_eq(b.class_index, 3);
    b = weld_found_box_of(&d, &flipped);
    ck_assert_double_eq(b.x, 90);
    ck_assert_double_eq(b.width, 10);
}
END_TEST

RUN_SUITE("tasks/detection/placing_back", a_letterbox_is_that_of_yolo,
          corners_of_images_of_every_size_come_back,
          points_in_between_come_back_to_a_thousandth_of_a_pixel,
          objects_that_are_found_where_they_are_come_to_an_ap_of_1,
          boxes_are_cut_off_at_the_image_and_follow_a_flip)
