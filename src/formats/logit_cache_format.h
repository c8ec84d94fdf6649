/* What a distillation cache (logit_cache.h) is made of, which its writer and its reader share. */
#ifndef WELD_FORMATS_LOGIT_CACHE_FORMAT_H
#define WELD_FORMATS_LOGIT_CACHE_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

/* Texts of the metadata, beside those in logit_cache.h. */
#define WELD_CACHE_FORMAT "weld.format"
#define WELD_CACHE_FORMAT_IS "weld distillation cache 1"
#define WELD_CACHE_CLASSES "weld.classes"
#define WELD_CACHE_VALUES "weld.values"
#define WELD_CACHE_LOG_PROBABILITIES "log_probabilities"
#define WELD_CACHE_LOGITS "logits"

/* Tensors. */
#define WELD_CACHE_LOGIT_ROWS "logits"
#define WELD_CACHE_CLASS_ROWS "classes"
#define WELD_CACHE_CHECKS "checks"

enum { WELD_CACHE_CHECK_BYTES = 4 };

/* The check of row `row` of the file, from the bytes that it has there. */
static inline uint32_t weld_cache_check(uint64_t row, const void *classes, size_t class_bytes,
                                        const void *logits, size_t logit_bytes) {
    const XXH64_hash_t of_classes = XXH3_64bits_withSeed(classes, class_bytes, row);
    return (uint32_t)XXH3_64bits_withSeed(logits, logit_bytes, of_classes);
}

#endif
