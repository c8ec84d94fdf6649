/* Boxes with labels, drawn on images. */
#ifndef WELD_IMAGES_DRAW_H
#define WELD_IMAGES_DRAW_H

#include "images/image.h"

typedef struct weld_colour {
    uint8_t r, g, b;
} weld_colour;

/* One of twenty that tell apart well, for a class; the same number has always the same. */
weld_colour weld_draw_colour(int number);

/* The box of the edges x1 y1 x2 y2, in pixels, `thickness` pixels wide to the inside, but no more
 * than a tenth of its shorter side. Above its upper left corner, or as near as the label is wholly
 * in the image, the label, NULL or "" for none: in letters as many times larger than the font's as
 * `thickness` says, but so that it is at most twice as wide as the box and fits into the image;
 * smaller than the font's they do not become. What lies beyond the image is not drawn; a box
 * without area is a line. */
void weld_draw_box(weld_image *image, double x1, double y1, double x2, double y2,
                   weld_colour colour, int thickness, const char *label);

#endif
