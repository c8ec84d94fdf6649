/* Allocation: aligned, overflow-checked, and able to fail on purpose in tests. */
#ifndef WELD_BASE_MEMORY_H
#define WELD_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WELD_ALIGNMENT 64 /* bytes: a cache line and one AVX-512 vector */

/* count * size zeroed bytes aligned to WELD_ALIGNMENT; NULL when the product overflows or memory
 * is short. Never returns NULL for count 0. Release with weld_free. */
void *weld_alloc(size_t count, size_t size);

/* As weld_alloc, but the contents are undefined (for arenas that are written before being read). */
void *weld_alloc_raw(size_t count, size_t size);

/* Grow to new_count elements keeping the first old_count; the added ones are zero. On failure NULL
 * is returned and `old` stays valid. */
void *weld_grow(void *old, size_t old_count, size_t new_count, size_t size);

/* Copy of a string or of `size` bytes; NULL when memory is short. */
char *weld_strdup(const char *text);
void *weld_memdup(const void *data, size_t size);

void weld_free(void *pointer);

/* *out = a * b (or a + b); false, and *out untouched, when the result does not fit. */
bool weld_mul_size(size_t a, size_t b, size_t *out);
bool weld_add_size(size_t a, size_t b, size_t *out);

/* The least multiple of `step` that is not below `size`; for memory, WELD_ALIGNMENT is the step. It
 * must fit. */
static inline size_t weld_round_up(size_t size, size_t step) {
    return (size + step - 1) / step * step;
}

/* For tests: the allocation after `successes` further ones fails, and so does every later one until
 * it is called with a negative number. Counts over all threads. */
void weld_memory_fail_after(long successes);

#endif
