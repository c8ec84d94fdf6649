/* Tiles: equal squares that cover an image and lie on each other, for networks that would not see
 * what is small in all of it. */
#ifndef WELD_IMAGES_TILES_H
#define WELD_IMAGES_TILES_H

#include "images/image.h"

typedef struct weld_tiling {
    int side;       /* in pixels; 0: there are no tiles */
    double overlap; /* that neighbours have at least, of the side; below 1 */
} weld_tiling;

/* One of an image of that size. */
typedef struct weld_tile {
    weld_rectangle at;
    int image_width, image_height;
    int64_t number;
} weld_tile;

/* How many tiles; 0 where the image is no larger than one, either way. */
int64_t weld_tile_count(const weld_tiling *t, int width, int height);
/* Tile `number`, row by row: as near to the same distance from each other as whole pixels let them,
 * the first and the last at the image's edges. Across a side that is no longer than a tile's, it is
 * that long. */
weld_tile weld_tile_of(const weld_tiling *t, int width, int height, int64_t number);
#endif
