/* Reading JSON of any length as a stream: what is not kept takes no memory. For files of
 * annotations, of hundreds of megabytes; others are read as a tree (json.h).
 *
 * The caller walks through the text in its order and says what it expects:
 *
 *     weld_scan_object(s);
 *     for (const char *key; (key = weld_scan_key(s));) {
 *         if (strcmp(key, "id") == 0) id = weld_scan_int(s);
 *         else weld_scan_skip(s);
 *     }
 *
 * The first error is kept, with its place in the file; after it all functions return something
 * harmless and loops end, so that `status` need be asked only once. */
#ifndef WELD_FORMATS_JSON_SCAN_H
#define WELD_FORMATS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "weld/status.h"

typedef struct weld_scan weld_scan;

/* The kinds of values, by their first character. */
typedef enum weld_scan_kind {
    WELD_SCAN_NOTHING, /* an error, or no value */
    WELD_SCAN_OBJECT,
    WELD_SCAN_LIST,
    WELD_SCAN_STRING,
    WELD_SCAN_NUMBER,
    WELD_SCAN_WORD /* true, false, null */
} weld_scan_kind;

/* The file must be a regular one; the path is kept for messages, and must outlive s. */
weld_status weld_scan_open(const char *path, weld_scan **out, weld_error *err);
/* Of a text in memory, which stays the caller's. Errors do not say where. */
weld_status weld_scan_open_text(const char *text, size_t size, weld_scan **out, weld_error *err);
void weld_scan_close(weld_scan *s); /* accepts NULL */
weld_status weld_scan_status(const weld_scan *s);
/* Sets the error unless there is one: "PATH: offset N: ...". */
void weld_scan_fail(weld_scan *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What comes next, without taking it. */
weld_scan_kind weld_scan_peek(weld_scan *s);
/* Take the beginning of an object; then each member's key, which the next call overwrites, and
 * NULL at the end, which is taken. The member's value is to be taken before the next key. */
void weld_scan_object(weld_scan *s);
const char *weld_scan_key(weld_scan *s);
/* Likewise of a list: true as long as there is another element, which is to be taken. */
void weld_scan_list(weld_scan *s);
bool weld_scan_element(weld_scan *s);
/* Values. A number that is no JSON but is written by some as NaN, Infinity or -Infinity is taken as
 * what it says; whole numbers, of 64 bits, may be written as 3.0. */
double weld_scan_number(weld_scan *s);
int64_t weld_scan_int(weld_scan *s);
/* UTF-8 without zero bytes; overwritten by the next call of it and of weld_scan_key. */
const char *weld_scan_string(weld_scan *s);
/* Takes null where that is next, else nothing; whether it was. */
bool weld_scan_null(weld_scan *s);
/* Takes any value; false: it is none of true, false, 1 and 0. */
bool weld_scan_flag(weld_scan *s, bool *out);
/* Any value. Within it brackets and strings are looked at, and nothing else. */
void weld_scan_skip(weld_scan *s);
/* Nothing but white space may follow. */
void weld_scan_end(weld_scan *s);

/* The offset of the next value, and to go on there: back to where tell was. Only within lists and
 * objects that are open now. */
uint64_t weld_scan_tell(weld_scan *s);
void weld_scan_seek(weld_scan *s, uint64_t offset);

#endif
