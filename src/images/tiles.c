/* Tiles of images; see tiles.h. */
#include "images/tiles.h"

/* Along one axis. */
static int64_t count_along(const weld_tiling *t, int length) {
    const int shared = (int)(t->overlap * t->side + 0.5);
    const int step = t->side > shared ? t->side - shared : 1;
    return length <= t->side ? 1 : 1 + ((int64_t)length - t->side + step - 1) / step;
}

static int begin_along(const weld_tiling *t, int length, int64_t i) {
    const int64_t count = count_along(t, length);
    return count == 1 ? 0 : (int)(i * (length - t->side) / (count - 1));
}

int64_t weld_tile_count(const weld_tiling *t, int width, int height) {
    if (t->side < 1 || (width <= t->side && height <= t->side)) {
        return 0;
    }
    return count_along(t, width) * count_along(t, height);
}

weld_tile weld_tile_of(const weld_tiling *t, int width, int height, int64_t number) {
    const int64_t across = count_along(t, width);
    return (weld_tile){
        .at = {begin_along(t, width, number % across), begin_along(t, height, number / across),
               width < t->side ? width : t->side, height < t->side ? height : t->side},
        .image_width = width,
        .image_height = height,
        .number = number};
}
