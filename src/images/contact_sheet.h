/* Contact sheets: a network's inputs side by side as a person can look at them. */
#ifndef WELD_IMAGES_CONTACT_SHEET_H
#define WELD_IMAGES_CONTACT_SHEET_H

#include "images/image.h"
#include "weld/image.h"

typedef struct weld_sheet_size {
    int height, width;
} weld_sheet_size;

/* Where things are on a sheet, in pixels. Cell i is in row i / columns and column i % columns; its
 * image begins at (x0 + column * step_x, y0 + row * step_y), its caption below. */
typedef struct weld_sheet_layout {
    int columns, rows;
    int scale; /* each pixel of an image is a square of scale x scale */
    int x0, y0, step_x, step_y;
    int width, height; /* of the sheet */
} weld_sheet_layout;

/* The sheet of n images of a size; columns is brought to at most n. Images narrower than 112 pixels
 * are enlarged by the least whole number that makes them that wide. The caption with most
 * lines, at most 8, decides for all. WELD_ERROR_ARGUMENT for a sheet of more than WELD_MAX_PIXELS.
 */
weld_status weld_sheet_layout_make(weld_sheet_size size, int64_t n, int columns,
                                   const char *const *captions, weld_sheet_layout *out,
                                   weld_error *err);

/* Draw images [n, height, width, 3] of the preprocessing, normalised floats, which are brought back
 * to 0..255 with mean and std (clipped; NaN is black). sizes: NULL, or n of them: image i is of
 * sizes[i], and cells are made for the largest. captions: NULL, or n texts, each
 * NULL or lines parted by '\n'; what does not fit is cut off at the edge of the image, what is not
 * ASCII is
 * '?'. n and columns are at least 1. */
weld_status weld_contact_sheet(const weld_preprocessing *preprocessing, const float *images,
                               const weld_sheet_size *sizes, const char *const *captions, int64_t n,
                               int columns, weld_image *out, weld_error *err);

#endif
