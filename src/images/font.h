/* A small bitmap font for captions: printable ASCII, each character 5 x 8 pixels. */
#ifndef WELD_IMAGES_FONT_H
#define WELD_IMAGES_FONT_H

#include <stdbool.h>

enum { WELD_FONT_WIDTH = 5, WELD_FONT_HEIGHT = 8 };

/* Is there ink at (x, y)? What is no printable ASCII looks like '?'. */
bool weld_font_ink(unsigned char character, int x, int y);

#endif
