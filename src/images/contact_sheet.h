/* Contact sheets: a network's inputs side by side as a person can look at them. */
#ifndef WELD_IMAGES_CONTACT_SHEET_H
#define WELD_IMAGES_CONTACT_SHEET_H

#include "images/image.h"
#include "weld/image.h"

/* Where things are on a sheet, in pixels. Cell i is in row i / columns and column i % columns; its
 * image begins at (x0 + column * step_x, y0 + row * step_y), its caption below. */
typedef struct weld_sheet_layout {
    int columns, rows;
    int scale; /* each pixel of an image is a square of scale x scale */
    int x0, y0, step_x, step_y;
    int width, height; /* of the sheet */
} weld_sheet_layout;

/* The sheet of n images of size x size; columns is brought to at most n. Images smaller than 112
 * pixels are enlarged by the least whole number that makes them that large. The caption with most
 * lines, at most 8, decides for all. WELD_ERROR_ARGUMENT for a sheet of more than WELD_MAX_PIXELS.
 */
weld_status weld_sheet_layout_make(int size, int64_t n, int columns, const char *const *captions,
                                   weld_sheet_layout *out, weld_error *err);

/* Draw images [n, s, s, 3], s = preprocessing->input_size, normalised floats, which are brought
 * back to 0..255 with mean and std (clipped; NaN is black). sizes: NULL, or n of them: image i is
 * [s, s, 3] with s = sizes[i], and cells are made for the largest. captions: NULL, or n texts, each
 * NULL or lines parted by '\n'; what does not fit is cut off at the edge of the image, what is not
 * ASCII is
 * '?'. n and columns are at least 1. */
weld_status weld_contact_sheet(const weld_preprocessing *preprocessing, const float *images,
                               const int *sizes, const char *const *captions, int64_t n,
                               int columns, weld_image *out, weld_error *err);

#endif
