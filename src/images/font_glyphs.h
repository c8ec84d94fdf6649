/* What of the font is drawn by hand; the rest is composed of it (font.c). */
#ifndef WELD_IMAGES_FONT_GLYPHS_H
#define WELD_IMAGES_FONT_GLYPHS_H

#include <stdint.h>

/* Eight rows of five characters, '#' where there is ink, with another between them: of printable
 * ASCII, and of letters of other Latin alphabets that are no letter with a mark. NULL: none. */
const char *weld_font_glyph(uint32_t code);

#endif
