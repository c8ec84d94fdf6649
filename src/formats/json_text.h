/* JSON as text: of trees, and made by hand, what would take hundreds of megabytes as a tree. */
#ifndef WELD_FORMATS_JSON_TEXT_H
#define WELD_FORMATS_JSON_TEXT_H

#include <jansson.h>

#include "base/text.h"

/* A name from outside; one that is not UTF-8, as JSON must be, gets question marks in place of
 * bytes above 126. */
json_t *weld_json_name(const char *name);
json_t *weld_json_number(double x); /* null where it is not finite */
/* The text of a value (jansson's flags), to be released with weld_free; NULL: memory is short.
 * Jansson's own json_dumps loses parts of it there. */
char *weld_json_dump(const json_t *value, size_t flags);
void weld_json_add_name(weld_text *t, const char *name);
/* "key": and the shortest text that reads back to the same number; null where it is not finite. */
void weld_json_add_member(weld_text *t, const char *key, double value);

#endif
