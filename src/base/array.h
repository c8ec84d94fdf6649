/* An array that grows as elements are appended. */
#ifndef WELD_BASE_ARRAY_H
#define WELD_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Start with {.element = sizeof(type)}; `data` is the elements, one after the other. */
typedef struct weld_array {
    void *data;
    size_t count, capacity, element;
} weld_array;

/* Append `count` elements; false, and nothing changed, when memory is short. */
bool weld_array_append(weld_array *a, const void *elements, size_t count);
/* Append a text with its ending zero to an array of bytes. */
bool weld_array_append_text(weld_array *a, const char *text);
/* Releases the elements; the array is empty then and may be used again. */
void weld_array_free(weld_array *a);

#endif
