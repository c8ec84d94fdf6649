/* Allocation; see memory.h. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_long allocations_left = -1; /* negative: never fail on purpose */

void weld_memory_fail_after(long successes) {
    atomic_store(&allocations_left, successes);
}

static bool must_fail(void) {
    long left = atomic_load_explicit(&allocations_left, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak(&allocations_left, &left, left - 1)) {
            return false;
        }
    }
    return left == 0;
}

bool weld_mul_size(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

bool weld_add_size(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

#ifdef MADV_HUGEPAGE
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 8 << 20 };

/* In pages of 2 MB where the kernel gives them on request: what streams through an arena of
 * ordinary pages stops at the end of each, which costs a tenth of a training step. */
static void *allocate_huge(size_t bytes) {
    if (bytes > SIZE_MAX - HUGE_PAGE) {
        return NULL;
    }
    const size_t padded = weld_round_up(bytes, HUGE_PAGE);
    void *pointer = aligned_alloc(HUGE_PAGE, padded);
    if (pointer) {
        (void)madvise(pointer, padded, MADV_HUGEPAGE); /* a wish: refusal costs speed alone */
    }
    return pointer;
}
#endif

void *weld_alloc_raw(size_t count, size_t size) {
    size_t bytes;
    if (must_fail() || !weld_mul_size(count, size, &bytes) || bytes > SIZE_MAX - WELD_ALIGNMENT) {
        return NULL;
    }
    bytes = weld_round_up(bytes, WELD_ALIGNMENT);
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_FROM) {
        return allocate_huge(bytes);
    }
#endif
    return aligned_alloc(WELD_ALIGNMENT, bytes ? bytes : WELD_ALIGNMENT);
}

void *weld_alloc(size_t count, size_t size) {
    void *pointer = weld_alloc_raw(count, size);
    if (pointer) {
        memset(pointer, 0, count * size);
    }
    return pointer;
}

void *weld_grow(void *old, size_t old_count, size_t new_count, size_t size) {
    void *grown = weld_alloc(new_count, size);
    if (grown && old) {
        memcpy(grown, old, (old_count < new_count ? old_count : new_count) * size);
        weld_free(old);
    }
    return grown;
}

void *weld_memdup(const void *data, size_t size) {
    void *copy = weld_alloc_raw(size, 1);
    if (copy && size) {
        memcpy(copy, data, size);
    }
    return copy;
}

char *weld_strdup(const char *text) {
    return weld_memdup(text, strlen(text) + 1);
}

void weld_free(void *pointer) {
    free(pointer);
}
