/* The header of a distillation cache (logit_cache.h) that weld writes, and where its rows are. */
#ifndef WELD_FORMATS_LOGIT_CACHE_HEADER_H
#define WELD_FORMATS_LOGIT_CACHE_HEADER_H

#include <stdint.h>

#include "base/text.h"
#include "formats/logit_cache.h"

typedef struct weld_cache_places {
    uint64_t checks, classes, logits; /* where they begin in the file */
    uint64_t end;
    size_t class_row, logit_row; /* bytes of a row */
} weld_cache_places;

uint64_t weld_cache_row_count(const weld_cache_layout *l);
/* *h, a WELD_TEXT to be freed in any case: all that is before the rows, which are at *places. */
weld_status weld_cache_header(const weld_cache_layout *l, const weld_cache_texts *texts,
                              weld_text *h, weld_cache_places *places, weld_error *err);

#endif
