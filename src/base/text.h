/* Text that is put together. One that grows: once memory is short nothing more is added, so that
 * only the end need ask. */
#ifndef WELD_BASE_TEXT_H
#define WELD_BASE_TEXT_H

#include <stdint.h>

#include "base/array.h"

/* A number that a macro stands for, as text. */
#define WELD_STRING(macro) WELD_STRING_OF_(macro)
#define WELD_STRING_OF_(tokens) #tokens

/* Start with WELD_TEXT. */
typedef struct weld_text {
    weld_array bytes;
    bool failed;
} weld_text;

#define WELD_TEXT ((weld_text){.bytes = {.element = 1}})

void weld_text_add(weld_text *t, const char *piece);
void weld_text_add_bytes(weld_text *t, const char *bytes, size_t count);
/* Pieces of up to 255 bytes. */
void weld_text_format(weld_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A name from outside: question marks in place of control characters. */
void weld_text_add_printable(weld_text *t, const char *name);
/* A field of CSV (RFC 4180): in quotes where it needs them. */
void weld_text_add_field(weld_text *t, const char *field);
/* With a zero at its end, or "" where memory was short. */
const char *weld_text_get(weld_text *t);
void weld_text_free(weld_text *t);

/* --- In the caller's room, of which what does not fit is left out ------------------------------
 */

/* Append to a text, which ends within its room of `size` bytes; returns text. */
const char *weld_append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A path as a shell takes it in a command that is printed: in quotes where it needs them. Returns
 * text. */
const char *weld_shell_word(const char *path, char *text, size_t size);
/* "image" of 1, "images" of any other number. */
const char *weld_plural(int64_t count, const char *one, const char *many);
/* Well formed UTF-8, each character by the shortest of its codes, and no halves. */
bool weld_is_utf8(const void *text, size_t bytes);
/* Columns that a text in UTF-8 takes in a terminal: one a character, two of those of East Asia and
 * of pictures, none of a mark on the one before. */
int weld_columns(const char *text);
/* The first line of a text, without its end, cut to `size`; returns where the next one begins. */
const char *weld_take_line(const char *text, char *line, size_t size);
/* "a, b and c", with " and " for `last`; returns text. */
const char *weld_list_text(char *text, size_t size, const char *const *names, size_t count,
                           const char *last);

/* End the line that begins at `line`, in place, at LF, CR or CR LF, as programs of all systems
 * write them; returns where the next one begins, at the text's end its zero. */
char *weld_end_line(char *line);

#endif
