/* What is kept of an unfinished distillation cache (logit_cache.h) when it is gone on with. */
#ifndef WELD_FORMATS_LOGIT_CACHE_KEPT_H
#define WELD_FORMATS_LOGIT_CACHE_KEPT_H

#include "formats/logit_cache_header.h"

/* *whole: how many of the first `rows` rows, one after the other, are what their checks say. The
 * file's name is for errors. */
weld_status weld_cache_count_whole(int descriptor, const char *name, const weld_cache_places *at,
                                   int64_t rows, int64_t *whole, weld_error *err);
/* unknown[count]: of which of the first `count` rows, of so many bytes a class, nothing is known.
 */
weld_status weld_cache_find_unknown(int descriptor, const char *name, const weld_cache_places *at,
                                    size_t class_bytes, int64_t count, bool *unknown,
                                    weld_error *err);

#endif
