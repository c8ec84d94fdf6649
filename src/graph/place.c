/* Packing of storages into one stretch of memory; see plan.h. */
#include <stdlib.h>

#include "graph/plan.h"

static int larger_first(const void *a, const void *b) {
    const weld_storage *x = *(weld_storage *const *)a, *y = *(weld_storage *const *)b;
    if (x->bytes != y->bytes) {
        return x->bytes < y->bytes ? 1 : -1;
    }
    return x < y ? -1 : x > y;
}

/* The lowest-waste gap among the storages already placed (sorted by offset) that live at the same
 * time as s. */
static size_t find_gap(weld_storage *const *placed, size_t count, const weld_storage *s) {
    size_t best = SIZE_MAX, best_size = SIZE_MAX, end = 0;
    for (size_t i = 0; i < count; i++) {
        const weld_storage *other = placed[i];
        if (other->last < s->first || s->last < other->first) {
            continue;
        }
        if (other->offset > end) {
            size_t gap = other->offset - end;
            if (gap >= s->bytes && gap < best_size) {
                best = end;
                best_size = gap;
            }
        }
        end = other->offset + other->bytes > end ? other->offset + other->bytes : end;
    }
    return best == SIZE_MAX ? end : best;
}

size_t weld_place_storages(weld_storage *storages, size_t count, weld_storage **order,
                           weld_storage **placed) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        order[i] = &storages[i];
    }
    qsort(order, count, sizeof *order, larger_first);
    for (size_t i = 0; i < count; i++) {
        weld_storage *s = order[i];
        s->offset = find_gap(placed, i, s);
        size_t at = i;
        for (; at > 0 && placed[at - 1]->offset > s->offset; at--) {
            placed[at] = placed[at - 1];
        }
        placed[at] = s;
        size_t end = s->offset + s->bytes;
        total = end > total ? end : total;
    }
    return total;
}
