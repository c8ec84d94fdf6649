/* What is found in tiles and in all of an image, put together. The image is of 300 x 100 pixels,
 * its tiles of 100 x 100 at 0, 66, 133 and 200. */
#include "suite.h"
#include "tasks/detection/tile_boxes.h"

enum { ALL = -1 };

/* Found in the tile that begins at `tile`, or in all of the image; in pixels of that. */
typedef struct row {
    int tile;
    float x, y, width, height, score;
    int class_index;
} row;

static const weld_tiling tiling = {.side = 100, .overlap = 0.2};
static const int begin[] = {0, 66, 133, 200};

static weld_placement still(int width) {
    return (weld_placement){.width = width, .height = 100, .scale = {1, 1}};
}

/* What is told, by these rules. */
static weld_array merge(const weld_nms_options *o, const row *rows, int count) {
    weld_array found = {.element = 1}, boxes = {.element = sizeof(weld_found_box)};
    for (int t = ALL; t < 4; t++) {
        weld_array here = {.element = sizeof(weld_detection)};
        const weld_placement p = still(t == ALL ? 300 : 100);
        for (int i = 0; i < count; i++) {
            const row *r = &rows[i];
            const weld_detection d = {r->x,     r->y,          r->x + r->width, r->y + r->height,
                                      r->score, r->class_index};
            const weld_found_box b = weld_found_box_of(&d, &p);
            ck_assert(r->tile != t || weld_array_append(&here, &d, 1));
            ck_assert(r->tile != t || t != ALL || weld_array_append(&boxes, &b, 1));
        }
        if (t != ALL) {
            const weld_tile tile = weld_tile_of(&tiling, 300, 100, t);
            ck_assert_int_eq(tile.at.x, begin[t]);
            ck_assert_int_eq(weld_tile_boxes_add(o, &here, &p, &tile, &found, NULL), WELD_OK);
        }
        weld_array_free(&here);
    }
    ck_assert_int_eq(weld_tile_boxes_merge(o, &found, &boxes, NULL), WELD_OK);
    weld_array_free(&found);
    return boxes;
}

/* expected[0..told): rows that are told, in this order. */
static void expect(const weld_nms_options *o, const row *rows, int count, const int *expected,
                   size_t told) {
    weld_array boxes = merge(o, rows, count);
    ck_assert_uint_eq(boxes.count, told);
    for (size_t i = 0; i < told; i++) {
        const weld_found_box *b = &((const weld_found_box *)boxes.data)[i];
        const row *r = &rows[expected[i]];
        ck_assert_double_eq_tol(b->score, r->score, 1e-6);
        ck_assert_double_eq(b->x, (double)r->x + (r->tile == ALL ? 0 : begin[r->tile]));
        ck_assert_double_eq(b->width, (double)r->width);
        ck_assert_int_eq(b->class_index, r->class_index);
    }
    weld_array_free(&boxes);
}

#define EXPECT(options, rows, ...)                                                                 \
    expect(options, rows, sizeof(rows) / sizeof *(rows), (const int[]){__VA_ARGS__},               \
           sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

START_TEST(a_thing_in_two_tiles_is_told_once_and_in_pixels_of_the_image) {
    const weld_nms_options o = weld_nms_for_answers();
    /* at 72 to 88 of the image in both, and in all of it, not quite */
    const row rows[] = {{0, 72, 40, 16, 20, 0.7F, 1},
                        {1, 6, 40, 16, 20, 0.8F, 1},
                        {ALL, 70, 38, 20, 24, 0.75F, 1},
                        {3, 50, 40, 16, 20, 0.9F, 1}};
    EXPECT(&o, rows, 3, 1);
}
END_TEST

/* A piece of 66 to 100 in the first tile has the higher score, and all of it is in the second. */
START_TEST(a_piece_yields_to_what_is_whole) {
    const weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 88, 40, 12, 20, 0.9F, 1}, {1, 22, 40, 40, 20, 0.5F, 1}};
    EXPECT(&o, rows, 1);
    /* also where its edge is not put to the pixel */
    const row near[] = {{0, 88, 40, 11, 20, 0.9F, 1}, {1, 22, 40, 40, 20, 0.5F, 1}};
    EXPECT(&o, near, 1);
}
END_TEST

START_TEST(a_piece_of_what_is_nowhere_whole_is_told) {
    const weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 40, 40, 60, 20, 0.9F, 1}, {1, 40, 0, 20, 20, 0.5F, 1}};
    EXPECT(&o, rows, 0, 1);
}
END_TEST

/* Larger than tiles: each has a piece of it. */
START_TEST(what_is_larger_than_tiles_is_told_as_all_of_the_image_has_it) {
    const weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 30, 10, 70, 60, 0.9F, 0},
                        {1, 0, 10, 100, 60, 0.9F, 0},
                        {2, 0, 10, 50, 60, 0.9F, 0},
                        {ALL, 30, 10, 153, 60, 0.6F, 0}};
    EXPECT(&o, rows, 3);
}
END_TEST

