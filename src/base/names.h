/* Which of many things has a name: a hash table. */
#ifndef WELD_BASE_NAMES_H
#define WELD_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Start with all zero. */
typedef struct weld_names {
    struct weld_name_slot *slots;
    size_t size, count;
} weld_names;

/* Room for one more, so that weld_names_put cannot fail; false when memory is short. */
bool weld_names_make_room(weld_names *n);
/* The name must be new, and outlive the table, as a thing of number `index`. */
void weld_names_put(weld_names *n, const char *name, size_t index);
/* The number; SIZE_MAX: there is no such name. */
size_t weld_names_find(const weld_names *n, const char *name);
void weld_names_free(weld_names *n);

#endif
