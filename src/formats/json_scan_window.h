/* The part of a file that a scan has in memory, or the text that it is of, and its characters; see
 * json_scan.h. */
#ifndef WELD_FORMATS_JSON_SCAN_WINDOW_H
#define WELD_FORMATS_JSON_SCAN_WINDOW_H

#include "formats/json_scan.h"

enum { WELD_SCAN_WINDOW = 1 << 18 }; /* bytes */

struct weld_scan {
    const char *path;
    weld_error *err; /* may be NULL */
    weld_status status;
    int descriptor;    /* -1: of a text */
    uint64_t size, at; /* of the file; of window[0] in it */
    size_t next, filled;
    size_t longest; /* bytes that a text in quotes may have */
    bool first;     /* the next key or element is the first of its object or list */
    weld_text text;
    const unsigned char *window; /* the buffer, or the text */
    unsigned char buffer[];      /* of a file: WELD_SCAN_WINDOW bytes */
};

/* The next part of the file; false at its end and after errors. */
bool weld_scan_refill(weld_scan *s);

/* The next character, without taking it; -1: the end, or an error. */
static inline int weld_scan_character(weld_scan *s) {
    return s->next < s->filled || weld_scan_refill(s) ? s->window[s->next] : -1;
}

static inline int weld_scan_past_space(weld_scan *s) {
    int c;
    while ((c = weld_scan_character(s)) == ' ' || c == '\n' || c == '\r' || c == '\t') {
        s->next++;
    }
    return s->status ? -1 : c;
}

/* Take the next number, which is one as JSON has it. Is it a whole number of 64 bits, written with
 * digits alone? Then *whole is set, else *value. */
bool weld_scan_is_whole(weld_scan *s, int64_t *whole, double *value);
/* An error of what comes next, in whose place `what` is expected. */
void weld_scan_expected(weld_scan *s, const char *what);
/* Take true, false or null: t, f, n; 0: an error. */
char weld_scan_word(weld_scan *s);
/* The character c, past space; false: an error. */
bool weld_scan_take(weld_scan *s, int c, const char *what);

#endif
