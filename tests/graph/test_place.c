/* Places in memory of very many storages, as networks of absurd depths have them. */
#include "base/memory.h"
#include "graph/plan.h"
#include "suite.h"

enum { MANY = 60000, UNIT = 64 };

typedef struct places {
    weld_storage *storages, **order, **placed;
} places;

static places allocate(void) {
    places p = {weld_alloc(MANY, sizeof *p.storages), weld_alloc(MANY, sizeof *p.order),
                weld_alloc(MANY, sizeof *p.placed)};
    ck_assert(p.storages && p.order && p.placed);
    return p;
}

static void release(places *p) {
    weld_free(p->storages);
    weld_free(p->order);
    weld_free(p->placed);
}

static int by_offset(const void *a, const void *b) {
    const weld_storage *x = a, *y = b;
    return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1)
                                  : (x->first > y->first) - (x->first < y->first);
}

/* A layer's value is read by the next one. */
START_TEST(values_that_live_one_after_the_other_take_each_others_places) {
    places p = allocate();
    for (size_t i = 0; i < MANY; i++) {
        p.storages[i] = (weld_storage){.bytes = UNIT, .first = i, .last = i + 1};
    }
    ck_assert_uint_le(weld_place_storages(p.storages, MANY, p.order, p.placed), 4 * UNIT);
    for (size_t i = 1; i < MANY; i++) {
        ck_assert_uint_ne(p.storages[i - 1].offset, p.storages[i].offset);
    }
    release(&p);
}
END_TEST

/* Made on the way forward and read on the way back: all live in the middle. */
START_TEST(values_that_live_together_lie_apart) {
    places p = allocate();
    size_t bytes = 0;
    for (size_t i = 0; i < MANY; i++) {
        const size_t size = UNIT * (1 + i % 5);
        p.storages[i] =
            (weld_storage){.bytes = size, .first = i, .last = i % 7 ? 2 * MANY - i : SIZE_MAX};
        bytes += size;
    }
    ck_assert_uint_eq(weld_place_storages(p.storages, MANY, p.order, p.placed), bytes);
    qsort(p.storages, MANY, sizeof *p.storages, by_offset);
    for (size_t i = 1; i < MANY; i++) {
        const weld_storage *before = &p.storages[i - 1];
        ck_assert_uint_le(before->offset + before->bytes, p.storages[i].offset);
    }
    release(&p);
}
END_TEST

RUN_SUITE("graph/place", values_that_live_one_after_the_other_take_each_others_places,
          values_that_live_together_lie_apart)
