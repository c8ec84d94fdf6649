/* A list of names for a message: as many as fit, and how many there were. */
#ifndef WELD_SERIALIZATION_NAME_LIST_H
#define WELD_SERIALIZATION_NAME_LIST_H

#include <stddef.h>

/* Starts zeroed. */
typedef struct weld_name_list {
    char text[256]; /* "a, b, ..." */
    size_t used, count;
} weld_name_list;

void weld_name_list_add(weld_name_list *list, const char *name);
/* A name from outside, in quotes, cut to 48 bytes, of one line, and a few words behind it or "". */
void weld_name_list_add_quoted(weld_name_list *list, const char *name, const char *behind);

#endif
