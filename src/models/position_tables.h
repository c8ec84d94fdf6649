/* Tables of positions: parameters with an entry for each head, query and key, whose shape depends
 * on the size of the images. For another size they are resized: bicubic, over the grid of queries
 * and over that of keys. */
#ifndef WELD_MODELS_POSITION_TABLES_H
#define WELD_MODELS_POSITION_TABLES_H

#include "weld/tensor.h"

/* A table [heads, height x width of queries, height x width of keys], both grids row-major. */
typedef struct weld_position_grids {
    int64_t heads;
    int64_t queries[2], keys[2]; /* height, width */
} weld_position_grids;

weld_shape weld_position_shape(const weld_position_grids *grids);

/* `to` gets `from` resized; both f32. In each of the four directions, an entry of the new grid is
 * the cubic convolution (Keys 1981, with a = -0.75) of the four entries around its place in the old
 * one, whose first and last entry go on outside; places are as PyTorch's interpolate with
 * align_corners=False has them, and there is no smoothing where the grid becomes smaller. */
weld_status weld_position_resize(const weld_position_grids *from, const float *x,
                                 const weld_position_grids *to, float *y, weld_error *err);

#endif
