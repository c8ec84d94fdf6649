/* A small bitmap font for captions, of 5 x 8 pixels a letter: the alphabets of Latin (ASCII,
 * Latin-1, Latin Extended-A, letters with combining marks).
 */
#ifndef WELD_IMAGES_FONT_H
#define WELD_IMAGES_FONT_H

#include <stdbool.h>
#include <stdint.h>

enum { WELD_FONT_WIDTH = 5, WELD_FONT_HEIGHT = 8 };

typedef struct weld_letter {
    uint8_t rows[WELD_FONT_HEIGHT]; /* from the top; bit x: is there ink in column x? */
    bool is_known;                  /* else it is a frame, which stands for what cannot be drawn */
} weld_letter;

/* The first letter of a text in UTF-8, which is not empty, with the marks that follow it; returns
 * what is behind them. A byte that is no UTF-8 is a letter that cannot be drawn. */
const char *weld_font_next(const char *text, weld_letter *out);
static inline bool weld_letter_ink(const weld_letter *l, int x, int y) {
    return l->rows[y] >> x & 1;
}

int weld_font_count(const char *text); /* letters of a text */
bool weld_font_has(const char *text);  /* can all of it be drawn? */

#endif