/* In the first tile's lower right is a small thing on a large one, both whole. */
START_TEST(what_is_whole_and_lies_in_another_is_told) {
    const weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 10, 10, 60, 60, 0.9F, 1}, {ALL, 20, 20, 20, 20, 0.8F, 1}};
    EXPECT(&o, rows, 0, 1);
}
END_TEST

/* The image's own edges cut no more than they did. */
START_TEST(what_ends_with_the_image_is_whole) {
    const weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 0, 0, 20, 20, 0.5F, 1}, {ALL, 0, 0, 60, 60, 0.4F, 1}};
    EXPECT(&o, rows, 0, 1);
}
END_TEST

START_TEST(classes_are_apart_unless_they_are_asked_not_to_be) {
    weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 72, 40, 16, 20, 0.7F, 1}, {1, 6, 40, 16, 20, 0.8F, 0}};
    EXPECT(&o, rows, 1, 0);
    o.agnostic = true;
    EXPECT(&o, rows, 1);
}
END_TEST

/* Within a tile suppression has said what stays. */
START_TEST(boxes_of_one_tile_are_left_to_its_own_suppression) {
    const weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 10, 40, 20, 20, 0.9F, 1}, {0, 14, 40, 20, 20, 0.8F, 1}};
    EXPECT(&o, rows, 0, 1);
    const row apart[] = {{0, 70, 40, 20, 20, 0.9F, 1}, {1, 8, 40, 20, 20, 0.8F, 1}};
    EXPECT(&o, apart, 0);
}
END_TEST

START_TEST(no_more_are_told_than_are_asked_for_and_the_best) {
    weld_nms_options o = weld_nms_for_answers();
    const row rows[] = {{0, 80, 40, 20, 20, 0.95F, 1},
                        {3, 30, 40, 20, 20, 0.7F, 1},
                        {2, 20, 0, 20, 20, 0.8F, 1},
                        {ALL, 10, 0, 20, 20, 0.9F, 1}};
    EXPECT(&o, rows, 0, 3, 2, 1);
    o.kept = 2;
    EXPECT(&o, rows, 0, 3);
    /* A piece of the second, which is not told itself. */
    const row piece[] = {
        {0, 88, 40, 12, 20, 0.9F, 1}, {1, 22, 40, 40, 20, 0.85F, 1}, {1, 70, 0, 20, 20, 0.88F, 1}};
    o.kept = 1;
    EXPECT(&o, piece, 2);
}
END_TEST

/* Far more than candidates: those of the highest scores are still there. */
START_TEST(many_boxes_take_little_memory) {
    weld_nms_options o = weld_nms_for_answers();
    weld_array found = {.element = 1}, boxes = {.element = sizeof(weld_found_box)};
    const weld_placement p = still(100);
    o.candidates = 10;
    for (int t = 0; t < 1000; t++) {
        const float x = (float)(t % 9) * 10 + 4, score = (float)(t * 7 % 1000 + 1) / 1001;
        const weld_detection d = {x, 40, x + 5, 45, score, t % 11};
        const weld_tile tile = {{100 * t, 0, 100, 100}, 100000, 100, t};
        weld_array here = {.element = sizeof d};
        ck_assert(weld_array_append(&here, &d, 1));
        ck_assert_int_eq(weld_tile_boxes_add(&o, &here, &p, &tile, &found, NULL), WELD_OK);
        weld_array_free(&here);
    }
    ck_assert_uint_le(found.capacity, 64 * 100);
    ck_assert_int_eq(weld_tile_boxes_merge(&o, &found, &boxes, NULL), WELD_OK);
    ck_assert_uint_ge(boxes.count, 10);
    for (size_t i = 0; i < 10; i++) {
        ck_assert_double_eq_tol(((const weld_found_box *)boxes.data)[i].score,
                                (1000.0 - (double)i) / 1001, 1e-6);
    }
    weld_array_free(&found);
    weld_array_free(&boxes);
}
END_TEST

RUN_SUITE("tasks/detection/tile_boxes",
          a_thing_in_two_tiles_is_told_once_and_in_pixels_of_the_image,
          a_piece_yields_to_what_is_whole, a_piece_of_what_is_nowhere_whole_is_told,
          what_is_larger_than_tiles_is_told_as_all_of_the_image_has_it,
          what_is_whole_and_lies_in_another_is_told, what_ends_with_the_image_is_whole,
          classes_are_apart_unless_they_are_asked_not_to_be,
          boxes_of_one_tile_are_left_to_its_own_suppression,
          no_more_are_told_than_are_asked_for_and_the_best, many_boxes_take_little_memory)
