/* JSON of moderate length as a tree of jansson's values. Jansson's own reading loses characters,
 * and says what is not so, where an allocation fails; this says that it did. */
#ifndef WELD_FORMATS_JSON_TREE_H
#define WELD_FORMATS_JSON_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "weld/status.h"

/* Why there is no tree. */
typedef struct weld_json_fault {
    weld_status status; /* WELD_ERROR_FORMAT or WELD_ERROR_MEMORY */
    size_t at;          /* byte of the text */
    weld_error what;    /* its message says nothing of where */
} weld_json_fault;

/* The value that a text begins with, and in *used how many bytes it has; where `used` is NULL
 * nothing but white space may follow. To be released with json_decref; NULL: *fault. A key that
 * comes twice is an error, and so is a value more than 200 deep. */
json_t *weld_json_tree(const char *text, size_t size, size_t *used, weld_json_fault *fault);

/* As weld_json_tree of all of a text that ends with a zero. */
json_t *weld_json_tree_of(const char *text, weld_json_fault *fault);

/* json_string, that tells a text that is no UTF-8, whereof `wrong` is set, from short memory. */
json_t *weld_json_utf8(const char *text, bool *wrong);

#endif
