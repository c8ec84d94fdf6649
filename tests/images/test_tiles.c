/* Tiles of images. */
#include "images/tiles.h"
#include "suite.h"

static void expect(const weld_tiling *t, int width, int height, int64_t number, int x, int y, int w,
                   int h) {
    const weld_tile tile = weld_tile_of(t, width, height, number);
    ck_assert_int_eq(tile.at.x, x);
    ck_assert_int_eq(tile.at.y, y);
    ck_assert_int_eq(tile.at.width, w);
    ck_assert_int_eq(tile.at.height, h);
    ck_assert_int_eq(tile.image_width, width);
    ck_assert_int_eq(tile.image_height, height);
    ck_assert_int_eq(tile.number, number);
}

START_TEST(tiles_are_spread_from_edge_to_edge) {
    const weld_tiling t = {.side = 100, .overlap = 0.2};
    ck_assert_int_eq(weld_tile_count(&t, 260, 180), 6);
    expect(&t, 260, 180, 0, 0, 0, 100, 100);
    expect(&t, 260, 180, 1, 80, 0, 100, 100);
    expect(&t, 260, 180, 5, 160, 80, 100, 100);
    ck_assert_int_eq(weld_tile_count(&t, 261, 60), 4); /* one more, and all lie closer */
    expect(&t, 261, 60, 1, 53, 0, 100, 60);
    expect(&t, 261, 60, 3, 161, 0, 100, 60);
}
END_TEST

START_TEST(an_image_no_larger_than_a_tile_has_none) {
    const weld_tiling t = {.side = 100, .overlap = 0.2}, none = {.side = 0};
    ck_assert_int_eq(weld_tile_count(&t, 100, 100), 0);
    ck_assert_int_eq(weld_tile_count(&t, 101, 3), 2);
    ck_assert_int_eq(weld_tile_count(&none, 5000, 5000), 0);
}
END_TEST

/* What is no longer than the overlap is whole in some tile. */
START_TEST(neighbours_share_at_least_the_overlap) {
    for (int length = 33; length < 300; length++) {
        for (int tenths = 0; tenths < 10; tenths++) {
            const weld_tiling t = {.side = 32, .overlap = tenths / 10.0};
            const int64_t count = weld_tile_count(&t, length, 8);
            int end = 0;
            for (int64_t i = 0; i < count; i++) {
                const weld_rectangle at = weld_tile_of(&t, length, 8, i).at;
                ck_assert_int_le(at.x, i ? end - (int)(t.overlap * 32 + 0.5) : 0);
                end = at.x + at.width;
            }
            ck_assert_int_eq(end, length);
        }
    }
}
END_TEST

RUN_SUITE("images/tiles", tiles_are_spread_from_edge_to_edge,
          an_image_no_larger_than_a_tile_has_none, neighbours_share_at_least_the_overlap)
