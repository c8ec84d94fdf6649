/* Things by their names; see names.h. Open addressing, at most half of the slots taken. */
#include "base/names.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

struct weld_name_slot {
    const char *name; /* NULL: free */
    size_t index;
};

/* The slot that holds `name`, or the free one where it belongs. */
static struct weld_name_slot *find_slot(const weld_names *n, const char *name) {
    size_t at = (size_t)(weld_hash_name(name) % n->size);
    while (n->slots[at].name && strcmp(n->slots[at].name, name) != 0) {
        at = at + 1 < n->size ? at + 1 : 0;
    }
    return &n->slots[at];
}

bool weld_names_make_room(weld_names *n) {
    if (2 * n->count < n->size) {
        return true;
    }
    weld_names grown = {.size = n->size ? 2 * n->size : 128, .count = n->count};
    grown.slots = weld_alloc(grown.size, sizeof *grown.slots);
    if (!grown.slots) {
        return false;
    }
    for (size_t i = 0; i < n->size; i++) {
        if (n->slots[i].name) {
            *find_slot(&grown, n->slots[i].name) = n->slots[i];
        }
    }
    weld_free(n->slots);
    *n = grown;
    return true;
}

void weld_names_put(weld_names *n, const char *name, size_t index) {
    *find_slot(n, name) = (struct weld_name_slot){name, index};
    n->count++;
}

size_t weld_names_find(const weld_names *n, const char *name) {
    const struct weld_name_slot *slot = n->size ? find_slot(n, name) : NULL;
    return slot && slot->name ? slot->index : SIZE_MAX;
}

void weld_names_free(weld_names *n) {
    weld_free(n->slots);
    *n = (weld_names){.slots = NULL};
}
