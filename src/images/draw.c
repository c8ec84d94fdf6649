/* Drawing on images; see draw.h. */
#include "images/draw.h"

#include <math.h>

#include "images/font.h"

/* Of the sets that are usual for this. */
weld_colour weld_draw_colour(int number) {
    static const weld_colour colours[] = {
        {230, 25, 75},   {60, 180, 75},   {0, 130, 200},   {245, 130, 48},  {145, 30, 180},
        {70, 240, 240},  {240, 50, 230},  {210, 245, 60},  {250, 190, 212}, {0, 128, 128},
        {170, 110, 40},  {220, 190, 255}, {128, 0, 0},     {170, 255, 195}, {128, 128, 0},
        {255, 215, 180}, {0, 0, 128},     {128, 128, 128}, {255, 225, 25},  {255, 255, 255}};
    return colours[(unsigned)number % (sizeof colours / sizeof *colours)];
}

/* The part of [x1, x2) x [y1, y2) that lies in the image. */
static void fill(weld_image *image, int x1, int y1, int x2, int y2, weld_colour c) {
    x1 = x1 > 0 ? x1 : 0;
    y1 = y1 > 0 ? y1 : 0;
    x2 = x2 < image->width ? x2 : image->width;
    y2 = y2 < image->height ? y2 : image->height;
    for (int y = y1; y < y2; y++) {
        uint8_t *to = image->pixels + ((size_t)y * (size_t)image->width + (size_t)x1) * 3;
        for (int x = x1; x < x2; x++, to += 3) {
            to[0] = c.r;
            to[1] = c.g;
            to[2] = c.b;
        }
    }
}

/* Black on bright colours, white on dark ones (the luma of BT.601). */
static weld_colour ink_on(weld_colour c) {
    const int luma = 299 * c.r + 587 * c.g + 114 * c.b;
    return luma > 128000 ? (weld_colour){0, 0, 0} : (weld_colour){255, 255, 255};
}

static void write(weld_image *image, int x, int y, const char *text, int scale, weld_colour c) {
    const int step = (WELD_FONT_WIDTH + 1) * scale;
    for (weld_letter letter; *text && x < image->width; x += step) {
        text = weld_font_next(text, &letter);
        for (int v = 0; v < WELD_FONT_HEIGHT; v++) {
            for (int u = 0; u < WELD_FONT_WIDTH; u++) {
                if (weld_letter_ink(&letter, u, v)) {
                    fill(image, x + u * scale, y + v * scale, x + (u + 1) * scale,
                         y + (v + 1) * scale, c);
                }
            }
        }
    }
}

/* To a pixel, and not too far beyond the image for integers, whatever the number. */
enum { BEYOND = 10000 };

static int edge(double v, int size) {
    return (int)lrint(fmin(fmax(v, -BEYOND), (double)size + BEYOND));
}

static int least(int a, int b) {
    return a < b ? a : b;
}

static int most(int a, int b) {
    return a > b ? a : b;
}

/* At the corner left top of a box of this width. */
static void write_label(weld_image *image, int left, int top, int box_width, weld_colour colour,
                        int scale, const char *label) {
    const int letters = (WELD_FONT_WIDTH + 1) * weld_font_count(label) + 1;
    scale = most(1, least(scale, least(2 * box_width, image->width) / letters));
    const int width = letters * scale, height = (WELD_FONT_HEIGHT + 2) * scale;
    const int above = top >= height ? top - height : top;
    const int x = most(0, least(left, image->width - width));
    const int y = most(0, least(above, image->height - height));
    fill(image, x, y, x + width, y + height, colour);
    write(image, x + scale, y + scale, label, scale, ink_on(colour));
}

void weld_draw_box(weld_image *image, double x1, double y1, double x2, double y2,
                   weld_colour colour, int thickness, const char *label) {
    const int left = edge(x1, image->width), right = edge(x2, image->width);
    const int top = edge(y1, image->height), bottom = edge(y2, image->height);
    const int line = most(1, least(thickness, least(right - left, bottom - top) / 10));
    fill(image, left, top, right, top + line, colour);
    fill(image, left, bottom - line, right, bottom, colour);
    fill(image, left, top, left + line, bottom, colour);
    fill(image, right - line, top, right, bottom, colour);
    if (label && *label) {
        write_label(image, left, top, right - left, colour, thickness, label);
    }
}
