/* What a teacher said of the images of a batch, on its way into a cache: image records
 * (infer/image_records.h) of rows, from the process that asked the teacher to the one that writes.
 */
#ifndef WELD_TEACH_CACHE_ROWS_H
#define WELD_TEACH_CACHE_ROWS_H

#include "data/loader.h"
#include "infer/image_records.h"

/* Rows of so many values. What they are put in has room for `most` of them. */
typedef struct weld_cache_rows {
    int classes, top; /* of a row's logits; and those of them that are kept */
    int64_t most;
    float *values; /* [most, top]: log-probabilities, the largest first */
    int32_t *of;   /* [most, top]: their classes; -1: nothing is known of this image */
    char *row;     /* one of them, as bytes */
} weld_cache_rows;

weld_status weld_cache_rows_create(weld_cache_rows *r, int classes, int top, int64_t most,
                                   weld_error *err);
void weld_cache_rows_free(weld_cache_rows *r); /* accepts one that is zeroed */

/* Append the record of an image: the largest of its logits' log-probabilities. name: of the image,
 * for WELD_ERROR_NUMERIC: a logit is not finite. */
weld_status weld_cache_rows_add(const weld_cache_rows *r, int64_t image, const char *name,
                                const float *logits, weld_array *records, weld_error *err);
/* Put rows of the images from `first` on, `count` of them, in their places in values and of; bad
 * images are told. WELD_ERROR_FORMAT: these are no such records. */
weld_status weld_cache_rows_take(weld_cache_rows *r, const void *records, size_t bytes,
                                 int64_t first, int64_t count, weld_bad_image_function *bad,
                                 void *context, weld_error *err);

#endif
