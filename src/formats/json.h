/* Reading JSON from files with every value checked, and writing it.
 *
 * Reading goes through a weld_json, which keeps the first error: after it all functions return
 * something harmless, so that a structure is read without checks and `status` asked at the end.
 */
#ifndef WELD_FORMATS_JSON_H
#define WELD_FORMATS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "weld/status.h"

typedef struct weld_json {
    const char *where; /* in front of messages: file and part of it */
    weld_error *err;   /* may be NULL */
    weld_status status;
} weld_json;

/* Values take up to eighty times the memory of their text. Longer ones, which no network needs, are
 * refused: an object of more than this, a list (of names) of more than four times as much. */
#define WELD_JSON_MAX ((size_t)4 << 20)

/* The object (or list) that a text holds, to be released with json_decref; NULL on an error. */
json_t *weld_json_parse(weld_json *j, const char *text);
json_t *weld_json_parse_list(weld_json *j, const char *text);

/* Set the error unless there is one. */
void weld_json_fail(weld_json *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A member that must be there, of its type and in its range. References are borrowed. */
const char *weld_json_string(weld_json *j, const json_t *object, const char *key); /* or "" */
int64_t weld_json_int(weld_json *j, const json_t *object, const char *key, int64_t min,
                      int64_t max);                                         /* or min */
double weld_json_real(weld_json *j, const json_t *object, const char *key); /* or 0 */
bool weld_json_bool(weld_json *j, const json_t *object, const char *key);
/* An array of min..max elements, or NULL. */
const json_t *weld_json_array(weld_json *j, const json_t *object, const char *key, size_t min,
                              size_t max);
/* Elements of an array that has them; `key` names it in messages. */
int64_t weld_json_int_at(weld_json *j, const json_t *array, size_t i, const char *key, int64_t min,
                         int64_t max);
double weld_json_real_at(weld_json *j, const json_t *array, size_t i, const char *key);
/* Have all members been asked for? The object must have `count` of them. */
void weld_json_no_more(weld_json *j, const json_t *object, size_t count);

/* Append to a list that is being built, and set a member of an object; these take the reference.
 * Where memory is short *list or *object becomes NULL, and stays it. */
void weld_json_append(json_t **list, json_t *value);
void weld_json_set(json_t **object, const char *key, json_t *value);
/* The text of a value that was built (NULL: building it ran out of memory), released with
 * weld_free. Takes the reference. Doubles come back bit for bit. */
weld_status weld_json_text(json_t *value, const char *where, char **text, weld_error *err);

#endif
