/* Packing of storages into one stretch of memory; see plan.h.
 *
 * The larger ones come first, each into the gap that it fills best, for which all that are placed
 * are looked through: that takes time by the square of their number. What is left where a network
 * has very many is small, and goes behind: those of one size take each other's places in turn.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/plan.h"

enum { MOST_LOOKED_THROUGH = 8192 /* more than published networks have */ };

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

static void place_best(weld_storage *s, weld_storage **placed, size_t count) {
    s->offset = find_gap(placed, count, s);
    size_t at = count;
    for (; at > 0 && placed[at - 1]->offset > s->offset; at--) {
        placed[at] = placed[at - 1];
    }
    placed[at] = s;
}

static int earlier_first(const void *a, const void *b) {
    const weld_storage *x = *(weld_storage *const *)a, *y = *(weld_storage *const *)b;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x > y) - (x < y);
}

static int done_first(const void *a, const void *b) {
    const weld_storage *x = *(weld_storage *const *)a, *y = *(weld_storage *const *)b;
    return x->last != y->last ? (x->last < y->last ? -1 : 1) : (x > y) - (x < y);
}

/* All of one size, from offset `end` on; returns the offset behind them. `done` has room for as
 * many: those whose life is over leave it at its front, to be followed. */
static size_t place_in_turn(weld_storage **storages, size_t count, weld_storage **done,
                            size_t end) {
    size_t over = 0, left = 0;
    memcpy(done, storages, count * sizeof(weld_storage *));
    qsort(storages, count, sizeof(weld_storage *), earlier_first);
    qsort(done, count, sizeof(weld_storage *), done_first);
    for (size_t i = 0; i < count; i++) {
        weld_storage *s = storages[i];
        while (done[over]->last < s->first) {
            done[left++] = done[over++];
        }
        s->offset = left ? done[--left]->offset : end;
        end = s->offset == end ? end + s->bytes : end;
    }
    return end;
}

size_t weld_place_storages(weld_storage *storages, size_t count, weld_storage **order,
                           weld_storage **placed) {
    size_t total = 0, i = 0;
    for (size_t k = 0; k < count; k++) {
        order[k] = &storages[k];
    }
    qsort(order, count, sizeof *order, larger_first);
    for (; i < count && i < MOST_LOOKED_THROUGH; i++) {
        place_best(order[i], placed, i);
        const size_t end = order[i]->offset + order[i]->bytes;
        total = end > total ? end : total;
    }
    for (size_t next; i < count; i = next) {
        next = i + 1;
        while (next < count && order[next]->bytes == order[i]->bytes) {
            next++;
        }
        total = place_in_turn(order + i, next - i, placed + i, total);
    }
    return total;
}
