/* The check of a row of a distillation cache (logit_cache.h): what its writer and its reader share.
 */
#ifndef WELD_FORMATS_LOGIT_CACHE_CHECK_H
#define WELD_FORMATS_LOGIT_CACHE_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

enum { WELD_CACHE_CHECK_BYTES = 4 };

/* Of row `row` of the file, from the bytes that it has there. */
static inline uint32_t weld_cache_check(uint64_t row, const void *classes, size_t class_bytes,
                                        const void *logits, size_t logit_bytes) {
    const XXH64_hash_t of_classes = XXH3_64bits_withSeed(classes, class_bytes, row);
    return (uint32_t)XXH3_64bits_withSeed(logits, logit_bytes, of_classes);
}

#endif
