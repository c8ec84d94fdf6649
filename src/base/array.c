/* Growing arrays; see array.h. */
#include "base/array.h"

#include <string.h>

#include "base/memory.h"

bool weld_array_append(weld_array *a, const void *elements, size_t count) {
    size_t needed;
    if (!weld_add_size(a->count, count, &needed)) {
        return false;
    }
    if (needed > a->capacity || !a->data) {
        size_t capacity = a->capacity < 64 ? 64 : a->capacity + a->capacity / 2;
        capacity = capacity < needed ? needed : capacity;
        void *grown = weld_grow(a->data, a->count, capacity, a->element);
        if (!grown) {
            return false;
        }
        a->data = grown;
        a->capacity = capacity;
    }
    if (count) {
        memcpy((char *)a->data + a->count * a->element, elements, count * a->element);
    }
    a->count = needed;
    return true;
}

bool weld_array_append_text(weld_array *a, const char *text) {
    return weld_array_append(a, text, strlen(text) + 1);
}

void weld_array_free(weld_array *a) {
    weld_free(a->data);
    a->data = NULL;
    a->count = a->capacity = 0;
}
